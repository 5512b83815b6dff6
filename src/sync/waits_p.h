/*
 * sync/waits_p.h - who waits for what, until when, and how they are told.
 * Used by the queue, the workers and the timer; everything but waits_tell() under the account's
 * mutex.
 *
 * A wait hangs in one list (a body, a folder) or in many (a refresh of everything) and is over
 * when the last of them ended it. Ending moves it to a struct told; it is called and freed by
 * waits_tell() once the mutex is open again.
 */
#ifndef MOUNTMAIL_SYNC_WAITS_P_H
#define MOUNTMAIL_SYNC_WAITS_P_H

#include <mountmail/sync/account.h>
#include <stdbool.h>
#include <stdint.h>

#define WAITS_BUCKETS 1024u

enum wait_kind {
	WAIT_DATA = 1 << 0,    /* a body, a first listing: has a deadline */
	WAIT_REFRESH = 1 << 1, /* wants to know that all is current */
};
#define WAIT_ANY (WAIT_DATA | WAIT_REFRESH)

struct wait;

/* One wait's place in one list. */
struct wait_link {
	struct wait *wait;
	struct wait_list *list;
	struct wait_link *prev, *next; /* in the list */
	struct wait_link *of_wait;     /* the wait's next one */
};

/* Those who wait for one thing. All zero is an empty one. */
struct wait_list {
	struct wait_link *head, *tail;
	/* Called when the last one left it by itself: gave up, or its time was up. May be NULL.
	 */
	void (*left)(struct wait_list *list, bool expired);
};

struct wait {
	uint64_t id;
	enum wait_kind kind;
	account_done *done;
	void *ctx;
	int64_t deadline_ms; /* 0: none */
	bool everything;     /* a refresh of all: that a folder went is no failure */
	unsigned pending;    /* lists it hangs in */
	int result;	     /* the first failure so far */
	struct wait_link *links;
	struct wait *bucket_next; /* of the table, or of struct told */
	struct wait *timed_prev, *timed_next;
};

struct waits {
	struct wait *buckets[WAITS_BUCKETS];
	uint64_t last_id;
	/* By deadline, which is the order of coming: all have the same timeout. */
	struct wait *timed_head, *timed_tail;
};

/* Waits that are over and not told yet. */
struct told {
	struct wait *head;
};

/* timeout_ms 0: no deadline. The result hangs nowhere yet. */
struct wait *waits_add(struct waits *waits, enum wait_kind kind, uint32_t timeout_ms,
	account_done *done, void *ctx);
/* An id for a wait that is over before it began. */
uint64_t waits_next_id(struct waits *waits);

void waits_attach(struct wait *wait, struct wait_list *list);
/* Every wait in from hangs in to instead. */
void waits_move(struct wait_list *from, struct wait_list *to);
bool waits_any(const struct wait_list *list, unsigned kinds);

/* For the list's waits of these kinds (enum wait_kind) the thing is over. */
void waits_end(struct waits *waits, struct wait_list *list, unsigned kinds, int result,
	struct told *told);
/* Gives up a wait: it is freed and never told. False when it is over. */
bool waits_cancel(struct waits *waits, uint64_t id);
/* Ends those whose time is up. */
void waits_expire(struct waits *waits, int64_t now_ms, struct told *told);
/* Ends all there are. */
void waits_end_all(struct waits *waits, int result, struct told *told);
/* INT64_MAX: none. */
/* Those who wait in list have as much time once more. */
void waits_extend(struct waits *waits, struct wait_list *list, uint32_t timeout_ms);
int64_t waits_next_deadline(const struct waits *waits);

/* Calls each done, once, and frees. The mutex must not be held. */
void waits_tell(struct told *told);

#endif
