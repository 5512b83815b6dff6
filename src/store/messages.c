#include "journal_p.h"
#include "store_p.h"
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/messages.h>
#include <stdlib.h>

#define WALK_CHUNK 512 /* rows read before the caller sees them */

#define NAME_COLUMNS "SELECT id, size, date, state, flags, sender, subject"
#define ALL_COLUMNS                                                                            \
	NAME_COLUMNS ", EXISTS (SELECT 1 FROM bodies WHERE bodies.id = messages.id),"          \
		     " uidl, from_, to_, cc, date_, message_id, references_, list_id,"         \
		     " coalesce(claim, size)"

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
		.mail.twin = (state & MESSAGE_STATE_TWIN) != 0,
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
	out->claim = (uint64_t)sqlite3_column_int64(stmt, 16);
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

/* What a walk goes over. */
struct walk {
	int64_t folder;
	enum store_columns columns;
	const struct store_folder *shown; /* without its hidden messages; NULL: all of them */
};

/* The id of the journal's place that says which are hidden; 0 when none is. */
static int64_t walk_place(struct store_reader *reader, const struct walk *walk)
{
	struct journal *journal = reader->store->journal;

	if (!walk->shown || !journal || (reader->held && reader->generation < 0))
		return 0;
	return journal_find(journal, walk->shown->raw, walk->shown->epoch);
}

/* Bound for the folder's messages above after. */
static sqlite3_stmt *walk_begin(
	struct store_reader *reader, const struct walk *walk, uint32_t after)
{
	sqlite3_stmt *stmt = walk->columns == STORE_COLUMNS_ALL
				     ? db_prepare(&reader->db,
					       ALL_COLUMNS " FROM messages WHERE id > ?1 AND "
							   "id <= ?2 ORDER BY id")
				     : db_prepare(&reader->db,
					       NAME_COLUMNS " FROM messages WHERE id > ?1 AND "
							    "id <= ?2 ORDER BY id");

	db_bind_int(stmt, 1, message_row(walk->folder, after));
	db_bind_int(stmt, 2, message_row(walk->folder, UINT32_MAX));
	return stmt;
}

/* Row by row, straight from the database: nothing is copied, nothing read that is not given. */
static int walk_rows(struct store_reader *reader, const struct walk *walk, uint32_t after,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	struct journal *journal = reader->store->journal;
	int64_t place = walk_place(reader, walk);
	sqlite3_stmt *stmt = walk_begin(reader, walk, after);
	struct store_message row;
	int result;

	while ((result = db_step(&reader->db, stmt)) == 1) {
		message_from_row(stmt, walk->columns, &row);
		if (place && journal_hides(journal, place, row.mail.uid))
			continue;
		if (!each(ctx, &row))
			break;
	}
	db_reset(stmt);
	return result < 0 ? -EIO : 0;
}

struct chunk {
	struct store_message rows[WALK_CHUNK];
	size_t count;
};

static bool chunk_fill(void *ctx, const struct store_message *message)
{
	struct chunk *chunk = ctx;
	struct store_message *row = &chunk->rows[chunk->count++];

	*row = *message;
	message_own(row);
	return chunk->count < WALK_CHUNK;
}

/* The next rows, as they are at one moment. */
static int chunk_read(struct store_reader *reader, const struct walk *walk, uint32_t after,
	struct chunk *chunk)
{
	int result = store_reader_begin(reader);

	chunk->count = 0;
	if (result < 0)
		return result;
	result = walk_rows(reader, walk, after, chunk_fill, chunk);
	store_reader_end(reader);
	return result;
}

/*
 * In chunks, so that no read transaction is open while the caller works: it would keep the WAL
 * from being folded back, and each may ask the same reader again.
 */
static int walk_chunks(struct store_reader *reader, const struct walk *walk, uint32_t after,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	struct chunk *chunk = xcalloc(1, sizeof(*chunk));
	bool wanted = true;
	int result;

	do {
		result = chunk_read(reader, walk, after, chunk);
		for (size_t i = 0; i < chunk->count; i++) {
			after = chunk->rows[i].mail.uid;
			wanted = wanted && result == 0 && each(ctx, &chunk->rows[i]);
			store_message_finish(&chunk->rows[i]);
		}
	} while (wanted && result == 0 && chunk->count == WALK_CHUNK);
	free(chunk);
	return result;
}

static int walk_do(struct store_reader *reader, const struct walk *walk, uint32_t after,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	return reader->held ? walk_rows(reader, walk, after, each, ctx)
			    : walk_chunks(reader, walk, after, each, ctx);
}

int store_messages_walk(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	const struct walk walk = {.folder = folder_id, .columns = columns};

	return walk_do(reader, &walk, after, each, ctx);
}

int store_messages_walk_shown(struct store_reader *reader, const struct store_folder *folder,
	uint32_t after, enum store_columns columns,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx)
{
	const struct walk walk = {.folder = folder->id, .columns = columns, .shown = folder};

	return walk_do(reader, &walk, after, each, ctx);
}

int store_folder_twins(
	struct store_reader *reader, int64_t folder_id, struct store_twins *twins_out)
{
	sqlite3_stmt *stmt = db_prepare(&reader->db,
		"SELECT count(uidl), count(*) - count(uidl) FROM messages"
		" WHERE id > ?1 AND id <= ?2 AND state & ?3");
	int result;

	*twins_out = (struct store_twins){0};
	db_bind_int(stmt, 1, message_row(folder_id, 0));
	db_bind_int(stmt, 2, message_row(folder_id, UINT32_MAX));
	db_bind_int(stmt, 3, MESSAGE_STATE_TWIN);
	result = db_step(&reader->db, stmt);
	if (result == 1) {
		twins_out->shared = (uint32_t)sqlite3_column_int64(stmt, 0);
		twins_out->nameless = (uint32_t)sqlite3_column_int64(stmt, 1);
	}
	db_reset(stmt);
	return result < 0 ? -EIO : 0;
}
