#include "kept_p.h"
#include "row_p.h"
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

#define WALK_CHUNK 256 /* rows read before the caller sees them */

#define ROW_COLUMNS                                                                            \
	"SELECT uid, state, length, at, size, date, bits, flags, uidl, sender, subject,"       \
	" from_, to_, cc, date_, message_id, references_, list_id FROM messages "

const char *kept_state_name(enum kept_state state)
{
	switch (state) {
	case KEPT_COPY:
		return "copy";
	case KEPT_TAKING:
		return "taking";
	case KEPT_ALONE:
		return "alone";
	}
	return "unknown";
}

void kept_message_finish(struct kept_message *message)
{
	mail_message_finish(&message->mail);
	*message = (struct kept_message){0};
}

int kept_row_find(struct db *db, uint32_t uid, struct kept_row *row_out)
{
	sqlite3_stmt *stmt =
		db_prepare(db, "SELECT state, length, checksum FROM messages WHERE uid = ?1");
	int result;

	db_bind_int(stmt, 1, uid);
	result = db_step(db, stmt);
	if (result == 1)
		*row_out = (struct kept_row){
			.state = (enum kept_state)sqlite3_column_int64(stmt, 0),
			.length = (uint64_t)sqlite3_column_int64(stmt, 1),
			.checksum = (uint64_t)sqlite3_column_int64(stmt, 2),
		};
	db_reset(stmt);
	return result;
}

int kept_row_read(struct kept *kept, uint32_t uid, struct kept_row *row_out)
{
	int result;

	pthread_mutex_lock(&kept->read_mutex);
	result = kept_row_find(&kept->reader, uid, row_out);
	pthread_mutex_unlock(&kept->read_mutex);
	return result;
}

/* Its texts are owned. */
static struct kept_message message_read(sqlite3_stmt *stmt)
{
	int64_t bits = sqlite3_column_int64(stmt, 6);

	return (struct kept_message){
		.mail.uid = (uint32_t)sqlite3_column_int64(stmt, 0),
		.state = (enum kept_state)sqlite3_column_int64(stmt, 1),
		.length = (uint64_t)sqlite3_column_int64(stmt, 2),
		.at = sqlite3_column_int64(stmt, 3),
		.mail.size = (uint64_t)sqlite3_column_int64(stmt, 4),
		.mail.date = sqlite3_column_int64(stmt, 5),
		.mail.bad = (bits & MESSAGE_STATE_BAD) != 0,
		.mail.twin = (bits & MESSAGE_STATE_TWIN) != 0,
		.mail.flags = (uint32_t)sqlite3_column_int64(stmt, 7),
		.mail.uidl = db_column_text(stmt, 8),
		.mail.fields.sender = db_column_text(stmt, 9),
		.mail.fields.subject = db_column_text(stmt, 10),
		.mail.fields.from = db_column_text(stmt, 11),
		.mail.fields.to = db_column_text(stmt, 12),
		.mail.fields.cc = db_column_text(stmt, 13),
		.mail.fields.date = db_column_text(stmt, 14),
		.mail.fields.message_id = db_column_text(stmt, 15),
		.mail.fields.references = db_column_text(stmt, 16),
		.mail.fields.list_id = db_column_text(stmt, 17),
	};
}

int kept_get(struct kept *kept, uint32_t uid, struct kept_message *message_out)
{
	sqlite3_stmt *stmt;
	int result;

	pthread_mutex_lock(&kept->read_mutex);
	stmt = db_prepare(&kept->reader, ROW_COLUMNS "WHERE uid = ?1");
	db_bind_int(stmt, 1, uid);
	result = db_step(&kept->reader, stmt);
	if (result == 1)
		*message_out = message_read(stmt);
	db_reset(stmt);
	pthread_mutex_unlock(&kept->read_mutex);
	if (result != 1)
		return result < 0 ? -EIO : -ENOENT;
	message_out->damaged = kept_is_damaged(kept, uid);
	return 0;
}

/* Up to a chunk of those above after. The count, or -EIO with none. */
static int chunk_read(struct kept *kept, uint32_t after, struct kept_message *chunk)
{
	sqlite3_stmt *stmt;
	int count = 0, result = 0;

	pthread_mutex_lock(&kept->read_mutex);
	stmt = db_prepare(&kept->reader, ROW_COLUMNS "WHERE uid > ?1 ORDER BY uid");
	db_bind_int(stmt, 1, after);
	while (count < WALK_CHUNK && (result = db_step(&kept->reader, stmt)) == 1)
		chunk[count++] = message_read(stmt);
	db_reset(stmt);
	pthread_mutex_unlock(&kept->read_mutex);
	if (result >= 0)
		return count;
	while (count)
		kept_message_finish(&chunk[--count]);
	return -EIO;
}

int kept_walk(struct kept *kept, uint32_t after,
	bool (*each)(void *ctx, const struct kept_message *message), void *ctx)
{
	struct kept_message *chunk = xcalloc(WALK_CHUNK, sizeof(*chunk));
	bool wanted = true;
	int count;

	do {
		count = chunk_read(kept, after, chunk);
		for (int i = 0; i < count; i++) {
			after = chunk[i].mail.uid;
			chunk[i].damaged = kept_is_damaged(kept, after);
			wanted = wanted && each(ctx, &chunk[i]);
			kept_message_finish(&chunk[i]);
		}
	} while (wanted && count == WALK_CHUNK);
	free(chunk);
	return count < 0 ? count : 0;
}

int kept_older(struct kept *kept, int64_t before, enum kept_state state, uint32_t **uids_out,
	size_t *count_out)
{
	size_t count = 0, cap = 64;
	uint32_t *uids = xreallocarray(NULL, cap, sizeof(*uids));
	sqlite3_stmt *stmt;
	int result;

	pthread_mutex_lock(&kept->read_mutex);
	stmt = db_prepare(&kept->reader,
		"SELECT uid FROM messages WHERE state = ?1 AND at < ?2 ORDER BY at, uid");
	db_bind_int(stmt, 1, state);
	db_bind_int(stmt, 2, before);
	while ((result = db_step(&kept->reader, stmt)) == 1) {
		uint32_t uid = (uint32_t)sqlite3_column_int64(stmt, 0);

		if (kept_is_damaged(kept, uid))
			continue;
		if (count == cap) {
			cap *= 2;
			uids = xreallocarray(uids, cap, sizeof(*uids));
		}
		uids[count++] = uid;
	}
	db_reset(stmt);
	pthread_mutex_unlock(&kept->read_mutex);
	if (result < 0) {
		free(uids);
		uids = NULL;
		count = 0;
	}
	*uids_out = uids;
	*count_out = count;
	return result < 0 ? -EIO : 0;
}
