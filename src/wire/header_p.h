/*
 * wire/header_p.h - header fields of a message, read leniently (RFC 5322, 2047, 6532).
 * Called by imap.c and pop3.c in the wire process; one thread.
 *
 * Never fails: what cannot be understood is kept as cleaned text. One pass of our own instead of
 * mailimf_fields_parse: that gives up on raw 8-bit and unterminated quotes, which are common, and a
 * second parser for what the first refuses is one parser too many.
 */
#ifndef MOUNTMAIL_WIRE_HEADER_P_H
#define MOUNTMAIL_WIRE_HEADER_P_H

#include <mountmail/base/buf.h>
#include <mountmail/mail/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER_SIZE_MAX (1u << 20) /* bytes looked at */

/*
 * Loads converters for the character sets that mail uses: iconv opens files, which the sandbox
 * forbids. Idempotent; kept for the life of the process.
 */
void header_prepare(void);

/*
 * Fills fields_out (owned by the caller, mail_fields_finish) from a header block: the fields up to
 * the first empty line, or all of data. Lines may end in CRLF, LF or CR; NUL and 8-bit bytes are
 * fine. Of a field that occurs twice the first counts, but To and Cc are joined.
 */
void header_parse(const char *data, size_t len, struct mail_fields *fields_out);

/* Where a Message-ID is looked for. */
#define HEADER_ID_REACH (64u << 10)

enum header_id {
	HEADER_ID_UNKNOWN, /* one of the two has none, or its header does not end within reach */
	HEADER_ID_SAME,
	HEADER_ID_OTHER,
};

/*
 * header_id.c: the Message-ID of a message that begins with data against message_id, which is as
 * header_parse fills it, or NULL.
 */
enum header_id header_check_id(const char *data, size_t len, const char *message_id);
/* The end of the header, its empty line included; len when it does not end in here. */
size_t header_length(const char *data, size_t len, bool *whole_out);

/*
 * header_date.c: what a Date field says, in seconds since the epoch. Leniently: the day's name, the
 * seconds and the zone may be missing, years may have two digits, zones names (RFC 5322 section
 * 4.3), and asctime()'s order of things is understood. False for what is no date.
 */
bool header_date(const char *text, int64_t *seconds_out);

/*
 * Appends text decoded to clean UTF-8: unfolded, encoded words replaced (also split ones and ones
 * inside quotes, as mail readers do), raw 8-bit taken as UTF-8 if valid and as Windows-1252 if not,
 * control and bidi-override characters dropped, blanks collapsed and trimmed, cut at MAIL_FIELD_MAX.
 */
void header_decode(const char *data, size_t len, struct buf *out);

#endif
