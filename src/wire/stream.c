#include "stream_internal_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_MAILSTREAM 8192u
/* What a byte earns: below some 30 bytes a second an answer does not flow. */
#define STREAM_MS_A_BYTE 32

struct stream *stream_create(int fd, const struct wire_conf *conf, int watch_fd)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));
	int flags = fcntl(fd, F_GETFL);

	stream->conf = conf;
	stream->fd = fd;
	stream->watch_fd = watch_fd;
	stream->patience_ms = conf->timeout_ms;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		stream_fail(stream, "%s", strerror(errno));
	return stream;
}

struct stream *stream_from_fd(int fd, const struct wire_conf *conf, int watch_fd)
{
	return stream_create(fd, conf, watch_fd);
}

void stream_destroy(struct stream *stream)
{
	SSL_free(stream->ssl);
	SSL_CTX_free(stream->trust);
	guard_destroy(stream->guard);
	if (stream->fd >= 0)
		close(stream->fd);
	free(stream->ahead);
	free(stream);
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	stream_tls_end(stream);
	stream_destroy(stream);
}

void stream_fail(struct stream *stream, const char *format, ...)
{
	va_list args;

	if (stream->failure[0])
		return;
	va_start(args, format);
	vsnprintf(stream->failure, sizeof(stream->failure), format, args);
	va_end(args);
}

void stream_fail_errno(struct stream *stream, int code)
{
	/* These two are the other side's doing. */
	if (!stream->failure[0])
		stream->away = code != ECONNRESET && code != EPIPE;
	stream_fail(stream, "%s", strerror(code));
}

void stream_drop(struct stream *stream, const char *why)
{
	stream_fail(stream, "%s", why);
	stream->away = true;
	(void)shutdown(stream->fd, SHUT_RDWR);
}

bool stream_is_away(const struct stream *stream)
{
	return stream->away;
}

const char *stream_failure(const struct stream *stream)
{
	return stream->failure;
}

void stream_on_progress(struct stream *stream, void (*heard)(void *ctx), void *ctx)
{
	stream->heard = heard;
	stream->heard_ctx = ctx;
}

void stream_deadline(struct stream *stream)
{
	stream->patience_ms = stream->conf->timeout_ms;
}

/* Only waiting costs patience, so that a reader who is slow himself does not blame the server.
 */
static void stream_earned(struct stream *stream, size_t bytes)
{
	int64_t full = stream->conf->timeout_ms;

	if (bytes >= (uint64_t)full / STREAM_MS_A_BYTE)
		stream->patience_ms = full;
	else
		stream->patience_ms += (int64_t)bytes * STREAM_MS_A_BYTE;
	if (stream->patience_ms > full)
		stream->patience_ms = full;
	if (stream->heard)
		stream->heard(stream->heard_ctx);
}

bool stream_wait(struct stream *stream, short events)
{
	struct pollfd fds[2] = {
		{.fd = stream->fd, .events = events},
		/* It may well be readable: only its end is of interest. */
		{.fd = stream->watch_fd, .events = POLLRDHUP},
	};
	int64_t start, left = stream->patience_ms;
	int r;

	for (;;) {
		start = clock_now_ms();
		r = poll(fds, stream->watch_fd >= 0 ? 2 : 1, left > 0 ? (int)left : 0);
		left -= clock_now_ms() - start;
		if (r > 0)
			break;
		if (r < 0 && errno == EINTR)
			continue;
		stream->away = true;
		if (r == 0) {
			stream_fail(stream, "the server gave no answer for %u seconds",
				(stream->conf->timeout_ms + 999) / 1000);
			return false;
		}
		stream_fail(stream, "waiting for the server: %s", strerror(errno));
		return false;
	}
	stream->patience_ms = left > 0 ? left : 0;
	if (stream->watch_fd < 0 || !fds[1].revents)
		return true;
	stream->away = true;
	stream_fail(stream, "it is no longer wanted");
	return false;
}

