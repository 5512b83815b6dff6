/*
 * sync/trash_p.h - which folder is the Trash, and what a removal in a folder comes to.
 * trash_hear while the folders are listed, on the worker's own thread; the rest wherever said.
 */
#ifndef MOUNTMAIL_SYNC_TRASH_P_H
#define MOUNTMAIL_SYNC_TRASH_P_H

#include <mountmail/mail/folder.h>
#include <mountmail/store/folders.h>
#include <stdbool.h>

/* All zero: nothing was heard. */
struct trash {
	char *raw;     /* owned; the server's name of it, NULL: there is none */
	unsigned rank; /* how sure it is; the surest one counts */
};

/*
 * One of the server's folders, shown in the mount or not. wanted: as account_conf.trash.
 * Without \Trash (RFC 6154) a folder of one of the usual names is one: a message that is moved
 * there by mistake can be had back, one that is removed cannot.
 */
void trash_hear(struct trash *trash, const char *wanted, const struct mail_folder *folder);
void trash_finish(struct trash *trash);

/* Whether a folder is the Trash or below it. */
bool trash_holds(
	const char *trash, struct store_reader *reader, const struct store_folder *folder);

#endif
