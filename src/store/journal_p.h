/*
 * store/journal_p.h - what the files of the journal share, and what readers of the store ask
 * it. Used by journal*.c, store.c and hidden.c; locking is said at each member and function.
 *
 * The rows are in the database, which has this one connection and is locked by it: a commit
 * costs half of what it would with others. What is hidden, and how many rows of each state
 * there are where, is in memory as well, read from the database at opening and changed when a
 * commit succeeded: readers of the store ask that, and while nothing is hidden they pay
 * nothing.
 */
#ifndef MOUNTMAIL_STORE_JOURNAL_P_H
#define MOUNTMAIL_STORE_JOURNAL_P_H

#include "db_p.h"
#include "keys_p.h"
#include "row_p.h"
#include <mountmail/store/journal.h>
#include <pthread.h>
#include <stdatomic.h>

#define JOURNAL_DB "journal.db"

/* Besides the states: there is no row, and the message is shown; or it is gone with its row. */
enum { JOURNAL_NONE = 0, JOURNAL_GONE = 31, JOURNAL_STATES = 32 };

/* A place, as it is known in memory: every one that is in the database, with rows or without.
 */
struct known {
	struct journal_place place; /* never changes */
	int64_t mtime;
	int64_t rows[JOURNAL_STATES]; /* by state */

	/* Of the transaction in progress, with the journal's mutex. */
	bool touched;
	bool shows; /* what is shown of the folder is another afterwards */
	int64_t mtime_next;
	struct known *touched_next;
};

/* A row goes from one state to another when the transaction in progress is committed. */
struct move {
	struct known *known;
	int64_t row;
	int from, to;
};

/* Rows that are gone, while a reader may still see their messages in an older cache. */
struct gone {
	int64_t *rows; /* owned */
	size_t count, cap;
	size_t readers; /* that began in this generation */
};

struct journal {
	char *dir;
	int dir_fd;
	int lock_fd;

	pthread_mutex_t mutex; /* for this part: one transaction at a time */
	struct db db;
	struct known *touched; /* those that the transaction in progress changes */
	struct move *moves;
	size_t move_count, move_cap;

	/*
	 * For this part, which is written by whoever holds mutex as well: he may read it
	 * without (but for gone). Held for no longer than counting takes.
	 */
	pthread_mutex_t tally;
	struct known **known;
	size_t known_count, known_cap;
	int64_t rows[JOURNAL_STATES]; /* the sum over known */
	struct keys hidden;	      /* rows that hide, and those that are gone */
	struct gone gone[2];
	int generation; /* the one of gone that is added to */

	pthread_mutex_t sync_mutex; /* taken before mutex */
	bool sync_failed;
	uint64_t synced; /* so many of the commits are on disk */
	atomic_uint_fast64_t commits;
};

/* Transactions, with mutex held. The end commits when result is 0, else rolls back; counts. */
int journal_begin(struct journal *journal, const char *function);
/* result or the commit's failure: 0, -ENOSPC or -EIO. */
int journal_end(struct journal *journal, int result);
/* The state of a row: JOURNAL_NONE when there is none, or -errno. */
int journal_row_state(struct journal *journal, int64_t row);

/* journal_tally.c. The place with this id, raw name and epoch; NULL. With mutex or tally held.
 */
struct known *known_by_id(struct journal *journal, int64_t id);
struct known *known_by_name(struct journal *journal, const char *raw, uint64_t epoch);
/* With mutex held. raw is copied. */
struct known *known_add(
	struct journal *journal, int64_t id, const char *raw, uint64_t epoch, int64_t mtime);
/* In a transaction: notes that a row of it goes from one state to another. */
void known_move(struct journal *journal, struct known *known, int64_t row, int from, int to);
/* The transaction is over, and was committed or not. */
void known_settle(struct journal *journal, bool committed);
/* Reads all there is, at opening. 0, -EUCLEAN or another -errno. */
int known_load(struct journal *journal);
void known_finish(struct journal *journal);
/* Rows of a place that are to be sent. */
int64_t known_sendable(const struct known *known);

/*
 * journal_hidden.c: for the store's readers; any thread, no lock held. A reader that asks
 * between the two is answered that a row hides also when it has gone meanwhile, since its
 * message may be in the cache as the reader sees it. begin: to be passed to end, or -1 when
 * nothing is hidden.
 */
int journal_reader_begin(struct journal *journal);
void journal_reader_end(struct journal *journal, int generation);
/* The id of a place in which something may be hidden, or 0. */
int64_t journal_find(struct journal *journal, const char *raw, uint64_t epoch);
bool journal_hides(struct journal *journal, int64_t place, uint32_t uid);
void journal_hidden(struct journal *journal, const char *raw, uint64_t epoch,
	struct store_hidden *hidden_out);
/* With tally held: a move was committed. */
void hidden_move(struct journal *journal, const struct move *move);
void hidden_finish(struct journal *journal);

static inline bool journal_hides_in(int state)
{
	return state != JOURNAL_NONE && journal_state_hides((enum journal_state)state);
}

static inline bool journal_state_valid(int64_t state)
{
	return (state >= JOURNAL_QUEUED && state <= JOURNAL_BRAKED) || state == JOURNAL_HELD ||
	       state == JOURNAL_PARKED;
}

static inline bool journal_state_is_sendable(int state)
{
	return state >= JOURNAL_QUEUED && state <= JOURNAL_MARKED;
}

#endif
