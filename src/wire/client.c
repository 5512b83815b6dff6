#include "client_p.h"
#include <assert.h>
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The wire process watches the time itself; it is given up when it does not. */
#define CLIENT_GRACE_MS 5000
/* Before it connects, it looks up a name, which has a time of its own. */
#define CLIENT_LOOKUP_MS 30000
#define CLIENT_TIMEOUT_MAX_MS (3600u * 1000)
/* The process says ALIVE once a second at most. So many in a row come to nothing. */
#define CLIENT_ALIVE_MAX 3600u
/* Nobody means more than that. */
#define CLIENT_RETRY_MAX_MS (3600u * 1000)

#define CLIENT_CAPS ((uint32_t)BACKEND_CAP_NO_UIDL * 2 - 1)

/* Ends the process, or what is left of it. */
static void client_hang_up(struct client *client)
{
	int fd, pid = atomic_exchange(&client->pid, 0);

	pthread_mutex_lock(&client->lock);
	fd = client->fd;
	client->fd = -1;
	pthread_mutex_unlock(&client->lock);
	if (fd < 0)
		return;
	close(fd);
	client->dialer.hangup(client->dialer.ctx, pid);
}

static void client_cancel(struct backend *backend)
{
	struct client *client = client_of(backend);

	pthread_mutex_lock(&client->lock);
	atomic_store(&client->cancelled, true);
	/* Every wait on the channel ends, on the other side as well. Closing is the owner's. */
	if (client->fd >= 0)
		(void)shutdown(client->fd, SHUT_RDWR);
	pthread_mutex_unlock(&client->lock);
}

/* Sets the result for a connection that is over, by nobody's fault. False. */
static bool client_lost(struct client_call *call, const char *why)
{
	backend_result_set(call->result, BACKEND_CONNECTION_LOST, "%s",
		atomic_load(&call->client->cancelled) ? "The connection was no longer wanted"
						      : why);
	return false;
}

/*
 * The same for a process that ended or went mad: what the server says must have been too much
 * for it. False.
 */
static bool client_lost_over(struct client_call *call, const char *why)
{
	client_lost(call, why);
	call->result->broke = !atomic_load(&call->client->cancelled);
	return false;
}

bool client_broken(struct client_call *call, const char *rule)
{
	char why[256];

	snprintf(why, sizeof(why),
		"The process that speaks to the server broke the rule that %s, and was ended. "
		"It "
		"may have been misled by the server",
		rule);
	if (!atomic_load(&call->client->cancelled))
		log_error("wire process %d broke the rule that %s",
			atomic_load(&call->client->pid), rule);
	return client_lost_over(call, why);
}

/* What a failed frame_read or frame_flush means. False. */
static bool client_failed(struct client_call *call, int status)
{
	char why[256];

	if (status == -EPROTO)
		return client_broken(call, "frames have a length and a type");
	if (status == -EPIPE)
		return client_lost_over(
			call, "The process that speaks to the server ended unexpectedly");
	if (status == 0 || status == -ETIMEDOUT) {
		snprintf(why, sizeof(why),
			"The process that speaks to the server said nothing for %d seconds, "
			"and was "
			"ended",
			call->limit_ms / 1000);
		return client_lost(call, why);
	}
	snprintf(why, sizeof(why),
		"The channel to the process that speaks to the server failed: %s",
		strerror(-status));
	return client_lost(call, why);
}

bool client_begin(struct client_call *call, struct backend *backend, enum frame_type type,
	struct backend_result *result)
{
	struct client *client = client_of(backend);

	call->client = client;
	call->result = result;
	call->limit_ms = client->limit_ms;
	if (client->fd < 0)
		return client_lost(call, "There is no connection to the server");
	frame_begin(&client->writer, type);
	return true;
}

static bool client_ask(struct client_call *call)
{
	struct frame_writer *writer = &call->client->writer;
	size_t size = frame_size(writer);
	int status;

	frame_end(writer);
	if (size > FRAME_PAYLOAD_MAX) {
		buf_clear(&writer->out);
		backend_result_set(call->result, BACKEND_REFUSED,
			"The request is too large: %zu bytes", size);
		return false;
	}
	status = frame_flush(writer, call->limit_ms);
	return status == 0 || client_failed(call, status);
}

