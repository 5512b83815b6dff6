#include "journal_p.h"
#include "schema_p.h"
#include "segments_p.h"
#include "store_p.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define STORE_DB "mail.db"

uint32_t store_tag(const char *text, uint64_t number)
{
	uint64_t hash = XXH3_64bits_withSeed(text, strlen(text), number);
	uint32_t tag = (uint32_t)(hash >> 33);

	return tag ? tag : 1;
}

int store_begin(struct store *store, const char *function)
{
	int result;

	pthread_mutex_lock(&store->mutex);
	result = db_begin(&store->db, function);
	if (result < 0)
		pthread_mutex_unlock(&store->mutex);
	return result;
}

int store_end(struct store *store, int result)
{
	if (result < 0)
		db_rollback(&store->db);
	else
		result = db_commit(&store->db);
	pthread_mutex_unlock(&store->mutex);
	return result < 0 ? result : 0;
}

static int store_lock(struct store *store, int dir_fd, struct error *err)
{
	store->lock_fd =
		openat(dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (store->lock_fd < 0)
		return error_set(err, errno, "the file %s/lock cannot be opened: %s",
			store->dir, strerror(errno));
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, EBUSY,
			"the account is mounted already: its cache %s is in use by another "
			"mountmail",
			store->dir);
	return 0;
}

static int store_db_open(struct store *store, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/" STORE_DB, store->dir);
	mode_t old = umask(077);
	int result = db_open(&store->db, path, DB_CACHE, err);

	umask(old);
	if (result == 0) {
		result = schema_migrate(&store->db, &schema_cache, err);
		if (result < 0)
			db_close(&store->db);
	}
	return result;
}

/* Out of the way with a database that cannot be read: all it held can be fetched again. */
static int store_db_set_aside(struct store *store, struct error *err)
{
	static const char *const names[] = {STORE_DB, STORE_DB "-wal", STORE_DB "-shm"};

	log_warning(
		"the cache in %s is damaged: it is kept as mail.db.damaged and made anew from "
		"the server",
		store->dir);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_free_ char *from = xasprintf("%s/%s", store->dir, names[i]);
		_cleanup_free_ char *to = xasprintf("%s/%s.damaged", store->dir, names[i]);

		if (rename(from, to) < 0 && errno != ENOENT)
			return error_set(err, errno,
				"the damaged cache %s cannot be moved aside: %s", from,
				strerror(errno));
	}
	return store_db_open(store, err);
}

/*
 * The marker stands while the account is mounted and stays after a crash, or when damage was
 * met: only then is every page looked at, which takes seconds for a million messages.
 */
#define STORE_MARKER "unclean"

static bool store_marker_set(int dir_fd)
{
	int fd = openat(dir_fd, STORE_MARKER, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EEXIST;
}

static void store_marker_clear(struct store *store)
{
	_cleanup_free_ char *path = xasprintf("%s/" STORE_MARKER, store->dir);

	if (unlink(path) < 0 && errno != ENOENT)
		log_warning("%s cannot be removed: %s", path, strerror(errno));
}

static int store_prepare(struct store *store, const char *identity, struct error *err)
{
	_cleanup_close_ int dir_fd = store_dir_open(store->dir, "cache", err);
	_cleanup_free_ char *bodies = xasprintf("%s/bodies", store->dir);
	int result = dir_fd < 0 ? dir_fd : store_lock(store, dir_fd, err);

	if (result < 0)
		return result;
	result = store_db_open(store, err);
	if (result == 0 && store_marker_set(dir_fd) && !db_is_sound(&store->db)) {
		db_close(&store->db);
		result = -EUCLEAN;
	}
	if (result == -EUCLEAN)
		result = store_db_set_aside(store, err);
	if (result < 0)
		return result;
	result = schema_claim(&store->db, &schema_cache, store->dir, identity, err);
	if (result < 0)
		return result;
	store->bodies_fd = store_dir_open(bodies, "cache", err);
	if (store->bodies_fd < 0)
		return store->bodies_fd;
	return segments_open(store, err);
}

int store_open(const char *dir, const char *identity, uint64_t cache_limit,
	struct store **store_out, struct error *err)
{
	struct store *store = xcalloc(1, sizeof(*store));
	int result;

	store->dir = xstrdup(dir);
	store->lock_fd = store->bodies_fd = -1;
	store->limit = cache_limit;
	pthread_mutex_init(&store->mutex, NULL);
	result = store_prepare(store, identity, err);
	if (result < 0) {
		store_close(store);
		return result;
	}
	store->opened = true;
	*store_out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	segments_close(store);
	if (store->opened && !store->db.damaged && !atomic_load(&store->damaged))
		store_marker_clear(store);
	db_close(&store->db);
	if (store->bodies_fd >= 0)
		close(store->bodies_fd);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_mutex_destroy(&store->mutex);
	free(store->dir);
	free(store);
}

int store_reader_create(
	struct store *store, struct store_reader **reader_out, struct error *err)
{
	struct store_reader *reader = xcalloc(1, sizeof(*reader));
	_cleanup_free_ char *path = xasprintf("%s/" STORE_DB, store->dir);
	int result = db_open(&reader->db, path, DB_CACHE_READER, err);

	if (result < 0) {
		free(reader);
		return result;
	}
	reader->store = store;
	*reader_out = reader;
	return 0;
}

void store_reader_destroy(struct store_reader *reader)
{
	if (!reader)
		return;
	if (reader->db.damaged)
		atomic_store(&reader->store->damaged, true);
	db_close(&reader->db);
	free(reader);
}

int store_reader_begin(struct store_reader *reader)
{
	struct journal *journal = reader->store->journal;

	assert(!reader->held);
	/* Before the cache: what leaves both meanwhile stays hidden here. */
	reader->generation = journal ? journal_reader_begin(journal) : -1;
	/* BEGIN alone takes nothing: the moment is that of the first read. */
	if (db_run(&reader->db, db_prepare(&reader->db, "BEGIN")) < 0) {
		if (journal)
			journal_reader_end(journal, reader->generation);
		return -EIO;
	}
	reader->held = true;
	return 0;
}

void store_reader_end(struct store_reader *reader)
{
	assert(reader->held);
	reader->held = false;
	/* Nothing was written: when this fails there is nothing to lose, and it was logged. */
	db_rollback(&reader->db);
	if (reader->store->journal)
		journal_reader_end(reader->store->journal, reader->generation);
}
