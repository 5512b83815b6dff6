#include "kept_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/fault.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <string.h>
#include <unistd.h>

/* Those of uids whose bodies are whole: moved to the front. The count. */
static size_t whole_of(struct kept *kept, uint32_t *uids, size_t count)
{
	size_t whole = 0;

	for (size_t i = 0; i < count; i++)
		if (kept_check(kept, uids[i]) == 0)
			uids[whole++] = uids[i];
	return whole;
}

/* In a transaction. 1 it has the state now, 0 it may not or is not there, or -errno. */
static int row_set(struct kept *kept, uint32_t uid, enum kept_state state)
{
	struct kept_row row;
	int result = kept_row_find(&kept->db, uid, &row);
	sqlite3_stmt *stmt;

	if (result <= 0)
		return result;
	if (state == KEPT_TAKING && kept_is_damaged(kept, uid))
		return 0;
	if (row.state == state)
		return 1;
	stmt = db_prepare(&kept->db, "UPDATE messages SET state = ?2 WHERE uid = ?1");
	db_bind_int(stmt, 1, uid);
	db_bind_int(stmt, 2, state);
	result = db_run(&kept->db, stmt);
	if (result < 0)
		return result;
	--*kept_counter(&kept->next, row.state);
	++*kept_counter(&kept->next, state);
	return 1;
}

/* With mutex held. uids and count are cut. */
static int rows_set(struct kept *kept, uint32_t *uids, size_t *count, enum kept_state state)
{
	int result = kept_transact(kept, __func__);
	size_t set = 0;

	if (result < 0)
		return result;
	for (size_t i = 0; i < *count && result >= 0; i++) {
		result = row_set(kept, uids[i], state);
		if (result == 1)
			uids[set++] = uids[i];
	}
	*count = set;
	return kept_settle(kept, result < 0 ? result : 0);
}

int kept_state_set(struct kept *kept, uint32_t *uids, size_t *count, enum kept_state state,
	struct error *err)
{
	_cleanup_free_ uint32_t *list = xcalloc(*count + 1, sizeof(*list));
	size_t left = *count;
	int result;

	memcpy(list, uids, *count * sizeof(*list));
	/* Outside the lock: it takes as long as reading them. */
	if (state == KEPT_TAKING)
		left = whole_of(kept, list, left);
	pthread_mutex_lock(&kept->mutex);
	result = rows_set(kept, list, &left, state);
	pthread_mutex_unlock(&kept->mutex);
	if (result < 0)
		return error_set(err, -result,
			"what has become of kept mail cannot be written to %s/" KEPT_DB ": %s",
			kept->dir, strerror(-result));
	memcpy(uids, list, left * sizeof(*list));
	*count = left;
	return 0;
}

/* In a transaction. 1 it went, 0 it was not there, or -errno. */
static int row_drop(struct kept *kept, uint32_t uid)
{
	struct kept_row row;
	int result = kept_row_find(&kept->db, uid, &row);
	sqlite3_stmt *stmt;

	if (result <= 0)
		return result;
	stmt = db_prepare(&kept->db, "DELETE FROM messages WHERE uid = ?1");
	db_bind_int(stmt, 1, uid);
	result = db_run(&kept->db, stmt);
	if (result < 0)
		return result;
	--*kept_counter(&kept->next, row.state);
	kept->next.bytes -= row.length;
	return 1;
}

static int rows_note_time(struct kept *kept)
{
	sqlite3_stmt *stmt = db_prepare(&kept->db,
		"INSERT INTO meta VALUES ('mtime', ?1)"
		" ON CONFLICT (key) DO UPDATE SET value = excluded.value");

	kept->next.mtime = clock_wall_s();
	db_bind_int(stmt, 1, kept->next.mtime);
	return db_run(&kept->db, stmt);
}

/* With mutex held. gone_out: has room for all, gets those that were there. */
static int rows_drop(struct kept *kept, const uint32_t *uids, size_t count, uint32_t *gone_out,
	size_t *gone_count_out)
{
	int result = kept_transact(kept, __func__);
	bool doubtful = false;
	size_t gone = 0;

	if (result < 0)
		return result;
	for (size_t i = 0; i < count && result >= 0; i++) {
		result = row_drop(kept, uids[i]);
		if (result == 1)
			gone_out[gone++] = uids[i];
		/* Its row may be on disk: what is written now takes its place there. */
		doubtful |= keys_has(&kept->spare, uids[i]);
	}
	*gone_count_out = gone;
	if (result >= 0 && (gone || doubtful))
		result = rows_note_time(kept);
	return kept_settle(kept, result < 0 ? result : 0);
}

/*
 * With mutex held, so that no file comes under these names meanwhile. The rows are gone from
 * disk. What cannot be unlinked is moved to lost/ at the next opening.
 */
static void files_drop(struct kept *kept, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[KEPT_NAME_MAX];

		kept_name(uids[i], name);
		kept_changed(kept, uids[i]);
		fault_point("before kept unlink");
		if (unlinkat(kept->bodies_fd, name, 0) < 0 && errno != ENOENT) {
			log_warning("kept mail: %s/" KEPT_FOLDER "/%s was removed and cannot "
				    "be deleted: %s",
				kept->dir, name, strerror(errno));
			keys_add(&kept->spare, uids[i]);
		}
		fault_point("after kept unlink");
	}
	if (count && fsync(kept->bodies_fd) < 0)
		log_warning("kept mail: the folder %s/" KEPT_FOLDER " cannot be synced: %s",
			kept->dir, strerror(errno));
}

int kept_drop(struct kept *kept, const uint32_t *uids, size_t count, struct error *err)
{
	_cleanup_free_ uint32_t *gone = xcalloc(count + 1, sizeof(*gone));
	size_t gone_count = 0;
	int result;

	pthread_mutex_lock(&kept->mutex);
	result = rows_drop(kept, uids, count, gone, &gone_count);
	if (result == 0)
		files_drop(kept, gone, gone_count);
	pthread_mutex_unlock(&kept->mutex);
	return result < 0 ? error_set(err, -result,
				    "kept mail cannot be removed from %s/" KEPT_DB ": %s",
				    kept->dir, strerror(-result))
			  : 0;
}
