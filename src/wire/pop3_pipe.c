#include "pop3_internal_p.h"
#include <stdio.h>

/* Commands under way at a time: about a kilobyte, so that sending them never has to wait. */
#define PIPE_WINDOW 64u
/* Mail under way at a time, but for the first: what has to be read when somebody says stop. */
#define PIPE_BYTES (1u << 20)

static const struct pop3_mail *pipe_mail(const struct pop3_pipe *pipe, size_t at)
{
	return &pipe->pop3->drop.mails[pipe->wanted[at]];
}

/* What is expected to come for it. Of headers LIST tells nothing; they are small. */
static uint64_t pipe_bytes(const struct pop3_pipe *pipe, size_t at)
{
	return pipe->tail[0] ? 0 : pipe_mail(pipe, at)->size;
}

/* RFC 2449 section 6.6: nothing of the kind unless the server says that it can. */
static bool pipe_has_room(const struct pop3_pipe *pipe)
{
	size_t under_way = pipe->sent - pipe->read;

	if (pipe->sent == pipe->count)
		return false;
	if (!under_way)
		return true;
	return !pipe->alone && (pipe->pop3->caps & POP3_CAP_PIPELINING) &&
	       under_way < PIPE_WINDOW && pipe->ahead < PIPE_BYTES;
}

/* Sends as much as there is room for, all at once when the window is half empty. */
static bool pipe_fill(struct pop3_pipe *pipe)
{
	size_t under_way = pipe->sent - pipe->read;
	char command[48];

	if (under_way > PIPE_WINDOW / 2 || !pipe_has_room(pipe))
		return true;
	pop3_alive(pipe->pop3);
	while (pipe_has_room(pipe)) {
		snprintf(command, sizeof(command), "%s %u%s", pipe->verb,
			pipe_mail(pipe, pipe->sent)->number, pipe->tail);
		if (!pop3_queue(pipe->pop3, command))
			return false;
		pipe->ahead += pipe_bytes(pipe, pipe->sent);
		pipe->sent++;
	}
	return pop3_flush(pipe->pop3);
}

/* The next answer to what was sent. */
static enum pop3_reply pipe_read(struct pop3_pipe *pipe)
{
	pipe->ahead -= pipe_bytes(pipe, pipe->read);
	pipe->read++;
	return pop3_read_answer(pipe->pop3);
}

enum pop3_reply pop3_pipe_next(struct pop3_pipe *pipe)
{
	return pipe_fill(pipe) ? pipe_read(pipe) : POP3_LOST;
}

bool pop3_pipe_drain(struct pop3_pipe *pipe)
{
	struct pop3 *pop3 = pipe->pop3;

	while (pipe->read < pipe->sent) {
		enum pop3_reply reply = pipe_read(pipe);

		if (reply == POP3_LOST)
			return false;
		if (reply == POP3_OK && pipe->mail &&
			!pop3_read_mail(pop3, GUARD_LITERAL_MAX, NULL, NULL))
			return false;
	}
	return true;
}
