#include "state_p.h"
#include "store_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/messages.h>
#include <stdlib.h>
#include <string.h>

struct kept {
	uint32_t uid;
	uint32_t flags;
};

struct store_batch {
	struct store *store;
	int64_t folder;
	struct mail_message *added;
	size_t added_count, added_cap;
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
	for (size_t i = 0; i < batch->added_count; i++)
		mail_message_finish(&batch->added[i]);
	batch->added_count = 0;
	batch->kept_count = 0;
	batch->drop_through = 0;
}

void store_batch_destroy(struct store_batch *batch)
{
	if (!batch)
		return;
	batch_clear(batch);
	free(batch->added);
	free(batch->kept);
	free(batch);
}

void store_batch_add(struct store_batch *batch, const struct mail_message *message)
{
	const struct mail_fields *from = &message->fields;
	struct mail_message *copy;

	if (batch->added_count == batch->added_cap) {
		batch->added_cap = batch->added_cap ? batch->added_cap * 2 : 64;
		batch->added = xreallocarray(batch->added, batch->added_cap, sizeof(*copy));
	}
	copy = &batch->added[batch->added_count++];
	*copy = *message;
	copy->uidl = xstrdup(message->uidl);
	copy->fields = (struct mail_fields){
		.sender = xstrdup(from->sender),
		.from = xstrdup(from->from),
		.to = xstrdup(from->to),
		.cc = xstrdup(from->cc),
		.subject = xstrdup(from->subject),
		.date = xstrdup(from->date),
		.message_id = xstrdup(from->message_id),
		.references = xstrdup(from->references),
		.list_id = xstrdup(from->list_id),
	};
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
	"INSERT INTO messages (folder, uid, size, date, state, flags, sender, subject, uidl, "
	"from_,"
	" to_, cc, date_, message_id, references_, list_id)"
	" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
	" ON CONFLICT (folder, uid) DO UPDATE SET flags = excluded.flags, date = excluded.date,"
	" size = CASE state & 1 WHEN 1 THEN size ELSE excluded.size END,"
	" state = (state & 1) | excluded.state, sender = excluded.sender,"
	" subject = excluded.subject, uidl = excluded.uidl, from_ = excluded.from_,"
	" to_ = excluded.to_, cc = excluded.cc, date_ = excluded.date_,"
	" message_id = excluded.message_id, references_ = excluded.references_,"
	" list_id = excluded.list_id";

static int batch_insert_one(struct store_batch *batch, const struct mail_message *message)
{
	const struct mail_fields *fields = &message->fields;
	const char *texts[] = {fields->sender, fields->subject, message->uidl, fields->from,
		fields->to, fields->cc, fields->date, fields->message_id, fields->references,
		fields->list_id};
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db, batch_insert);

	db_bind_int(stmt, 1, batch->folder);
	db_bind_int(stmt, 2, message->uid);
	db_bind_int(stmt, 3, (int64_t)message->size);
	db_bind_int(stmt, 4, message->date);
	db_bind_int(stmt, 5, message->bad ? MESSAGE_STATE_BAD : 0);
	db_bind_int(stmt, 6, message->flags);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		db_bind_text(stmt, 7 + (int)i, texts[i]);
	return db_run(db, stmt);
}

static int batch_count(struct store_batch *batch, int64_t *count_out)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt = db_prepare(db, "SELECT messages FROM folders WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, batch->folder);
	result = db_step(db, stmt);
	*count_out = result == 1 ? sqlite3_column_int64(stmt, 0) : 0;
	db_reset(stmt);
	return result < 0 ? result : result == 1 ? 0 : -ENOENT;
}

static int batch_has(struct store_batch *batch, uint32_t uid)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "SELECT 1 FROM messages WHERE folder = ?1 AND uid = ?2");
	int result;

	db_bind_int(stmt, 1, batch->folder);
	db_bind_int(stmt, 2, uid);
	result = db_step(db, stmt);
	db_reset(stmt);
	return result;
}

static int batch_write_added(struct store_batch *batch, struct store_changes *changes)
{
	int result = 0;

	for (size_t i = 0; i < batch->added_count && result == 0; i++) {
		int known = batch_has(batch, batch->added[i].uid);

		if (known < 0)
			return known;
		changes->added += known == 0;
		result = batch_insert_one(batch, &batch->added[i]);
	}
	return result;
}

