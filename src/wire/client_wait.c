#include "client_p.h"
#include <errno.h>
#include <limits.h>
#include <mountmail/base/clock.h>
#include <poll.h>

struct client_wait {
	struct client_call call; /* first */
	const struct backend_wait *want;
	const struct backend_wait_sink *sink;
	bool begun;
	bool changed; /* another epoch: nothing but the result may follow */
	bool news;
	bool woken; /* by wake_fd */
};

/*
 * Waits for the channel or wake_fd. 0, -EINTR when it is the latter, -ETIMEDOUT; what else went
 * wrong shows when the channel is read.
 */
static int client_wait_poll(const struct client_wait *wait, int64_t end_ms)
{
	struct pollfd fds[2] = {
		{.fd = wait->call.client->fd, .events = POLLIN},
		{.fd = wait->want->wake_fd, .events = POLLIN},
	};
	int64_t left = end_ms - clock_now_ms();
	int ready;

	if (left <= 0)
		return -ETIMEDOUT;
	ready = poll(fds, 2, left < INT_MAX ? (int)left : INT_MAX);
	return ready > 0 && fds[1].revents ? -EINTR : 0;
}

/*
 * As frame_read. The process need not say anything for as long as the wait is to last: whether
 * it hangs is seen when it is told to stop, or when that time is over.
 */
static int client_wait_read(struct client_call *call, struct frame *frame)
{
	struct client_wait *wait = (struct client_wait *)call;
	int64_t end_ms = clock_now_ms() + call->limit_ms + wait->want->timeout_ms;
	int got;

	for (;;) {
		got = frame_read(&call->client->reader, frame, 0);
		if (got != 0)
			return got;
		got = client_wait_poll(wait, end_ms);
		if (got == -ETIMEDOUT)
			return 0;
		if (got == 0)
			continue;
		wait->woken = true;
		/* It may hear of it while it tells the folder's state. */
		call->statuses |= CLIENT_STATUS(BACKEND_STOPPED);
		return -EINTR;
	}
}

static bool client_wait_state(struct client_wait *wait, struct frame *frame)
{
	struct backend_folder_state state;

	if (!client_get_state(frame, &state) || wait->begun)
		return client_broken(&wait->call, "a folder's state comes once, and first");
	wait->begun = true;
	wait->changed = wait->want->epoch && state.epoch != wait->want->epoch;
	if (wait->changed)
		wait->call.statuses |= CLIENT_STATUS(BACKEND_FOLDER_CHANGED);
	if (!wait->sink->begin(wait->sink->ctx, &state))
		wait->call.stop = true;
	return true;
}

static bool client_wait_take(struct client_call *call, struct frame *frame)
{
	struct client_wait *wait = (struct client_wait *)call;

	if (frame->type == FRAME_STATE)
		return client_wait_state(wait, frame);
	if (frame->type != FRAME_NEWS || !frame_at_end(frame) || !wait->begun ||
		wait->changed || wait->news)
		return client_broken(call, "news comes once, and of an open folder");
	wait->news = true;
	return true;
}

static bool client_wait_complete(struct client_call *call)
{
	const struct client_wait *wait = (struct client_wait *)call;

	return (wait->begun && !wait->changed) ||
	       client_broken(call, "a wait is over when the folder was opened");
}

/* Whether the server was introduced as one that has it. */
static bool client_wait_offered(const struct backend *backend, struct backend_result *result)
{
	const struct client *client = (const struct client *)backend;

	if (client->fd < 0 || client->caps & BACKEND_CAP_IDLE)
		return true;
	backend_result_set(
		result, BACKEND_REFUSED, "The server does not tell of news by itself (IDLE)");
	return false;
}

void client_wait(struct backend *backend, const struct backend_wait *want,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result)
{
	struct client_wait wait = {
		.call = {.take = client_wait_take,
			.complete = client_wait_complete,
			.read = client_wait_read,
			.alive_more = want->timeout_ms / 1000,
			.statuses = CLIENT_FOLDER_STATUSES},
		.want = want,
		.sink = sink,
	};
	struct frame_writer *writer = &client_of(backend)->writer;

	*news_out = false;
	if (!client_wait_offered(backend, result) ||
		!client_begin(&wait.call, backend, FRAME_WAIT, result))
		return;
	frame_put_str(writer, want->raw);
	frame_put_u64(writer, want->epoch);
	frame_put_u32(writer, want->timeout_ms);
	client_finish(&wait.call);
	if (wait.woken && !wait.call.stop && result->status == BACKEND_STOPPED)
		backend_result_ok(result);
	*news_out = wait.news && result->status == BACKEND_OK;
}
