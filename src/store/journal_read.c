#include "journal_p.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALK_CHUNK 256 /* rows read before the caller sees them */

#define ROW_COLUMNS                                                                            \
	"SELECT id, state, final, released, size, date, at, tries, copied, copy_epoch,"        \
	" copy_from, copy_raw, reason, name, message_id, uidl FROM removals "

const char *journal_state_name(enum journal_state state)
{
	switch (state) {
	case JOURNAL_QUEUED:
		return "queued";
	case JOURNAL_SENT:
		return "sent";
	case JOURNAL_MARKED:
		return "marked";
	case JOURNAL_BRAKED:
		return "braked";
	case JOURNAL_HELD:
		return "held";
	case JOURNAL_PARKED:
		return "parked";
	}
	return "unknown";
}

void journal_place_finish(struct journal_place *place)
{
	free(place->raw);
	*place = (struct journal_place){0};
}

void journal_row_finish(struct journal_row *row)
{
	free(row->message_id);
	free(row->uidl);
	free(row->name);
	free(row->copy_raw);
	free(row->reason);
	*row = (struct journal_row){0};
}

void journal_row_id(const struct journal_row *row, char id_out[JOURNAL_ID_MAX])
{
	snprintf(id_out, JOURNAL_ID_MAX, "%" PRId64 ".%" PRIu32, row->place, row->uid);
}

/* Its texts are owned. */
static struct journal_row row_read(sqlite3_stmt *stmt)
{
	int64_t id = sqlite3_column_int64(stmt, 0);

	return (struct journal_row){
		.place = id >> 32,
		.uid = (uint32_t)id,
		.state = (enum journal_state)sqlite3_column_int64(stmt, 1),
		.final = sqlite3_column_int64(stmt, 2) != 0,
		.released = sqlite3_column_int64(stmt, 3) != 0,
		.size = (uint64_t)sqlite3_column_int64(stmt, 4),
		.date = sqlite3_column_int64(stmt, 5),
		.at = sqlite3_column_int64(stmt, 6),
		.tries = (uint32_t)sqlite3_column_int64(stmt, 7),
		.copied = sqlite3_column_int64(stmt, 8) != 0,
		.copy_epoch = (uint64_t)sqlite3_column_int64(stmt, 9),
		.copy_from = (uint32_t)sqlite3_column_int64(stmt, 10),
		.copy_raw = db_column_text(stmt, 11),
		.reason = db_column_text(stmt, 12),
		.name = db_column_text(stmt, 13),
		.message_id = db_column_text(stmt, 14),
		.uidl = db_column_text(stmt, 15),
	};
}

/*
 * Up to max rows of stmt. The count, or -EIO with none.
 */
static int rows_read(
	struct journal *journal, sqlite3_stmt *stmt, struct journal_row *rows, size_t max)
{
	size_t count = 0;
	int result = 0;

	while (count < max && (result = db_step(&journal->db, stmt)) == 1)
		rows[count++] = row_read(stmt);
	db_reset(stmt);
	if (result >= 0)
		return (int)count;
	while (count)
		journal_row_finish(&rows[--count]);
	return -EIO;
}

int journal_take(struct journal *journal, int64_t place, uint32_t after, size_t max,
	struct journal_row **rows_out)
{
	struct journal_row *rows = xcalloc(max ? max : 1, sizeof(*rows));
	sqlite3_stmt *stmt;
	int count;

	assert(max <= INT32_MAX);
	pthread_mutex_lock(&journal->mutex);
	stmt = db_prepare(&journal->db,
		ROW_COLUMNS "WHERE id > ?1 AND id <= ?2 AND state <= 3 ORDER BY id");
	db_bind_int(stmt, 1, message_row(place, after));
	db_bind_int(stmt, 2, message_row(place, UINT32_MAX));
	count = rows_read(journal, stmt, rows, max);
	pthread_mutex_unlock(&journal->mutex);
	if (count < 0) {
		free(rows);
		rows = NULL;
	}
	*rows_out = rows;
	return count;
}

/* A place with rows to be sent, and when the oldest of them was made. */
struct waiting {
	int64_t place;
	int64_t since;
};

