#include "journal_p.h"
#include "tree_p.h"
#include <assert.h>
#include <errno.h>
#include <mountmail/store/messages.h>
#include <string.h>

void store_hide_by(struct store *store, struct journal *journal)
{
	assert(!store->journal);
	store->journal = journal;
}

int store_folder_hidden(struct store_reader *reader, const struct store_folder *folder,
	struct store_hidden *hidden_out)
{
	*hidden_out = (struct store_hidden){0};
	if (reader->store->journal)
		journal_hidden(reader->store->journal, folder->raw, folder->epoch, hidden_out);
	return 0;
}

int store_message_hidden(
	struct store_reader *reader, const struct store_folder *folder, uint32_t uid)
{
	struct journal *journal = reader->store->journal;
	int64_t place;

	if (!journal || (reader->held && reader->generation < 0))
		return 0;
	place = journal_find(journal, folder->raw, folder->epoch);
	return place && journal_hides(journal, place, uid);
}

/* In a transaction: takes the messages out. How many there were, or -errno. */
static int drop_messages(
	struct store *store, int64_t folder_id, const uint32_t *uids, size_t count)
{
	int dropped = 0, result = 0;

	for (size_t i = 0; i < count && result >= 0; i++) {
		result = message_remove(store, folder_id, uids[i]);
		dropped += result == 1;
	}
	return result < 0 ? result : dropped;
}

int store_messages_drop(struct store *store, int64_t folder_id, const uint32_t *uids,
	size_t count, int64_t mtime, struct error *err)
{
	int result = store_begin(store, __func__);
	sqlite3_stmt *stmt;
	int dropped;

	if (result == 0) {
		dropped = drop_messages(store, folder_id, uids, count);
		stmt = db_prepare(&store->db,
			"UPDATE folders SET messages = messages - ?2, mtime = max(mtime, ?3)"
			" WHERE id = ?1");
		db_bind_int(stmt, 1, folder_id);
		db_bind_int(stmt, 2, dropped);
		db_bind_int(stmt, 3, mtime);
		result = dropped < 0 ? dropped : db_run(&store->db, stmt);
		if (result == 0 && db_changed(&store->db) == 0)
			result = -ENOENT;
		result = store_end(store, result);
	}
	if (result < 0)
		return error_set(err, -result, "messages that are gone cannot be dropped: %s",
			strerror(-result));
	return 0;
}
