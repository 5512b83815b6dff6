#include "journal_p.h"
#include <assert.h>
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

int journal_row_state(struct journal *journal, int64_t row)
{
	sqlite3_stmt *stmt =
		db_prepare(&journal->db, "SELECT state FROM removals WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, row);
	result = db_step(&journal->db, stmt);
	if (result == 1)
		result = (int)sqlite3_column_int64(stmt, 0);
	db_reset(stmt);
	return result;
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* The place is there afterwards, known and committed; NULL with result_out when it is not. */
static struct known *place_reach(
	struct journal *journal, const char *raw, uint64_t epoch, int *result_out)
{
	struct known *known = known_by_name(journal, raw, epoch);
	sqlite3_stmt *stmt;
	int64_t id;

	*result_out = 0;
	if (known)
		return known;
	/* A transaction of its own: it stays when the row fails. */
	*result_out = journal_begin(journal, __func__);
	if (*result_out < 0)
		return NULL;
	stmt = db_prepare(&journal->db, "INSERT INTO places (raw, epoch) VALUES (?1, ?2)");
	db_bind_text(stmt, 1, raw);
	db_bind_int(stmt, 2, (int64_t)epoch);
	*result_out = db_run(&journal->db, stmt);
	id = sqlite3_last_insert_rowid(journal->db.handle);
	*result_out = journal_end(journal, *result_out);
	return *result_out < 0 ? NULL : known_add(journal, id, raw, epoch, 0);
}

/* Writes a row where there is none. 1 when it did, 0 when there is one, or -errno. */
static int row_insert(struct journal *journal, int64_t id, const struct journal_row *row)
{
	sqlite3_stmt *stmt = db_prepare(&journal->db,
		"INSERT OR IGNORE INTO removals VALUES"
		" (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)");
	int result;

	db_bind_int(stmt, 1, id);
	db_bind_int(stmt, 2, row->state);
	db_bind_int(stmt, 3, row->final);
	db_bind_int(stmt, 4, row->released);
	db_bind_int(stmt, 5, (int64_t)row->size);
	db_bind_int(stmt, 6, row->date);
	db_bind_int(stmt, 7, row->at);
	db_bind_int(stmt, 8, row->tries);
	db_bind_int(stmt, 9, row->copied);
	db_bind_int(stmt, 10, (int64_t)row->copy_epoch);
	db_bind_int(stmt, 11, row->copy_from);
	db_bind_text(stmt, 12, text_of(row->copy_raw));
	db_bind_text(stmt, 13, text_of(row->reason));
	db_bind_text(stmt, 14, text_of(row->name));
	db_bind_text(stmt, 15, row->message_id);
	db_bind_text(stmt, 16, row->uidl);
	result = db_run(&journal->db, stmt);
	return result < 0 ? result : db_changed(&journal->db) > 0;
}

static int row_delete(struct journal *journal, int64_t id)
{
	sqlite3_stmt *stmt = db_prepare(&journal->db, "DELETE FROM removals WHERE id = ?1");

	db_bind_int(stmt, 1, id);
	return db_run(&journal->db, stmt);
}

static int row_add(struct journal *journal, struct known *known, const struct journal_row *row)
{
	int64_t id = message_row(known->place.id, row->uid);
	int result = row_insert(journal, id, row);
	int before = JOURNAL_NONE;

	if (result == 0) {
		before = journal_row_state(journal, id);
		if (before < 0 || journal_hides_in(before))
			return before < 0 ? before : 0;
		result = row_delete(journal, id);
		if (result == 0)
			result = row_insert(journal, id, row);
	}
	if (result == 1)
		known_move(journal, known, id, before, (int)row->state);
	return result < 0 ? result : 0;
}

int journal_add(struct journal *journal, const char *raw, uint64_t epoch,
	const struct journal_row *row, struct error *err)
{
	struct known *known;
	int result;

	assert(row->uid && journal_state_valid((int64_t)row->state));
	pthread_mutex_lock(&journal->mutex);
	known = place_reach(journal, raw, epoch, &result);
	if (known) {
		result = journal_begin(journal, __func__);
		if (result == 0)
			result = journal_end(journal, row_add(journal, known, row));
	}
	pthread_mutex_unlock(&journal->mutex);
	if (result < 0)
		return error_set(err, -result,
			"the removal cannot be noted in %s/" JOURNAL_DB
			": %s; nothing is removed",
			journal->dir, strerror(-result));
	return 0;
}

static int row_send(struct journal *journal, int64_t id, const struct journal_row *how)
{
	sqlite3_stmt *stmt;

	if (!how) {
		stmt = db_prepare(&journal->db,
			"UPDATE removals SET state = 2, reason = '' WHERE id = ?1");
		db_bind_int(stmt, 1, id);
		return db_run(&journal->db, stmt);
	}
	stmt = db_prepare(&journal->db,
		"UPDATE removals SET state = 2, reason = '', copied = ?2, copy_epoch = ?3,"
		" copy_from = ?4, copy_raw = ?5 WHERE id = ?1");
	db_bind_int(stmt, 1, id);
	db_bind_int(stmt, 2, how->copied);
	db_bind_int(stmt, 3, (int64_t)how->copy_epoch);
	db_bind_int(stmt, 4, how->copy_from);
	db_bind_text(stmt, 5, text_of(how->copy_raw));
	return db_run(&journal->db, stmt);
}

int journal_send(struct journal *journal, int64_t place, uint32_t *uids, size_t *count,
	const struct journal_row *how)
{
	uint32_t *sent = xreallocarray(NULL, *count + 1, sizeof(*sent));
	size_t sent_count = 0;
	struct known *known;
	int result;

	pthread_mutex_lock(&journal->mutex);
	known = known_by_id(journal, place);
	result = journal_begin(journal, __func__);
	if (result < 0)
		goto out;
	for (size_t i = 0; i < *count && known && result == 0; i++) {
		int64_t id = message_row(place, uids[i]);
		int state = journal_row_state(journal, id);

		if (state < 0)
			result = state;
		if (!journal_state_is_sendable(state))
			continue;
		result = row_send(journal, id, how);
		known_move(journal, known, id, state, JOURNAL_SENT);
		sent[sent_count++] = uids[i];
	}
	result = journal_end(journal, result);
out:
	pthread_mutex_unlock(&journal->mutex);
	if (result == 0) {
		memcpy(uids, sent, sent_count * sizeof(*sent));
		*count = sent_count;
	}
	free(sent);
	return result;
}

/* What is done to each of the rows that a call names: 0 or -errno. state: as it was. */
typedef int row_change(
	struct journal *journal, struct known *known, int64_t id, int state, const void *ctx);

/* One transaction over those of the rows that are there. 0, -ENOSPC, -EIO. */
static int rows_change(struct journal *journal, int64_t place, const uint32_t *uids,
	size_t count, row_change *change, const void *ctx)
{
	struct known *known;
	int result;

	pthread_mutex_lock(&journal->mutex);
	known = known_by_id(journal, place);
	result = journal_begin(journal, __func__);
	if (result == 0) {
		for (size_t i = 0; i < count && known && result == 0; i++) {
			int64_t id = message_row(place, uids[i]);
			int state = journal_row_state(journal, id);

			result = state > 0 ? change(journal, known, id, state, ctx) : state;
		}
		result = journal_end(journal, result);
	}
	pthread_mutex_unlock(&journal->mutex);
	return result;
}

static int row_note_copied(
	struct journal *journal, struct known *known, int64_t id, int state, const void *ctx)
{
	sqlite3_stmt *stmt =
		db_prepare(&journal->db, "UPDATE removals SET copied = 1 WHERE id = ?1");

	db_bind_int(stmt, 1, id);
	return db_run(&journal->db, stmt);
}

int journal_note_copied(
	struct journal *journal, int64_t place, const uint32_t *uids, size_t count)
{
	return rows_change(journal, place, uids, count, row_note_copied, NULL);
}

struct settling {
	enum journal_state state;
	uint32_t tries;
	const char *reason;
};

static int row_settle(
	struct journal *journal, struct known *known, int64_t id, int state, const void *ctx)
{
	const struct settling *to = ctx;
	sqlite3_stmt *stmt;

	if (!journal_state_is_sendable(state))
		return 0;
	stmt = db_prepare(&journal->db, "UPDATE removals SET state = ?2, tries = tries + ?3, "
					"reason = ?4 WHERE id = ?1");
	db_bind_int(stmt, 1, id);
	db_bind_int(stmt, 2, to->state);
	db_bind_int(stmt, 3, to->tries);
	db_bind_text(stmt, 4, text_of(to->reason));
	known_move(journal, known, id, state, (int)to->state);
	return db_run(&journal->db, stmt);
}

int journal_settle(struct journal *journal, int64_t place, const uint32_t *uids, size_t count,
	enum journal_state state, uint32_t tries, const char *reason)
{
	const struct settling to = {state, tries, reason};

	assert(journal_state_valid((int64_t)state));
	return rows_change(journal, place, uids, count, row_settle, &to);
}

static int row_confirm(
	struct journal *journal, struct known *known, int64_t id, int state, const void *ctx)
{
	known_move(journal, known, id, state, JOURNAL_GONE);
	return row_delete(journal, id);
}

int journal_confirm(struct journal *journal, int64_t place, const uint32_t *uids, size_t count)
{
	return rows_change(journal, place, uids, count, row_confirm, NULL);
}
