/*
 * sync/removals_p.h - when removals are sent, and which come next.
 * Used by remove.c (those who remove), the workers and the timer. Everything but removal_run
 * under the account's mutex, or as said.
 *
 * The journal knows what is to be removed; here is only when. One worker at a time is at it,
 * with a chunk of one folder's rows, and gives way to whoever waits for a body in between.
 */
#ifndef MOUNTMAIL_SYNC_REMOVALS_P_H
#define MOUNTMAIL_SYNC_REMOVALS_P_H

#include "brake_p.h"
#include "trash_p.h"
#include <mountmail/store/journal.h>
#include <stdbool.h>
#include <stdint.h>

/* A removal waits so long for others to come along with it, and no longer than that. */
#define REMOVALS_GATHER_MS 100
#define REMOVALS_GATHER_MAX_MS 1000
/* So many looks find it there still: it is held. */
#define REMOVALS_TRIES 3u

/* A place's standing. What is not in the list has none of it. */
struct removals_place {
	int64_t id;
	int64_t not_before_ms;
	unsigned failures; /* in a row */
	uint32_t after;	   /* the last UID of the chunk before; 0: from the first again */
	uint32_t chunk;	   /* rows at once; 0: as many as can be */
};

struct removals {
	bool running;
	bool gave_way;	  /* to somebody who waits, at the last turn */
	bool urgent;	  /* somebody waits for the end of it */
	int64_t due_ms;	  /* something may be sent from then on; INT64_MAX: nothing is there */
	int64_t first_ms; /* of those that gather: the first's time, 0: none */
	int64_t final_ms; /* when the last final one was made */
	/*
	 * Until then the server may still be at what a connection that was lost, or a mount
	 * that ended, asked it for: a copy that comes into being now must be seen before
	 * another is made. Nobody's hurry changes that.
	 */
	int64_t resume_at_ms;
	int64_t sync_at_ms; /* the journal is to be on disk by then; 0: it is */
	struct trash trash;
	bool trash_known; /* the server's folders were listed since the start; until then
			     nothing is sent */
	struct brake brake;
	struct removals_place *places; /* owned */
	size_t count, cap;
	char error[512];
};

struct account;
struct worker;

/* With what the store knows of it from before. 0 or -EIO. No lock is needed yet. */
int removals_init(struct account *account, struct store_reader *reader);
void removals_finish(struct removals *removals);

/* Whether a worker could do something for removals now. */
bool removals_due(const struct account *account, int64_t now_ms);
/* Whether the next turn is theirs; then running is set. */
bool removals_take(struct account *account, int64_t now_ms);
/* When it next could; INT64_MAX. */
int64_t removals_next_due(const struct account *account);
/* The server's folders were heard; takes trash. */
void removals_set_trash(struct account *account, struct trash *trash);
/* The standing of a place, made when there is none. Borrowed until the next call. */
struct removals_place *removals_place(struct removals *removals, int64_t id);

/* For timer.c: makes the journal durable when that is due. True: the mutex was opened
 * meanwhile. */
bool removals_sync(struct account *account, int64_t now_ms);

/*
 * removal.c: sends a chunk of what is due. Without the mutex; removals.running is set, and
 * cleared when it returns.
 */
void removal_run(struct worker *worker);

#endif
