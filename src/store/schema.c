#include "schema_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <stdio.h>
#include <string.h>

/*
 * messages: what names and stat are made of comes first, so that a walk over a folder touches
 * little else of a row. A body has a row of its own: an eviction does not rewrite messages.
 */
static const char *const cache_steps[] = {
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
	/* What the server claimed, where that is not the size; a removal's fingerprint. */
	"ALTER TABLE messages ADD COLUMN claim INTEGER;"
	"CREATE INDEX folders_raw ON folders (raw);",
};

/*
 * A commit writes one page of removals and, once a second, one of places: no index but the
 * rowid, what is looked at most first in a row.
 */
static const char *const journal_steps[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE places ("
	/* Never used twice: people name removals by it. */
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" raw TEXT NOT NULL,"
	" epoch INTEGER NOT NULL,"
	" mtime INTEGER NOT NULL DEFAULT 0," /* when what is hidden there last changed */
	" UNIQUE (raw, epoch));"
	"CREATE TABLE removals ("
	" id INTEGER PRIMARY KEY," /* message_row() of place and UID */
	" state INTEGER NOT NULL,"
	" final INTEGER NOT NULL,"
	" released INTEGER NOT NULL,"
	" size INTEGER NOT NULL,"
	" date INTEGER NOT NULL,"
	" at INTEGER NOT NULL,"
	" tries INTEGER NOT NULL,"
	" copied INTEGER NOT NULL,"
	" copy_epoch INTEGER NOT NULL,"
	" copy_from INTEGER NOT NULL,"
	" copy_raw TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" name TEXT NOT NULL,"
	" message_id TEXT,"
	" uidl TEXT);",
};

/* What is looked at for each at opening, and for its age, comes first in a row. */
static const char *const kept_steps[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE messages ("
	" uid INTEGER PRIMARY KEY,"
	" state INTEGER NOT NULL," /* enum kept_state */
	" length INTEGER NOT NULL,"
	" checksum INTEGER NOT NULL," /* XXH3 of the body, 64 bits */
	" at INTEGER NOT NULL,"
	" size INTEGER NOT NULL,"
	" date INTEGER NOT NULL,"
	" bits INTEGER NOT NULL," /* enum message_state: BAD, TWIN */
	" flags INTEGER NOT NULL,"
	" uidl TEXT,"
	" sender TEXT,"
	" subject TEXT,"
	" from_ TEXT,"
	" to_ TEXT,"
	" cc TEXT,"
	" date_ TEXT,"
	" message_id TEXT,"
	" references_ TEXT,"
	" list_id TEXT);"
	"CREATE INDEX messages_age ON messages (state, at);",
};

#define STEPS(list) list, sizeof(list) / sizeof((list)[0])

const struct schema schema_cache = {
	"cache", "cache", ", or remove this one", STEPS(cache_steps)};
const struct schema schema_journal = {"journal of removals", "state", "", STEPS(journal_steps)};
const struct schema schema_kept = {"kept mail", "state", "", STEPS(kept_steps)};

static int schema_step(struct db *db, const struct schema *schema, int64_t version)
{
	char sql[64];
	int result = db_begin(db, __func__);

	if (result < 0)
		return result;
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", (int)version + 1);
	result = db_exec(db, schema->steps[version]);
	if (result == 0)
		result = db_exec(db, sql);
	if (result < 0) {
		db_rollback(db);
		return result;
	}
	return db_commit(db);
}

int schema_migrate(struct db *db, const struct schema *schema, struct error *err)
{
	sqlite3_stmt *stmt = db_prepare(db, "PRAGMA user_version");
	int result = db_step(db, stmt);
	int64_t version = result == 1 ? sqlite3_column_int64(stmt, 0) : 0;

	db_reset(stmt);
	if (result < 0)
		return error_set(err, -result, "the %s cannot be read", schema->what);
	if (version > schema->version)
		return error_set(err, ENOTSUP,
			"the %s was made by a newer mountmail (format %d, this one knows %d): "
			"use that version, or another %s= folder",
			schema->what, (int)version, (int)schema->version, schema->option);
	for (; version < schema->version; version++) {
		result = schema_step(db, schema, version);
		if (result < 0)
			return error_set(err, -result,
				"the %s cannot be brought to format %d: %s", schema->what,
				(int)version + 1, strerror(-result));
	}
	return 0;
}

static int schema_set_owner(struct db *db, const char *identity)
{
	int result = db_begin(db, __func__);
	sqlite3_stmt *stmt;

	if (result < 0)
		return result;
	stmt = db_prepare(db, "INSERT INTO meta VALUES ('identity', ?1)");
	db_bind_text(stmt, 1, identity);
	result = db_run(db, stmt);
	if (result < 0) {
		db_rollback(db);
		return result;
	}
	return db_commit(db);
}

int schema_claim(struct db *db, const struct schema *schema, const char *dir,
	const char *identity, struct error *err)
{
	sqlite3_stmt *stmt = db_prepare(db, "SELECT value FROM meta WHERE key = 'identity'");
	int result = db_step(db, stmt);
	_cleanup_free_ char *owner = result == 1 ? db_column_text(stmt, 0) : NULL;

	db_reset(stmt);
	if (result < 0)
		return error_set(err, -result, "the %s in %s cannot be read: %s", schema->what,
			dir, strerror(-result));
	if (owner && strcmp(owner, identity) == 0)
		return 0;
	if (owner)
		return error_set(err, EBUSY,
			"the %s in %s belongs to %s, not to %s: choose another folder with "
			"%s=%s",
			schema->what, dir, owner, identity, schema->option, schema->foreign);
	result = schema_set_owner(db, identity);
	return result < 0 ? error_set(err, -result, "the %s in %s cannot be written: %s",
				    schema->what, dir, strerror(-result))
			  : 0;
}
