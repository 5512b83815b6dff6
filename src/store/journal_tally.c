#include "journal_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

bool journal_state_valid(int64_t state)
{
	return (state >= JOURNAL_QUEUED && state <= JOURNAL_BRAKED) || state == JOURNAL_HELD ||
	       state == JOURNAL_PARKED;
}

struct known *known_by_id(struct journal *journal, int64_t id)
{
	for (size_t i = journal->known_count; i-- > 0;)
		if (journal->known[i]->place.id == id)
			return journal->known[i];
	return NULL;
}

struct known *known_by_name(struct journal *journal, const char *raw, uint64_t epoch)
{
	/* From the end: who removes in a folder goes on doing so. */
	for (size_t i = journal->known_count; i-- > 0;) {
		struct known *known = journal->known[i];

		if (known->place.epoch == epoch && strcmp(known->place.raw, raw) == 0)
			return known;
	}
	return NULL;
}

struct known *known_add(
	struct journal *journal, int64_t id, const char *raw, uint64_t epoch, int64_t mtime)
{
	struct known *known = xcalloc(1, sizeof(*known));

	known->place = (struct journal_place){.id = id, .raw = xstrdup(raw), .epoch = epoch};
	known->mtime = mtime;
	pthread_mutex_lock(&journal->tally);
	if (journal->known_count == journal->known_cap) {
		journal->known_cap = journal->known_cap ? journal->known_cap * 2 : 16;
		journal->known = xreallocarray(
			journal->known, journal->known_cap, sizeof(*journal->known));
	}
	journal->known[journal->known_count++] = known;
	pthread_mutex_unlock(&journal->tally);
	return known;
}

void known_move(struct journal *journal, struct known *known, int from, int to, int64_t count)
{
	bool hid = from && journal_state_hides((enum journal_state)from);
	bool hides = to && journal_state_hides((enum journal_state)to);

	if (!known->touched) {
		known->touched = true;
		known->mtime_next = known->mtime;
		known->touched_next = journal->touched;
		journal->touched = known;
	}
	known->moved[from] -= count;
	known->moved[to] += count;
	known->shows |= hid != hides;
}

void known_settle(struct journal *journal, bool committed)
{
	pthread_mutex_lock(&journal->tally);
	for (struct known *known = journal->touched; known; known = known->touched_next) {
		for (int state = 1; state < JOURNAL_STATES && committed; state++) {
			known->rows[state] += known->moved[state];
			journal->rows[state] += known->moved[state];
		}
		if (committed)
			known->mtime = known->mtime_next;
		known->touched = known->shows = false;
		memset(known->moved, 0, sizeof(known->moved));
	}
	journal->writing = false;
	pthread_mutex_unlock(&journal->tally);
	journal->touched = NULL;
}

int64_t known_sendable(const struct known *known)
{
	return known->rows[JOURNAL_QUEUED] + known->rows[JOURNAL_SENT] +
	       known->rows[JOURNAL_MARKED];
}

static int known_load_places(struct journal *journal)
{
	sqlite3_stmt *stmt = db_prepare(
		&journal->db, "SELECT id, raw, epoch, mtime FROM places ORDER BY id");
	int result;

	while ((result = db_step(&journal->db, stmt)) == 1)
		known_add(journal, sqlite3_column_int64(stmt, 0), db_column_borrow(stmt, 1),
			(uint64_t)sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3));
	db_reset(stmt);
	return result;
}

static int known_load_rows(struct journal *journal)
{
	sqlite3_stmt *stmt = db_prepare(
		&journal->db, "SELECT id >> 32, state, count(*) FROM removals GROUP BY 1, 2");
	int result;

	while ((result = db_step(&journal->db, stmt)) == 1) {
		struct known *known = known_by_id(journal, sqlite3_column_int64(stmt, 0));
		int64_t state = sqlite3_column_int64(stmt, 1);

		if (!known || !journal_state_valid(state)) {
			log_error("journal of removals: a row of place %lld in state %lld",
				(long long)sqlite3_column_int64(stmt, 0), (long long)state);
			result = -EUCLEAN;
			break;
		}
		known->rows[state] = sqlite3_column_int64(stmt, 2);
		journal->rows[state] += known->rows[state];
	}
	db_reset(stmt);
	return result;
}

int known_load(struct journal *journal)
{
	int result = known_load_places(journal);

	return result < 0 ? result : known_load_rows(journal);
}

void known_finish(struct journal *journal)
{
	for (size_t i = 0; i < journal->known_count; i++) {
		journal_place_finish(&journal->known[i]->place);
		free(journal->known[i]);
	}
	free(journal->known);
}

static int64_t rows_hidden(const int64_t rows[JOURNAL_STATES])
{
	return rows[JOURNAL_QUEUED] + rows[JOURNAL_SENT] + rows[JOURNAL_MARKED] +
	       rows[JOURNAL_BRAKED];
}

bool journal_may_hide(struct journal *journal)
{
	bool may;

	pthread_mutex_lock(&journal->tally);
	may = journal->writing || rows_hidden(journal->rows);
	pthread_mutex_unlock(&journal->tally);
	return may;
}

int64_t journal_find(struct journal *journal, const char *raw, uint64_t epoch)
{
	struct known *known;
	int64_t id;

	pthread_mutex_lock(&journal->tally);
	known = known_by_name(journal, raw, epoch);
	id = known ? known->place.id : 0;
	pthread_mutex_unlock(&journal->tally);
	return id;
}

int64_t journal_find_hiding(struct journal *journal, const char *raw, uint64_t epoch)
{
	struct known *known;
	int64_t id = 0;

	pthread_mutex_lock(&journal->tally);
	if (journal->writing || rows_hidden(journal->rows)) {
		known = known_by_name(journal, raw, epoch);
		if (known && (journal->writing || rows_hidden(known->rows)))
			id = known->place.id;
	}
	pthread_mutex_unlock(&journal->tally);
	return id;
}

void journal_hidden(struct journal *journal, const char *raw, uint64_t epoch,
	struct store_hidden *hidden_out)
{
	struct known *known;

	*hidden_out = (struct store_hidden){0};
	pthread_mutex_lock(&journal->tally);
	known = known_by_name(journal, raw, epoch);
	if (known) {
		hidden_out->messages = (uint32_t)rows_hidden(known->rows);
		hidden_out->mtime = known->mtime;
	}
	pthread_mutex_unlock(&journal->tally);
}

void journal_counts(struct journal *journal, struct journal_counts *counts_out)
{
	pthread_mutex_lock(&journal->tally);
	*counts_out = (struct journal_counts){
		.queued = (uint64_t)journal->rows[JOURNAL_QUEUED],
		.sent = (uint64_t)journal->rows[JOURNAL_SENT],
		.marked = (uint64_t)journal->rows[JOURNAL_MARKED],
		.braked = (uint64_t)journal->rows[JOURNAL_BRAKED],
		.held = (uint64_t)journal->rows[JOURNAL_HELD],
		.parked = (uint64_t)journal->rows[JOURNAL_PARKED],
	};
	pthread_mutex_unlock(&journal->tally);
}

int journal_place_get(struct journal *journal, int64_t id, struct journal_place *place_out)
{
	struct known *known;

	pthread_mutex_lock(&journal->tally);
	known = known_by_id(journal, id);
	if (known) {
		*place_out = known->place;
		place_out->raw = xstrdup(known->place.raw);
	}
	pthread_mutex_unlock(&journal->tally);
	return known ? 0 : -ENOENT;
}
