/*
 * sync/backoff_p.h - how long to wait before another attempt.
 * Called by the workers; pure functions of their arguments.
 *
 * The jitter (random is any 32 random bits) keeps many mounts from coming back in step when a
 * server returns.
 */
#ifndef MOUNTMAIL_SYNC_BACKOFF_P_H
#define MOUNTMAIL_SYNC_BACKOFF_P_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_MAX_MS 60000u
/* A server that will not have us is asked again slowly. */
#define BACKOFF_REFUSED_FIRST_MS 60000u
#define BACKOFF_REFUSED_MAX_MS 900000u
/* A server's own "come back in ..." is believed up to here. */
#define BACKOFF_TOLD_MAX_MS 900000u

/*
 * After so many failures in a row (from 1): first_ms doubled for each further one up to max_ms;
 * of that half to all.
 */
uint32_t backoff_ms(unsigned failures, uint32_t first_ms, uint32_t max_ms, uint32_t random);

/* What the server told (not 0), and up to a tenth more. Never less, but for the bound. */
uint32_t backoff_told_ms(uint32_t told_ms, uint32_t random);

/* 32 random bits, for the two above. From any thread. */
uint32_t backoff_random(void);

#endif