static int waiting_compare(const void *a, const void *b)
{
	const struct waiting *one = a, *two = b;

	if (one->since != two->since)
		return one->since < two->since ? -1 : 1;
	return one->place < two->place ? -1 : one->place > two->place;
}

static int waiting_date(struct journal *journal, struct waiting *waiting)
{
	sqlite3_stmt *stmt = db_prepare(&journal->db,
		"SELECT min(at) FROM removals WHERE id > ?1 AND id <= ?2 AND state <= 3");
	int result;

	db_bind_int(stmt, 1, message_row(waiting->place, 0));
	db_bind_int(stmt, 2, message_row(waiting->place, UINT32_MAX));
	result = db_step(&journal->db, stmt);
	if (result == 1)
		waiting->since = sqlite3_column_int64(stmt, 0);
	db_reset(stmt);
	return result < 0 ? -EIO : 0;
}

/* With mutex held: those places, in order. The count, or -EIO. */
static int waiting_gather(struct journal *journal, struct waiting **waiting_out)
{
	struct waiting *waiting = xcalloc(journal->known_count + 1, sizeof(*waiting));
	size_t count = 0;
	int result = 0;

	for (size_t i = 0; i < journal->known_count; i++)
		if (known_sendable(journal->known[i]))
			waiting[count++].place = journal->known[i]->place.id;
	/* A single one is in order as it is: no row is looked at. */
	for (size_t i = 0; i < count && count > 1 && result == 0; i++)
		result = waiting_date(journal, &waiting[i]);
	if (count > 1)
		qsort(waiting, count, sizeof(*waiting), waiting_compare);
	*waiting_out = waiting;
	return result < 0 ? result : (int)count;
}

int journal_places(struct journal *journal, bool (*each)(void *ctx, int64_t place), void *ctx)
{
	struct waiting *waiting;
	int count;

	pthread_mutex_lock(&journal->mutex);
	count = waiting_gather(journal, &waiting);
	pthread_mutex_unlock(&journal->mutex);
	for (int i = 0; i < count; i++)
		if (!each(ctx, waiting[i].place))
			break;
	free(waiting);
	return count < 0 ? count : 0;
}

/* Gives the rows, with their places, to each; false when it has enough. Finishes them. */
static bool walk_give(struct journal *journal, struct journal_row *rows, int count,
	bool (*each)(
		void *ctx, const struct journal_place *place, const struct journal_row *row),
	void *ctx)
{
	struct journal_place place = {0};
	bool wanted = true;

	for (int i = 0; i < count; i++) {
		if (wanted && place.id != rows[i].place) {
			journal_place_finish(&place);
			wanted = journal_place_get(journal, rows[i].place, &place) == 0;
			/* No row was ever without its place, and none goes while we run. */
			assert(wanted);
		}
		wanted = wanted && each(ctx, &place, &rows[i]);
		journal_row_finish(&rows[i]);
	}
	journal_place_finish(&place);
	return wanted;
}

int journal_walk(struct journal *journal,
	bool (*each)(
		void *ctx, const struct journal_place *place, const struct journal_row *row),
	void *ctx)
{
	struct journal_row *rows = xcalloc(WALK_CHUNK, sizeof(*rows));
	int64_t after = 0;
	bool wanted = true;
	int count;

	/* In chunks: whoever removes meanwhile waits for no more than one of them. */
	do {
		sqlite3_stmt *stmt;

		pthread_mutex_lock(&journal->mutex);
		stmt = db_prepare(&journal->db, ROW_COLUMNS "WHERE id > ?1 ORDER BY id");
		db_bind_int(stmt, 1, after);
		count = rows_read(journal, stmt, rows, WALK_CHUNK);
		pthread_mutex_unlock(&journal->mutex);
		if (count > 0) {
			after = message_row(rows[count - 1].place, rows[count - 1].uid);
			wanted = walk_give(journal, rows, count, each, ctx);
		}
	} while (wanted && count == WALK_CHUNK);
	free(rows);
	return count < 0 ? count : 0;
}
