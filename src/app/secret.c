#include "secret_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/log.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A longest line, its line break and a NUL fit. */
#define SECRET_PAGE (2 * SECRET_MAX)

int secret_init(struct secret *secret, struct error *err)
{
	void *page = mmap(
		NULL, SECRET_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*secret = (struct secret){0};
	if (page == MAP_FAILED)
		return error_set(err, errno, "no memory for the password: %s", strerror(errno));
	secret->text = page;
	secret->size = SECRET_PAGE;
	if (madvise(page, SECRET_PAGE, MADV_DONTDUMP) < 0)
		log_debug("the password's memory may be part of a core dump: %s",
			strerror(errno));
	secret_lock(secret);
	return 0;
}

void secret_lock(const struct secret *secret)
{
	if (secret->text && mlock(secret->text, secret->size) < 0)
		log_debug("the password's memory may be swapped out: %s", strerror(errno));
}

void secret_finish(struct secret *secret)
{
	if (!secret->text)
		return;
	explicit_bzero(secret->text, secret->size);
	munmap(secret->text, secret->size);
	*secret = (struct secret){0};
}

int secret_take_line(struct secret *secret, size_t len, const char *origin, struct error *err)
{
	char *line_break = memchr(secret->text, '\n', len);
	size_t line = line_break ? (size_t)(line_break - secret->text) : len;

	if (line_break && line > 0 && secret->text[line - 1] == '\r')
		line--;
	explicit_bzero(secret->text + line, secret->size - line);
	if (line == 0)
		return error_set(
			err, EINVAL, "%s gave no password: its first line is empty", origin);
	if (line > SECRET_MAX)
		return error_set(err, EINVAL, "the first line of %s is longer than %d bytes",
			origin, SECRET_MAX);
	if (strlen(secret->text) != line)
		return error_set(err, EINVAL,
			"the first line of %s holds a zero byte and is no password", origin);
	return 0;
}

/* A symbolic link counts only when it is ours: whoever may put one there chooses the file. */
static int open_passfile(const char *path, struct error *err)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat link;
	int fd = open(path, flags | O_NOFOLLOW);

	if (fd < 0 && errno == ELOOP && lstat(path, &link) == 0) {
		if (S_ISLNK(link.st_mode) && link.st_uid != geteuid())
			return error_set(err, EPERM,
				"passfile=%s is a symbolic link that somebody else made; name "
				"the "
				"file itself",
				path);
		fd = open(path, flags);
	}
	if (fd < 0)
		return error_set(
			err, errno, "passfile=%s cannot be read: %s", path, strerror(errno));
	return fd;
}

static int check_passfile(int fd, const char *path, struct error *err)
{
	struct stat file;

	if (fstat(fd, &file) < 0)
		return error_set(err, errno, "passfile=%s cannot be looked at: %s", path,
			strerror(errno));
	if (!S_ISREG(file.st_mode))
		return error_set(err, EINVAL, "passfile=%s is not a regular file", path);
	if (file.st_uid != geteuid())
		return error_set(err, EPERM,
			"passfile=%s belongs to user %u, not to you; do: chown %u %s", path,
			(unsigned)file.st_uid, (unsigned)geteuid(), path);
	if (file.st_mode & 077)
		return error_set(err, EPERM,
			"other users have access to passfile=%s (its mode is %03o); do: chmod "
			"600 "
			"%s",
			path, (unsigned)(file.st_mode & 0777), path);
	return 0;
}

int secret_from_file(struct secret *secret, const char *path, struct error *err)
{
	int fd _cleanup_close_ = open_passfile(path, err);
	size_t len = 0;
	ssize_t got;
	int result;

	if (fd < 0)
		return fd;
	result = check_passfile(fd, path, err);
	if (result < 0)
		return result;
	while (len < secret->size - 1 && !memchr(secret->text, '\n', len)) {
		got = read(fd, secret->text + len, secret->size - 1 - len);
		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set(err, errno, "passfile=%s cannot be read: %s", path,
				strerror(errno));
		len += (size_t)got;
	}
	return secret_take_line(secret, len, path, err);
}
