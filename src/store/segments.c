#include "segments_p.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_NAME_MAX 32
#define SEGMENTS_HELD_MAX 64 /* more body writers than connections there can be */

struct segments {
	pthread_mutex_t mutex;
	int64_t held[SEGMENTS_HELD_MAX]; /* ids being written, 0 for a free place */
};

static void segment_name(int64_t id, char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%010" PRId64 ".seg", id);
}

static bool segment_is_held(const struct segments *segments, int64_t id)
{
	for (size_t i = 0; i < SEGMENTS_HELD_MAX; i++)
		if (segments->held[i] == id)
			return true;
	return false;
}

/* The row of a file's name: 1 it has one, 0 it has none, or -errno. */
static int segment_has_row(struct store *store, const char *name)
{
	sqlite3_stmt *stmt = db_prepare(&store->db, "SELECT 1 FROM segments WHERE id = ?1");
	char expected[SEGMENT_NAME_MAX];
	int64_t id = strtoll(name, NULL, 10);
	int result;

	segment_name(id, expected);
	if (strcmp(name, expected) != 0)
		return 0;
	db_bind_int(stmt, 1, id);
	result = db_step(&store->db, stmt);
	db_reset(stmt);
	return result;
}

/* Files that no row speaks of are what a crash between file and row left behind. */
static int segments_remove_strays(struct store *store)
{
	int fd = openat(store->bodies_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int result = dir ? 0 : -errno;
	struct dirent *entry;

	while (result >= 0 && dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		result = segment_has_row(store, entry->d_name);
		if (result == 0 && unlinkat(store->bodies_fd, entry->d_name, 0) < 0)
			log_warning("%s/bodies/%s cannot be removed: %s", store->dir,
				entry->d_name, strerror(errno));
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return result < 0 ? result : 0;
}

/* Inside a transaction: a segment and everything that is said of what was in it. */
static int segment_forget(struct store *store, int64_t id)
{
	static const char *const steps[] = {
		("UPDATE folders SET bodies = bodies - (SELECT count(*) FROM bodies WHERE"
		 " segment = ?1 AND id >> 32 = folders.id)"),
		"DELETE FROM bodies WHERE segment = ?1",
		"DELETE FROM segments WHERE id = ?1",
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		sqlite3_stmt *stmt = db_prepare(&store->db, steps[i]);
		int result;

		db_bind_int(stmt, 1, id);
		result = db_run(&store->db, stmt);
		if (result < 0)
			return result;
	}
	return 0;
}

static int64_t segment_first_lost(struct store *store)
{
	sqlite3_stmt *stmt = db_prepare(&store->db, "SELECT id FROM segments");
	int64_t lost = 0;

	while (!lost && db_step(&store->db, stmt) == 1) {
		char name[SEGMENT_NAME_MAX];

		segment_name(sqlite3_column_int64(stmt, 0), name);
		if (faccessat(store->bodies_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			lost = sqlite3_column_int64(stmt, 0);
	}
	db_reset(stmt);
	return lost;
}

static int segments_forget_lost(struct store *store)
{
	int result = store_begin(store, __func__);
	int64_t id;

	if (result < 0)
		return result;
	while (result == 0 && (id = segment_first_lost(store)))
		result = segment_forget(store, id);
	return store_end(store, result);
}

int segments_open(struct store *store, struct error *err)
{
	int result;

	store->segments = xcalloc(1, sizeof(*store->segments));
	pthread_mutex_init(&store->segments->mutex, NULL);
	result = segments_remove_strays(store);
	if (result == 0)
		result = segments_forget_lost(store);
	return result < 0 ? error_set(err, -result, "the folder %s/bodies cannot be read: %s",
				    store->dir, strerror(-result))
			  : 0;
}

void segments_close(struct store *store)
{
	if (!store->segments)
		return;
	pthread_mutex_destroy(&store->segments->mutex);
	free(store->segments);
	store->segments = NULL;
}

static bool segment_hold(struct segments *segments, int64_t id)
{
	for (size_t i = 0; i < SEGMENTS_HELD_MAX; i++)
		if (!segments->held[i]) {
			segments->held[i] = id;
			return true;
		}
	return false;
}

/* Inside a transaction: an unfilled segment nobody writes to, or a new row. */
static int segment_choose(struct store *store, int64_t *id_out, uint64_t *end_out)
{
	sqlite3_stmt *stmt = db_prepare(&store->db,
		"SELECT id, coalesce((SELECT max(offset + length) FROM bodies"
		" WHERE segment = segments.id), 0) FROM segments WHERE bytes < ?1 ORDER BY id");
	int result;

	*id_out = 0;
	*end_out = 0;
	db_bind_int(stmt, 1, SEGMENT_BYTES);
	while ((result = db_step(&store->db, stmt)) == 1) {
		if (segment_is_held(store->segments, sqlite3_column_int64(stmt, 0)))
			continue;
		*id_out = sqlite3_column_int64(stmt, 0);
		*end_out = (uint64_t)sqlite3_column_int64(stmt, 1);
		break;
	}
	db_reset(stmt);
	if (result < 0 || *id_out)
		return result < 0 ? result : 0;
	stmt = db_prepare(&store->db, "INSERT INTO segments (bytes, used) VALUES (0, ?1)");
	db_bind_int(stmt, 1, clock_wall_s());
	result = db_run(&store->db, stmt);
	*id_out = sqlite3_last_insert_rowid(store->db.handle);
	return result;
}

int segment_acquire(struct store *store, int64_t *id_out, uint64_t *end_out)
{
	char name[SEGMENT_NAME_MAX];
	int fd, result;

	result = store_begin(store, __func__);
	if (result < 0)
		return result;
	pthread_mutex_lock(&store->segments->mutex);
	result = segment_choose(store, id_out, end_out);
	if (result == 0 && !segment_hold(store->segments, *id_out))
		result = -EBUSY;
	pthread_mutex_unlock(&store->segments->mutex);
	result = store_end(store, result);
	if (result < 0)
		return result;
	segment_name(*id_out, name);
	fd = openat(store->bodies_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)*end_out) < 0) {
		result = errno == ENOSPC ? -ENOSPC : -EIO;
		log_error("%s/bodies/%s cannot be written: %s", store->dir, name,
			strerror(errno));
		segment_release(store, *id_out, fd);
		return result;
	}
	return fd;
}

void segment_release(struct store *store, int64_t id, int fd)
{
	if (fd >= 0)
		close(fd);
	pthread_mutex_lock(&store->segments->mutex);
	for (size_t i = 0; i < SEGMENTS_HELD_MAX; i++)
		if (store->segments->held[i] == id)
			store->segments->held[i] = 0;
	pthread_mutex_unlock(&store->segments->mutex);
}

int segment_open(struct store *store, int64_t id)
{
	char name[SEGMENT_NAME_MAX];
	int fd;

	segment_name(id, name);
	fd = openat(store->bodies_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Inside a transaction: the segment used least recently that nobody writes to, 0 for none. */
static int64_t segment_coldest(struct store *store)
{
	sqlite3_stmt *stmt =
		db_prepare(&store->db, "SELECT id FROM segments ORDER BY used, id");
	int64_t id = 0;

	pthread_mutex_lock(&store->segments->mutex);
	while (!id && db_step(&store->db, stmt) == 1)
		if (!segment_is_held(store->segments, sqlite3_column_int64(stmt, 0)))
			id = sqlite3_column_int64(stmt, 0);
	pthread_mutex_unlock(&store->segments->mutex);
	db_reset(stmt);
	return id;
}

static int segments_bytes(struct store *store, uint64_t *bytes_out)
{
	sqlite3_stmt *stmt =
		db_prepare(&store->db, "SELECT coalesce(sum(bytes), 0) FROM segments");
	int result = db_step(&store->db, stmt);

	*bytes_out = result == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	db_reset(stmt);
	return result < 0 ? result : 0;
}

int segments_evict(struct store *store)
{
	uint64_t bytes;
	int result = 0;

	while (store->limit && result == 0) {
		char name[SEGMENT_NAME_MAX];
		int64_t id;

		result = segments_bytes(store, &bytes);
		if (result < 0 || bytes <= store->limit)
			return result;
		id = segment_coldest(store);
		if (!id)
			return 0;
		result = segment_forget(store, id);
		segment_name(id, name);
		/* Before the commit: a row without its file is repaired at the next opening,
		 * and a read of it fetches again; a file without its row would take up room
		 * unseen. */
		if (result == 0 && unlinkat(store->bodies_fd, name, 0) < 0 && errno != ENOENT)
			log_warning("%s/bodies/%s cannot be removed: %s", store->dir, name,
				strerror(errno));
	}
	return result;
}
