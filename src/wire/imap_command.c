#include "imap_internal_p.h"
#include <ctype.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/fault.h>
#include <mountmail/base/str.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For answers of a few lines. */
static const struct guard_limits imap_limits_short = {
	.line = 1u << 20,
	.depth = GUARD_DEPTH_MAX,
	.literal = 1u << 20,
	.response = 8u << 20,
	.lines = 20000,
};

bool imap_put_string(const struct imap *imap, struct buf *out, const char *text)
{
	bool literal = false;

	if (strpbrk(text, "\r\n"))
		return false;
	for (const char *p = text; *p; p++)
		literal |= (unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f;
	if (literal) {
		const char *plus = imap->caps & IMAP_CAP_LITERAL_PLUS ? "+" : "";

		buf_printf(out, "{%zu%s}\r\n%s", strlen(text), plus, text);
		return true;
	}
	buf_append_char(out, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_append_char(out, '\\');
		buf_append_char(out, *p);
	}
	buf_append_char(out, '"');
	return true;
}

/* The verb, two words of it behind UID; arguments may be a password. */
static void imap_name_command(struct imap *imap, const char *command)
{
	size_t len = strcspn(command, " \r\n");

	if (len == 3 && memcmp(command, "UID", 3) == 0 && command[3] == ' ')
		len += 1 + strcspn(command + 4, " \r\n");
	snprintf(imap->command, sizeof(imap->command), "%.*s", (int)len, command);
}

/* For tests: true when the connection ended here. when: "before", "after". */
static bool imap_fault(struct imap *imap, const char *when)
{
	char where[40];

	snprintf(where, sizeof(where), "%s %s", when, imap->command);
	if (!fault_point(where))
		return false;
	stream_drop(imap->stream, "a fault that a test asked for");
	return true;
}

bool imap_send_tag(struct imap *imap, const struct guard_limits *limits, const char *command)
{
	char tag[16];
	int len = snprintf(tag, sizeof(tag), "%d ", ++imap->session->imap_tag);

	imap_name_command(imap, command);
	imap->answer = (struct imap_answer){0};
	guard_expect(imap->guard, limits ? limits : &imap_limits_short);
	stream_deadline(imap->stream);
	imap_alive(imap);
	return !imap_fault(imap, "before") &&
	       mailstream_write(imap->mailstream, tag, (size_t)len) == len;
}

bool imap_send(struct imap *imap, const void *data, size_t len)
{
	if (len && mailstream_write(imap->mailstream, data, len) != (ssize_t)len)
		return false;
	return mailstream_flush(imap->mailstream) == 0;
}

bool imap_answer_line(
	struct imap *imap, const char *word, size_t *at, const char **line_out, size_t *len_out)
{
	const MMAPString *buffer = imap->session->imap_stream_buffer;
	size_t word_len = strlen(word);

	while (*at < buffer->len) {
		const char *line = buffer->str + *at;
		const char *end = memchr(line, '\n', buffer->len - *at);
		size_t len = end ? (size_t)(end - line) : buffer->len - *at;

		*at += len + 1;
		if (len && line[len - 1] == '\r')
			len--;
		if (len < word_len || strncasecmp(line, word, word_len) != 0)
			continue;
		*line_out = line + word_len;
		*len_out = len - word_len;
		return true;
	}
	return false;
}

/* Splits "[CODE arguments] text"; what a terminal would not like becomes '?'. */
static void imap_answer_parse(struct imap_answer *answer, const char *text, size_t len)
{
	const char *close = len && text[0] == '[' ? memchr(text, ']', len) : NULL;
	size_t n;

	if (close) {
		size_t code = strcspn(text + 1, " ]");

		for (n = 0; n < code && n + 1 < sizeof(answer->code); n++)
			answer->code[n] = (char)toupper((unsigned char)text[1 + n]);
		answer->code[n] = '\0';
		if (strcmp(answer->code, "CAPABILITY") == 0)
			answer->code[0] = '\0';
		len -= (size_t)(close + 1 - text);
		text = close + 1;
	}
	while (len && *text == ' ')
		text++, len--;
	for (n = 0; n < len && n + 1 < sizeof(answer->text); n++) {
		unsigned char c = (unsigned char)text[n];

		answer->text[n] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
	}
	answer->text[n] = '\0';
	/* The guard's, not the server's. */
	if (strcmp(answer->text, GUARD_NO_TEXT) == 0)
		answer->text[0] = '\0';
}

void imap_read_bye(struct imap *imap)
{
	const char *text;
	size_t len, at = 0;

	if (imap_answer_line(imap, "* BYE ", &at, &text, &len))
		imap_answer_parse(&imap->answer, text, len);
}

int imap_read_continue(struct imap *imap, const char **text_out)
{
	char tag[16];
	size_t tag_len;

	snprintf(tag, sizeof(tag), "%d ", imap->session->imap_tag);
	tag_len = strlen(tag);
	for (;;) {
		const char *line = mailimap_read_line(imap->session);

		if (!line)
			return -1;
		if (strncmp(line, tag, tag_len) == 0)
			return 0;
		if (line[0] == '+') {
			*text_out = line + (line[1] == ' ' ? 2 : 1);
			return 1;
		}
		if (line[0] != '*')
			return -1;
		if (strncasecmp(line, "* BYE", 5) == 0) {
			imap_read_bye(imap);
			return -1;
		}
		imap_news_line(imap, line);
	}
}

/*
 * The length up to and with the next CRLF. There is one inside a command only behind the head
 * of a literal, since strings never hold one.
 */
static size_t imap_piece_length(const char *data, size_t len)
{
	const char *crlf = memmem(data, len, "\r\n", 2);

	return crlf ? (size_t)(crlf - data) + 2 : len;
}

/* Sends a command's pieces. 1: all sent; 0: the server answered before; -1: lost. */
static int imap_send_command(struct imap *imap, const struct buf *command)
{
	size_t at = 0;

	while (at < command->len) {
		size_t piece = imap_piece_length(command->data + at, command->len - at);
		const char *text;
		int more;

		if (!imap_send(imap, command->data + at, piece))
			return -1;
		at += piece;
		if (at == command->len || command->data[at - 4] == '+')
			continue;
		more = imap_read_continue(imap, &text);
		if (more <= 0)
			return more;
	}
	return imap_send(imap, "\r\n", 2) ? 1 : -1;
}

int imap_command_send(
	struct imap *imap, const struct guard_limits *limits, const struct buf *command)
{
	return imap_send_tag(imap, limits, command->data) ? imap_send_command(imap, command)
							    : -1;
}

enum imap_reply imap_command(
	struct imap *imap, const struct guard_limits *limits, const struct buf *command)
{
	int sent = imap_command_send(imap, limits, command);

	return sent < 0 ? IMAP_LOST : imap_read_answer(imap, sent == 0);
}

enum imap_reply imap_command_text(
	struct imap *imap, const struct guard_limits *limits, const char *command)
{
	struct buf buf = BUF_INIT;
	enum imap_reply reply;

	buf_append_str(&buf, command);
	reply = imap_command(imap, limits, &buf);
	buf_finish(&buf);
	return reply;
}

/* The tagged line is the last one read. */
static enum imap_reply imap_tagged_reply(struct imap *imap)
{
	const MMAPString *buffer = imap->session->imap_stream_buffer;
	static const struct {
		const char *word;
		enum imap_reply reply;
	} replies[] = {{"OK", IMAP_OK}, {"NO", IMAP_NO}, {"BAD", IMAP_BAD}};
	size_t end = buffer->len;
	const char *newline;
	char tag[16];
	size_t start, tag_len;

	while (end && strchr("\r\n", buffer->str[end - 1]))
		end--;
	newline = memrchr(buffer->str, '\n', end);
	start = newline ? (size_t)(newline + 1 - buffer->str) : 0;
	tag_len = (size_t)snprintf(tag, sizeof(tag), "%d ", imap->session->imap_tag);
	if (end - start < tag_len || memcmp(buffer->str + start, tag, tag_len) != 0)
		return IMAP_LOST;
	start += tag_len;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		size_t word = strlen(replies[i].word);

		if (end - start < word ||
			strncasecmp(buffer->str + start, replies[i].word, word) != 0)
			continue;
		start += word;
		if (start < end && buffer->str[start] != ' ')
			continue;
		start += start < end;
		imap_answer_parse(&imap->answer, buffer->str + start, end - start);
		return replies[i].reply;
	}
	return IMAP_LOST;
}

enum imap_reply imap_read_answer(struct imap *imap, bool line_read)
{
	struct mailimap_response *response = NULL;
	enum imap_reply reply;
	int r = MAILIMAP_ERROR_STREAM;

	if (line_read || mailimap_read_line(imap->session))
		r = mailimap_parse_response(imap->session, &response);
	if (r == MAILIMAP_NO_ERROR)
		mailimap_response_free(response);
	/* PROTOCOL stands for BAD, and for a wrong tag: the line itself tells which. */
	if (r == MAILIMAP_NO_ERROR || r == MAILIMAP_ERROR_PROTOCOL)
		reply = imap_tagged_reply(imap);
	else
		reply = IMAP_LOST;
	imap->heard_ms = clock_now_ms();
	if (reply != IMAP_LOST && imap_fault(imap, "after")) {
		imap->answer = (struct imap_answer){0};
		imap->ready = false;
		return IMAP_LOST;
	}
	if (reply == IMAP_LOST) {
		imap->ready = false;
		imap_read_bye(imap);
	} else {
		imap_news_answer(imap);
	}
	return reply;
}
