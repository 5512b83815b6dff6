#include "store_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int dir_make(const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int store_dir_open(const char *path, const char *option, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat stat;
	int result = dir_make(path);

	if (result < 0)
		return error_set(err, -result, "the %s folder %s cannot be made: %s", option,
			path, strerror(-result));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return error_set(err, errno,
			"the %s folder %s is a link or no folder: name the folder itself",
			option, path);
	if (fd < 0 || fstat(fd, &stat) < 0)
		return error_set(err, errno, "the %s folder %s cannot be opened: %s", option,
			path, strerror(errno));
	if (stat.st_uid != geteuid())
		return error_set(err, EPERM,
			"the %s folder %s belongs to another user: choose another with "
			"%s=",
			option, path, option);
	/* Mail is nobody else's business, also in a folder that was made too open before. */
	if ((stat.st_mode & 077) && fchmod(fd, 0700) < 0)
		return error_set(err, errno,
			"the %s folder %s is open to others and cannot be closed to them: "
			"%s",
			option, path, strerror(errno));
	return steal_fd(&fd);
}
