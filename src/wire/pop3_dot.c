#include "pop3_dot_p.h"
#include <string.h>

/* Behind a LF. cr: there was a CR in front of it. */
static void dot_line_end(struct pop3_dot *dot, bool cr)
{
	if (dot->lines == POP3_DOT_UNDECIDED)
		dot->lines = cr ? POP3_DOT_CRLF : POP3_DOT_LF;
	dot->state = cr || dot->lines == POP3_DOT_LF ? POP3_DOT_START : POP3_DOT_LINE;
}

/* Up to the line's end, or all there is. Returns how many bytes. */
static size_t dot_line(struct pop3_dot *dot, const char *data, size_t len, struct buf *out)
{
	const char *lf = memchr(data, '\n', len);
	size_t taken = lf ? (size_t)(lf - data) + 1 : len;
	bool cr = dot->state == POP3_DOT_CR;

	buf_append(out, data, taken);
	if (!lf) {
		dot->state = data[taken - 1] == '\r' ? POP3_DOT_CR : POP3_DOT_LINE;
		return taken;
	}
	if (taken > 1)
		cr = data[taken - 2] == '\r';
	dot_line_end(dot, cr);
	return taken;
}

/* What follows a dot at the start of a line. Returns how many bytes. */
static size_t dot_after_dot(struct pop3_dot *dot, char c, struct buf *out)
{
	bool held = dot->state == POP3_DOT_DOT_CR;

	if (c == '\n') {
		dot->state = POP3_DOT_DONE;
		return 1;
	}
	if (c == '\r' && !held) {
		dot->state = POP3_DOT_DOT_CR;
		return 1;
	}
	/* A line that only began with a dot: it was put there by the server. */
	if (held)
		buf_append_char(out, '\r');
	dot->state = held ? POP3_DOT_CR : POP3_DOT_LINE;
	return 0;
}

size_t pop3_dot_feed(struct pop3_dot *dot, const char *data, size_t len, struct buf *out)
{
	size_t at = 0;

	while (at < len) {
		switch (dot->state) {
		case POP3_DOT_START:
			if (data[at] == '.') {
				dot->state = POP3_DOT_DOT;
				at++;
				break;
			}
			dot->state = POP3_DOT_LINE;
			break;
		case POP3_DOT_DOT:
		case POP3_DOT_DOT_CR:
			at += dot_after_dot(dot, data[at], out);
			break;
		case POP3_DOT_LINE:
		case POP3_DOT_CR:
			at += dot_line(dot, data + at, len - at, out);
			break;
		case POP3_DOT_DONE:
			return at;
		}
	}
	return at;
}
