#include "kept_p.h"
#include "schema_p.h"
#include "store_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int kept_errno(int result)
{
	return result >= 0 ? result : result == -ENOSPC ? -ENOSPC : -EIO;
}

int kept_file_errno(int error)
{
	return error == ENOSPC || error == EDQUOT ? -ENOSPC : -EIO;
}

int kept_transact(struct kept *kept, const char *function)
{
	int result = kept_errno(db_begin(&kept->db, function));

	kept->next = kept->counts; /* whoever holds mutex is the only one to change it */
	return result;
}

int kept_settle(struct kept *kept, int result)
{
	if (result < 0) {
		db_rollback(&kept->db);
		return kept_errno(result);
	}
	result = kept_errno(db_commit(&kept->db));
	if (result == 0) {
		pthread_mutex_lock(&kept->tally);
		kept->counts = kept->next;
		pthread_mutex_unlock(&kept->tally);
	}
	return result;
}

uint64_t *kept_counter(struct kept_counts *counts, enum kept_state state)
{
	switch (state) {
	case KEPT_COPY:
		return &counts->copies;
	case KEPT_TAKING:
		return &counts->taking;
	case KEPT_ALONE:
		return &counts->alone;
	}
	abort(); /* what is on disk was looked at when it was opened */
}

void kept_counts(struct kept *kept, struct kept_counts *counts_out)
{
	pthread_mutex_lock(&kept->tally);
	*counts_out = kept->counts;
	counts_out->damaged = kept->damaged.count;
	pthread_mutex_unlock(&kept->tally);
}

