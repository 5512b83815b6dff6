#include "pop3_dot_p.h"
#include "pop3_internal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <string.h>

#define READ_AHEAD (64u << 10)

static bool read_wrong(struct pop3 *pop3, const char *what)
{
	if (!pop3->wrong[0])
		snprintf(pop3->wrong, sizeof(pop3->wrong), "%s", what);
	pop3->ready = false;
	return false;
}

/* Reads more behind what is there already. */
static bool read_more(struct pop3 *pop3)
{
	ssize_t got;

	if (pop3->wrong[0] || !pop3->stream)
		return false;
	if (!pop3->in)
		pop3->in = xmalloc(READ_AHEAD);
	if (pop3->in_at) {
		memmove(pop3->in, pop3->in + pop3->in_at, pop3->in_len);
		pop3->in_at = 0;
	}
	got = stream_read_some(
		pop3->stream, pop3->in + pop3->in_len, READ_AHEAD - pop3->in_len);
	if (got < 0) {
		pop3->ready = false;
		return false;
	}
	pop3->in_len += (size_t)got;
	return true;
}

bool pop3_read_line(struct pop3 *pop3, char **line_out, size_t *len_out)
{
	size_t seen = 0, len;
	char *line, *lf;

	for (;;) {
		line = pop3->in_len ? pop3->in + pop3->in_at : NULL;
		lf = line ? memchr(line + seen, '\n', pop3->in_len - seen) : NULL;
		if ((lf ? (size_t)(lf - line) + 1 : pop3->in_len) > POP3_LINE_MAX)
			return read_wrong(pop3, "it sent a line that is too long");
		if (lf)
			break;
		seen = pop3->in_len;
		if (!read_more(pop3))
			return false;
	}
	len = (size_t)(lf - line);
	pop3->in_at += len + 1;
	pop3->in_len -= len + 1;
	if (len && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	*line_out = line;
	*len_out = len;
	return true;
}

bool pop3_read_list(struct pop3 *pop3, bool (*line)(void *ctx, const char *text, size_t len),
	void *ctx, bool *holes_out)
{
	size_t lines = 0, bytes = 0, len;
	char *text;

	for (;;) {
		if (!pop3_read_line(pop3, &text, &len))
			return false;
		if (len == 1 && text[0] == '.')
			break;
		bytes += len;
		if (++lines > POP3_LIST_LINES_MAX || bytes > POP3_LIST_BYTES_MAX)
			return read_wrong(pop3, "it sent a list without end");
		/* No line of these begins with a dot, so none has another in front of it. */
		if (!line(ctx, text, len))
			*holes_out = true;
	}
	return true;
}

bool pop3_read_mail(struct pop3 *pop3, uint64_t most,
	void (*take)(void *ctx, const char *data, size_t len), void *ctx)
{
	struct pop3_dot dot = {0};
	uint64_t size = 0;
	size_t taken;

	while (dot.state != POP3_DOT_DONE) {
		if (!pop3->in_len && !read_more(pop3))
			return false;
		buf_clear(&pop3->piece);
		taken = pop3_dot_feed(&dot, pop3->in + pop3->in_at, pop3->in_len, &pop3->piece);
		pop3->in_at += taken;
		pop3->in_len -= taken;
		size += pop3->piece.len;
		if (size > most)
			return read_wrong(pop3, "it sent a message without end");
		if (pop3->piece.len && take)
			take(ctx, pop3->piece.data, pop3->piece.len);
	}
	return true;
}
