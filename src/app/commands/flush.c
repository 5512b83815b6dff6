#include "commands/flush_p.h"
#include "commands_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_TIMEOUT_MS = 30000,
	ASK_MS = 200,
	AWAY_MS = 5000,	  /* not online, and no headway for so long */
	MARKED_MS = 3000, /* others' marks are still there */
	STUCK_MS = 60000, /* online, no headway, and a reason is given */
	TIMEOUT_MAX_S = 7 * 24 * 3600,
	BAR_WIDTH = 30,
};

/* Behind "key":, which a string in JSON cannot hold, since its quotes are escaped. NULL: not
 * there. */
static const char *answer_find(const char *answer, const char *key)
{
	_cleanup_free_ char *quoted = xasprintf("\"%s\":", key);
	const char *at = strstr(answer, quoted);

	return at ? at + strlen(quoted) : NULL;
}

static uint64_t answer_number(const char *answer, const char *key)
{
	const char *at = answer_find(answer, key);

	return at ? strtoull(at, NULL, 10) : 0;
}

static bool answer_is(const char *answer, const char *key, const char *value)
{
	const char *at = answer_find(answer, key);

	return at && str_starts(at, value);
}

/* A string as our own writer escapes it; "" for null. */
static void answer_text(const char *answer, const char *key, char *out, size_t size)
{
	const char *at = answer_find(answer, key);
	size_t len = 0;

	if (at && *at == '"')
		for (at++; *at && *at != '"' && len + 1 < size; at++) {
			if (*at == '\\' && at[1])
				at++;
			out[len++] = *at;
		}
	out[len] = '\0';
}

static int flush_ask(const char *path, struct flush_state *state_out, struct error *err)
{
	struct buf payload = BUF_INIT;
	int result = control_ask(path, "flush", ANSWER_TIMEOUT_MS, &payload, err);
	const char *answer;

	if (result == 0 && !answer_find(payload.len ? payload.data : "", "pending"))
		result = error_set(err, EPROTO, "the mount's answer makes no sense");
	if (result == 0) {
		answer = payload.data;
		*state_out = (struct flush_state){
			.pending = answer_number(answer, "pending"),
			.queued = answer_number(answer, "queued"),
			.sent = answer_number(answer, "sent"),
			.marked = answer_number(answer, "marked"),
			.braked = answer_number(answer, "braked"),
			.held = answer_number(answer, "held"),
			.parked = answer_number(answer, "parked"),
			.online = answer_is(answer, "state", "\"online\""),
			.read_only = answer_is(answer, "readonly", "true"),
		};
		answer_text(answer, "error", state_out->error, sizeof(state_out->error));
	}
	buf_finish(&payload);
	return result;
}

static void bar_draw(uint64_t pending, uint64_t most)
{
	char bar[BAR_WIDTH + 1];
	uint64_t full = most ? (most - pending) * BAR_WIDTH / most : BAR_WIDTH;

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)full);
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %" PRIu64 " of %" PRIu64 " removals\033[K", bar, most - pending,
		most);
}

/* What is known of a flush as it goes on. */
struct flush {
	struct flush_state state;
	uint64_t most;	  /* pending at a time */
	uint64_t least;	  /* work, see below */
	int64_t moved_ms; /* when there was less work than ever before */
	int64_t end_ms;
};

/* Whether it is over. A row has three steps before it: sent, seen to be gone, expunged. */
static bool flush_over(struct flush *flush, int64_t now, enum flush_end *end_out)
{
	const struct flush_state *state = &flush->state;
	uint64_t work = state->queued * 3 + state->sent * 2 + state->marked;
	int64_t still;

	if (work < flush->least) {
		flush->least = work;
		flush->moved_ms = now;
	}
	if (state->pending > flush->most)
		flush->most = state->pending;
	still = now - flush->moved_ms;
	*end_out = FLUSH_DONE;
	if (!state->pending)
		return true;
	if (state->read_only)
		*end_out = FLUSH_READ_ONLY;
	else if (!state->online && still >= AWAY_MS)
		*end_out = FLUSH_AWAY;
	else if (!state->queued && !state->sent && state->online && still >= MARKED_MS)
		*end_out = FLUSH_STUCK;
	else if (state->error[0] && state->online && still >= STUCK_MS)
		*end_out = FLUSH_STUCK;
	else if (now >= flush->end_ms)
		*end_out = FLUSH_TIME;
	return *end_out != FLUSH_DONE;
}

