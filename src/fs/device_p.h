/*
 * device_p.h - mounting and unmounting as such: mount(2) where we may, fusermount3 where not.
 * Called by mount.c in the supervisor. One thread.
 */
#ifndef MOUNTMAIL_FS_DEVICE_P_H
#define MOUNTMAIL_FS_DEVICE_P_H

#include <mountmail/base/error.h>
#include <stdbool.h>

struct device_conf {
	const char *mountpoint;
	const char *source;
	bool allow_other;
	bool read_only; /* for the kernel, too */
};

/* Returns the descriptor of /dev/fuse behind the new mount, or -errno. */
int device_mount(const struct device_conf *conf, struct error *err);

/* 0, -EBUSY (files are open; never when lazy), ... */
int device_unmount(const char *mountpoint, bool lazy, struct error *err);

#endif
