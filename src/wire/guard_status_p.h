/*
 * wire/guard_status_p.h - status lines, and how they are mended.
 * Called by guard.c (and by tests); one thread.
 *
 * A status line is one that libetpan reads as such: OK, NO, BAD, BYE or PREAUTH behind a tag or
 * a star. What it cannot take (no text, a code with odd arguments) is left out of what is
 * passed up.
 */
#ifndef MOUNTMAIL_WIRE_GUARD_STATUS_P_H
#define MOUNTMAIL_WIRE_GUARD_STATUS_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a status line told that libetpan would lose. */
struct guard_status {
	bool has_uidvalidity;
	uint64_t uidvalidity;
	uint32_t backoff_ms; /* 0 for none */
};

/* The length of the status word that text begins with, in any case; 0 for none. */
size_t guard_status_word(const char *text, size_t len);

/*
 * Appends line, mended and ended by CRLF, to out. line is without its line end; it begins with
 * "* " and a status word, or with a tag, or with '+', or is something else altogether.
 */
void guard_status_mend(
	const char *line, size_t len, struct buf *out, struct guard_status *status_out);

#endif
