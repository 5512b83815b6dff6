/*
 * wires_p.h - the wire processes that the supervisor made: begun, told to go, ended, reaped.
 * Called by supervisor.c. One thread.
 */
#ifndef MOUNTMAIL_APP_WIRES_P_H
#define MOUNTMAIL_APP_WIRES_P_H

#include "setup_p.h"
#include <mountmail/base/error.h>
#include <mountmail/sync/account.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRES_MAX (ACCOUNT_CONNECTIONS_MAX + 2)

struct wire_slot {
	pid_t pid;
	int64_t kill_at; /* in terms of clock_now_ms(); 0 while it is wanted */
};

struct wires {
	struct wire_slot slots[WIRES_MAX];
	size_t count, limit;
	unsigned tokens; /* how many may be begun now */
	int64_t filled;	 /* when a token was last added, clock_now_ms() */
};

/* connections: as configured; a few more may be alive while others end. */
void wires_init(struct wires *wires, unsigned connections);

/*
 * Begins a wire process for setup's account. Returns its pid, with the mail process's end of its
 * channel in channel_out (owned); -EAGAIN when there are too many or they come too fast; -errno.
 */
pid_t wires_begin(struct wires *wires, const struct setup *setup, int *channel_out,
	struct error *err);

/* It is not wanted any more: it has a moment to end by itself. A pid that is none of ours is ignored. */
void wires_hangup(struct wires *wires, pid_t pid);

/* Forgets those that ended, and ends those whose moment is over. */
void wires_tend(struct wires *wires, int64_t now);

/* Milliseconds until wires_tend has something to do, -1 for never. */
int wires_timeout(const struct wires *wires, int64_t now);

/* Ends and reaps them all. */
void wires_finish(struct wires *wires);

#endif
