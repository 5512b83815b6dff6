#include "pop3_internal_p.h"
#include <ctype.h>
#include <mountmail/base/fault.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* For tests: true when the connection ended here. when: "before", "after". */
static bool command_fault(struct pop3 *pop3, const char *when)
{
	char where[32];

	snprintf(where, sizeof(where), "%s %s", when, pop3->command);
	if (!fault_point(where))
		return false;
	stream_drop(pop3->stream, "a fault that a test asked for");
	return true;
}

bool pop3_flush(struct pop3 *pop3)
{
	size_t at = 0;

	while (at < pop3->out.len) {
		ssize_t put = pop3->stream ? stream_write_some(pop3->stream,
						     pop3->out.data + at, pop3->out.len - at)
					   : -1;

		if (put < 0) {
			pop3->ready = false;
			break;
		}
		at += (size_t)put;
	}
	/* It may have been the password. */
	if (pop3->out.data)
		explicit_bzero(pop3->out.data, pop3->out.cap);
	buf_clear(&pop3->out);
	return pop3->stream && !stream_failure(pop3->stream)[0];
}

static void command_put(struct pop3 *pop3, const char *data, size_t len)
{
	/* At once: growing in between would leave a copy behind. */
	buf_reserve(&pop3->out, len + 2);
	buf_append(&pop3->out, data, len);
	buf_append_str(&pop3->out, "\r\n");
}

bool pop3_send_turn(struct pop3 *pop3, const char *data, size_t len)
{
	stream_deadline(pop3->stream);
	command_put(pop3, data, len);
	return pop3_flush(pop3);
}

bool pop3_queue(struct pop3 *pop3, const char *command)
{
	snprintf(pop3->command, sizeof(pop3->command), "%.*s", (int)strcspn(command, " "),
		command);
	if (command_fault(pop3, "before"))
		return false;
	pop3->in_flight++;
	command_put(pop3, command, strlen(command));
	return true;
}

bool pop3_send(struct pop3 *pop3, const char *command)
{
	pop3_alive(pop3);
	stream_deadline(pop3->stream);
	return pop3_queue(pop3, command) && pop3_flush(pop3);
}

/* What a terminal would not like becomes '?'. */
static char command_tame(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f ? '?' : c;
}

/* Splits "[CODE arguments] text". */
static void command_parse(struct pop3_answer *answer, const char *text)
{
	const char *close;
	size_t n;

	*answer = (struct pop3_answer){0};
	while (*text == ' ')
		text++;
	close = *text == '[' ? strchr(text, ']') : NULL;
	if (close) {
		size_t code = strcspn(text + 1, " ]");

		for (n = 0; n < code && n + 1 < sizeof(answer->code); n++)
			answer->code[n] =
				(char)toupper((unsigned char)command_tame(text[1 + n]));
		text = close + 1;
		while (*text == ' ')
			text++;
	}
	for (n = 0; text[n] && n + 1 < sizeof(answer->text); n++)
		answer->text[n] = command_tame(text[n]);
}

/* What a line says as an answer; *words_out is behind that. */
static enum pop3_reply command_kind(const char *line, const char **words_out)
{
	if (strncasecmp(line, "+OK", 3) == 0 && !isalnum((unsigned char)line[3])) {
		*words_out = line + 3;
		return POP3_OK;
	}
	if (strncasecmp(line, "-ERR", 4) == 0 && !isalnum((unsigned char)line[4])) {
		*words_out = line + 4;
		return POP3_ERR;
	}
	if (line[0] == '+' && (line[1] == ' ' || !line[1])) {
		*words_out = line + 1 + (line[1] == ' ');
		return POP3_MORE;
	}
	return POP3_LOST;
}

enum pop3_reply pop3_read_reply(struct pop3 *pop3, const char **text_out)
{
	enum pop3_reply reply;
	const char *words = "";
	char *line;
	size_t len;

	pop3->answer = (struct pop3_answer){0};
	stream_deadline(pop3->stream);
	if (!pop3_read_line(pop3, &line, &len))
		return POP3_LOST;
	reply = command_kind(line, &words);
	if (reply == POP3_LOST) {
		snprintf(pop3->wrong, sizeof(pop3->wrong),
			"its answer to %s begins neither with +OK nor with -ERR",
			pop3->command);
	} else if (reply != POP3_MORE) {
		command_parse(&pop3->answer, words);
		if (command_fault(pop3, "after")) {
			pop3->answer = (struct pop3_answer){0};
			reply = POP3_LOST;
		}
	}
	if (reply == POP3_OK || reply == POP3_ERR)
		pop3->in_flight--;
	if (reply == POP3_LOST)
		pop3->ready = false;
	if (text_out)
		*text_out = words;
	return reply;
}

enum pop3_reply pop3_read_answer(struct pop3 *pop3)
{
	enum pop3_reply reply = pop3_read_reply(pop3, NULL);

	if (reply != POP3_MORE)
		return reply;
	snprintf(pop3->wrong, sizeof(pop3->wrong), "it answered %s with \"+\"", pop3->command);
	pop3->ready = false;
	return POP3_LOST;
}

enum pop3_reply pop3_command(struct pop3 *pop3, const char *command)
{
	return pop3_send(pop3, command) ? pop3_read_answer(pop3) : POP3_LOST;
}