int flush_run(const char *path, int64_t limit_ms, enum flush_end *end_out,
	struct flush_state *state_out, struct error *err)
{
	int64_t now = clock_now_ms();
	struct flush flush = {.least = UINT64_MAX,
		.moved_ms = now,
		.end_ms = limit_ms < 0 ? INT64_MAX : now + limit_ms};
	bool bar = isatty(STDERR_FILENO) == 1, drawn = false;
	int result;

	for (;;) {
		result = flush_ask(path, &flush.state, err);
		if (result < 0 || flush_over(&flush, clock_now_ms(), end_out))
			break;
		if (bar) {
			bar_draw(flush.state.pending, flush.most);
			drawn = true;
		}
		poll(NULL, 0, ASK_MS);
	}
	if (drawn)
		fputs("\r\033[K", stderr);
	*state_out = flush.state;
	return result;
}

int flush_limit(
	const char *text, int64_t otherwise_ms, int64_t *limit_ms_out, struct error *err)
{
	uint64_t seconds;

	*limit_ms_out = otherwise_ms;
	if (!text)
		return 0;
	if (str_to_u64(text, TIMEOUT_MAX_S, &seconds) < 0)
		return error_set(err, EINVAL,
			"--timeout %s must be a number of seconds, 0 to %d", text,
			TIMEOUT_MAX_S);
	*limit_ms_out = (int64_t)seconds * 1000;
	return 0;
}

void flush_explain(enum flush_end end, const struct flush_state *state, struct buf *out)
{
	buf_printf(out, "%" PRIu64 " removal%s not on the server: ", state->pending,
		state->pending == 1 ? " is" : "s are");
	switch (end) {
	case FLUSH_DONE:
		break;
	case FLUSH_READ_ONLY:
		buf_append_str(out,
			"this mount is read-only; they are sent when the account is "
			"mounted without \"ro\"");
		return;
	case FLUSH_AWAY:
		buf_append_str(out, "it cannot be reached; they are kept, and sent when it is "
				    "back");
		return;
	case FLUSH_STUCK:
		if (state->error[0])
			buf_append_str(out, state->error);
		else
			buf_append_str(out, "the messages are marked as deleted there, but not "
					    "expunged, since others' marks are in the folder");
		return;
	case FLUSH_TIME:
		buf_append_str(out, "the time is up");
		if (state->error[0])
			buf_printf(out, " (%s)", state->error);
		return;
	}
}

static void explain_one(struct buf *out, bool *any, uint64_t count, const char *what)
{
	if (!count)
		return;
	buf_printf(out, "%s%" PRIu64 " %s", *any ? ", " : "", count, what);
	*any = true;
}

void flush_explain_rest(const char *path, const struct flush_state *state, struct buf *out)
{
	bool any = false;

	if (!state->braked && !state->held && !state->parked)
		return;
	if (out->len)
		buf_append_str(out, "; ");
	buf_append_str(out, "removals that were not carried out: ");
	explain_one(out, &any, state->braked, "held back by the brake");
	explain_one(out, &any, state->held, "that the server did not do");
	explain_one(out, &any, state->parked, "of what is another message there now");
	buf_printf(out, " (\"mountmail queue %s\" says why, and what can be done)", path);
}

enum exit_status command_flush(const struct args *args, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	struct buf why = BUF_INIT;
	struct flush_state state;
	enum exit_status status;
	enum flush_end end;
	int64_t limit;

	if (args->operand_count != 1) {
		error_set(err, EINVAL,
			"which mount? mountmail flush MOUNTPOINT [--timeout SECONDS]");
		return STATUS_USAGE;
	}
	if (flush_limit(args->timeout, -1, &limit, err) < 0)
		return STATUS_USAGE;
	status = command_find(args->operands[0], &path, err);
	if (status != STATUS_OK)
		return status;
	if (flush_run(path, limit, &end, &state, err) < 0)
		return STATUS_FAILED;
	if (state.pending)
		flush_explain(end, &state, &why);
	flush_explain_rest(path, &state, &why);
	if (why.len) {
		error_set(err, EAGAIN, "%s", why.data);
		status = end == FLUSH_AWAY ? STATUS_UNREACHABLE : STATUS_LEFT;
	}
	buf_finish(&why);
	return status;
}
