/*
 * wire/guard_status_p.h - kinds of lines, and how status lines are mended.
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

enum guard_kind {
	GUARD_KIND_OPEN,   /* so far it could be either */
	GUARD_KIND_STATUS, /* or a line that is nothing known */
	GUARD_KIND_DATA,
};

/*
 * What kind of line the first len bytes, one at least, begin. Behind the star libetpan skips
 * blanks, and looks for a status word, whatever follows that.
 */
enum guard_kind guard_line_kind(const char *line, size_t len);

/*
 * Responses that nobody here asked for are kept from libetpan, which has parsers for many
 * extensions and not all of them are sound (ANNOTATION frees what it never set): they lose
 * their first letter, and the catch-all gets them. line is the beginning of one, as much as
 * guard_line_kind needed.
 */
void guard_hide_unknown(char *line, size_t len);

/* The length of the status word that text begins with, in any case; 0 for none. */
size_t guard_status_word(const char *text, size_t len);

/*
 * Appends line, mended and ended by CRLF, to out. line is without its line end; it begins with
 * "* " and a status word, or with a tag, or with '+', or is something else altogether.
 */
void guard_status_mend(
	const char *line, size_t len, struct buf *out, struct guard_status *status_out);

#endif
