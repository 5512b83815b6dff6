/*
 * base/clock.h - time that only goes forward, and time on the wall.
 * Called by every floor, on any thread.
 */
#ifndef MOUNTMAIL_BASE_CLOCK_H
#define MOUNTMAIL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_now_ms(void);
/* Seconds since the epoch, UTC. */
int64_t clock_wall_s(void);
/* A timespec of CLOCK_MONOTONIC for pthread_cond_timedwait, from clock_now_ms() terms. */
struct timespec clock_at_ms(int64_t at_ms);

#endif
