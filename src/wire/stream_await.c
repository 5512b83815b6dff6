#include "stream_internal_p.h"
#include <errno.h>
#include <limits.h>
#include <mountmail/base/clock.h>
#include <poll.h>
#include <string.h>

/* 1: there may be something to read from the server. */
static int stream_await_poll(struct stream *stream, short events, int64_t until_ms, int wake_fd)
{
	struct pollfd fds[3] = {
		{.fd = stream->fd, .events = events},
		{.fd = stream->watch_fd, .events = POLLIN | POLLRDHUP},
		{.fd = wake_fd, .events = POLLIN},
	};
	int64_t left;
	int r;

	do {
		left = until_ms - clock_now_ms();
		if (left < 0)
			left = 0;
		/* poll() passes over what is below 0. */
		r = poll(fds, 3, left < INT_MAX ? (int)left : INT_MAX);
	} while ((r < 0 && errno == EINTR) || (r == 0 && left >= INT_MAX));
	if (r < 0) {
		stream->away = true;
		stream_fail(stream, "waiting for the server: %s", strerror(errno));
		return -1;
	}
	if (fds[1].revents & ~POLLIN) {
		stream->away = true;
		stream_fail(stream, "it is no longer wanted");
		return -1;
	}
	return fds[0].revents && !fds[1].revents && !fds[2].revents;
}

int stream_await(struct stream *stream, int64_t until_ms, int wake_fd)
{
	while (!guard_has_line(stream->guard)) {
		short events;
		ssize_t got;
		int r = 1;

		if (guard_failure(stream->guard)[0])
			return -1;
		got = stream_read_now(stream, stream->ahead, STREAM_AHEAD, &events);
		/* A line without an end is not listened to for ever: the guard sees to that. */
		if (got > 0)
			(void)guard_push(stream->guard, stream->ahead, (size_t)got);
		else if (got == 0)
			r = stream_await_poll(stream, events, until_ms, wake_fd);
		if (got < 0 || r <= 0)
			return got < 0 ? -1 : r;
	}
	return 1;
}
