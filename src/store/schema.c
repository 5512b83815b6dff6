#include "schema_p.h"
#include <errno.h>
#include <stdio.h>

/*
 * Only ever appended to: the number of an entry is the version it leads to. What stands here
 * was run on people's machines and does not change any more.
 *
 * messages: what names and stat are made of comes first, so that a walk over a folder touches
 * little else of a row. A body has a row of its own: an eviction does not rewrite messages.
 */
static const char *const schema_steps[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE folders ("
	/* Never used twice: whoever works on a folder that went must not meet another. */
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" parent INTEGER NOT NULL,"
	" level TEXT NOT NULL,"
	" raw TEXT NOT NULL,"
	" flags INTEGER NOT NULL,"
	" dir_tag INTEGER NOT NULL UNIQUE,"
	" message_tag INTEGER NOT NULL UNIQUE,"
	" epoch INTEGER NOT NULL DEFAULT 0,"
	" last_uid INTEGER NOT NULL DEFAULT 0,"
	" uidnext INTEGER NOT NULL DEFAULT 0,"
	" listed INTEGER NOT NULL DEFAULT 0,"
	" messages INTEGER NOT NULL DEFAULT 0,"
	" bodies INTEGER NOT NULL DEFAULT 0,"
	" bytes INTEGER NOT NULL DEFAULT 0," /* sum of its messages' sizes */
	" mtime INTEGER NOT NULL,"
	" checked INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (parent, level));"
	"CREATE TABLE messages ("
	" id INTEGER PRIMARY KEY," /* message_row() */
	" size INTEGER NOT NULL,"
	" date INTEGER NOT NULL,"
	" state INTEGER NOT NULL,"
	" flags INTEGER NOT NULL,"
	" sender TEXT,"
	" subject TEXT,"
	" uidl TEXT,"
	" from_ TEXT,"
	" to_ TEXT,"
	" cc TEXT,"
	" date_ TEXT,"
	" message_id TEXT,"
	" references_ TEXT,"
	" list_id TEXT);"
	"CREATE TABLE segments ("
	" id INTEGER PRIMARY KEY,"
	" bytes INTEGER NOT NULL,"
	" used INTEGER NOT NULL);"
	"CREATE TABLE bodies ("
	" id INTEGER PRIMARY KEY," /* message_row() */
	" segment INTEGER NOT NULL,"
	" offset INTEGER NOT NULL,"
	" length INTEGER NOT NULL,"
	" checksum INTEGER NOT NULL);"
	"CREATE INDEX bodies_segment ON bodies (segment);",
};

#define SCHEMA_VERSION ((int64_t)(sizeof(schema_steps) / sizeof(schema_steps[0])))

static int schema_step(struct db *db, int64_t version)
{
	char sql[64];
	int result = db_begin(db, __func__);

	if (result < 0)
		return result;
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", (int)version + 1);
	result = db_exec(db, schema_steps[version]);
	if (result == 0)
		result = db_exec(db, sql);
	if (result < 0) {
		db_rollback(db);
		return result;
	}
	return db_commit(db);
}

int schema_migrate(struct db *db, struct error *err)
{
	sqlite3_stmt *stmt = db_prepare(db, "PRAGMA user_version");
	int result = db_step(db, stmt);
	int64_t version = result == 1 ? sqlite3_column_int64(stmt, 0) : 0;

	db_reset(stmt);
	if (result < 0)
		return error_set(err, -result, "the cache database cannot be read");
	if (version > SCHEMA_VERSION)
		return error_set(err, ENOTSUP,
			"the cache was made by a newer mountmail (format %d, this one knows "
			"%d): use "
			"that version, or another cache= folder",
			(int)version, (int)SCHEMA_VERSION);
	for (; version < SCHEMA_VERSION; version++) {
		result = schema_step(db, version);
		if (result < 0)
			return error_set(err, -result,
				"the cache database cannot be brought to format %d",
				(int)version + 1);
	}
	return 0;
}
