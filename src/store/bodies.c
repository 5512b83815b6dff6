#include "pread_p.h"
#include "row_p.h"
#include "segments_p.h"
#include <assert.h>
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/bodies.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

struct body_writer {
	struct store *store;
	int64_t segment; /* 0: none is held */
	int fd;
	uint64_t start;	 /* where the body in progress begins */
	uint64_t length; /* of it so far */
	XXH3_state_t *hash;
};

/* Where a body is. */
struct body_place {
	int64_t segment;
	uint64_t offset;
	uint64_t length;
	uint64_t checksum;
};

struct body_writer *body_writer_create(struct store *store)
{
	struct body_writer *writer = xcalloc(1, sizeof(*writer));

	writer->store = store;
	writer->fd = -1;
	writer->hash = XXH3_createState();
	if (!writer->hash)
		abort();
	XXH3_64bits_reset(writer->hash);
	return writer;
}

static void body_let_go(struct body_writer *writer)
{
	if (writer->segment)
		segment_release(writer->store, writer->segment, writer->fd);
	writer->segment = 0;
	writer->fd = -1;
}

void body_writer_destroy(struct body_writer *writer)
{
	if (!writer)
		return;
	body_abort(writer);
	body_let_go(writer);
	XXH3_freeState(writer->hash);
	free(writer);
}

/* A segment to append to is at hand afterwards. */
static int body_need_segment(struct body_writer *writer)
{
	int fd;

	if (writer->segment && writer->length == 0 && writer->start >= SEGMENT_BYTES)
		body_let_go(writer);
	if (writer->segment)
		return 0;
	fd = segment_acquire(writer->store, &writer->segment, &writer->start);
	if (fd < 0) {
		writer->segment = 0;
		return fd;
	}
	writer->fd = fd;
	return 0;
}

int body_append(struct body_writer *writer, const void *data, size_t len)
{
	const char *at = data;
	int result = body_need_segment(writer);

	if (result < 0)
		return result;
	XXH3_64bits_update(writer->hash, data, len);
	while (len) {
		ssize_t put =
			pwrite(writer->fd, at, len, (off_t)(writer->start + writer->length));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			result = errno == ENOSPC || errno == EDQUOT ? -ENOSPC : -EIO;
			log_error("a body cannot be written to the cache: %s", strerror(errno));
			body_abort(writer);
			return result;
		}
		at += put;
		len -= (size_t)put;
		writer->length += (uint64_t)put;
	}
	return 0;
}

void body_abort(struct body_writer *writer)
{
	/* What is cut off here was never named by a row; where it cannot be, the next body
	 * overwrites it. */
	if (writer->length && ftruncate(writer->fd, (off_t)writer->start) < 0)
		log_warning("a segment cannot be cut: %s", strerror(errno));
	writer->length = 0;
	XXH3_64bits_reset(writer->hash);
}

static int body_old_size(
	struct store *store, int64_t folder_id, uint32_t uid, uint64_t *old_size_out)
{
	sqlite3_stmt *stmt = db_prepare(&store->db, "SELECT size FROM messages WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, message_row(folder_id, uid));
	result = db_step(&store->db, stmt);
	*old_size_out = result == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	db_reset(stmt);
	return result < 0 ? result : result == 1 ? 0 : -ENOENT;
}

static int body_write_rows(struct body_writer *writer, int64_t folder_id, uint32_t uid)
{
	static const char *const steps[] = {
		"UPDATE folders SET bytes = bytes + ?4 - (SELECT size FROM messages WHERE"
		" id = ?1), bodies = bodies + NOT EXISTS (SELECT 1 FROM bodies WHERE id = ?1)"
		" WHERE id = ?7",
		"INSERT OR REPLACE INTO bodies VALUES (?1, ?2, ?3, ?4, ?5)",
		("UPDATE messages SET claim = CASE WHEN claim IS NULL AND size <> ?4 THEN size "
		 "ELSE"
		 " claim END, size = ?4, state = state | 1 WHERE id = ?1"),
		"UPDATE segments SET bytes = max(bytes, ?3 + ?4), used = ?6 WHERE id = ?2",
	};
	const int64_t values[] = {message_row(folder_id, uid), writer->segment,
		(int64_t)writer->start, (int64_t)writer->length,
		(int64_t)XXH3_64bits_digest(writer->hash), clock_wall_s(), folder_id};
	struct db *db = &writer->store->db;
	int result = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++) {
		sqlite3_stmt *stmt = db_prepare(db, steps[i]);
		int wanted = stmt ? sqlite3_bind_parameter_count(stmt) : 0;

		for (int j = 0; j < wanted; j++)
			db_bind_int(stmt, j + 1, values[j]);
		result = db_run(db, stmt);
	}
	return result;
}

int body_commit(struct body_writer *writer, int64_t folder_id, uint32_t uid,
	uint64_t *old_size_out, struct error *err)
{
	struct store *store = writer->store;
	int result = body_need_segment(writer);

	if (result == 0)
		result = store_begin(store, __func__);
	if (result == 0) {
		result = body_old_size(store, folder_id, uid, old_size_out);
		if (result == 0)
			result = body_write_rows(writer, folder_id, uid);
		if (result == 0)
			result = segments_evict(store);
		result = store_end(store, result);
	}
	if (result < 0) {
		body_abort(writer);
		return error_set(
			err, -result, "a body cannot be stored: %s", strerror(-result));
	}
	writer->start += writer->length;
	writer->length = 0;
	XXH3_64bits_reset(writer->hash);
	return 0;
}

