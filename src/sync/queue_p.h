/*
 * sync/queue_p.h - what is to be done, and in which order.
 * Used by account.c, the workers and the timer; everything under the account's mutex.
 *
 * A want is a body somebody waits for; it ends with its last waiter. A look is a folder to be
 * scanned, or the tree of folders to be listed (STORE_ROOT); it needs nobody to wait for it.
 * There is at most one want a message and one look a folder, so the same thing is never done
 * twice at once.
 */
#ifndef MOUNTMAIL_SYNC_QUEUE_P_H
#define MOUNTMAIL_SYNC_QUEUE_P_H

#include "narrow_p.h"
#include "waits_p.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_BUCKETS 1024u

enum priority { PRIORITY_BODY, PRIORITY_OPENED, PRIORITY_ASKED, PRIORITY_BACKGROUND };

struct queue;

struct want {
	struct wait_list waits; /* first: want_left() gets this */
	struct queue *queue;
	int64_t folder;
	uint32_t uid;
	unsigned losses; /* connections that were lost over it */
	bool running;
	bool lingers; /* someone's time was up: let it finish, or it never will on a slow line
		       */
	struct want *bucket_next;
	struct want *prev, *next; /* in the queue, when not running */
};

struct look {
	int64_t folder; /* or STORE_ROOT */
	enum priority priority;
	bool inbox;
	bool running;
	bool whole;  /* the tree's: look at every folder afterwards, not only at new ones */
	bool again;  /* asked for while it ran, which may have been too late for the asker */
	bool partly; /* was cut off: what it reported before needs no survey now */
	unsigned failures; /* in a row, without a step forward */
	struct narrow narrow; /* the worker's that runs it */
	int64_t asked_ms;
	int64_t tried_ms;
	int64_t not_before_ms;
	uint64_t order;
	struct wait_list waits;
	struct wait_list next_waits; /* came while it ran */
	struct look *bucket_next;
	struct look *prev, *next; /* in the queue, when not running */
};

struct queue {
	struct want *want_buckets[QUEUE_BUCKETS];
	struct look *look_buckets[QUEUE_BUCKETS];
	struct want *want_head, *want_tail;
	struct look *look_head, *look_tail; /* by priority, then order */
	uint64_t last_order;
	int64_t hold_until_ms; /* the server wants to be left alone */
	bool body_last;	       /* the last thing taken was a body */
};

/* The want for a message; made when there is none. */
struct want *queue_want(struct queue *queue, int64_t folder, uint32_t uid, bool *made_out);
/*
 * Takes the oldest want and others of its folder, up to max, oldest first. They are running
 * then. One that cost two connections is taken alone.
 */
size_t queue_take_wants(struct queue *queue, struct want **wants_out, size_t max);
/* A running one waits again; at the front, or behind all others. Freed when nobody waits. */
void queue_want_again(struct queue *queue, struct want *want, bool front);
/* A running one is over, for all who wait. Frees it. */
void queue_want_end(struct queue *queue, struct waits *waits, struct want *want, int result,
	struct told *told);

/* The look at a folder; made when there is none, raised when it is less urgent. */
struct look *queue_look(
	struct queue *queue, int64_t folder, enum priority priority, bool inbox);
/* Hangs a wait where it is served: after a refresh asked for later than the look began,
 * another. */
void queue_look_attach(struct look *look, struct wait *wait);
/* The most urgent one that is due, NULL when there is none. It is running then. */
struct look *queue_take_look(struct queue *queue, int64_t now_ms);
/* The same, and leaves it there. */
const struct look *queue_peek_look(const struct queue *queue, int64_t now_ms);
/* A running one waits again until not_before_ms. */
void queue_look_again(
	struct queue *queue, struct look *look, enum priority priority, int64_t not_before_ms);
/* A running one is over. Freed, or queued once more when it was asked for meanwhile. */
void queue_look_end(struct queue *queue, struct waits *waits, struct look *look, int result,
	struct told *told);

/* Whether wants come next (else looks). */
bool queue_bodies_next(const struct queue *queue, int64_t now_ms);
/* Whether anything more urgent than below could be begun now. */
bool queue_has(const struct queue *queue, enum priority below, int64_t now_ms);
/* When something becomes due that is not now; INT64_MAX: nothing. */
int64_t queue_next_due(const struct queue *queue, int64_t now_ms);

/* Ends all who wait for bodies that are not being fetched. */
void queue_fail_wants(struct queue *queue, struct waits *waits, int result, struct told *told);
/* The server cannot be reached: ends all who wait for something that is not running. */
void queue_fail(struct queue *queue, struct waits *waits, int result, struct told *told);
/* All who wait for something that is not running have as much time once more. */
void queue_extend(struct queue *queue, struct waits *waits, uint32_t timeout_ms);
/* Frees what is left; nobody waits, nothing runs. */
void queue_finish(struct queue *queue);

#endif
