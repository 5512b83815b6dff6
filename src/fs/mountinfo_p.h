/*
 * mountinfo_p.h - what is mounted where, without touching it.
 * Called by mount.c in the supervisor. One thread.
 */
#ifndef MOUNTMAIL_FS_MOUNTINFO_P_H
#define MOUNTMAIL_FS_MOUNTINFO_P_H

#include <stdbool.h>
#include <sys/types.h>

struct mountinfo {
	dev_t dev;
	bool ours; /* the type is FS_TYPE */
};

/* The topmost mount at path (absolute, resolved): 1 and *out, 0 when there is none, -errno. */
int mountinfo_find(const char *path, struct mountinfo *out);
/* Whether dev is mounted at path at all, be it under another mount: 1, 0, -errno. */
int mountinfo_has(const char *path, dev_t dev);

/* One line of /proc/self/mountinfo; path_out (of the line's length) gets the mount point
 * unescaped. */
bool mountinfo_parse(const char *line, char *path_out, struct mountinfo *out);

#endif
