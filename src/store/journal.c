#include "journal_p.h"
#include "schema_p.h"
#include "store_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/fault.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Not the cache's "lock": both folders may be one. */
#define JOURNAL_LOCK "journal.lock"

static int journal_errno(int result)
{
	return result == -ENOSPC ? -ENOSPC : result < 0 ? -EIO : 0;
}

int journal_begin(struct journal *journal, const char *function)
{
	return journal_errno(db_begin(&journal->db, function));
}

/* When what is shown of a folder changes, its directory's mtime does: once a second is enough.
 */
static int journal_note_times(struct journal *journal)
{
	int64_t now = clock_wall_s();
	int result = 0;

	for (struct known *known = journal->touched; known && result == 0;
		known = known->touched_next) {
		sqlite3_stmt *stmt;

		if (!known->shows || known->mtime == now)
			continue;
		stmt = db_prepare(&journal->db, "UPDATE places SET mtime = ?2 WHERE id = ?1");
		db_bind_int(stmt, 1, known->place.id);
		db_bind_int(stmt, 2, now);
		result = db_run(&journal->db, stmt);
		known->mtime_next = now;
	}
	return result;
}

int journal_end(struct journal *journal, int result)
{
	if (result >= 0)
		result = journal_note_times(journal);
	if (result < 0)
		db_rollback(&journal->db);
	else
		result = db_commit(&journal->db);
	known_settle(journal, result == 0);
	if (result == 0)
		atomic_fetch_add(&journal->commits, 1);
	return journal_errno(result);
}

static int journal_lock(struct journal *journal, struct error *err)
{
	journal->lock_fd = openat(
		journal->dir_fd, JOURNAL_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (journal->lock_fd < 0)
		return error_set(err, errno,
			"the file %s/" JOURNAL_LOCK " cannot be opened: %s", journal->dir,
			strerror(errno));
	if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, EBUSY,
			"the account is mounted already: its journal of removals in %s is in "
			"use "
			"by another mountmail",
			journal->dir);
	return 0;
}

