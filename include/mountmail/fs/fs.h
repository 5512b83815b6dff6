/*
 * fs/fs.h - the account behind /dev/fuse.
 * fs_mount, fs_forget_device and fs_unmount are called by the supervisor (one thread); fs_serve by the mail process.
 *
 * The supervisor mounts before anyone is sandboxed and unmounts whatever happens; the mail process
 * answers requests.
 */
#ifndef MOUNTMAIL_FS_FS_H
#define MOUNTMAIL_FS_FS_H

#include <mountmail/base/error.h>
#include <mountmail/store/store.h>
#include <mountmail/sync/account.h>
#include <mountmail/view/tree.h>
#include <stdbool.h>

struct fs;

struct fs_conf {
	const char *mountpoint;   /* absolute, resolved; borrowed */
	const char *source;       /* shown by df and mount: the account; borrowed */
	const char *options;      /* "allow_other", "ro", both with a comma, or ""; borrowed */
	bool debug;               /* libfuse's own trace on standard error */
};

/*
 * Checks the mountpoint and mounts. A dead mountpoint left by a crash (ENOTCONN) is cleared first.
 * -ENOENT, -ENOTDIR, -ENOTEMPTY, -EBUSY (already mounted), -EPERM, ..., with a text for people.
 */
int fs_mount(const struct fs_conf *conf, struct fs **fs_out, struct error *err);

/* In the supervisor after the fork: closes its copy of the device, so that the mail process's end is the mount's. */
void fs_forget_device(struct fs *fs);

/*
 * Unmounts, if the mountpoint is still ours (by its identity in mountinfo, without touching it).
 * lazy: also when files are open. 0 (also when nothing is mounted there any more), -EBUSY, ...
 */
int fs_unmount(struct fs *fs, bool lazy, struct error *err);

/* What fs_serve needs and passes on in status. All borrowed. */
struct fs_host {
	struct account *account;
	struct store *store;
	struct journal *journal;     /* also of a mount with "ro", which only reads it */
	const char *account_name;
	const char *version;
	const char *control_path;    /* of the listening socket */
	int control_fd;              /* listening; borrowed */
	struct view_conf view;
	int supervisor_pid;
	/* Asks the supervisor to unmount; reply later through the closing of the mount. 0 or -errno. */
	int (*unmount)(void *ctx, bool force, struct error *err);
	void *unmount_ctx;
};

/*
 * The events for account_start: they lead to the kernel. Valid for as long as fs; harmless before
 * fs_serve.
 */
const struct account_events *fs_events(struct fs *fs);

/*
 * Answers requests until the mount ends or fs_stop. 0 or -errno. What waits then has failed and is
 * cancelled when it returns. Called once; afterwards come account_stop and then fs_destroy, in that order, since
 * the account's callbacks still lead here.
 */
int fs_serve(struct fs *fs, const struct fs_host *host, struct error *err);

/* Makes fs_serve return, also when called before it. Async-signal-safe. */
void fs_stop(struct fs *fs);

/* Frees; does not unmount. Takes NULL. */
void fs_destroy(struct fs *fs);

#endif
