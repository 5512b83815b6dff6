#include "journal_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one place, from first to last, that are in a state: what becomes of them. */
struct telling {
	struct known *known;
	int64_t first, last;
	enum journal_state from;
	int to;		    /* JOURNAL_NONE: they go */
	const char *reason; /* of those that stay */
};

static sqlite3_stmt *telling_prepare(struct journal *journal, const struct telling *telling)
{
	sqlite3_stmt *stmt;

	if (telling->to == JOURNAL_NONE)
		return db_prepare(&journal->db,
			"DELETE FROM removals WHERE id >= ?1 AND id <= ?2 AND state = ?3"
			" RETURNING id");
	if (telling->to == JOURNAL_BRAKED) {
		stmt = db_prepare(&journal->db,
			"UPDATE removals SET state = 4, reason = ?4 WHERE id >= ?1 AND"
			" id <= ?2 AND state = ?3 AND final AND NOT released RETURNING id");
		db_bind_text(stmt, 4, telling->reason ? telling->reason : "");
		return stmt;
	}
	return db_prepare(&journal->db,
		"UPDATE removals SET state = 1, tries = 0, released = 1, reason = ''"
		" WHERE id >= ?1 AND id <= ?2 AND state = ?3 RETURNING id");
}

/* In a transaction. How many rows there were, or -errno. */
static int64_t telling_run(struct journal *journal, const struct telling *telling)
{
	sqlite3_stmt *stmt;
	int64_t count = 0;
	int result;

	if (telling->known->rows[telling->from] == 0)
		return 0;
	stmt = telling_prepare(journal, telling);
	db_bind_int(stmt, 1, telling->first);
	db_bind_int(stmt, 2, telling->last);
	db_bind_int(stmt, 3, telling->from);
	while ((result = db_step(&journal->db, stmt)) == 1) {
		known_move(journal, telling->known, sqlite3_column_int64(stmt, 0),
			(int)telling->from, telling->to);
		count++;
	}
	db_reset(stmt);
	if (result < 0)
		return result;
	return count;
}

int64_t journal_brake(struct journal *journal, int64_t place, const char *reason)
{
	int64_t count = 0, some = 0;
	int result;

	pthread_mutex_lock(&journal->mutex);
	result = journal_begin(journal, __func__);
	if (result < 0)
		goto out;
	for (size_t i = 0; i < journal->known_count && some >= 0; i++) {
		struct telling telling = {.known = journal->known[i],
			.first = message_row(journal->known[i]->place.id, 0),
			.last = message_row(journal->known[i]->place.id, UINT32_MAX),
			.from = JOURNAL_QUEUED,
			.to = JOURNAL_BRAKED,
			.reason = reason};

		if (place && place != telling.known->place.id)
			continue;
		some = telling_run(journal, &telling);
		count += some;
	}
	result = journal_end(journal, some < 0 ? (int)some : 0);
out:
	pthread_mutex_unlock(&journal->mutex);
	return result < 0 ? result : count;
}

/* What a verb can be said of, ended by 0, and what it makes of it. */
static const struct verb {
	enum journal_state from[5];
	int to;
	const char *cannot; /* why not of another */
} verbs[] = {
	[JOURNAL_UNDO] = {{JOURNAL_QUEUED, JOURNAL_BRAKED, JOURNAL_HELD, JOURNAL_PARKED}, 0,
		"what the server may have been told already cannot be undone"},
	[JOURNAL_RELEASE] = {{JOURNAL_BRAKED, JOURNAL_HELD}, JOURNAL_QUEUED,
		"only what is braked or held can be released"},
	[JOURNAL_DISCARD] = {{JOURNAL_HELD, JOURNAL_PARKED}, 0,
		"only what is held or parked can be discarded"},
};

/* In a transaction: a verb said of the rows of a place from first to last. The count or -errno.
 */
