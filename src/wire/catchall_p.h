/*
 * wire/catchall_p.h - swallows untagged responses that libetpan cannot parse.
 * Registered once, before the first session (libetpan's list of extensions is global).
 *
 * Without it one unknown response ("* FOO bar") loses the whole answer and leaves the session out
 * of step. Known items inside FETCH are still libetpan's.
 */
#ifndef MOUNTMAIL_WIRE_CATCHALL_P_H
#define MOUNTMAIL_WIRE_CATCHALL_P_H

#include <stdint.h>

/* Idempotent. */
void catchall_register(void);

/* How many responses were swallowed so far in this process: a FETCH that adds to it is suspect. */
uint64_t catchall_count(void);

#endif