bool kept_exists(const char *dir)
{
	_cleanup_free_ char *db = xasprintf("%s/" KEPT_DB, dir);
	_cleanup_free_ char *bodies = xasprintf("%s/" KEPT_FOLDER, dir);

	return faccessat(AT_FDCWD, db, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       faccessat(AT_FDCWD, bodies, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int kept_lock(struct kept *kept, struct error *err)
{
	kept->lock_fd = openat(
		kept->dir_fd, KEPT_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (kept->lock_fd < 0)
		return error_set(err, errno, "the file %s/" KEPT_LOCK " cannot be opened: %s",
			kept->dir, strerror(errno));
	if (flock(kept->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, EBUSY,
			"the account is mounted already: its kept mail in %s is in use by "
			"another mountmail",
			kept->dir);
	return 0;
}

static int kept_tell_missing(struct kept *kept, struct error *err)
{
	return error_set(err, EUCLEAN,
		"the list of the kept mail, %s/" KEPT_DB ", is missing or empty, and the "
		"folder " KEPT_FOLDER " beside it has mail in it. That may be the only copy: "
		"nothing was changed. Bring " KEPT_DB " back from a backup (with " KEPT_DB
		"-wal, if that is there), or move the folder " KEPT_FOLDER
		" away to begin anew without it: its files are plain messages",
		kept->dir);
}

static int kept_tell_damaged(struct kept *kept, struct error *err)
{
	return error_set(err, EUCLEAN,
		"the list of the kept mail, %s/" KEPT_DB ", is damaged. What it lists may be "
		"the only copy: nothing was changed, and the messages are whole, as files in "
		"the folder " KEPT_FOLDER " beside it. Bring " KEPT_DB " back from a backup "
		"(with " KEPT_DB "-wal, if that is there), or move both and the folder "
		"away to begin anew without them",
		kept->dir);
}

/*
 * 0 when there is a list, or nothing to be listed. A file that was just made is none: the
 * process may have ended before there was anything in it.
 */
static int kept_miss(struct kept *kept, bool missing, struct error *err)
{
	int result = missing ? kept_has_bodies(kept) : 0;

	if (result < 0)
		return error_set(err, -result,
			"the folder %s/" KEPT_FOLDER " cannot be read: %s", kept->dir,
			strerror(-result));
	return result ? kept_tell_missing(kept, err) : 0;
}

/* Made by us, so that nobody else can ever read it, and SQLite follows no link. */
static int kept_touch(struct kept *kept, struct error *err)
{
	int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(kept->dir_fd, KEPT_DB, flags);
	int result = fd < 0 ? kept_miss(kept, errno == ENOENT, err) : 0;

	if (result < 0)
		return result;
	if (fd < 0)
		fd = openat(kept->dir_fd, KEPT_DB, flags | O_CREAT, 0600);
	if (fd < 0)
		return error_set(err, errno,
			"the list of the kept mail, %s/" KEPT_DB ", cannot be opened: %s",
			kept->dir, strerror(errno));
	close(fd);
	return 0;
}

/* Whether the database has nothing in it, no table. 1, 0 or -errno. */
static int kept_is_empty(struct kept *kept)
{
	sqlite3_stmt *stmt = db_prepare(&kept->db, "SELECT 1 FROM sqlite_schema LIMIT 1");
	int result = db_step(&kept->db, stmt);

	db_reset(stmt);
	return result < 0 ? result : result == 0;
}

static int kept_open_db(struct kept *kept, const char *identity, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" KEPT_DB, kept->dir);
	int result = db_open(&kept->db, path, DB_KEPT, err);

	if (result == 0 && !db_is_sound(&kept->db))
		result = -EUCLEAN;
	if (result == 0) {
		int empty = kept_is_empty(kept);
		int missing = empty < 0 ? 0 : kept_miss(kept, empty, err);

		if (missing < 0)
			return missing;
		result = empty < 0 ? empty : 0;
	}
	if (result == 0)
		result = schema_migrate(&kept->db, &schema_kept, err);
	if (result == 0)
		result = schema_claim(&kept->db, &schema_kept, kept->dir, identity, err);
	return result == -EUCLEAN ? kept_tell_damaged(kept, err) : result;
}

/* The names of the files are on disk as well, or what is in them would be for nothing. */
static int kept_sync_names(struct kept *kept, struct error *err)
{
	_cleanup_close_ int above =
		openat(kept->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* What is above may be closed to us; then it was not made by us either. */
	if (fsync(kept->dir_fd) < 0 || (above >= 0 && fsync(above) < 0))
		return error_set(err, errno, "the state folder %s cannot be synced: %s",
			kept->dir, strerror(errno));
	return 0;
}

static int kept_open_rest(struct kept *kept, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" KEPT_DB, kept->dir);
	int result = kept_sync_names(kept, err);

	if (result < 0)
		return result;
	result = kept_scan(kept);
	if (result == -EUCLEAN)
		return kept_tell_damaged(kept, err);
	if (result < 0)
		return error_set(err, -result, "the kept mail in %s cannot be read: %s",
			kept->dir, strerror(-result));
	return db_open(&kept->reader, path, DB_KEPT_READER, err);
}

static int kept_prepare(struct kept *kept, const char *identity, struct error *err)
{
	_cleanup_free_ char *bodies = xasprintf("%s/" KEPT_FOLDER, kept->dir);
	int result;

	kept->dir_fd = store_dir_open(kept->dir, "state", err);
	if (kept->dir_fd < 0)
		return kept->dir_fd;
	result = kept_lock(kept, err);
	if (result < 0)
		return result;
	kept->bodies_fd = store_dir_open(bodies, "state", err);
	if (kept->bodies_fd < 0)
		return kept->bodies_fd;
	result = kept_touch(kept, err);
	if (result == 0)
		result = kept_open_db(kept, identity, err);
	if (result == 0)
		result = kept_open_rest(kept, err);
	return result;
}

int kept_open(const char *dir, const char *identity, struct kept **kept_out, struct error *err)
{
	struct kept *kept = xcalloc(1, sizeof(*kept));
	int result;

	kept->dir = xstrdup(dir);
	kept->dir_fd = kept->lock_fd = kept->bodies_fd = -1;
	pthread_mutex_init(&kept->mutex, NULL);
	pthread_mutex_init(&kept->read_mutex, NULL);
	pthread_mutex_init(&kept->tally, NULL);
	result = kept_prepare(kept, identity, err);
	if (result < 0) {
		/* Damaged, another's, or from a version to come: not ours to fold back into. */
		db_abandon(&kept->db);
		kept_close(kept);
		return result;
	}
	*kept_out = kept;
	return 0;
}

static void kept_close_db(struct kept *kept)
{
	if (kept->db.damaged || kept->reader.damaged) {
		db_abandon(&kept->reader);
		db_abandon(&kept->db);
	} else {
		db_close(&kept->reader);
		db_close(&kept->db);
	}
}

void kept_close(struct kept *kept)
{
	const int fds[] = {kept ? kept->bodies_fd : -1, kept ? kept->dir_fd : -1,
		kept ? kept->lock_fd : -1};

	if (!kept)
		return;
	kept_close_db(kept);
	kept_files_finish(kept);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	keys_finish(&kept->spare);
	keys_finish(&kept->damaged);
	pthread_mutex_destroy(&kept->mutex);
	pthread_mutex_destroy(&kept->read_mutex);
	pthread_mutex_destroy(&kept->tally);
	free(kept->dir);
	free(kept);
}