/* What the call's end says of itself; its sense is client_accept's business. */
static bool client_read_result(struct client_call *call, struct frame *frame)
{
	uint8_t status = frame_get_u8(frame);
	uint32_t retry_ms = frame_get_u32(frame);
	uint8_t broke = frame_get_u8(frame);
	char *text = frame_get_str(frame, sizeof(call->result->text) - 1);
	bool sound = text && frame_at_end(frame) && status <= BACKEND_REFUSED &&
		     broke <= (status == BACKEND_CONNECTION_LOST);

	if (sound) {
		client_text_tame(text);
		backend_result_set(call->result, (enum backend_status)status, "%s",
			status == BACKEND_OK ? "" : text);
		call->result->broke = broke;
		call->result->retry_ms =
			retry_ms < CLIENT_RETRY_MAX_MS ? retry_ms : CLIENT_RETRY_MAX_MS;
	}
	free(text);
	return sound || client_broken(call, "a result is well-formed");
}

static bool client_accept(struct client_call *call, struct frame *frame)
{
	enum backend_status status;
	unsigned allowed = call->statuses | CLIENT_STATUS(BACKEND_OK) |
			   CLIENT_STATUS(BACKEND_CONNECTION_LOST);

	if (!client_read_result(call, frame))
		return false;
	status = call->result->status;
	if (call->stop) {
		/* It was done before it heard of it, which is no news for who wanted no more.
		 */
		if (status == BACKEND_OK)
			backend_result_set(call->result, BACKEND_STOPPED, "Stopped on request");
		allowed |= CLIENT_STATUS(BACKEND_STOPPED);
	} else if (status == BACKEND_OK && call->complete && !call->complete(call)) {
		return false;
	}
	return (allowed & CLIENT_STATUS(status)) ||
	       client_broken(call, "a result answers what was asked");
}

/* Tells the process to stop. What it still says is drained, for so long. */
static bool client_tell_stop(struct client_call *call, int64_t *end_ms)
{
	struct frame_writer *writer = &call->client->writer;
	int status;

	frame_begin(writer, FRAME_STOP);
	frame_end(writer);
	*end_ms = clock_now_ms() + call->limit_ms;
	status = frame_flush(writer, call->limit_ms);
	return status == 0 || client_failed(call, status);
}

/* The next frame, or the result of there being none. *end_ms is 0 until it was told to stop. */
static bool client_next(struct client_call *call, struct frame *frame, int64_t *end_ms)
{
	int got = -EINTR;
	int64_t left;

	if (call->read && !*end_ms) {
		got = call->read(call, frame);
		if (got == -EINTR && !client_tell_stop(call, end_ms))
			return false;
	}
	if (got == -EINTR) {
		left = *end_ms ? *end_ms - clock_now_ms() : call->limit_ms;
		got = frame_read(&call->client->reader, frame, left > 0 ? (int)left : 0);
	}
	if (got != 1)
		return client_failed(call, got);
	/* What was on its way when somebody cancelled counts no more. */
	return !atomic_load(&call->client->cancelled) || client_lost(call, "");
}

/* Takes frames until the result, which may be one of our own making. */
static void client_listen(struct client_call *call)
{
	unsigned alive = 0;
	int64_t end_ms = 0;
	struct frame frame;

	while (client_next(call, &frame, &end_ms)) {
		if (frame.type == FRAME_RESULT) {
			(void)client_accept(call, &frame);
			return;
		}
		if (end_ms && clock_now_ms() >= end_ms) {
			client_broken(call, "a call ends when it is told to stop");
			return;
		}
		if (call->stop)
			continue;
		alive = frame.type == FRAME_ALIVE ? alive + 1 : 0;
		if (alive > CLIENT_ALIVE_MAX + call->alive_more) {
			client_broken(call, "being alive leads to something");
			return;
		}
		if (alive && call->alive)
			call->alive(call);
		else if (!alive && !call->take(call, &frame))
			return;
		if (call->stop && !end_ms && !client_tell_stop(call, &end_ms))
			return;
	}
}

void client_finish(struct client_call *call)
{
	if (client_ask(call))
		client_listen(call);
	if (call->result->status == BACKEND_CONNECTION_LOST)
		client_hang_up(call->client);
}

