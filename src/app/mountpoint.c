#include "mountpoint_p.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUR_TYPE "fuse.mountmail"

/* Undoes what mountinfo does to blanks and the like: \040. In place. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] -
				       '0');
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/*
 * "36 35 98:0 /root /mountpoint options [optional]... - type source options". Returns whether
 * it speaks of path; *ours_out tells the type.
 */
static bool line_is_about(char *line, const char *path, bool *ours_out)
{
	char *type = strstr(line, " - ");
	char *rest = line, *field = NULL;

	if (!type)
		return false;
	for (int i = 0; i < 5; i++)
		field = strsep(&rest, " ");
	if (!field || !rest)
		return false;
	unescape(field);
	if (strcmp(field, path) != 0)
		return false;
	type += 3;
	type[strcspn(type, " ")] = '\0';
	*ours_out = strcmp(type, OUR_TYPE) == 0;
	return true;
}

bool mountpoint_is_ours(const char *path)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	bool ours = false;
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return false;
	/* The last line about it is the topmost mount. */
	while (getline(&line, &size, file) >= 0)
		line_is_about(line, path, &ours);
	free(line);
	fclose(file);
	return ours;
}

enum mountpoint_state mountpoint_state(const char *path)
{
	struct statfs found;

	if (!mountpoint_is_ours(path))
		return MOUNTPOINT_OTHER;
	/* Not stat: the kernel answers that from its cache, whoever is dead. ECONNABORTED: it
	 * died while this very question was under way. */
	if (statfs(path, &found) < 0 && (errno == ENOTCONN || errno == ECONNABORTED))
		return MOUNTPOINT_DEAD;
	return MOUNTPOINT_ALIVE;
}

static int check_directory(const char *path, struct error *err)
{
	struct dirent *entry;
	bool empty = true;
	DIR *directory;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOTDIR)
		return error_set(err, ENOTDIR, "the mountpoint %s is not a directory", path);
	if (fd < 0)
		return error_set(err, errno, "the mountpoint %s cannot be used: %s", path,
			strerror(errno));
	directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return error_set(err, ENOMEM, "the mountpoint %s cannot be read", path);
	}
	while (empty && (entry = readdir(directory)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(directory);
	if (!empty)
		return error_set(err, ENOTEMPTY,
			"the mountpoint %s is not empty, and what is in it would be hidden; "
			"use an empty directory",
			path);
	return 0;
}

int mountpoint_check(const char *path, struct error *err)
{
	switch (mountpoint_state(path)) {
	case MOUNTPOINT_ALIVE:
		return error_set(err, EBUSY,
			"%s is already mounted; to end that mount: mountmail umount %s", path,
			path);
	case MOUNTPOINT_DEAD:
		return 0;
	case MOUNTPOINT_OTHER:
		break;
	}
	return check_directory(path, err);
}

static int run_fusermount(const char *path, bool lazy, struct error *err)
{
	char name[] = "fusermount3", unmount[] = "-u", lazily[] = "-uz", end[] = "--";
	char *copy _cleanup_free_ = xstrdup(path);
	char *const argv[] = {name, lazy ? lazily : unmount, end, copy, NULL};
	int status, result;
	pid_t pid;

	result = posix_spawnp(&pid, name, NULL, NULL, argv, environ);
	if (result != 0)
		return error_set(err, result,
			"fusermount3 cannot be started: %s; is the package fuse3 installed?",
			strerror(result));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_set(
				err, errno, "fusermount3 is lost: %s", strerror(errno));
	/* It said why on our standard error. Being in use is the only reason we can do
	 * something about. */
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(
			err, lazy ? EPERM : EBUSY, "fusermount3 could not unmount %s", path);
	return 0;
}

int mountpoint_take_away(const char *path, bool lazy, struct error *err)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno != EPERM)
		return error_set(
			err, errno, "%s cannot be unmounted: %s", path, strerror(errno));
	return run_fusermount(path, lazy, err);
}

/* Whether the link at name (below a process's directory) leads to path or below it. */
static bool leads_below(int process, const char *name, const char *path)
{
	char target[4096];
	ssize_t len = readlinkat(process, name, target, sizeof(target) - 1);
	size_t path_len = strlen(path);

	if (len < 0)
		return false;
	target[len] = '\0';
	return str_starts(target, path) && (!target[path_len] || target[path_len] == '/');
}

static bool has_open(int process, const char *path)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *files = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (!files) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (entry = readdir(files)))
		found = leads_below(dirfd(files), entry->d_name, path);
	closedir(files);
	return found;
}

static void process_name(int process, char *name_out, size_t size)
{
	int fd _cleanup_close_ = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, name_out, size - 1);

	name_out[got > 0 ? got : 0] = '\0';
	name_out[strcspn(name_out, "\n")] = '\0';
}

void mountpoint_users(const char *path, struct buf *out)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned found = 0;

	if (!proc)
		return;
	while ((entry = readdir(proc)) && found < 5) {
		int process _cleanup_close_ = -1;
		char name[64];
		uint64_t pid;

		if (str_to_u64(entry->d_name, INT32_MAX, &pid) < 0)
			continue;
		process =
			openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 ||
			(!leads_below(process, "cwd", path) &&
				!leads_below(process, "root", path) &&
				!leads_below(process, "exe", path) && !has_open(process, path)))
			continue;
		process_name(process, name, sizeof(name));
		buf_printf(out, "%s%s (pid %s)", found ? ", " : "", name, entry->d_name);
		found++;
	}
	closedir(proc);
}
