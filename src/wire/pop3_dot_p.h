/*
 * wire/pop3_dot_p.h - takes the dots out of a multi-line answer (RFC 1939 section 3).
 * Called by pop3*.c in the wire process; one thread.
 *
 * Everything else stays as it came: NUL, bare LF and CR, lines of any length, and a last line
 * without an end if the server sent it so.
 *
 * What is a line is decided by the first line end of the answer. If that is CRLF, only CRLF
 * ends lines: a server that passes on bare LF from mail does not double the dots behind them,
 * and a dot on such a "line" is for a sender to write, who could otherwise end the answer and
 * go on with one of his own. If it is a bare LF, the server knows no other, and every LF
 * counts.
 */
#ifndef MOUNTMAIL_WIRE_POP3_DOT_P_H
#define MOUNTMAIL_WIRE_POP3_DOT_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>

enum pop3_dot_state {
	POP3_DOT_START,	 /* of a line; where an answer begins */
	POP3_DOT_DOT,	 /* the line is "." so far */
	POP3_DOT_DOT_CR, /* the line is ".\r" so far */
	POP3_DOT_LINE,	 /* in a line */
	POP3_DOT_CR,	 /* in a line, behind a CR */
	POP3_DOT_DONE,
};

enum pop3_dot_lines { POP3_DOT_UNDECIDED, POP3_DOT_CRLF, POP3_DOT_LF };

/* Zeroed at the start of an answer. */
struct pop3_dot {
	enum pop3_dot_state state;
	enum pop3_dot_lines lines;
};

/*
 * Takes len bytes of an answer and appends what they mean to out. Returns how many belong to
 * the answer: all of them, or fewer when it ends there; its state is POP3_DOT_DONE then.
 */
size_t pop3_dot_feed(struct pop3_dot *dot, const char *data, size_t len, struct buf *out);

#endif
