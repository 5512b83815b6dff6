/*
 * view/name.h - file names for messages and folders, and back.
 * Called by tree.c and fs on any thread. Pure functions: no state, no store.
 *
 * A message: 2024-05-03_alice@example.org_Budget-review.1234.eml
 * date (UTC), sender, subject, each cleaned; then the UID, which makes it unique and is all that lookup
 * reads. UTF-8 in NFC, at most NAME_MAX_BYTES, letters, marks, digits and ._-@+=, of any script.
 * A folder: its name, where that can be a file name and is not shaped like a message's; what cannot
 * stand is escaped as %XX, losslessly.
 */
#ifndef MOUNTMAIL_VIEW_NAME_H
#define MOUNTMAIL_VIEW_NAME_H

#include <mountmail/mail/message.h>
#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_BYTES 200

/* name_out gets a NUL-terminated name; returns its length. */
size_t name_of_message(uint32_t uid, int64_t date, const char *sender, const char *subject,
	char name_out[NAME_MAX_BYTES + 1]);

/* The UID in a message's name. Returns false when name is not shaped like one. */
bool name_parse_message(const char *name, uint32_t *uid_out);

/*
 * The file name for a level of a folder's path. A level too long for one keeps its beginning and gets a hash of the
 * whole (then name_parse_folder cannot lead back: see there).
 */
size_t name_of_folder(const char *level, char name_out[NAME_MAX_BYTES + 1]);

/*
 * The level for a folder's file name. Returns 0 (level_out owned); -ENOENT when no level has this
 * name; -E2BIG when it is one with a hash, and the caller must compare with name_of_folder of each.
 */
int name_parse_folder(const char *name, char **level_out);

/* Whether a name may be shown to the kernel at all: the last check before every reply. */
bool name_is_safe(const char *name, size_t len);

#endif
