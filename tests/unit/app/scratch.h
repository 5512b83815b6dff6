/*
 * scratch.h - a directory of a test's own. For the tests of this floor; one thread.
 */
#ifndef TESTS_UNIT_APP_SCRATCH_H
#define TESTS_UNIT_APP_SCRATCH_H

#include <fcntl.h>
#include <ftw.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static inline int scratch_make(void **state)
{
	strcpy(scratch, "/tmp/mm-unit-XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove_one(
	const char *path, const struct stat *found, int kind, struct FTW *where)
{
	return remove(path);
}

static inline int scratch_remove(void **state)
{
	return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of name in the directory, owned. */
static inline char *scratch_path(const char *name)
{
	return xasprintf("%s/%s", scratch, name);
}

/* A file with that mode and text; its path, owned. */
static inline char *scratch_file(const char *name, mode_t mode, const char *text)
{
	char *path = scratch_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
		fchmod(fd, mode) < 0)
		abort();
	close(fd);
	return path;
}

#endif
