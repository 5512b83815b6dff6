#include "imap_internal_p.h"
#include <mountmail/base/clock.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

/* A server that says so much of no interest may as well be looked at. */
#define IDLE_LINES_MAX 2000u
/* Nobody who takes IDLE is done with it as fast as that. */
#define IDLE_LEAST_MS 1000

/*
 * Lines are read one by one here, not as a response: none may hold a literal, whose bytes would
 * be taken for lines. Many may have come before IDLE_LINES_MAX is reached.
 */
static const struct guard_limits idle_limits = {
	.line = 1u << 20,
	.depth = GUARD_DEPTH_MAX,
	.literal = 0,
	.response = 8u << 20,
	.lines = 100000,
};

struct idle {
	struct imap *imap;
	const struct backend_wait *want;
	struct backend_result *result;
	int64_t end_ms;	  /* timeout_ms is over */
	int64_t begun_ms; /* the IDLE under way was */
	unsigned lines;	  /* since then */
	bool answered;	  /* the server ended it */
	bool over;	  /* the call is to end, for whatever reason */
};

static bool idle_failed(struct idle *idle, enum imap_reply reply)
{
	imap_result_fail(idle->imap, idle->result, reply, BACKEND_REFUSED,
		"waiting for news of a folder");
	return false;
}

static bool idle_refused(struct idle *idle, const char *why)
{
	backend_result_set(idle->result, BACKEND_REFUSED,
		"%s %s, so that news of a folder cannot be waited for", idle->imap->conf->host,
		why);
	return false;
}

/* False when it was refused, or the connection is lost. */
static bool idle_begin(struct idle *idle)
{
	static const char command[] = "IDLE\r\n";
	struct imap *imap = idle->imap;
	const char *text;
	int goes = -1;

	idle->begun_ms = clock_now_ms();
	idle->lines = 0;
	idle->answered = false;
	if (imap_send_tag(imap, &idle_limits, command) &&
		imap_send(imap, command, sizeof(command) - 1))
		goes = imap_read_continue(imap, &text);
	if (goes > 0)
		return true;
	if (goes == 0) {
		enum imap_reply reply = imap_read_answer(imap, true);

		if (reply != IMAP_OK)
			return idle_failed(idle, reply);
		return idle_refused(idle, "ends IDLE before it began");
	}
	return idle_failed(idle, IMAP_LOST);
}

/* The tagged line came without DONE: the server has waited long enough. */
static bool idle_on_answer(struct idle *idle)
{
	enum imap_reply reply = imap_read_answer(idle->imap, true);

	idle->answered = true;
	if (reply != IMAP_OK)
		return idle_failed(idle, reply);
	if (!idle->imap->stirred && clock_now_ms() - idle->begun_ms < IDLE_LEAST_MS)
		return idle_refused(idle, "ends IDLE at once");
	return true;
}

/* Reads a line that is there. */
static bool idle_take(struct idle *idle)
{
	struct imap *imap = idle->imap;
	const char *line;

	stream_deadline(imap->stream);
	line = mailimap_read_line(imap->session);
	if (!line)
		return idle_failed(idle, IMAP_LOST);
	if (++idle->lines >= IDLE_LINES_MAX)
		imap->stirred = true;
	if (*line >= '0' && *line <= '9')
		return idle_on_answer(idle);
	if ((*line != '*' && *line != '+') || strncasecmp(line, "* BYE", 5) == 0) {
		imap_read_bye(imap);
		return idle_failed(idle, IMAP_LOST);
	}
	imap_news_line(imap, line);
	return true;
}

/* 1: a line can be read; 0: time passed, or somebody wants something; -1: lost. */
static int idle_await(struct idle *idle, int64_t until_ms)
{
	const mailstream *mailstream = idle->imap->mailstream;

	if (mailstream->read_buffer_len &&
		memchr(mailstream->read_buffer, '\n', mailstream->read_buffer_len))
		return 1;
	return stream_await(idle->imap->stream, until_ms, idle->want->wake_fd);
}

static bool idle_is_over(const struct idle *idle)
{
	struct pollfd wake = {.fd = idle->want->wake_fd, .events = POLLIN};
	struct imap *imap = idle->imap;

	return imap->stirred || clock_now_ms() >= idle->end_ms ||
	       (imap->stopped && imap->stopped(imap->ctx)) || poll(&wake, 1, 0) > 0;
}

/* Until there is something to tell, or to do, or it is to be renewed. */
static bool idle_listen(struct idle *idle)
{
	int64_t until_ms = idle->begun_ms + idle->imap->idle_ms;

	if (until_ms > idle->end_ms)
		until_ms = idle->end_ms;
	for (;;) {
		int got;

		idle->over = idle_is_over(idle);
		if (idle->over || idle->answered || clock_now_ms() >= until_ms)
			return true;
		got = idle_await(idle, until_ms);
		if (got < 0)
			return idle_failed(idle, IMAP_LOST);
		if (got > 0 && !idle_take(idle))
			return false;
	}
}

/* What the server has said until it says that it is done counts as well. */
static bool idle_end(struct idle *idle)
{
	static const char done[] = "DONE\r\n";
	struct imap *imap = idle->imap;
	enum imap_reply reply = IMAP_LOST;

	if (idle->answered)
		return true;
	stream_deadline(imap->stream);
	if (imap_send(imap, done, sizeof(done) - 1))
		reply = imap_read_answer(imap, false);
	return reply == IMAP_OK || idle_failed(idle, reply);
}

/* False with result. */
static bool idle_run(struct idle *idle)
{
	do {
		if (!idle_begin(idle) || !idle_listen(idle) || !idle_end(idle))
			return false;
	} while (!idle->over && !idle->imap->stirred);
	return true;
}

/* Makes the folder the selected one, in a state that can be told. False with result. */
static bool idle_open(struct idle *idle, const struct backend_wait_sink *sink)
{
	const struct backend_wait *want = idle->want;
	struct imap *imap = idle->imap;

	if (!(imap->caps & BACKEND_CAP_IDLE))
		return idle_refused(idle, "offers no IDLE");
	if ((!imap->selected || imap->stale || strcmp(imap->selected, want->raw) != 0) &&
		!imap_examine(imap, want->raw, idle->result))
		return false;
	if (!sink->begin(sink->ctx, &imap->state)) {
		imap->stale = true;
		backend_result_set(idle->result, BACKEND_STOPPED, "Stopped on request");
		return false;
	}
	return !want->epoch ||
	       imap_same_epoch(imap, want->epoch, guard_uidvalidity(imap->guard), idle->result);
}

void imap_wait(struct backend *backend, const struct backend_wait *wait,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result)
{
	struct imap *imap = imap_of(backend);
	struct idle idle = {.imap = imap, .want = wait, .result = result};

	*news_out = false;
	idle.end_ms = clock_now_ms() + wait->timeout_ms;
	if (!imap_is_ready(imap, result) || !idle_open(&idle, sink) ||
		(!imap->stirred && !idle_run(&idle)))
		return;
	backend_result_ok(result);
	*news_out = imap->stale = imap->stirred;
}
