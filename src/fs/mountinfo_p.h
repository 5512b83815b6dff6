/*
 * mountinfo_p.h - what is mounted where, without touching it.
 * Called by mount.c in the supervisor. One thread.
 */
#ifndef MOUNTMAIL_FS_MOUNTINFO_P_H
#define MOUNTMAIL_FS_MOUNTINFO_P_H

#include <stdbool.h>
#include <sys/types.h>

struct mountinfo {
	int id;
	dev_t dev;
	bool ours; /* the type is FS_TYPE */
};

/* The topmost mount at path (absolute, resolved): 1 and *out, 0 when there is none, -errno. */
int mountinfo_find(const char *path, struct mountinfo *out);
/*
 * Whether this very mount is at path, be it under another one: 1, 0, -errno. All of it is
 * compared, since the kernel gives the number of a device that is gone to the next mount.
 */
int mountinfo_has(const char *path, const struct mountinfo *wanted);
bool mountinfo_same(const struct mountinfo *a, const struct mountinfo *b);

/* One line of /proc/self/mountinfo; path_out (of the line's length) gets the mount point
 * unescaped. */
bool mountinfo_parse(const char *line, char *path_out, struct mountinfo *out);

#endif