/* Made by us, so that nobody else can ever read it, and SQLite follows no link. */
static int journal_touch(struct journal *journal, struct error *err)
{
	int fd = openat(journal->dir_fd, JOURNAL_DB,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set(err, errno,
			"the journal of removals %s/" JOURNAL_DB " cannot be opened: %s",
			journal->dir, strerror(errno));
	close(fd);
	return 0;
}

/*
 * The mtime of a folder lives on when nothing of it is left here. Where its epoch is another by
 * now, nobody asks for that any more.
 */
static int journal_sweep(struct journal *journal)
{
	int result = db_begin(&journal->db, __func__);
	sqlite3_stmt *stmt;

	if (result < 0)
		return result;
	stmt = db_prepare(&journal->db,
		"DELETE FROM places WHERE EXISTS (SELECT 1 FROM places AS later WHERE"
		" later.raw = places.raw AND later.id > places.id) AND NOT EXISTS"
		" (SELECT 1 FROM removals WHERE removals.id > places.id << 32 AND"
		" removals.id < (places.id + 1) << 32)");
	result = db_run(&journal->db, stmt);
	if (result == 0)
		return db_commit(&journal->db);
	db_rollback(&journal->db);
	return result;
}

static int journal_load(struct journal *journal, struct error *err)
{
	int result = journal_sweep(journal);

	if (result == 0)
		result = known_load(journal);
	if (result < 0)
		return error_set(err, -result,
			"the journal of removals in %s cannot be read: %s", journal->dir,
			strerror(-result));
	return 0;
}

static int journal_open_db(struct journal *journal, const char *identity, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" JOURNAL_DB, journal->dir);
	int result = db_open(&journal->db, path, DB_JOURNAL, err);

	if (result == 0 && !db_is_sound(&journal->db))
		result = -EUCLEAN;
	if (result == 0)
		result = schema_migrate(&journal->db, &schema_journal, err);
	if (result == 0)
		result = schema_claim(
			&journal->db, &schema_journal, journal->dir, identity, err);
	if (result == 0)
		result = journal_load(journal, err);
	if (result != -EUCLEAN)
		return result;
	return error_set(err, EUCLEAN,
		"the journal of removals %s is damaged. It holds the removals that the server "
		"does "
		"not have yet; nothing of it was changed. To go on without them, move it away, "
		"with "
		"%s-wal if it is there: those messages appear again, and none is "
		"lost",
		path, JOURNAL_DB);
}

/* The names of the files are on disk as well, or a sync of what is in them would be for
 * nothing. */
static int journal_sync_names(struct journal *journal, struct error *err)
{
	_cleanup_close_ int above =
		openat(journal->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* What is above may be closed to us; then it was not made by us either. */
	if (fsync(journal->dir_fd) < 0 || (above >= 0 && fsync(above) < 0))
		return error_set(err, errno, "the state folder %s cannot be synced: %s",
			journal->dir, strerror(errno));
	return 0;
}

static int journal_prepare(struct journal *journal, const char *identity, struct error *err)
{
	int result;

	journal->dir_fd = store_dir_open(journal->dir, "state", err);
	if (journal->dir_fd < 0)
		return journal->dir_fd;
	result = journal_lock(journal, err);
	if (result == 0)
		result = journal_touch(journal, err);
	if (result == 0)
		result = journal_open_db(journal, identity, err);
	if (result == 0)
		result = journal_sync_names(journal, err);
	return result;
}

int journal_open(
	const char *dir, const char *identity, struct journal **journal_out, struct error *err)
{
	struct journal *journal = xcalloc(1, sizeof(*journal));
	int result;

	journal->dir = xstrdup(dir);
	journal->dir_fd = journal->lock_fd = -1;
	/* Whatever an earlier process left may be in the page cache alone. */
	journal->commits = 1;
	pthread_mutex_init(&journal->mutex, NULL);
	pthread_mutex_init(&journal->tally, NULL);
	pthread_mutex_init(&journal->sync_mutex, NULL);
	result = journal_prepare(journal, identity, err);
	if (result < 0) {
		/* Damaged, another's, or from a version to come: not ours to fold back into. */
		db_abandon(&journal->db);
		journal_close(journal);
		return result;
	}
	*journal_out = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->db.damaged)
		db_abandon(&journal->db);
	else
		db_close(&journal->db);
	if (journal->lock_fd >= 0)
		close(journal->lock_fd);
	if (journal->dir_fd >= 0)
		close(journal->dir_fd);
	known_finish(journal);
	pthread_mutex_destroy(&journal->mutex);
	pthread_mutex_destroy(&journal->tally);
	pthread_mutex_destroy(&journal->sync_mutex);
	free(journal->dir);
	free(journal);
}

/*
 * Commits are in the WAL, or were folded back from there into the database, which syncs: what
 * is left to sync is the WAL. Past SQLite, whose connection others are using: no unlink waits.
 */
static int journal_sync_wal(struct journal *journal)
{
	int fd = openat(journal->dir_fd, JOURNAL_DB "-wal", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int result = fd < 0 || fdatasync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (result < 0)
		log_error("journal of removals: %s/" JOURNAL_DB "-wal cannot be synced: %s",
			journal->dir, strerror(-result));
	return result;
}

/*
 * After a sync that failed the kernel may call pages clean that never reached the disk, and the
 * next sync a success. So all is written once more: folded back into the database, and synced.
 */
static int journal_sync_again(struct journal *journal)
{
	int result;

	pthread_mutex_lock(&journal->mutex);
	result = db_checkpoint(&journal->db);
	pthread_mutex_unlock(&journal->mutex);
	return result;
}

int journal_sync(struct journal *journal)
{
	int result = 0;
	uint64_t commits;

	pthread_mutex_lock(&journal->sync_mutex);
	commits = atomic_load(&journal->commits);
	if (commits != journal->synced) {
		fault_point("before journal sync");
		result = journal->sync_failed ? journal_sync_again(journal)
					      : journal_sync_wal(journal);
		journal->sync_failed = result < 0;
		if (result == 0)
			journal->synced = commits;
	}
	pthread_mutex_unlock(&journal->sync_mutex);
	return result < 0 ? -EIO : 0;
}
