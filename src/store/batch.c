#include "row_p.h"
#include "tree_p.h"
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/messages.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	uint32_t uid;
	uint32_t flags;
};

/* What a batch adds to a folder's counters. */
struct sums {
	int64_t messages;
	int64_t bytes;
};

/* The texts of a message, in the order of batch_insert's columns. */
#define BATCH_TEXTS 10
#define BATCH_TEXT_NULL UINT32_MAX

/* A message to be stored; its texts stand one after the other in the batch's buffer. */
struct added {
	uint32_t uid;
	uint32_t flags;
	uint64_t size;
	int64_t date;
	bool bad;
	bool twin;
	size_t texts;
	uint32_t lengths[BATCH_TEXTS]; /* BATCH_TEXT_NULL: it has none */
};

struct store_batch {
	struct store *store;
	int64_t folder;
	struct added *added;
	size_t added_count, added_cap;
	struct buf texts;
	struct kept *kept;
	size_t kept_count, kept_cap;
	uint32_t drop_through; /* 0: nothing is dropped */
};

struct store_batch *store_batch_create(struct store *store, int64_t folder_id)
{
	struct store_batch *batch = xcalloc(1, sizeof(*batch));

	batch->store = store;
	batch->folder = folder_id;
	return batch;
}

static void batch_clear(struct store_batch *batch)
{
	buf_clear(&batch->texts);
	batch->added_count = 0;
	batch->kept_count = 0;
	batch->drop_through = 0;
}

void store_batch_destroy(struct store_batch *batch)
{
	if (!batch)
		return;
	buf_finish(&batch->texts);
	free(batch->added);
	free(batch->kept);
	free(batch);
}

void store_batch_add(struct store_batch *batch, const struct mail_message *message)
{
	const struct mail_fields *fields = &message->fields;
	const char *texts[BATCH_TEXTS] = {fields->sender, fields->subject, message->uidl,
		fields->from, fields->to, fields->cc, fields->date, fields->message_id,
		fields->references, fields->list_id};
	struct added *added;

	if (batch->added_count == batch->added_cap) {
		batch->added_cap = batch->added_cap ? batch->added_cap * 2 : 64;
		batch->added = xreallocarray(batch->added, batch->added_cap, sizeof(*added));
	}
	added = &batch->added[batch->added_count++];
	*added = (struct added){.uid = message->uid,
		.flags = message->flags,
		.size = message->size,
		.date = message->date,
		.bad = message->bad,
		.twin = message->twin,
		.texts = batch->texts.len};
	for (size_t i = 0; i < BATCH_TEXTS; i++) {
		size_t len = texts[i] ? strlen(texts[i]) : 0;

		added->lengths[i] = texts[i] ? (uint32_t)len : BATCH_TEXT_NULL;
		if (len)
			buf_append(&batch->texts, texts[i], len);
	}
}

void store_batch_keep(struct store_batch *batch, uint32_t uid, uint32_t flags)
{
	if (batch->kept_count == batch->kept_cap) {
		batch->kept_cap = batch->kept_cap ? batch->kept_cap * 2 : 256;
		batch->kept = xreallocarray(batch->kept, batch->kept_cap, sizeof(*batch->kept));
	}
	batch->kept[batch->kept_count++] = (struct kept){uid, flags};
}

void store_batch_drop_unkept(struct store_batch *batch, uint32_t last_uid)
{
	batch->drop_through = last_uid;
}

void store_changes_finish(struct store_changes *changes)
{
	for (size_t i = 0; i < changes->gone_count; i++)
		mail_fields_finish(&changes->gone[i].fields);
	free(changes->gone);
	*changes = (struct store_changes){0};
}

static const char batch_insert[] =
	"INSERT INTO messages (id, size, date, state, flags, sender, subject, uidl, from_,"
	" to_, cc, date_, message_id, references_, list_id)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
	" ON CONFLICT (id) DO UPDATE SET flags = excluded.flags, date = excluded.date,"
	" size = CASE state & 1 WHEN 1 THEN size ELSE excluded.size END,"
	" claim = CASE state & 1 WHEN 1 THEN nullif(excluded.size, size) END,"
	" state = (state & 1) | excluded.state, sender = excluded.sender,"
	" subject = excluded.subject, uidl = excluded.uidl, from_ = excluded.from_,"
	" to_ = excluded.to_, cc = excluded.cc, date_ = excluded.date_,"
	" message_id = excluded.message_id, references_ = excluded.references_,"
	" list_id = excluded.list_id";

