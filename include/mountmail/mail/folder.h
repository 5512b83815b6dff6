/*
 * mail/folder.h - a folder as the server lists it (RFC 9051 section 7.3.1).
 * Filled by wire, kept by store. Plain data, no I/O.
 */
#ifndef MOUNTMAIL_MAIL_FOLDER_H
#define MOUNTMAIL_MAIL_FOLDER_H

#include <stdint.h>

enum mail_folder_flag {
	MAIL_FOLDER_NOSELECT = 1 << 0, /* \Noselect or \NonExistent: a directory and nothing else */
	MAIL_FOLDER_INBOX = 1 << 1,
	MAIL_FOLDER_ALL = 1 << 2,      /* special use, RFC 6154 */
	MAIL_FOLDER_ARCHIVE = 1 << 3,
	MAIL_FOLDER_DRAFTS = 1 << 4,
	MAIL_FOLDER_FLAGGED = 1 << 5,
	MAIL_FOLDER_JUNK = 1 << 6,
	MAIL_FOLDER_SENT = 1 << 7,
	MAIL_FOLDER_TRASH = 1 << 8,
	MAIL_FOLDER_IMPLIED = 1 << 9,  /* never listed; made because a child needs a parent */
};

struct mail_folder {
	char *raw;       /* owned; the server's own name, byte for byte, for commands */
	char *path;      /* owned; decoded to UTF-8 where it could be, levels separated by '\n', with
	                    the personal namespace's prefix ("INBOX.") taken off. A level may hold
	                    '/', and be "..": making file names of it is view's business. */
	uint32_t flags;  /* enum mail_folder_flag */
};

void mail_folder_finish(struct mail_folder *folder);

#endif
