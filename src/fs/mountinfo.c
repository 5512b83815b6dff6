#include "fs_p.h"
#include "mountinfo_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static bool octal(char c)
{
	return c >= '0' && c <= '7';
}

/* \040 and the like, up to the next blank. */
static const char *mountinfo_unescape(const char *from, char *to)
{
	while (*from && *from != ' ' && *from != '\n') {
		if (from[0] == '\\' && octal(from[1]) && octal(from[2]) && octal(from[3])) {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return from;
}

/* 36 35 98:0 /root /mount\040point rw,noatime shared:1 - TYPE SOURCE OPTIONS */
bool mountinfo_parse(const char *line, char *path_out, struct mountinfo *out)
{
	unsigned major, minor;
	const char *rest;
	int at = -1;

	if (sscanf(line, "%d %*d %u:%u %*s %n", &out->id, &major, &minor, &at) != 3 || at < 0)
		return false;
	rest = mountinfo_unescape(line + at, path_out);
	rest = strstr(rest, " - ");
	if (!rest)
		return false;
	out->dev = makedev(major, minor);
	out->ours = str_starts(rest + 3, FS_TYPE " ");
	return true;
}

/* Calls each until the end of the table. 0 or -errno. */
static int mountinfo_walk(
	const char *path, void (*each)(void *ctx, const struct mountinfo *mount), void *ctx)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *at = NULL;
	size_t cap = 0;
	int result = 0;

	if (!file)
		return -errno;
	while (getline(&line, &cap, file) > 0) {
		struct mountinfo mount;

		at = xrealloc(at, cap);
		if (mountinfo_parse(line, at, &mount) && strcmp(at, path) == 0)
			each(ctx, &mount);
	}
	if (ferror(file))
		result = -EIO;
	fclose(file);
	free(line);
	free(at);
	return result;
}

bool mountinfo_same(const struct mountinfo *a, const struct mountinfo *b)
{
	return a->id == b->id && a->dev == b->dev && a->ours == b->ours;
}

struct find {
	struct mountinfo last;
	struct mountinfo wanted;
	bool any;
	bool has;
};

static void find_each(void *ctx, const struct mountinfo *mount)
{
	struct find *find = ctx;

	find->last = *mount;
	find->any = true;
	find->has |= mountinfo_same(mount, &find->wanted);
}

int mountinfo_find(const char *path, struct mountinfo *out)
{
	struct find find = {.any = false};
	int result = mountinfo_walk(path, find_each, &find);

	*out = find.last;
	return result < 0 ? result : find.any;
}

int mountinfo_has(const char *path, const struct mountinfo *wanted)
{
	struct find find = {.wanted = *wanted};
	int result = mountinfo_walk(path, find_each, &find);

	return result < 0 ? result : find.has;
}
