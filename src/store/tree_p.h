/*
 * store/tree_p.h - a folder and what hangs on it, inside a write transaction.
 * Used by tree.c, batch.c and hidden.c, with the writer's mutex held.
 */
#ifndef MOUNTMAIL_STORE_TREE_P_H
#define MOUNTMAIL_STORE_TREE_P_H

#include "store_p.h"

/* Drops the messages and the bodies' rows of a folder; counters become 0. 0 or -errno. */
int folder_empty(struct store *store, int64_t id);
/*
 * Drops a message and its body's row; the folder's count of messages is the caller's to
 * correct. 1 when it was there, 0, or -errno.
 */
int message_remove(struct store *store, int64_t folder, uint32_t uid);
/*
 * The tag wanted, or the next one that no other folder has in column ("dir_tag",
 * "message_tag"). 0 or -errno.
 */
int folder_free_tag(struct store *store, bool directory, uint32_t wanted, uint32_t *tag_out);
/* What tags are computed from: the levels from the top, '\n' between them. Owned; NULL on
 * failure. */
char *folder_path(struct store *store, int64_t id);

#endif
