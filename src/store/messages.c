#include "row_p.h"
#include "store_p.h"
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/messages.h>
#include <stdlib.h>

#define WALK_CHUNK 512 /* rows read before the caller sees them */

#define NAME_COLUMNS "SELECT id, size, date, state, flags, sender, subject"
#define ALL_COLUMNS                                                                            \
	NAME_COLUMNS ", EXISTS (SELECT 1 FROM bodies WHERE bodies.id = messages.id),"          \
		     " uidl, from_, to_, cc, date_, message_id, references_, list_id"

void store_message_finish(struct store_message *message)
{
	mail_message_finish(&message->mail);
	*message = (struct store_message){0};
}

/* Its texts are borrowed until the statement is stepped or reset. */
static void message_from_row(
	sqlite3_stmt *stmt, enum store_columns columns, struct store_message *out)
{
	int64_t state = sqlite3_column_int64(stmt, 3);

	*out = (struct store_message){
		.mail.uid = (uint32_t)sqlite3_column_int64(stmt, 0),
		.mail.size = (uint64_t)sqlite3_column_int64(stmt, 1),
		.mail.date = sqlite3_column_int64(stmt, 2),
		.mail.bad = (state & MESSAGE_STATE_BAD) != 0,
		.mail.flags = (uint32_t)sqlite3_column_int64(stmt, 4),
		.mail.fields.sender = db_column_borrow(stmt, 5),
		.mail.fields.subject = db_column_borrow(stmt, 6),
		.verified = (state & MESSAGE_STATE_VERIFIED) != 0,
	};
	if (columns != STORE_COLUMNS_ALL)
		return;
	out->cached = sqlite3_column_int64(stmt, 7) != 0;
	out->mail.uidl = db_column_borrow(stmt, 8);
	out->mail.fields.from = db_column_borrow(stmt, 9);
	out->mail.fields.to = db_column_borrow(stmt, 10);
	out->mail.fields.cc = db_column_borrow(stmt, 11);
	out->mail.fields.date = db_column_borrow(stmt, 12);
	out->mail.fields.message_id = db_column_borrow(stmt, 13);
	out->mail.fields.references = db_column_borrow(stmt, 14);
	out->mail.fields.list_id = db_column_borrow(stmt, 15);
}

/* Makes borrowed texts the message's own. */
static void message_own(struct store_message *message)
{
	struct mail_fields *fields = &message->mail.fields;

	message->mail.uidl = xstrdup(message->mail.uidl);
	fields->sender = xstrdup(fields->sender);
	fields->subject = xstrdup(fields->subject);
	fields->from = xstrdup(fields->from);
	fields->to = xstrdup(fields->to);
	fields->cc = xstrdup(fields->cc);
	fields->date = xstrdup(fields->date);
	fields->message_id = xstrdup(fields->message_id);
	fields->references = xstrdup(fields->references);
	fields->list_id = xstrdup(fields->list_id);
}

int store_message_get(struct store_reader *reader, int64_t folder_id, uint32_t uid,
	enum store_columns columns, struct store_message *message_out)
{
	sqlite3_stmt *stmt =
		columns == STORE_COLUMNS_ALL
			? db_prepare(&reader->db, ALL_COLUMNS " FROM messages WHERE id = ?1")
			: db_prepare(&reader->db, NAME_COLUMNS " FROM messages WHERE id = ?1");
	int result;

	db_bind_int(stmt, 1, message_row(folder_id, uid));
	result = db_step(&reader->db, stmt);
	if (result == 1) {
		message_from_row(stmt, columns, message_out);
		message_own(message_out);
	}
	db_reset(stmt);
	return result < 0 ? -EIO : result == 1 ? 0 : -ENOENT;
}

/* Bound for the folder's messages above after, at most limit of them (-1: all). */
static sqlite3_stmt *walk_begin(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns, int limit)
{
	sqlite3_stmt *stmt = columns == STORE_COLUMNS_ALL
				     ? db_prepare(&reader->db,
					       ALL_COLUMNS " FROM messages WHERE id > ?1 AND "
							   "id <= ?2 ORDER BY id LIMIT ?3")
				     : db_prepare(&reader->db,
					       NAME_COLUMNS " FROM messages WHERE id > ?1 AND "
							    "id <= ?2 ORDER BY id LIMIT ?3");

	db_bind_int(stmt, 1, message_row(folder_id, after));
	db_bind_int(stmt, 2, message_row(folder_id, UINT32_MAX));
	db_bind_int(stmt, 3, limit);
	return stmt;
}

/* Reads the next rows. The count, or -EIO. */
static int walk_chunk(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns, struct store_message *rows)
{
	sqlite3_stmt *stmt = walk_begin(reader, folder_id, after, columns, WALK_CHUNK);
	int count = 0, result;

	while ((result = db_step(&reader->db, stmt)) == 1) {
		message_from_row(stmt, columns, &rows[count]);
		message_own(&rows[count++]);
	}
	db_reset(stmt);
	if (result == 0)
		return count;
	while (count)
		store_message_finish(&rows[--count]);
	return -EIO;
}

/*
 * In chunks, so that no read transaction is open while the caller works: it would keep the WAL
 * from being folded back, and each may ask the same reader again.
 */
static int walk_chunks(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	struct store_message *rows = xcalloc(WALK_CHUNK, sizeof(*rows));
	bool wanted = true;
	int count;

	do {
		count = walk_chunk(reader, folder_id, after, columns, rows);
		for (int i = 0; i < count; i++) {
			after = rows[i].mail.uid;
			wanted = wanted && each(ctx, &rows[i]);
			store_message_finish(&rows[i]);
		}
	} while (wanted && count == WALK_CHUNK);
	free(rows);
	return count < 0 ? count : 0;
}

/*
 * Row by row, when the caller holds the transaction open anyway: nothing is copied, and nothing
 * is read that is not given, so that a listing in small pieces costs no more than in one.
 */
static int walk_rows(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	sqlite3_stmt *stmt = walk_begin(reader, folder_id, after, columns, -1);
	struct store_message row;
	int result;

	while ((result = db_step(&reader->db, stmt)) == 1) {
		message_from_row(stmt, columns, &row);
		if (!each(ctx, &row))
			break;
	}
	db_reset(stmt);
	return result < 0 ? -EIO : 0;
}

int store_messages_walk(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	return reader->held ? walk_rows(reader, folder_id, after, columns, each, ctx)
			    : walk_chunks(reader, folder_id, after, columns, each, ctx);
}
