#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <stdlib.h>
#include <unistd.h>

void cleanup_free_p(void *pointer)
{
	int saved = errno;

	free(*(void **)pointer);
	errno = saved;
}

void cleanup_close_p(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

int steal_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}
