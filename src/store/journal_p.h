/*
 * store/journal_p.h - what the files of the journal share, and what readers of the store ask
 * it. Used by journal*.c and hidden.c; locking is said at each member and function.
 *
 * The rows are in the database. How many there are of each state, in which folders, is counted
 * in memory as well: so that a store in which nothing is hidden pays nothing for it.
 */
#ifndef MOUNTMAIL_STORE_JOURNAL_P_H
#define MOUNTMAIL_STORE_JOURNAL_P_H

#include "db_p.h"
#include "row_p.h"
#include <mountmail/store/journal.h>
#include <pthread.h>
#include <stdatomic.h>

#define JOURNAL_DB "journal.db"
/* Counters are indexed by enum journal_state; 0 stands for no row at all. */
#define JOURNAL_STATES (JOURNAL_PARKED + 1)

/* A place, as it is known in memory: every one that is in the database, with rows or without.
 */
struct known {
	struct journal_place place; /* never changes */
	int64_t mtime;
	int64_t rows[JOURNAL_STATES];

	/* Of the transaction in progress, with the journal's mutex. */
	bool touched;
	bool shows; /* what is shown of the folder is another afterwards */
	int64_t mtime_next;
	int64_t moved[JOURNAL_STATES]; /* what it adds to rows */
	struct known *touched_next;
};

struct journal {
	char *dir;
	int lock_fd;

	pthread_mutex_t mutex; /* for db and touched: one transaction at a time */
	struct db db;
	struct known *touched; /* those that the transaction in progress changes */

	/*
	 * For the rest of this part, which is written by whoever holds mutex as well: he may
	 * read it without. Held for no longer than counting takes.
	 */
	pthread_mutex_t tally;
	bool writing; /* a transaction is in progress: rows that nobody counted may be there
			 soon */
	struct known **known;
	size_t known_count, known_cap;
	int64_t rows[JOURNAL_STATES]; /* the sum over known */

	pthread_mutex_t sync_mutex; /* for this part */
	struct db syncer;	    /* a connection of its own, so that no unlink waits */
	uint64_t synced;	    /* so many of the commits are on disk */
	atomic_uint_fast64_t commits;
};

/* Transactions, with mutex held. The end commits when result is 0, else rolls back; counts. */
int journal_begin(struct journal *journal, const char *function);
/* result or the commit's failure: 0, -ENOSPC or -EIO. */
int journal_end(struct journal *journal, int result);

/* -ENOSPC and -EIO are all that callers of the journal are told. */
int journal_errno(int result);

/* journal_tally.c. The place with this id, raw name and epoch; NULL. With mutex or tally held.
 */
struct known *known_by_id(struct journal *journal, int64_t id);
struct known *known_by_name(struct journal *journal, const char *raw, uint64_t epoch);
/* With mutex held. raw is copied. */
struct known *known_add(
	struct journal *journal, int64_t id, const char *raw, uint64_t epoch, int64_t mtime);
/* In a transaction: count rows of it go from one state to another; 0 for no row. */
void known_move(struct journal *journal, struct known *known, int from, int to, int64_t count);
/* The transaction is over, and was committed or not. */
void known_settle(struct journal *journal, bool committed);
/* Reads all there is, at opening. 0, -EUCLEAN or another -errno. */
int known_load(struct journal *journal);
void known_finish(struct journal *journal);
/* Rows of a place that are to be sent. */
int64_t known_sendable(const struct known *known);

bool journal_state_valid(int64_t state);

/* For the store's readers; any thread, no lock held. Whether anything may be hidden, or soon.
 */
bool journal_may_hide(struct journal *journal);
/* The id of a place, 0 when nothing was ever hidden there. */
int64_t journal_find(struct journal *journal, const char *raw, uint64_t epoch);
/* The same, and 0 also when nothing is hidden there now nor soon. */
int64_t journal_find_hiding(struct journal *journal, const char *raw, uint64_t epoch);
void journal_hidden(struct journal *journal, const char *raw, uint64_t epoch,
	struct store_hidden *hidden_out);

/* With mutex held. The state of a row: 0 when there is none, or -errno. */
int journal_row_state(struct journal *journal, int64_t row);

#endif
