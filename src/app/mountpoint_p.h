/*
 * mountpoint_p.h - what is at a path: nothing, a mount of ours, a dead one.
 * Called by setup.c and the commands in the starting process. One thread.
 */
#ifndef MOUNTMAIL_APP_MOUNTPOINT_P_H
#define MOUNTMAIL_APP_MOUNTPOINT_P_H

#include <mountmail/base/buf.h>
#include <mountmail/base/error.h>
#include <stdbool.h>

enum mountpoint_state {
	MOUNTPOINT_OTHER, /* no mount of ours: a directory, or somebody else's mount */
	MOUNTPOINT_ALIVE,
	MOUNTPOINT_DEAD, /* its process is gone: every access fails with ENOTCONN */
};

/* Whether the topmost mount at path (resolved) is one of ours. Does not touch it. */
bool mountpoint_is_ours(const char *path);
/* path is resolved. Touches the mount when it is ours. */
enum mountpoint_state mountpoint_state(const char *path);

/*
 * Whether something can be mounted at path (resolved), as far as that can be known before:
 * -EBUSY when one of ours is there, -ENOTDIR, -ENOTEMPTY, ..., with a text. A dead mount is no
 * hindrance: mounting clears it.
 */
int mountpoint_check(const char *path, struct error *err);

/*
 * Takes a mount away without asking who serves it; lazy: also while it is in use. 0; -EBUSY; -errno;
 * with a text.
 */
int mountpoint_take_away(const char *path, bool lazy, struct error *err);

/* Appends who uses what is below path, as far as one may see: "less (pid 12), bash (pid 34)". */
void mountpoint_users(const char *path, struct buf *out);

#endif