static int batch_insert_one(struct store_batch *batch, const struct added *added)
{
	const char *text = batch->texts.data + added->texts;
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db, batch_insert);

	db_bind_int(stmt, 1, message_row(batch->folder, added->uid));
	db_bind_int(stmt, 2, (int64_t)added->size);
	db_bind_int(stmt, 3, added->date);
	db_bind_int(stmt, 4,
		(added->bad ? MESSAGE_STATE_BAD : 0) | (added->twin ? MESSAGE_STATE_TWIN : 0));
	db_bind_int(stmt, 5, added->flags);
	for (size_t i = 0; i < BATCH_TEXTS; i++) {
		if (added->lengths[i] == BATCH_TEXT_NULL)
			continue;
		db_bind_bytes(stmt, 6 + (int)i, text, added->lengths[i]);
		text += added->lengths[i];
	}
	return db_run(db, stmt);
}

/* 0 with the highest UID the folder has (0 for none), -ENOENT when there is no such folder. */
static int batch_highest(struct store_batch *batch, uint32_t *uid_out)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db, "SELECT (SELECT max(id) FROM messages WHERE id > "
					    "?1 << 32 AND id < (?1 + 1) << 32)"
					    " FROM folders WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, batch->folder);
	result = db_step(db, stmt);
	*uid_out = result == 1 ? (uint32_t)sqlite3_column_int64(stmt, 0) : 0;
	db_reset(stmt);
	return result < 0 ? result : result == 1 ? 0 : -ENOENT;
}

/* The size that the store has for a message: 1 with it, 0 when there is none, or -errno. */
static int batch_old_size(struct store_batch *batch, uint32_t uid, int64_t *size_out)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db, "SELECT size FROM messages WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, message_row(batch->folder, uid));
	result = db_step(db, stmt);
	if (result == 1)
		*size_out = sqlite3_column_int64(stmt, 0);
	db_reset(stmt);
	return result;
}

/* A message that may be there already. */
static int batch_replace_one(
	struct store_batch *batch, const struct added *added, struct sums *sums)
{
	int64_t before = 0, after = 0;
	int known = batch_old_size(batch, added->uid, &before);
	int result = known < 0 ? known : batch_insert_one(batch, added);

	if (result == 0)
		result = batch_old_size(batch, added->uid, &after);
	sums->messages += known == 0;
	sums->bytes += after - before;
	return result < 0 ? result : 0;
}

static int batch_write_added(struct store_batch *batch, uint32_t highest, struct sums *sums)
{
	int result = 0;

	for (size_t i = 0; i < batch->added_count && result == 0; i++) {
		const struct added *added = &batch->added[i];

		if (added->uid <= highest) {
			result = batch_replace_one(batch, added, sums);
			continue;
		}
		result = batch_insert_one(batch, added);
		highest = added->uid;
		sums->messages++;
		sums->bytes += (int64_t)added->size;
	}
	return result;
}

static int batch_set_flags(struct store_batch *batch, const struct kept *kept)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db, "UPDATE messages SET flags = ?2 WHERE id = ?1");

	db_bind_int(stmt, 1, message_row(batch->folder, kept->uid));
	db_bind_int(stmt, 2, kept->flags);
	return db_run(db, stmt);
}

static void changes_add_gone(struct store_changes *changes, sqlite3_stmt *stmt)
{
	struct store_gone *gone;

	changes->gone =
		xreallocarray(changes->gone, changes->gone_count + 1, sizeof(*changes->gone));
	gone = &changes->gone[changes->gone_count++];
	*gone = (struct store_gone){
		.uid = (uint32_t)sqlite3_column_int64(stmt, 0),
		.date = sqlite3_column_int64(stmt, 2),
	};
	gone->fields.sender = db_column_text(stmt, 3);
	gone->fields.subject = db_column_text(stmt, 4);
}