/* Opening. */

struct client_open {
	struct client_call call; /* first */
	struct backend_server *server_out;
	bool told; /* what the server can do */
};

static bool client_open_take(struct client_call *call, struct frame *frame)
{
	struct client_open *open = (struct client_open *)call;
	char *name;
	bool sound;

	if (frame->type != FRAME_SERVER || open->told)
		return client_broken(call, "a server is introduced once");
	open->told = true;
	open->server_out->caps = call->client->caps = frame_get_u32(frame);
	name = frame_get_str(frame, sizeof(open->server_out->name) - 1);
	sound = name && frame_at_end(frame) && client_text_sound(name) &&
		!(open->server_out->caps & ~CLIENT_CAPS);
	if (sound)
		snprintf(open->server_out->name, sizeof(open->server_out->name), "%s", name);
	free(name);
	return sound || client_broken(call, "a server has a name and known abilities");
}

static bool client_open_complete(struct client_call *call)
{
	struct client_open *open = (struct client_open *)call;

	return open->told || client_broken(call, "a server is introduced");
}

/* A channel to a new process: cancel() reaches it from now on. */
static void client_connected(struct client *client, int fd, int pid)
{
	frame_writer_init(&client->writer, fd);
	frame_reader_init(&client->reader, fd);
	atomic_store(&client->pid, pid);
	pthread_mutex_lock(&client->lock);
	client->fd = fd;
	/* Cancelled while dialling: the first use of the channel tells. */
	if (atomic_load(&client->cancelled))
		(void)shutdown(fd, SHUT_RDWR);
	pthread_mutex_unlock(&client->lock);
}

/* False, with result, when there is no process to be had. */
static bool client_dial(struct client *client, struct backend_result *result)
{
	struct error err = {0};
	int pid = 0, fd = -ECANCELED;

	if (!atomic_load(&client->cancelled))
		fd = client->dialer.dial(client->dialer.ctx, &pid, &err);
	if (fd < 0) {
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"No process for a connection to the server: %.400s",
			err.text[0] ? err.text : strerror(-fd));
		return false;
	}
	client_connected(client, fd, pid);
	return true;
}

static void client_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	struct client *client = client_of(backend);
	struct client_open open = {
		.call = {.take = client_open_take,
			.complete = client_open_complete,
			.statuses = CLIENT_STATUS(BACKEND_THROTTLED) |
				    CLIENT_STATUS(BACKEND_AUTH_FAILED) |
				    CLIENT_STATUS(BACKEND_REFUSED)},
		.server_out = server_out,
	};

	*server_out = (struct backend_server){0};
	assert(!client->used);
	client->used = true;
	if (!client_dial(client, result) ||
		!client_begin(&open.call, backend, FRAME_OPEN, result))
		return;
	open.call.limit_ms += CLIENT_LOOKUP_MS;
	client_finish(&open.call);
	if (result->status != BACKEND_OK)
		client_hang_up(client);
}

static void client_close(struct backend *backend)
{
	struct client *client = client_of(backend);

	client_hang_up(client);
	frame_writer_finish(&client->writer);
	frame_reader_finish(&client->reader);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

static const struct backend_ops client_ops = {
	.open = client_open,
	.list = client_list,
	.scan = client_scan,
	.fetch = client_fetch,
	.verify = client_verify,
	.remove = client_remove,
	.wait = client_wait,
	.cancel = client_cancel,
	.close = client_close,
};

struct backend *client_create(const struct client_dialer *dialer, uint32_t timeout_ms)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->backend.ops = &client_ops;
	client->dialer = *dialer;
	client->fd = -1;
	client->limit_ms =
		CLIENT_GRACE_MS +
		(int)(timeout_ms < CLIENT_TIMEOUT_MAX_MS ? timeout_ms : CLIENT_TIMEOUT_MAX_MS);
	pthread_mutex_init(&client->lock, NULL);
	frame_writer_init(&client->writer, -1);
	frame_reader_init(&client->reader, -1);
	return &client->backend;
}

int client_pid(const struct backend *backend)
{
	const struct client *client = (const struct client *)backend;

	return atomic_load(&client->pid);
}
