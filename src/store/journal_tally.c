#include "journal_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

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

void known_move(struct journal *journal, struct known *known, int64_t row, int from, int to)
{
	if (!known->touched) {
		known->touched = true;
		known->mtime_next = known->mtime;
		known->touched_next = journal->touched;
		journal->touched = known;
	}
	/* Nobody sees anything of a message that went with its row. */
	known->shows |= to != JOURNAL_GONE && journal_hides_in(from) != journal_hides_in(to);
	if (journal->move_count == journal->move_cap) {
		journal->move_cap = journal->move_cap ? journal->move_cap * 2 : 64;
		journal->moves = xreallocarray(
			journal->moves, journal->move_cap, sizeof(*journal->moves));
	}
	journal->moves[journal->move_count++] = (struct move){known, row, from, to};
}

static void move_count(struct journal *journal, const struct move *move)
{
	move->known->rows[move->from]--;
	move->known->rows[move->to]++;
	journal->rows[move->from]--;
	journal->rows[move->to]++;
}

void known_settle(struct journal *journal, bool committed)
{
	pthread_mutex_lock(&journal->tally);
	for (size_t i = 0; i < journal->move_count && committed; i++) {
		move_count(journal, &journal->moves[i]);
		hidden_move(journal, &journal->moves[i]);
	}
	for (struct known *known = journal->touched; known; known = known->touched_next) {
		if (committed)
			known->mtime = known->mtime_next;
		known->touched = known->shows = false;
	}
	pthread_mutex_unlock(&journal->tally);
	journal->touched = NULL;
	journal->move_count = 0;
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
	sqlite3_stmt *stmt =
		db_prepare(&journal->db, "SELECT id, state FROM removals ORDER BY id");
	struct known *known = NULL;
	int result;

	while ((result = db_step(&journal->db, stmt)) == 1) {
		struct move move = {.row = sqlite3_column_int64(stmt, 0)};
		int64_t place = move.row >> 32, state = sqlite3_column_int64(stmt, 1);

		if (!known || known->place.id != place)
			known = known_by_id(journal, place);
		if (!known || !journal_state_valid(state)) {
			log_error("journal of removals: a row of place %lld in state %lld",
				(long long)place, (long long)state);
			result = -EUCLEAN;
			break;
		}
		move.known = known;
		move.to = (int)state;
		move_count(journal, &move);
		hidden_move(journal, &move);
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
	free(journal->moves);
	hidden_finish(journal);
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
