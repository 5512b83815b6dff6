#include "store_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER_COLUMNS                                                                         \
	"SELECT id, parent, raw, level, flags, dir_tag, message_tag, epoch, last_uid, "        \
	"uidnext,"                                                                             \
	" listed, messages, bodies, mtime, checked FROM folders "

void store_folder_finish(struct store_folder *folder)
{
	free(folder->raw);
	free(folder->level);
	*folder = (struct store_folder){0};
}

static void folder_from_row(sqlite3_stmt *stmt, struct store_folder *out)
{
	*out = (struct store_folder){
		.id = sqlite3_column_int64(stmt, 0),
		.parent = sqlite3_column_int64(stmt, 1),
		.raw = db_column_text(stmt, 2),
		.level = db_column_text(stmt, 3),
		.flags = (uint32_t)sqlite3_column_int64(stmt, 4),
		.dir_tag = (uint32_t)sqlite3_column_int64(stmt, 5),
		.message_tag = (uint32_t)sqlite3_column_int64(stmt, 6),
		.epoch = (uint64_t)sqlite3_column_int64(stmt, 7),
		.last_uid = (uint32_t)sqlite3_column_int64(stmt, 8),
		.uidnext = (uint32_t)sqlite3_column_int64(stmt, 9),
		.listed = (enum store_listed)sqlite3_column_int64(stmt, 10),
		.messages = (uint32_t)sqlite3_column_int64(stmt, 11),
		.bodies = (uint32_t)sqlite3_column_int64(stmt, 12),
		.mtime = sqlite3_column_int64(stmt, 13),
		.checked = sqlite3_column_int64(stmt, 14),
	};
}

static int folder_one(struct db *db, sqlite3_stmt *stmt, struct store_folder *out)
{
	int result = db_step(db, stmt);

	if (result == 1)
		folder_from_row(stmt, out);
	db_reset(stmt);
	return result < 0 ? -EIO : result == 1 ? 0 : -ENOENT;
}

int store_folder_by_id(struct store_reader *reader, int64_t id, struct store_folder *folder_out)
{
	sqlite3_stmt *stmt = db_prepare(&reader->db, FOLDER_COLUMNS "WHERE id = ?1");

	db_bind_int(stmt, 1, id);
	return folder_one(&reader->db, stmt, folder_out);
}

int store_folder_by_dir_tag(
	struct store_reader *reader, uint32_t tag, struct store_folder *folder_out)
{
	sqlite3_stmt *stmt = db_prepare(&reader->db, FOLDER_COLUMNS "WHERE dir_tag = ?1");

	db_bind_int(stmt, 1, tag);
	return folder_one(&reader->db, stmt, folder_out);
}

int store_folder_by_message_tag(
	struct store_reader *reader, uint32_t tag, struct store_folder *folder_out)
{
	sqlite3_stmt *stmt = db_prepare(&reader->db, FOLDER_COLUMNS "WHERE message_tag = ?1");

	db_bind_int(stmt, 1, tag);
	return folder_one(&reader->db, stmt, folder_out);
}

int store_folder_by_raw(
	struct store_reader *reader, const char *raw, struct store_folder *folder_out)
{
	/* Those that no server named have none. */
	sqlite3_stmt *stmt = db_prepare(
		&reader->db, FOLDER_COLUMNS "WHERE raw = ?1 AND raw <> '' ORDER BY id LIMIT 1");

	db_bind_text(stmt, 1, raw);
	return folder_one(&reader->db, stmt, folder_out);
}

int store_folder_by_level(struct store_reader *reader, int64_t parent, const char *level,
	struct store_folder *folder_out)
{
	sqlite3_stmt *stmt =
		db_prepare(&reader->db, FOLDER_COLUMNS "WHERE parent = ?1 AND level = ?2");

	db_bind_int(stmt, 1, parent);
	db_bind_text(stmt, 2, level);
	return folder_one(&reader->db, stmt, folder_out);
}

/*
 * Rows are gathered before anybody is called: the read transaction ends first, and each may ask
 * the same reader again.
 */
static int folders_each(struct db *db, sqlite3_stmt *stmt,
	bool (*each)(void *ctx, const struct store_folder *folder), void *ctx)
{
	struct store_folder *rows = NULL;
	size_t count = 0, cap = 0;
	bool wanted = true;
	int result;

	while ((result = db_step(db, stmt)) == 1) {
		if (count == cap) {
			cap = cap ? cap * 2 : 16;
			rows = xreallocarray(rows, cap, sizeof(*rows));
		}
		folder_from_row(stmt, &rows[count++]);
	}
	db_reset(stmt);
	for (size_t i = 0; i < count; i++) {
		wanted = wanted && result == 0 && each(ctx, &rows[i]);
		store_folder_finish(&rows[i]);
	}
	free(rows);
	return result < 0 ? -EIO : 0;
}

int store_folders_under(struct store_reader *reader, int64_t parent, int64_t after,
	bool (*each)(void *ctx, const struct store_folder *folder), void *ctx)
{
	sqlite3_stmt *stmt = db_prepare(
		&reader->db, FOLDER_COLUMNS "WHERE parent = ?1 AND id > ?2 ORDER BY id");

	db_bind_int(stmt, 1, parent);
	db_bind_int(stmt, 2, after);
	return folders_each(&reader->db, stmt, each, ctx);
}

int store_folders_all(struct store_reader *reader,
	bool (*each)(void *ctx, const struct store_folder *folder), void *ctx)
{
	return folders_each(
		&reader->db, db_prepare(&reader->db, FOLDER_COLUMNS "ORDER BY id"), each, ctx);
}

static int64_t total_of(struct store_reader *reader, const char *sql, int *result)
{
	sqlite3_stmt *stmt = db_prepare(&reader->db, sql);
	int got = db_step(&reader->db, stmt);
	int64_t value = got == 1 ? sqlite3_column_int64(stmt, 0) : 0;

	db_reset(stmt);
	if (got < 0)
		*result = -EIO;
	return value;
}

int store_tree_mtime(struct store_reader *reader, int64_t *mtime_out)
{
	int result = 0;

	*mtime_out = total_of(reader,
		"SELECT coalesce(max(value), 0) FROM meta WHERE key = 'mtime'", &result);
	return result;
}

int store_totals(struct store_reader *reader, struct store_totals *totals_out)
{
	int result = 0;

	totals_out->folders =
		(uint64_t)total_of(reader, "SELECT count(*) FROM folders", &result);
	totals_out->messages = (uint64_t)total_of(
		reader, "SELECT coalesce(sum(messages), 0) FROM folders", &result);
	totals_out->message_bytes = (uint64_t)total_of(
		reader, "SELECT coalesce(sum(bytes), 0) FROM folders", &result);
	totals_out->body_bytes = (uint64_t)total_of(
		reader, "SELECT coalesce(sum(bytes), 0) FROM segments", &result);
	totals_out->body_limit = reader->store->limit;
	if (result == 0)
		result = store_tree_mtime(reader, &totals_out->mtime);
	return result;
}
