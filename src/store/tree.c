#include "row_p.h"
#include "tree_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

#define TAG_MAX 0x7fffffffu

static int run_for(struct store *store, const char *sql, int64_t id)
{
	sqlite3_stmt *stmt = db_prepare(&store->db, sql);

	db_bind_int(stmt, 1, id);
	return db_run(&store->db, stmt);
}

int folder_empty(struct store *store, int64_t id)
{
	static const char *const steps[] = {
		"DELETE FROM bodies WHERE id > ?1 << 32 AND id < (?1 + 1) << 32",
		"DELETE FROM messages WHERE id > ?1 << 32 AND id < (?1 + 1) << 32",
		"UPDATE folders SET messages = 0, bodies = 0, bytes = 0 WHERE id = ?1",
	};
	int result = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++)
		result = run_for(store, steps[i], id);
	return result;
}

int message_remove(struct store *store, int64_t folder, uint32_t uid)
{
	static const char *const steps[] = {
		("UPDATE folders SET bytes = bytes - (SELECT size FROM messages WHERE id = ?1),"
		 " bodies = bodies - EXISTS (SELECT 1 FROM bodies WHERE id = ?1)"
		 " WHERE id = ?2 AND EXISTS (SELECT 1 FROM messages WHERE id = ?1)"),
		"DELETE FROM bodies WHERE id = ?1",
		"DELETE FROM messages WHERE id = ?1",
	};
	struct db *db = &store->db;
	int result = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++) {
		sqlite3_stmt *stmt = db_prepare(db, steps[i]);

		db_bind_int(stmt, 1, message_row(folder, uid));
		if (i == 0)
			db_bind_int(stmt, 2, folder);
		result = db_run(db, stmt);
	}
	return result < 0 ? result : db_changed(db) > 0;
}

int folder_free_tag(struct store *store, bool directory, uint32_t wanted, uint32_t *tag_out)
{
	uint32_t tag = wanted;
	int result;

	for (;;) {
		sqlite3_stmt *stmt =
			directory ? db_prepare(&store->db,
					    "SELECT 1 FROM folders WHERE dir_tag = ?1")
				  : db_prepare(&store->db,
					    "SELECT 1 FROM folders WHERE message_tag = ?1");

		db_bind_int(stmt, 1, tag);
		result = db_step(&store->db, stmt);
		db_reset(stmt);
		if (result != 1)
			break;
		tag = tag == TAG_MAX ? 1 : tag + 1;
	}
	*tag_out = tag;
	return result;
}

char *folder_path(struct store *store, int64_t id)
{
	char *path = NULL;

	while (id != STORE_ROOT) {
		sqlite3_stmt *stmt = db_prepare(
			&store->db, "SELECT parent, level FROM folders WHERE id = ?1");
		_cleanup_free_ char *below = path;

		db_bind_int(stmt, 1, id);
		if (db_step(&store->db, stmt) != 1) {
			db_reset(stmt);
			return NULL;
		}
		id = sqlite3_column_int64(stmt, 0);
		path = xasprintf("%s%s%s", (const char *)sqlite3_column_text(stmt, 1),
			below ? "\n" : "", below ? below : "");
		db_reset(stmt);
	}
	return path;
}

/* One replacing of the tree. */
struct replacing {
	struct store *store;
	bool changed;
};

/* The id of (parent, level), 0 when it is not there; -errno. */
static int64_t replacing_find(struct replacing *replacing, int64_t parent, const char *level)
{
	struct db *db = &replacing->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "SELECT id FROM folders WHERE parent = ?1 AND level = ?2");
	int64_t id;
	int result;

	db_bind_int(stmt, 1, parent);
	db_bind_text(stmt, 2, level);
	result = db_step(db, stmt);
	id = result == 1 ? sqlite3_column_int64(stmt, 0) : result;
	db_reset(stmt);
	return id;
}

static int64_t replacing_insert(
	struct replacing *replacing, int64_t parent, const char *level, const char *path)
{
	struct store *store = replacing->store;
	uint32_t dir_tag, message_tag;
	sqlite3_stmt *stmt;
	int result = folder_free_tag(store, true, store_tag(path, 0), &dir_tag);

