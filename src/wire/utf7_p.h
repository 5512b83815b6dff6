/*
 * wire/utf7_p.h - IMAP's modified UTF-7 (RFC 3501 section 5.1.3).
 * Called by imap.c in the wire process; one thread.
 */
#ifndef MOUNTMAIL_WIRE_UTF7_P_H
#define MOUNTMAIL_WIRE_UTF7_P_H

#include <mountmail/base/buf.h>
#include <stddef.h>

/*
 * Appends the UTF-8 for a mailbox name. Raw 8-bit is passed on when it is valid UTF-8 (servers with
 * UTF8=ACCEPT, and those that do not care). Returns 0, or -EILSEQ with nothing appended.
 */
int utf7_decode(const char *data, size_t len, struct buf *out);

/* Appends the modified UTF-7 for valid UTF-8. Returns 0, or -EILSEQ with nothing appended. */
int utf7_encode(const char *data, size_t len, struct buf *out);

#endif
