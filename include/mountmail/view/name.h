/*
 * view/name.h - file names for messages and folders, and back.
 * Called by tree.c and fs on any thread. Pure functions: no state, no store.
 *
 * A message: 2024-05-03_alice@example.org_Budget-review.1234.eml
 * date (UTC), sender, subject, each cleaned; then the UID, which makes it unique and is all that lookup
 * reads. UTF-8 in NFC, at most NAME_MAX_BYTES, letters, marks, digits and ._-@+=, of any script.
 * A folder: its name as it is, spaces, any script and emoji included, not normalised: bytes decide.
 * Escaped as %XX, byte by byte, is only what cannot stand:
 *   '%' itself; '/'; bytes that are no UTF-8; controls, line separators, bidi controls;
 *   '.' and '-' at the beginning: ls and * pass over the one, so that a copy would miss the
 *   folder without a word, and every program takes the other for an option;
 *   the last '.' of a name that is shaped like a message's ("x.12.eml").
 * Different levels never share a name, and no folder shares one with a message or ".mountmail".
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
 * The file name for a level of a folder's path; returns its length. A level whose name would be
 * longer than NAME_MAX_BYTES keeps its beginning, then "%~" and a 128-bit hash of the whole.
 */
size_t name_of_folder(const char *level, char name_out[NAME_MAX_BYTES + 1]);

/*
 * The level for a folder's file name. Returns 0 (level_out owned); -ENOENT when no level has this
 * name; -E2BIG when it ends in a hash, and the caller must compare with name_of_folder of each.
 */
int name_parse_folder(const char *name, char **level_out);

/*
 * Whether a name may be shown to the kernel at all: the last check before every reply. Sound
 * UTF-8 of at most 255 bytes, not "." or "..", and without what is escaped above wherever it
 * stands: '/', controls, line separators, bidi controls. Both makers of names keep to it.
 */
bool name_is_safe(const char *name, size_t len);

#endif