/* The server has one that is not stored: taken for gone by mistake, or never listed. */
static void survey_lacks(struct store_changes *changes, uint32_t uid)
{
	if (!changes->missing)
		changes->missing = uid;
}

/*
 * Walks rows and survey side by side, both ascending. What has to be changed is noted first:
 * the rows are not written to while they are read.
 */
static int batch_survey(struct store_batch *batch, struct store_changes *changes)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "SELECT id, flags, date, sender, subject FROM messages"
			       " WHERE id > ?1 AND id <= ?2 ORDER BY id");
	struct kept *reflagged = xreallocarray(NULL, batch->kept_count + 1, sizeof(*reflagged));
	size_t at = 0, count = 0;
	int result;

	db_bind_int(stmt, 1, message_row(batch->folder, 0));
	db_bind_int(stmt, 2, message_row(batch->folder, batch->drop_through));
	while ((result = db_step(db, stmt)) == 1) {
		uint32_t uid = (uint32_t)sqlite3_column_int64(stmt, 0);

		for (; at < batch->kept_count && batch->kept[at].uid < uid; at++)
			survey_lacks(changes, batch->kept[at].uid);
		if (at == batch->kept_count || batch->kept[at].uid != uid)
			changes_add_gone(changes, stmt);
		else if (batch->kept[at].flags != (uint32_t)sqlite3_column_int64(stmt, 1))
			reflagged[count++] = batch->kept[at];
		at += at < batch->kept_count && batch->kept[at].uid == uid;
	}
	db_reset(stmt);
	if (at < batch->kept_count)
		survey_lacks(changes, batch->kept[at].uid);
	for (size_t i = 0; i < count && result == 0; i++)
		result = batch_set_flags(batch, &reflagged[i]);
	for (size_t i = 0; i < changes->gone_count && result >= 0; i++)
		result = message_remove(batch->store, batch->folder, changes->gone[i].uid);
	changes->reflagged = (uint32_t)count;
	free(reflagged);
	return result < 0 ? result : 0;
}

static int batch_note_folder(struct store_batch *batch, const struct store_batch_end *end,
	const struct sums *sums, bool changed)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db,
		"UPDATE folders SET messages = messages + ?2, bytes = bytes + ?8,"
		" last_uid = max(last_uid, ?3),"
		" uidnext = CASE ?4 WHEN 0 THEN uidnext ELSE ?4 END,"
		" listed = CASE WHEN ?5 THEN 2 ELSE max(listed, 1) END,"
		" checked = CASE WHEN ?5 THEN ?6 ELSE checked END,"
		" mtime = CASE WHEN ?7 THEN ?6 ELSE mtime END WHERE id = ?1");

	db_bind_int(stmt, 1, batch->folder);
	db_bind_int(stmt, 2, sums->messages);
	db_bind_int(stmt, 3, end->last_uid);
	db_bind_int(stmt, 4, end->uidnext);
	db_bind_int(stmt, 5, end->complete);
	db_bind_int(stmt, 6, clock_wall_s());
	db_bind_int(stmt, 7, changed);
	db_bind_int(stmt, 8, sums->bytes);
	return db_run(db, stmt);
}

int store_batch_commit(struct store_batch *batch, const struct store_batch_end *end,
	struct store_changes *changes_out, struct error *err)
{
	struct store_changes changes = {0};
	struct sums sums = {0};
	uint32_t highest;
	int result = store_begin(batch->store, __func__);

	if (result < 0)
		goto out;
	result = batch_highest(batch, &highest);
	if (result == 0 && batch->drop_through)
		result = batch_survey(batch, &changes);
	if (result == 0)
		result = batch_write_added(batch, highest, &sums);
	changes.added = (uint32_t)sums.messages;
	sums.messages -= (int64_t)changes.gone_count;
	if (result == 0)
		result = batch_note_folder(
			batch, end, &sums, changes.added || changes.gone_count);
	result = store_end(batch->store, result);
out:
	batch_clear(batch);
	if (result == 0 && changes_out) {
		*changes_out = changes;
		return 0;
	}
	store_changes_finish(&changes);
	if (changes_out)
		*changes_out = changes;
	if (result < 0)
		return error_set(err, -result, "a batch of messages cannot be stored: %s",
			strerror(-result));
	return 0;
}