	if (result == 0)
		result = folder_free_tag(store, false, store_tag(path, 0), &message_tag);
	if (result < 0)
		return result;
	stmt = db_prepare(&store->db,
		"INSERT INTO folders (parent, level, raw, flags, dir_tag, message_tag, mtime)"
		" VALUES (?1, ?2, '', ?3, ?4, ?5, ?6)");
	db_bind_int(stmt, 1, parent);
	db_bind_text(stmt, 2, level);
	db_bind_int(stmt, 3, MAIL_FOLDER_IMPLIED | MAIL_FOLDER_NOSELECT);
	db_bind_int(stmt, 4, dir_tag);
	db_bind_int(stmt, 5, message_tag);
	db_bind_int(stmt, 6, clock_wall_s());
	result = db_run(&store->db, stmt);
	replacing->changed = true;
	return result < 0 ? result : sqlite3_last_insert_rowid(store->db.handle);
}

/* Marks a folder as still there, so that the sweep at the end passes it over. */
static int replacing_keep(struct replacing *replacing, int64_t id)
{
	return run_for(replacing->store, "INSERT OR IGNORE INTO temp.kept VALUES (?1)", id);
}

/* The id of the folder with this path, made with its parents where missing; or -errno. */
static int64_t replacing_reach(struct replacing *replacing, const char *path)
{
	_cleanup_free_ char *copy = xstrdup(path);
	int64_t parent = STORE_ROOT;
	char *at = copy;

	for (;;) {
		char *end = strchr(at, '\n');
		int64_t id;
		int result;

		if (end)
			*end = '\0';
		id = replacing_find(replacing, parent, at);
		if (id == 0)
			id = replacing_insert(replacing, parent, at, copy);
		if (id < 0)
			return id;
		result = replacing_keep(replacing, id);
		if (result < 0)
			return result;
		parent = id;
		if (!end)
			return id;
		*end = '\n';
		at = end + 1;
	}
}

static int replacing_set(
	struct replacing *replacing, int64_t id, const char *raw, uint32_t flags)
{
	struct db *db = &replacing->store->db;
	sqlite3_stmt *stmt = db_prepare(db, "UPDATE folders SET raw = ?2, flags = ?3"
					    " WHERE id = ?1 AND (raw <> ?2 OR flags <> ?3)");
	int result;

	db_bind_int(stmt, 1, id);
	db_bind_text(stmt, 2, raw);
	db_bind_int(stmt, 3, flags);
	result = db_run(db, stmt);
	replacing->changed |= result == 0 && sqlite3_changes(db->handle) > 0;
	return result;
}

static int replacing_sweep(struct replacing *replacing)
{
	struct store *store = replacing->store;

	for (;;) {
		sqlite3_stmt *stmt =
			db_prepare(&store->db, "SELECT id FROM folders WHERE id NOT IN (SELECT "
					       "id FROM temp.kept) LIMIT 1");
		int result = db_step(&store->db, stmt);
		int64_t id = result == 1 ? sqlite3_column_int64(stmt, 0) : 0;

		db_reset(stmt);
		if (result != 1)
			return result;
		replacing->changed = true;
		result = folder_empty(store, id);
		if (result == 0)
			result = run_for(store, "DELETE FROM folders WHERE id = ?1", id);
		if (result < 0)
			return result;
	}
}

/* A folder whose every entry in the list is worked in; those listed twice count once. */
static int replacing_add(struct replacing *replacing, const struct mail_folder *folder)
{
	struct db *db = &replacing->store->db;
	int64_t id = replacing_reach(replacing, folder->path);
	sqlite3_stmt *stmt;
	int result;

	if (id < 0)
		return (int)id;
	stmt = db_prepare(db, "INSERT OR IGNORE INTO temp.named VALUES (?1)");
	db_bind_int(stmt, 1, id);
	result = db_run(db, stmt);
	if (result < 0)
		return result;
	if (sqlite3_changes(db->handle) == 0) {
		log_warning(
			"two folders of the account have one path; the second is not shown");
		return 0;
	}
	return replacing_set(replacing, id, folder->raw, folder->flags);
}