static int batch_remove_one(struct store_batch *batch, uint32_t uid)
{
	static const char *const steps[] = {
		"UPDATE folders SET bodies = bodies - 1 WHERE id = ?1 AND EXISTS"
		" (SELECT 1 FROM bodies WHERE folder = ?1 AND uid = ?2)",
		"DELETE FROM bodies WHERE folder = ?1 AND uid = ?2",
		"DELETE FROM messages WHERE folder = ?1 AND uid = ?2",
	};
	struct db *db = &batch->store->db;
	int result = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++) {
		sqlite3_stmt *stmt = db_prepare(db, steps[i]);

		db_bind_int(stmt, 1, batch->folder);
		db_bind_int(stmt, 2, uid);
		result = db_run(db, stmt);
	}
	return result;
}

static int batch_set_flags(struct store_batch *batch, const struct kept *kept)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "UPDATE messages SET flags = ?3 WHERE folder = ?1 AND uid = ?2");

	db_bind_int(stmt, 1, batch->folder);
	db_bind_int(stmt, 2, kept->uid);
	db_bind_int(stmt, 3, kept->flags);
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

/*
 * Walks rows and survey side by side, both ascending. What has to be changed is noted first:
 * the rows are not written to while they are read.
 */
static int batch_survey(struct store_batch *batch, struct store_changes *changes)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "SELECT uid, flags, date, sender, subject FROM messages"
			       " WHERE folder = ?1 AND uid <= ?2 ORDER BY uid");
	struct kept *reflagged = xreallocarray(NULL, batch->kept_count + 1, sizeof(*reflagged));
	size_t at = 0, count = 0;
	int result;

	db_bind_int(stmt, 1, batch->folder);
	db_bind_int(stmt, 2, batch->drop_through);
	while ((result = db_step(db, stmt)) == 1) {
		uint32_t uid = (uint32_t)sqlite3_column_int64(stmt, 0);

		while (at < batch->kept_count && batch->kept[at].uid < uid)
			at++;
		if (at == batch->kept_count || batch->kept[at].uid != uid)
			changes_add_gone(changes, stmt);
		else if (batch->kept[at].flags != (uint32_t)sqlite3_column_int64(stmt, 1))
			reflagged[count++] = batch->kept[at];
	}
	db_reset(stmt);
	for (size_t i = 0; i < count && result == 0; i++)
		result = batch_set_flags(batch, &reflagged[i]);
	for (size_t i = 0; i < changes->gone_count && result == 0; i++)
		result = batch_remove_one(batch, changes->gone[i].uid);
	changes->reflagged = (uint32_t)count;
	free(reflagged);
	return result;
}

static int batch_note_folder(struct store_batch *batch, const struct store_batch_end *end,
	const struct store_changes *changes)
{
	struct db *db = &batch->store->db;
	sqlite3_stmt *stmt =
		db_prepare(db, "UPDATE folders SET messages = messages + ?2,"
			       " last_uid = max(last_uid, ?3),"
			       " uidnext = CASE ?4 WHEN 0 THEN uidnext ELSE ?4 END,"
			       " listed = CASE WHEN ?5 THEN 2 ELSE max(listed, 1) END,"
			       " checked = CASE WHEN ?5 THEN ?6 ELSE checked END,"
			       " mtime = CASE WHEN ?7 THEN ?6 ELSE mtime END WHERE id = ?1");

	db_bind_int(stmt, 1, batch->folder);
	db_bind_int(stmt, 2, (int64_t)changes->added - (int64_t)changes->gone_count);
	db_bind_int(stmt, 3, end->last_uid);
	db_bind_int(stmt, 4, end->uidnext);
	db_bind_int(stmt, 5, end->complete);
	db_bind_int(stmt, 6, clock_wall_s());
	db_bind_int(stmt, 7, changes->added || changes->gone_count);
	return db_run(db, stmt);
}

int store_batch_commit(struct store_batch *batch, const struct store_batch_end *end,
	struct store_changes *changes_out, struct error *err)
{
	struct store_changes changes = {0};
	int64_t before;
	int result = store_begin(batch->store, __func__);

	if (result < 0)
		goto out;
	result = batch_count(batch, &before);
	if (result == 0 && batch->drop_through)
		result = batch_survey(batch, &changes);
	if (result == 0)
		result = batch_write_added(batch, &changes);
	if (result == 0)
		result = batch_note_folder(batch, end, &changes);
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
