/*
 * sync/watch_p.h - a worker with nothing to do waits for news with its server (IDLE).
 * Called by worker.c; with the mutex held.
 */
#ifndef MOUNTMAIL_SYNC_WATCH_P_H
#define MOUNTMAIL_SYNC_WATCH_P_H

#include "worker_p.h"

/*
 * When this worker may wait there: one of them does, where the server can. In the past: now.
 * INT64_MAX: it has no reason to.
 */
int64_t watch_when(const struct worker *worker);

/*
 * Waits until there is news, account_wake, or wake_at_ms (INT64_MAX: for long). What is news is
 * looked at next. The mutex is opened meanwhile.
 */
void watch_run(struct worker *worker, int64_t wake_at_ms);

#endif