/* 0: not now. */
static ssize_t stream_plain_result(struct stream *stream, ssize_t r)
{
	if (r > 0)
		return r;
	if (r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	if (r == 0)
		stream_fail(stream, "the server closed it");
	else
		stream_fail_errno(stream, errno);
	return -1;
}

ssize_t stream_read_now(struct stream *stream, void *data, size_t len, short *events_out)
{
	ssize_t got;

	*events_out = POLLIN;
	if (stream->failure[0])
		return -1;
	if (stream->ssl)
		got = stream_tls_read(stream, data, len, events_out);
	else
		got = stream_plain_result(stream, recv(stream->fd, data, len, 0));
	if (got > 0)
		stream_earned(stream, (size_t)got);
	return got;
}

ssize_t stream_read_some(struct stream *stream, void *data, size_t len)
{
	for (;;) {
		short events;
		ssize_t got = stream_read_now(stream, data, len, &events);

		if (got != 0)
			return got;
		if (!stream_wait(stream, events))
			return -1;
	}
}

ssize_t stream_write_some(struct stream *stream, const void *data, size_t len)
{
	for (;;) {
		short events = POLLOUT;
		ssize_t put;

		if (stream->failure[0])
			return -1;
		if (stream->ssl)
			put = stream_tls_write(stream, data, len, &events);
		else
			put = stream_plain_result(
				stream, send(stream->fd, data, len, MSG_NOSIGNAL));
		if (put > 0)
			stream_earned(stream, (size_t)put);
		if (put != 0)
			return put;
		if (!stream_wait(stream, events))
			return -1;
	}
}

/* The driver under libetpan. Its read must give -1 at the end, never 0: libetpan would spin. */

static ssize_t stream_driver_read(mailstream_low *low, void *data, size_t len)
{
	struct stream *stream = low->data;
	size_t taken;

	while ((taken = guard_take(stream->guard, data, len)) == 0) {
		ssize_t got;

		if (guard_failure(stream->guard)[0])
			return -1;
		got = stream_read_some(stream, stream->ahead, STREAM_AHEAD);
		if (got < 0)
			return -1;
		/* What came before the fault may still be read. */
		(void)guard_push(stream->guard, stream->ahead, (size_t)got);
	}
	return (ssize_t)taken;
}

static ssize_t stream_driver_write(mailstream_low *low, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t put =
			stream_write_some(low->data, (const char *)data + done, len - done);

		if (put < 0)
			return -1;
		done += (size_t)put;
	}
	return (ssize_t)done;
}

static int stream_driver_close(mailstream_low *low)
{
	struct stream *stream = low->data;

	stream_tls_end(stream);
	close(stream->fd);
	stream->fd = -1;
	return 0;
}

static int stream_driver_get_fd(mailstream_low *low)
{
	struct stream *stream = low->data;

	return stream->fd;
}

static void stream_driver_free(mailstream_low *low)
{
	stream_destroy(low->data);
	free(low);
}

/* libetpan calls it from other threads; there are none. */
static void stream_driver_cancel(mailstream_low *low)
{
}

static mailstream_low_driver stream_driver = {
	.mailstream_read = stream_driver_read,
	.mailstream_write = stream_driver_write,
	.mailstream_close = stream_driver_close,
	.mailstream_get_fd = stream_driver_get_fd,
	.mailstream_free = stream_driver_free,
	.mailstream_cancel = stream_driver_cancel,
};

mailstream *stream_mailstream(struct stream *stream, struct guard *guard)
{
	mailstream_low *low = mailstream_low_new(stream, &stream_driver);
	mailstream *mailstream = low ? mailstream_new(low, STREAM_MAILSTREAM) : NULL;

	if (!mailstream)
		abort(); /* out of memory, as in xalloc */
	stream->guard = guard;
	stream->ahead = xmalloc(STREAM_AHEAD);
	return mailstream;
}
