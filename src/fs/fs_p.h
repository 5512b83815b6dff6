/*
 * fs_p.h - what the rooms of this floor share: the mount, and what each of its threads has.
 * Used by every .c of the floor.
 *
 * Threads: two that serve requests (serve.c), one that answers those that had to wait (park.c),
 * one that tells the kernel what changed (notify.c), one for commands (control.c). The
 * account's workers come in through fs_events and the done callback of park.c.
 */
#ifndef MOUNTMAIL_FS_FS_P_H
#define MOUNTMAIL_FS_FS_P_H

#include "mountinfo_p.h"

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <mountmail/base/buf.h>
#include <mountmail/fs/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define FS_TYPE "fuse.mountmail"
#define FS_FOREVER (10.0 * 365 * 86400) /* seconds that names and attributes are good for */

struct park;
struct notify;
struct control;
struct settle;
struct documents;
struct opens;

enum { FS_ACTIVITY_SLOTS = 256, FS_CHECKED_SLOTS = 1024 };

struct fs {
	char *mountpoint;
	bool debug;
	bool read_only; /* mounted so; whatever the kernel was told later */
	int device;	/* /dev/fuse, -1 once the session or nobody has it */
	struct mountinfo mount;
	int wake; /* eventfd: readable once fs_stop was called */
	atomic_bool stopping;
	struct account_events events;

	/* From here on: set by fs_serve before the first other thread. */
	struct fs_host host;
	int64_t started_ms;
	struct fuse_session *session;
	_Atomic(struct fuse_session *)
		told; /* the session while the kernel may be told things */
	struct park *park;
	struct notify *notify;
	struct control *control;
	struct settle *settle;
	struct documents *documents;
	struct opens *opens;
	_Atomic int64_t status_changed; /* wall clock, seconds */

	/* When a directory (by hash) was last looked into, clock_now_ms. */
	_Atomic int64_t activity[FS_ACTIVITY_SLOTS];
	/* Inodes (by hash) whose bodies were read through and found whole. */
	_Atomic uint64_t checked[FS_CHECKED_SLOTS];
};

/* What a thread that answers has for itself. */
struct fs_thread {
	struct fs *fs;
	struct store_reader *reader;
	struct view *view;
	struct buf room; /* replies are built here */
};

int fs_thread_init(struct fs_thread *thread, struct fs *fs, struct error *err);
void fs_thread_finish(struct fs_thread *thread);

/* The calling thread's own, as set by fs_thread_enter. */
void fs_thread_enter(struct fs_thread *thread);
struct fs_thread *fs_thread_self(void);

/* Starts a thread that no signal is delivered to. 0 or -errno. */
int fs_thread_start(pthread_t *id_out, void *(*run)(void *ctx), void *ctx);

static inline uint32_t fs_hash(uint64_t inode)
{
	return (uint32_t)((inode * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

#endif