/* Parents that are there only because of their children. */
static int replacing_imply(struct replacing *replacing)
{
	struct db *db = &replacing->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "UPDATE folders SET raw = '', flags = ?1 WHERE flags <> ?1"
			       " AND id NOT IN (SELECT id FROM temp.named)");

	db_bind_int(stmt, 1, MAIL_FOLDER_IMPLIED | MAIL_FOLDER_NOSELECT);
	return db_run(db, stmt);
}

static int replacing_note_time(struct replacing *replacing)
{
	struct db *db = &replacing->store->db;
	sqlite3_stmt *stmt;

	if (!replacing->changed)
		return 0;
	stmt = db_prepare(db, "INSERT OR REPLACE INTO meta VALUES ('mtime', ?1)");
	db_bind_int(stmt, 1, clock_wall_s());
	return db_run(db, stmt);
}

static const char replacing_setup[] =
	"CREATE TEMP TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY);"
	"CREATE TEMP TABLE IF NOT EXISTS named (id INTEGER PRIMARY KEY);"
	"DELETE FROM temp.kept; DELETE FROM temp.named;";

int store_folders_replace(struct store *store, const struct mail_folder *list, size_t count,
	bool *changed_out, struct error *err)
{
	struct replacing replacing = {.store = store};
	int result = store_begin(store, __func__);

	if (result < 0)
		return error_set(err, -result, "the list of folders cannot be stored");
	result = db_exec(&store->db, replacing_setup);
	for (size_t i = 0; i < count && result == 0; i++)
		result = replacing_add(&replacing, &list[i]);
	if (result == 0)
		result = replacing_sweep(&replacing);
	if (result == 0)
		result = replacing_imply(&replacing);
	if (result == 0)
		result = replacing_note_time(&replacing);
	result = store_end(store, result);
	if (changed_out)
		*changed_out = result == 0 && replacing.changed;
	if (result < 0)
		return error_set(err, -result, "the list of folders cannot be stored: %s",
			strerror(-result));
	return 0;
}

int store_folder_rewind(struct store *store, int64_t id, uint32_t last_uid, struct error *err)
{
	int result = store_begin(store, __func__);
	sqlite3_stmt *stmt;

	if (result == 0) {
		stmt = db_prepare(&store->db, "UPDATE folders SET last_uid = ?2"
					      " WHERE id = ?1 AND last_uid > ?2");
		db_bind_int(stmt, 1, id);
		db_bind_int(stmt, 2, last_uid);
		result = store_end(store, db_run(&store->db, stmt));
	}
	return result < 0 ? error_set(err, -result, "the folder's state cannot be stored") : 0;
}

int store_folder_new_epoch(struct store *store, int64_t id, uint64_t epoch, struct error *err)
{
	int result = store_begin(store, __func__);
	_cleanup_free_ char *path = NULL;
	sqlite3_stmt *stmt;
	uint32_t tag = 0;

	if (result < 0)
		return error_set(err, -result, "the folder's new state cannot be stored");
	path = folder_path(store, id);
	if (!path)
		return error_set(err, -store_end(store, -ENOENT), "the folder is gone");
	result = folder_empty(store, id);
	if (result == 0)
		result = run_for(
			store, "UPDATE folders SET message_tag = -id WHERE id = ?1", id);
	if (result == 0)
		result = folder_free_tag(store, false, store_tag(path, epoch), &tag);
	stmt = db_prepare(&store->db,
		"UPDATE folders SET epoch = ?2, message_tag = ?3, last_uid = 0, uidnext = 0,"
		" listed = 0, mtime = ?4 WHERE id = ?1");
	db_bind_int(stmt, 1, id);
	db_bind_int(stmt, 2, (int64_t)epoch);
	db_bind_int(stmt, 3, tag);
	db_bind_int(stmt, 4, clock_wall_s());
	if (result == 0)
		result = db_run(&store->db, stmt);
	result = store_end(store, result);
	return result < 0 ? error_set(err, -result, "the folder's new state cannot be stored")
			  : 0;
}