static int64_t verb_run(struct journal *journal, const struct verb *verb, struct known *known,
	int64_t first, int64_t last)
{
	int64_t count = 0;

	for (size_t i = 0; verb->from[i]; i++) {
		const struct telling telling = {.known = known,
			.first = first,
			.last = last,
			.from = verb->from[i],
			.to = verb->to};
		int64_t some = telling_run(journal, &telling);

		if (some < 0)
			return some;
		count += some;
	}
	return count;
}

/* The places that a call changed, for after the commit. */
struct changed {
	struct journal_place *places;
	size_t count;
};

static void changed_note(struct changed *changed, const struct journal_place *place)
{
	changed->places =
		xreallocarray(changed->places, changed->count + 1, sizeof(*changed->places));
	changed->places[changed->count] = *place;
	changed->places[changed->count++].raw = xstrdup(place->raw);
}

static int64_t tell_all(
	struct journal *journal, const struct verb *verb, struct changed *changed)
{
	int64_t count = 0;

	for (size_t i = 0; i < journal->known_count; i++) {
		struct known *known = journal->known[i];
		int64_t some = verb_run(journal, verb, known, message_row(known->place.id, 0),
			message_row(known->place.id, UINT32_MAX));

		if (some < 0)
			return some;
		if (some > 0)
			changed_note(changed, &known->place);
		count += some;
	}
	return count;
}

/* The row that id names; 0 when it names none. */
static int64_t id_parse(const char *id)
{
	const char *dot = strchr(id, '.');
	_cleanup_free_ char *before = xstrndup(id, dot ? (size_t)(dot - id) : 0);
	uint64_t place, uid;

	if (!dot || str_to_u64(before, INT32_MAX, &place) < 0 ||
		str_to_u64(dot + 1, UINT32_MAX, &uid) < 0)
		return 0;
	return message_row((int64_t)place, (uint32_t)uid);
}

static int64_t tell_one(struct journal *journal, const struct verb *verb, const char *id,
	struct changed *changed, struct error *err)
{
	int64_t row = id_parse(id);
	struct known *known = known_by_id(journal, row >> 32);
	int state = known ? journal_row_state(journal, row) : 0;
	int64_t count;

	if (state < 0)
		return state;
	if (state == 0)
		return error_set(err, ENOENT,
			"there is no removal %s (it may be done by now); `mountmail queue` "
			"shows what there is",
			id);
	count = verb_run(journal, verb, known, row, row);
	if (count == 0)
		return error_set(err, EBUSY, "the removal %s is %s: %s", id,
			journal_state_name((enum journal_state)state), verb->cannot);
	if (count > 0)
		changed_note(changed, &known->place);
	return count;
}

static void changed_tell(struct changed *changed,
	void (*tell)(void *ctx, const struct journal_place *place), void *ctx)
{
	for (size_t i = 0; i < changed->count; i++) {
		if (tell)
			tell(ctx, &changed->places[i]);
		journal_place_finish(&changed->places[i]);
	}
	free(changed->places);
}

int64_t journal_tell(struct journal *journal, enum journal_verb verb, const char *id,
	void (*changed)(void *ctx, const struct journal_place *place), void *ctx,
	struct error *err)
{
	struct changed places = {0};
	int64_t count;
	int result;

	pthread_mutex_lock(&journal->mutex);
	result = journal_begin(journal, __func__);
	count = result;
	if (result == 0) {
		count = id ? tell_one(journal, &verbs[verb], id, &places, err)
			   : tell_all(journal, &verbs[verb], &places);
		result = journal_end(journal, count < 0 ? (int)count : 0);
	}
	pthread_mutex_unlock(&journal->mutex);
	changed_tell(&places, result < 0 ? NULL : changed, ctx);
	if (count == -ENOENT || count == -EBUSY)
		return count;
	if (result < 0)
		return error_set(err, -result,
			"the journal of removals in %s cannot be changed: %s", journal->dir,
			strerror(-result));
	return count;
}
