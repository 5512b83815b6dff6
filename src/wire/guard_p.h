/*
 * wire/guard_p.h - bounds on what a server may make libetpan do.
 * Sits between stream.c and libetpan in the wire process; one thread.
 *
 * Fed the decrypted bytes on their way up. It counts, bounds and, for status lines, mends,
 * since libetpan 1.9.4 dies on `* OK [ALERT]` without text and on a malformed PERMANENTFLAGS.
 * Over a bound, the read fails, and guard_failure() says which.
 *
 * What is a literal must never be a matter of opinion: bytes that libetpan takes for lines and
 * the guard for mail would pass unbounded. So whatever libetpan could read as the head of a
 * literal ("{ -5}",
 * "{5} and more") and is not written as one fails, lines outside of responses lose what could
 * be one, and the catch-all goes by guard_line_literal().
 */
#ifndef MOUNTMAIL_WIRE_GUARD_P_H
#define MOUNTMAIL_WIRE_GUARD_P_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard;

struct guard_limits {
	size_t line;	   /* bytes of a line outside literals */
	unsigned depth;	   /* open parentheses */
	uint64_t literal;  /* bytes of one literal */
	uint64_t response; /* bytes until the next tagged line, 0: no bound */
	uint64_t lines;	   /* untagged lines until the next tagged line, 0: no bound */
};

#define GUARD_STATUS_MAX (64u << 10) /* a status line; held back until it is whole */
#define GUARD_LINE_MAX (16u << 20)
#define GUARD_DEPTH_MAX 64u
#define GUARD_LITERAL_MAX ((uint64_t)2 << 30)

/* What the guard says where a status line has no words: libetpan does not do without. */
#define GUARD_NO_TEXT "."

/* With bounds for a few short lines, until guard_expect. Never NULL. */
struct guard *guard_create(void);
void guard_destroy(struct guard *guard);

/* Bounds for the command about to be sent; also restarts the count of bytes and lines. */
void guard_expect(struct guard *guard, const struct guard_limits *limits);

/*
 * Takes len raw bytes. Returns 0, or -EPROTO when a bound is crossed.
 * What may be passed up is then in guard_take's reach.
 */
int guard_push(struct guard *guard, const void *data, size_t len);

/* Moves up to len passed bytes to data; returns how many. */
size_t guard_take(struct guard *guard, void *data, size_t len);

/* Whether what is in reach goes on to the end of a line. */
bool guard_has_line(const struct guard *guard);

/* Bytes held back or not yet taken: must be false when TLS starts. */
bool guard_holds(const struct guard *guard);

/* The last UIDVALIDITY seen in a status line, as 64 bits (libetpan's wraps), 0 for none. */
uint64_t guard_uidvalidity(const struct guard *guard);
void guard_forget_uidvalidity(struct guard *guard);

/*
 * The milliseconds in "Suggested Backoff Time: N milliseconds" (Office 365) since the last
 * guard_expect, 0 for none.
 */
uint32_t guard_backoff_ms(const struct guard *guard);

/*
 * Whether a line of a response that libetpan cannot parse ends in the head of a literal, and of
 * how many bytes. line begins behind "* ", and is without its line end. The guard's own
 * opinion.
 */
bool guard_line_literal(const char *line, size_t len, uint64_t *literal_out);

/* Which bound was crossed, for a person; "" when none was. Borrowed. */
const char *guard_failure(const struct guard *guard);

#endif
