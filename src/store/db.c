#include "db_p.h"
#include <assert.h>
#include <errno.h>
#include <mountmail/base/fault.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <string.h>

/* Long enough for a commit on a slow disk; readers never wait, that is WAL's point. */
#define DB_BUSY_MS 30000

struct db_kind {
	const char *name; /* for people */
	const char *setup;
	bool creates;
	const char *before, *after; /* a commit, for the fault points */
};

static int db_errno(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

/* Whether that is why a write failed: a full disk to us, but no other error to SQLite. */
static bool db_over_quota(struct db *db)
{
	static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};

	for (size_t i = 0; i < 2; i++) {
		sqlite3_file *file = NULL;
		int error = 0;

		sqlite3_file_control(db->handle, "main", files[i], &file);
		if (file && file->pMethods)
			file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
		if (error == EDQUOT)
			return true;
	}
	return false;
}

static int db_fail(struct db *db, const char *doing)
{
	int code = sqlite3_extended_errcode(db->handle);

	log_error("%s: %s: %s (%d)", db->kind->name, doing, sqlite3_errmsg(db->handle), code);
	db->damaged |= db_errno(code) == -EUCLEAN;
	if (code == SQLITE_IOERR_WRITE && db_over_quota(db))
		return -ENOSPC;
	return db_errno(code);
}

static const char db_cache_setup[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
	"PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=8000; PRAGMA "
	"journal_size_limit=8388608; PRAGMA trusted_schema=OFF;";
static const char db_reader_setup[] =
	"PRAGMA query_only=1; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096;"
	"PRAGMA trusted_schema=OFF;";
/*
 * A page is what a commit writes at least, and one removal is a commit: small pages. Nobody
 * else opens it: no locks to be taken for each of them. A checkpoint waits for the disk, in an
 * unlink: seldom.
 */
static const char db_journal_setup[] =
	"PRAGMA page_size=1024; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA "
	"synchronous=NORMAL;"
	"PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=16000;"
	"PRAGMA journal_size_limit=8388608; PRAGMA trusted_schema=OFF;";

/* A commit is on disk when it returns: what is said of a message decides whether the server's
 * may go. */
static const char db_kept_setup[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
	"PRAGMA cache_size=-4096; PRAGMA journal_size_limit=8388608; PRAGMA "
	"trusted_schema=OFF;";

static const struct db_kind db_kinds[] = {
	[DB_CACHE] = {"cache database", db_cache_setup, true, "before cache commit",
		"after cache commit"},
	[DB_CACHE_READER] = {"cache database", db_reader_setup, false, "", ""},
	[DB_JOURNAL] = {"journal of removals", db_journal_setup, true, "before journal commit",
		"after journal commit"},
	[DB_KEPT] = {"database of kept mail", db_kept_setup, true, "before kept commit",
		"after kept commit"},
	[DB_KEPT_READER] = {"database of kept mail", db_reader_setup, false, "", ""},
};

int db_open(struct db *db, const char *path, enum db_mode mode, struct error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_READWRITE |
		    (db_kinds[mode].creates ? SQLITE_OPEN_CREATE : 0);
	int code;

	*db = (struct db){.kind = &db_kinds[mode]};
	code = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
		code = sqlite3_exec(db->handle, db->kind->setup, NULL, NULL, NULL);
	}
	if (code == SQLITE_OK)
		return 0;
	error_set(err, -db_errno(code), "the %s %s cannot be opened: %s", db->kind->name, path,
		db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
	db_close(db);
	return db_errno(code);
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < db->count; i++)
		sqlite3_finalize(db->statements[i].stmt);
	sqlite3_close(db->handle);
	*db = (struct db){0};
}

void db_abandon(struct db *db)
{
	if (db->handle)
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	db_close(db);
}

bool db_is_sound(struct db *db)
{
	sqlite3_stmt *stmt = db_prepare(db, "PRAGMA quick_check(1)");
	bool sound = db_step(db, stmt) == 1 &&
		     strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;

	db_reset(stmt);
	db->damaged |= !sound;
	return sound;
}

int db_checkpoint(struct db *db)
{
	int code =
		sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : db_fail(db, "checkpoint");
}

int64_t db_changed(struct db *db)
{
	return sqlite3_changes64(db->handle);
}

sqlite3_stmt *db_prepare(struct db *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	for (size_t i = 0; i < db->count; i++)
		if (db->statements[i].sql == sql) {
			db_reset(db->statements[i].stmt);
			sqlite3_clear_bindings(db->statements[i].stmt);
			return db->statements[i].stmt;
		}
	assert(db->count < DB_STATEMENTS_MAX);
	if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) !=
		SQLITE_OK) {
		db_fail(db, sql);
		return NULL;
	}
	db->statements[db->count].sql = sql;
	db->statements[db->count++].stmt = stmt;
	return stmt;
}

void db_bind_int(sqlite3_stmt *stmt, int column, int64_t value)
{
	if (stmt)
		sqlite3_bind_int64(stmt, column, value);
}

void db_bind_text(sqlite3_stmt *stmt, int column, const char *text)
{
	if (stmt)
		sqlite3_bind_text(stmt, column, text, -1, SQLITE_STATIC);
}

void db_bind_bytes(sqlite3_stmt *stmt, int column, const char *text, size_t len)
{
	if (stmt)
		sqlite3_bind_text64(stmt, column, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

int db_step(struct db *db, sqlite3_stmt *stmt)
{
	int code;

	if (!stmt)
		return -EIO;
	code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE)
		return 0;
	return db_fail(db, sqlite3_sql(stmt));
}

void db_reset(sqlite3_stmt *stmt)
{
	if (stmt)
		sqlite3_reset(stmt);
}

int db_run(struct db *db, sqlite3_stmt *stmt)
{
	int result = db_step(db, stmt);

	db_reset(stmt);
	return result < 0 ? result : 0;
}

int db_exec(struct db *db, const char *sql)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_fail(db, sql);
	return 0;
}

char *db_column_text(sqlite3_stmt *stmt, int column)
{
	return xstrdup((const char *)sqlite3_column_text(stmt, column));
}

char *db_column_borrow(sqlite3_stmt *stmt, int column)
{
	/* The structs that rows are read into own their texts elsewhere, hence no const. */
	return (char *)(uintptr_t)sqlite3_column_text(stmt, column);
}

int db_begin(struct db *db, const char *function)
{
	int result;

	assert(!db->began);
	result = db_run(db, db_prepare(db, "BEGIN IMMEDIATE"));
	if (result == 0)
		db->began = function;
	return result;
}

int db_commit(struct db *db)
{
	int result;

	assert(db->began);
	fault_point(db->kind->before);
	result = db_run(db, db_prepare(db, "COMMIT"));
	if (result < 0)
		db_rollback(db);
	db->began = NULL;
	fault_point(db->kind->after);
	return result;
}

void db_rollback(struct db *db)
{
	/* SQLite may have rolled back by itself (a full disk): then there is nothing left to
	 * do. */
	if (!sqlite3_get_autocommit(db->handle))
		(void)db_run(db, db_prepare(db, "ROLLBACK"));
	db->began = NULL;
}
