/*
 * wire/charset_p.h - from the character sets that mail uses to UTF-8.
 * Called by header_word.c and header.c in the wire process; one thread.
 */
#ifndef MOUNTMAIL_WIRE_CHARSET_P_H
#define MOUNTMAIL_WIRE_CHARSET_P_H

#include <mountmail/base/buf.h>
#include <stddef.h>

struct charset;

/*
 * Opens all the converters there will ever be: iconv loads files, which the sandbox forbids,
 * and what is not on our list is not asked of it (some of its rarer modules have a history of
 * holes). Idempotent; about 5 ms. A converter that the system lacks is a character set we do
 * not know.
 */
void charset_prepare(void);

/*
 * By its name in mail: case and punctuation do not matter, many aliases are known. Never NULL:
 * an unknown name means charset_guess.
 */
const struct charset *charset_find(const char *name, size_t len);

/* UTF-8 if the bytes look like it, else Windows-1252; also for raw 8-bit. Borrowed, forever. */
const struct charset *charset_guess(void);

/*
 * Appends data as valid UTF-8; what cannot be converted becomes U+FFFD. Each call begins in the
 * character set's initial state. Linear in len.
 */
void charset_decode(
	const struct charset *charset, const void *data, size_t len, struct buf *out);

#endif
