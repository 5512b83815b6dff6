/*
 * supervisor_p.h - the process that outlives the others: it mounts, begins and ends them, unmounts.
 * Called by mount.c. One thread: its forks need no care.
 */
#ifndef MOUNTMAIL_APP_SUPERVISOR_P_H
#define MOUNTMAIL_APP_SUPERVISOR_P_H

#include "setup_p.h"
#include <mountmail/base/error.h>

/*
 * Mounts and serves until the mount ends. ready is called once the mount is there and the account
 * was listed. Returns what to exit with; when that is not STATUS_OK err says why. Nothing of it is
 * left: no mount, no process.
 */
enum exit_status supervisor_run(struct setup *setup, void (*ready)(void *ctx), void *ready_ctx,
	struct error *err);

#endif
