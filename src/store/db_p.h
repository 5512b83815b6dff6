/*
 * store/db_p.h - SQLite, behind a few typed calls.
 * Used by the files of this floor; a struct db belongs to one thread at a time.
 *
 * Statements are prepared once and kept, found by the address of their text: pass string
 * literals. Errors are logged here, once, with SQLite's own words; callers get -errno.
 */
#ifndef MOUNTMAIL_STORE_DB_P_H
#define MOUNTMAIL_STORE_DB_P_H

#include <mountmail/base/error.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DB_STATEMENTS_MAX 64

struct db_kind;

struct db {
	sqlite3 *handle;
	const struct db_kind *kind;
	const char *began; /* the function that opened the transaction, NULL for none */
	bool damaged;	   /* SQLite said so */
	size_t count;
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} statements[DB_STATEMENTS_MAX];
};

/* What a connection is for. */
enum db_mode { DB_CACHE, DB_CACHE_READER, DB_JOURNAL, DB_KEPT, DB_KEPT_READER };

/*
 * Opens the file (made when missing, but not by a reader). Returns 0, -EUCLEAN when it is
 * damaged or no database at all, or another -errno.
 */
int db_open(struct db *db, const char *path, enum db_mode mode, struct error *err);
void db_close(struct db *db);
/* The same, and the files are left as they are: nothing is folded back into a damaged one. */
void db_abandon(struct db *db);
/* Looks at every page. A database that is no longer sound is marked as damaged. */
bool db_is_sound(struct db *db);
/* Writes all that the WAL holds into the database, and syncs it. 0 or -errno. */
int db_checkpoint(struct db *db);
/* Rows that the last statement changed. */
int64_t db_changed(struct db *db);

/*
 * The statement for sql, reset and with nothing bound. NULL (logged) only when sql is wrong or
 * the database is damaged; every function below takes that and fails.
 */
sqlite3_stmt *db_prepare(struct db *db, const char *sql);
void db_bind_int(sqlite3_stmt *stmt, int column, int64_t value);
/* text is borrowed until the statement is reset; NULL binds NULL. */
void db_bind_text(sqlite3_stmt *stmt, int column, const char *text);
/* The same for len bytes, which need no NUL. */
void db_bind_bytes(sqlite3_stmt *stmt, int column, const char *text, size_t len);
/* 1: a row, 0: no more, or -errno (-ENOSPC, -EUCLEAN, -EIO). */
int db_step(struct db *db, sqlite3_stmt *stmt);
/* Ends a statement that was stepped: locks and borrowed texts are let go. */
void db_reset(sqlite3_stmt *stmt);
/* Steps a statement that returns no rows, and resets it. 0 or -errno. */
int db_run(struct db *db, sqlite3_stmt *stmt);
/* Runs SQL text of one or more statements. 0 or -errno. */
int db_exec(struct db *db, const char *sql);

/* An owned copy of a text column, NULL for NULL. */
char *db_column_text(sqlite3_stmt *stmt, int column);
/* The column itself, until the statement is stepped or reset: not to be written or freed. */
char *db_column_borrow(sqlite3_stmt *stmt, int column);

/* Transactions. function is for the assertion that they do not nest: pass __func__. */
int db_begin(struct db *db, const char *function);
int db_commit(struct db *db);
void db_rollback(struct db *db);

#endif
