/*
 * mail/flags.h - message flags as bits (RFC 9051 section 2.3.2).
 * Called by wire, store, view and fs, on any thread.
 */
#ifndef MOUNTMAIL_MAIL_FLAGS_H
#define MOUNTMAIL_MAIL_FLAGS_H

#include <mountmail/base/buf.h>
#include <stdint.h>

enum mail_flag {
	MAIL_FLAG_SEEN = 1 << 0,
	MAIL_FLAG_ANSWERED = 1 << 1,
	MAIL_FLAG_FLAGGED = 1 << 2,
	MAIL_FLAG_DELETED = 1 << 3,
	MAIL_FLAG_DRAFT = 1 << 4,
	MAIL_FLAG_FORWARDED = 1 << 5, /* $Forwarded */
	MAIL_FLAG_JUNK = 1 << 6,      /* $Junk */
};

/* Appends the names, space-separated, in the order above: "\Seen \Flagged". */
void mail_flags_format(uint32_t flags, struct buf *out);
/* The bit for a keyword such as "$Junk" (any case), 0 when it is none we keep. */
uint32_t mail_flag_from_keyword(const char *keyword);

#endif