/* 0, -ENODATA, -ENOENT, -EIO. */
static int body_find(
	struct store_reader *reader, int64_t folder_id, uint32_t uid, struct body_place *out)
{
	sqlite3_stmt *stmt = db_prepare(&reader->db,
		"SELECT segment, offset, length, checksum FROM messages LEFT JOIN bodies"
		" USING (id) WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, message_row(folder_id, uid));
	result = db_step(&reader->db, stmt);
	if (result == 1) {
		out->segment = sqlite3_column_int64(stmt, 0);
		out->offset = (uint64_t)sqlite3_column_int64(stmt, 1);
		out->length = (uint64_t)sqlite3_column_int64(stmt, 2);
		out->checksum = (uint64_t)sqlite3_column_int64(stmt, 3);
	}
	db_reset(stmt);
	if (result != 1)
		return result < 0 ? -EIO : -ENOENT;
	return out->segment ? 0 : -ENODATA;
}

/*
 * Whether the body is still where it was found. When it is, after its bytes were read, they
 * were its own: the room of a body is not used again before its row has gone.
 */
static bool body_is_still(struct store_reader *reader, int64_t folder_id, uint32_t uid,
	const struct body_place *place)
{
	struct body_place now;

	assert(!reader->held); /* in a moment that is held, nothing ever moves */
	return body_find(reader, folder_id, uid, &now) == 0 && now.segment == place->segment &&
	       now.offset == place->offset && now.length == place->length &&
	       now.checksum == place->checksum;
}

static bool body_is_whole(int fd, const struct body_place *place)
{
	enum { PIECE = 256 << 10 };
	char *piece = xmalloc(PIECE);
	XXH3_state_t *hash = XXH3_createState();
	uint64_t done = 0;
	bool whole = hash != NULL;

	if (hash)
		XXH3_64bits_reset(hash);
	while (whole && done < place->length) {
		uint64_t left = place->length - done;
		ssize_t n = pread_all(
			fd, piece, left < PIECE ? (size_t)left : PIECE, place->offset + done);

		whole = n > 0;
		if (whole)
			XXH3_64bits_update(hash, piece, (size_t)n);
		done += whole ? (uint64_t)n : 0;
	}
	whole = whole && XXH3_64bits_digest(hash) == place->checksum;
	XXH3_freeState(hash);
	free(piece);
	return whole;
}

/* A body that cannot be trusted is fetched again: its row goes. */
static void body_forget(struct store *store, int64_t folder_id, uint32_t uid)
{
	static const char *const steps[] = {
		"UPDATE folders SET bodies = bodies - 1 WHERE id = ?2 AND EXISTS"
		" (SELECT 1 FROM bodies WHERE id = ?1)",
		"DELETE FROM bodies WHERE id = ?1",
	};
	int result = store_begin(store, __func__);

	if (result < 0)
		return;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++) {
		sqlite3_stmt *stmt = db_prepare(&store->db, steps[i]);

		db_bind_int(stmt, 1, message_row(folder_id, uid));
		if (i == 0)
			db_bind_int(stmt, 2, folder_id);
		result = db_run(&store->db, stmt);
	}
	store_end(store, result);
}

int body_check(struct store_reader *reader, int64_t folder_id, uint32_t uid)
{
	struct body_place place;
	int result = body_find(reader, folder_id, uid, &place);
	bool whole;
	int fd;

	if (result < 0)
		return result;
	fd = segment_open(reader->store, place.segment);
	whole = fd >= 0 && body_is_whole(fd, &place);
	if (fd >= 0)
		close(fd);
	if (whole)
		return 0;
	/* It went, or another thread has fetched it anew. */
	if (!body_is_still(reader, folder_id, uid, &place))
		return -ENODATA;
	if (fd != -ENOENT)
		log_warning("a cached body (uid %u) is damaged: it is fetched again", uid);
	body_forget(reader->store, folder_id, uid);
	return -ENODATA;
}

ssize_t body_read(struct store_reader *reader, int64_t folder_id, uint32_t uid, void *data,
	size_t len, uint64_t offset)
{
	struct body_place place;
	ssize_t result = body_find(reader, folder_id, uid, &place);
	int fd;

	if (result < 0 || offset >= place.length)
		return result < 0 ? result : 0;
	if (len > place.length - offset)
		len = (size_t)(place.length - offset);
	fd = segment_open(reader->store, place.segment);
	if (fd < 0)
		return fd == -ENOENT ? -ENODATA : -EIO;
	result = pread_all(fd, data, len, place.offset + offset);
	close(fd);
	if (result < 0)
		result = -EIO;
	if (!body_is_still(reader, folder_id, uid, &place))
		return -ENODATA;
	/* A segment that ends early is damaged: the caller fetches again. */
	return result >= 0 && (size_t)result < len ? -ENODATA : result;
}
