#include "stream_internal_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Of a connection that is silent: a dead one is noticed within two minutes. The last is for
 * what was sent and is not acknowledged, in milliseconds; it overrides the count of probes.
 */
#define STREAM_KEEP_IDLE 60
#define STREAM_KEEP_INTERVAL 20
#define STREAM_KEEP_COUNT 3
#define STREAM_UNHEARD_MS ((STREAM_KEEP_IDLE + STREAM_KEEP_INTERVAL * STREAM_KEEP_COUNT) * 1000)

/* Each of these only makes things better; a connection without them works as well. */
static void stream_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, STREAM_KEEP_IDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL, STREAM_KEEP_INTERVAL},
		{IPPROTO_TCP, TCP_KEEPCNT, STREAM_KEEP_COUNT},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, STREAM_UNHEARD_MS},
		{IPPROTO_TCP, TCP_NODELAY, 1},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			sizeof(options[i].value));
}

/* Returns 0, -errno, or -ECANCELED when the channel was closed. */
static int stream_await_connect(int fd, int watch_fd, int64_t until_ms)
{
	struct pollfd fds[2] = {
		{.fd = fd, .events = POLLOUT}, {.fd = watch_fd, .events = POLLRDHUP}};
	socklen_t len = sizeof(int);
	int failed = 0, r;

	do {
		int64_t left = until_ms - clock_now_ms();

		r = poll(fds, watch_fd >= 0 ? 2 : 1, left > 0 ? (int)left : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	if (watch_fd >= 0 && fds[1].revents)
		return -ECANCELED;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
		return -errno;
	return -failed;
}

/* Returns a descriptor or -errno. */
static int stream_try(const struct addrinfo *address, int watch_fd, int64_t until_ms)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		address->ai_protocol);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		r = errno == EINPROGRESS ? stream_await_connect(fd, watch_fd, until_ms)
					 : -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	stream_tune(fd);
	return fd;
}

/* All addresses in turn; each gets its share of the time, so that a dead one does not use up
 * all. */
static int stream_try_all(
	const struct addrinfo *addresses, const struct wire_conf *conf, int watch_fd)
{
	int64_t until = clock_now_ms() + conf->timeout_ms;
	int fd = -EADDRNOTAVAIL, count = 0;

	for (const struct addrinfo *a = addresses; a; a = a->ai_next)
		count++;
	for (const struct addrinfo *a = addresses; a; a = a->ai_next, count--) {
		int64_t now = clock_now_ms();

		fd = stream_try(a, watch_fd, now + (until - now) / count);
		if (fd >= 0 || fd == -ECANCELED)
			break;
	}
	return fd;
}

static void stream_tell_lookup(
	const struct wire_conf *conf, int failed, int code, struct backend_result *result)
{
	if (failed == EAI_NONAME)
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"The host %s is unknown. Check its spelling, and that this computer is "
			"on "
			"the network",
			conf->host);
	else
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"The address of %s cannot be looked up now: %s. Check that this "
			"computer "
			"is on the network",
			conf->host,
			failed == EAI_SYSTEM ? strerror(code) : gai_strerror(failed));
}

static void stream_tell_connect(
	const struct wire_conf *conf, int failed, struct backend_result *result)
{
	unsigned port = conf->port;

	if (failed == -ECONNREFUSED)
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"%s refuses connections on port %u (connection refused): the server is "
			"not running, or host or port are wrong",
			conf->host, port);
	else if (failed == -ETIMEDOUT)
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"%s does not answer on port %u (timed out): it is down, or a firewall "
			"is "
			"in the way",
			conf->host, port);
	else if (failed == -ECANCELED)
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"The connection to %s is no longer wanted", conf->host);
	else
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"%s cannot be reached on port %u: %s. Check that this computer is on "
			"the "
			"network",
			conf->host, port, strerror(-failed));
}

struct stream *stream_connect(
	const struct wire_conf *conf, int watch_fd, struct backend_result *result)
{
	/* Not AI_ADDRCONFIG: it would make ::1 unknown on a machine without IPv6 beyond itself.
	 */
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *addresses = NULL;
	char port[8];
	int failed, fd;

	snprintf(port, sizeof(port), "%u", (unsigned)conf->port);
	failed = getaddrinfo(conf->host, port, &hints, &addresses);
	if (failed) {
		stream_tell_lookup(conf, failed, errno, result);
		return NULL;
	}
	fd = stream_try_all(addresses, conf, watch_fd);
	freeaddrinfo(addresses);
	if (fd < 0) {
		stream_tell_connect(conf, fd, result);
		return NULL;
	}
	return stream_create(fd, conf, watch_fd);
}
