#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CONTROL_BACKLOG = 64 };

static int control_address(const char *path, struct sockaddr_un *address, struct error *err)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(err, ENAMETOOLONG,
			"the path of the control socket %s is too long (%zu bytes are the "
			"most): "
			"choose a shorter state=",
			path, sizeof(address->sun_path) - 1);
	strcpy(address->sun_path, path);
	return 0;
}

int control_listen(const char *path, struct error *err)
{
	struct sockaddr_un address;
	int result = control_address(path, &address, err);
	_cleanup_close_ int fd = -1;
	struct stat stat_buf;
	mode_t old;

	if (result < 0)
		return result;
	/* Only a socket: nothing else is ours to remove. */
	if (lstat(path, &stat_buf) == 0 && S_ISSOCK(stat_buf.st_mode))
		unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, errno, "no control socket: %s", strerror(errno));
	old = umask(0177);
	result = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(old);
	if (result == 0 && listen(fd, CONTROL_BACKLOG) < 0)
		result = -errno;
	if (result < 0)
		return error_set(err, -result, "the control socket %s cannot be made: %s", path,
			strerror(-result));
	return steal_fd(&fd);
}

/* The path of the socket, owned. */
static int control_find(const char *mountpoint, char **path_out, struct error *err)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	ssize_t len = getxattr(mountpoint, CONTROL_XATTR, path, sizeof(path));

	if (len >= 0) {
		*path_out = xstrndup(path, (size_t)len);
		return 0;
	}
	switch (errno) {
	case ENODATA:
	case EOPNOTSUPP:
	case ENOTDIR:
		return error_set(err, EINVAL, "%s is not a mountmail mount", mountpoint);
	case ENOTCONN:
		return error_set(err, ENOTCONN,
			"%s is a mount whose process is gone: \"fusermount3 -u %s\" clears it, "
			"and so does mounting there again",
			mountpoint, mountpoint);
	default:
		return error_set(err, errno, "%s is not a mountmail mount: %s", mountpoint,
			strerror(errno));
	}
}

static int control_connect(const char *path, struct error *err)
{
	struct sockaddr_un address;
	_cleanup_close_ int fd = -1;
	int result = control_address(path, &address, err);

	if (result < 0)
		return result;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "the mount does not answer at its socket %s: %s",
			path, strerror(errno));
	return steal_fd(&fd);
}

static int control_send(int fd, const char *request, struct error *err)
{
	_cleanup_free_ char *line = xasprintf("%s\n", request);
	size_t len = strlen(line), sent = 0;

	if (len > CONTROL_LINE_MAX || strchr(request, '\n'))
		return error_set(err, EINVAL, "such a request cannot be sent to the mount");
	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return error_set(
				err, errno, "the mount does not listen: %s", strerror(errno));
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int control_receive(int fd, int timeout_ms, struct buf *answer, struct error *err)
{
	struct pollfd pollfd = {fd, POLLIN, 0};
	char piece[4096];

	for (;;) {
		int ready = poll(&pollfd, 1, timeout_ms);
		ssize_t n = ready > 0 ? recv(fd, piece, sizeof(piece), 0) : ready;

		if (ready == 0)
			return error_set(err, ETIMEDOUT, "the mount does not answer");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno, "the mount's answer was cut off: %s",
				strerror(errno));
		if (n == 0)
			return 0;
		buf_append(answer, piece, (size_t)n);
	}
}

/* Takes the first line off. 0, or what it says. */
static int control_understand(struct buf *answer, struct buf *payload_out, struct error *err)
{
	char *line = answer->len ? answer->data : NULL;
	char *end = line ? memchr(line, '\n', answer->len) : NULL;
	char *text;
	long code;

	if (!end)
		return error_set(err, ECONNRESET,
			"the mount ended before it answered: its log may say why");
	*end = '\0';
	if (strcmp(line, "ok") == 0) {
		buf_append(payload_out, end + 1, answer->len - (size_t)(end + 1 - line));
		return 0;
	}
	code = str_starts(line, "error ") ? strtol(line + 6, &text, 10) : 0;
	if (code <= 0 || code > 4095 || *text != ' ')
		return error_set(err, EPROTO, "the mount's answer makes no sense");
	return error_set(err, (int)code, "%s", text + 1);
}

int control_ask(const char *mountpoint, const char *request, int timeout_ms,
	struct buf *payload_out, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct buf answer = BUF_INIT;
	int result = control_find(mountpoint, &path, err);

	if (result < 0)
		return result;
	fd = control_connect(path, err);
	if (fd < 0)
		return fd;
	result = control_send(fd, request, err);
	if (result == 0)
		result = control_receive(fd, timeout_ms, &answer, err);
	if (result == 0)
		result = control_understand(&answer, payload_out, err);
	buf_finish(&answer);
	return result;
}
