/*
 * test_hidden.c - what the journal hides from the store's readers, and what is dropped for
 * good.
 */
#include "journal_fixture.h"
#include <mountmail/base/clock.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/folders.h>
#include <mountmail/store/messages.h>
#include <pthread.h>

#define EPOCH 7

struct hiding {
	struct fixture journal; /* its folder holds the cache as well */
	struct store *store;
	struct store_reader *reader;
	struct store_folder folder;
};

static void hiding_open(struct hiding *hiding)
{
	struct error err = {0};

	fixture_open(&hiding->journal);
	if (store_open(hiding->journal.dir, IDENTITY, 0, &hiding->store, &err) < 0)
		fail_msg("%s", err.text);
	store_hide_by(hiding->store, hiding->journal.journal);
	assert_int_equal(store_reader_create(hiding->store, &hiding->reader, &err), 0);
}

static void hiding_close(struct hiding *hiding)
{
	store_reader_destroy(hiding->reader);
	store_close(hiding->store);
	fixture_close(&hiding->journal);
}

static void list(struct hiding *hiding, uint32_t from, uint32_t to, uint64_t size)
{
	struct store_batch *batch = store_batch_create(hiding->store, hiding->folder.id);
	struct store_batch_end end = {.last_uid = to, .complete = true};

	for (uint32_t uid = from; uid <= to; uid++) {
		const struct mail_message message = {
			.uid = uid, .size = size, .date = 1700000000};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
}

static void look(struct hiding *hiding)
{
	store_folder_finish(&hiding->folder);
	assert_int_equal(store_folder_by_raw(hiding->reader, "A.B", &hiding->folder), 0);
}

static int setup_hiding(void **state)
{
	struct hiding *hiding = xcalloc(1, sizeof(*hiding));
	char raw[] = "A.B", path[] = "A\nB";
	const struct mail_folder folder = {.raw = raw, .path = path};

	strcpy(hiding->journal.dir, "/tmp/mm-hidden-XXXXXX");
	assert_non_null(mkdtemp(hiding->journal.dir));
	hiding_open(hiding);
	assert_int_equal(store_folders_replace(hiding->store, &folder, 1, NULL, NULL), 0);
	look(hiding);
	assert_int_equal(
		store_folder_new_epoch(hiding->store, hiding->folder.id, EPOCH, NULL), 0);
	list(hiding, 1, 5, 100);
	look(hiding);
	*state = hiding;
	return 0;
}

static int teardown_hiding(void **state)
{
	struct hiding *hiding = *state;

	store_folder_finish(&hiding->folder);
	hiding_close(hiding);
	nftw(hiding->journal.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(hiding);
	return 0;
}

static bool note_uid(void *ctx, const struct store_message *message)
{
	char *text = ctx;

	snprintf(text + strlen(text), 64 - strlen(text), "%u ", message->mail.uid);
	return strlen(text) < 50;
}

/* The UIDs that a reader is shown, each with a blank behind it. */
static const char *shown_now(struct hiding *hiding, uint32_t after)
{
	static char text[64];

	text[0] = '\0';
	assert_int_equal(store_messages_walk_shown(hiding->reader, &hiding->folder, after,
				 STORE_COLUMNS_NAME, note_uid, text),
		0);
	return text;
}

/* Alone, and at one moment; listed, and asked one by one: all say the same. */
static void check_shown(struct hiding *hiding, const char *wanted)
{
	for (int held = 0; held < 2; held++) {
		struct store_hidden hidden;
		uint32_t count = 0;

		if (held)
			assert_int_equal(store_reader_begin(hiding->reader), 0);
		assert_string_equal(shown_now(hiding, 0), wanted);
		for (uint32_t uid = 1; uid <= 5; uid++) {
			char name[16];
			int is;

			snprintf(name, sizeof(name), "%u ", uid);
			is = store_message_hidden(hiding->reader, &hiding->folder, uid);
			assert_int_equal(is, strstr(wanted, name) == NULL);
			count += is == 1;
		}
		assert_int_equal(
			store_folder_hidden(hiding->reader, &hiding->folder, &hidden), 0);
		assert_int_equal(hidden.messages, count);
		if (held)
			store_reader_end(hiding->reader);
	}
}

static void settle(struct hiding *hiding, uint32_t uid, enum journal_state to)
{
	assert_int_equal(journal_settle(hiding->journal.journal, 1, &uid, 1, to, 0, "why"), 0);
}

static int64_t tell(struct hiding *hiding, enum journal_verb verb, const char *id)
{
	return journal_tell(hiding->journal.journal, verb, id, NULL, NULL, NULL);
}

static void test_what_hides(void **state)
{
	struct hiding *hiding = *state;

	check_shown(hiding, "1 2 3 4 5 ");
	add(&hiding->journal, "A.B", EPOCH, 2, 4);
	check_shown(hiding, "1 5 ");
	assert_string_equal(shown_now(hiding, 1), "5 ");
	/* Not these. */
	add(&hiding->journal, "A.B", EPOCH + 1, 1, 1);
	add(&hiding->journal, "A", EPOCH, 5, 5);
	check_shown(hiding, "1 5 ");
	settle(hiding, 2, JOURNAL_MARKED);
	settle(hiding, 3, JOURNAL_BRAKED);
	check_shown(hiding, "1 5 ");
	settle(hiding, 2, JOURNAL_PARKED);
	settle(hiding, 4, JOURNAL_HELD);
	check_shown(hiding, "1 2 4 5 ");
	assert_int_equal(tell(hiding, JOURNAL_RELEASE, "1.4"), 1);
	check_shown(hiding, "1 2 5 ");
	store_folder_finish(&hiding->folder);
	hiding_close(hiding);
	hiding_open(hiding);
	look(hiding);
	check_shown(hiding, "1 2 5 ");
	assert_int_equal(tell(hiding, JOURNAL_UNDO, NULL), 5);
	check_shown(hiding, "1 2 3 4 5 ");
}

static void test_nothing_hides_without_a_journal(void **state)
{
	struct hiding *hiding = *state;
	struct store_hidden hidden;

	add(&hiding->journal, "A.B", EPOCH, 2, 4);
	store_reader_destroy(hiding->reader);
	store_close(hiding->store);
	assert_int_equal(store_open(hiding->journal.dir, IDENTITY, 0, &hiding->store, NULL), 0);
	assert_int_equal(store_reader_create(hiding->store, &hiding->reader, NULL), 0);
	check_shown(hiding, "1 2 3 4 5 ");
	assert_int_equal(store_folder_hidden(hiding->reader, &hiding->folder, &hidden), 0);
	assert_int_equal(hidden.mtime, 0);
}

static int64_t hidden_mtime(struct hiding *hiding)
{
	struct store_hidden hidden;

	assert_int_equal(store_folder_hidden(hiding->reader, &hiding->folder, &hidden), 0);
	return hidden.mtime;
}

/* The mtime on disk made an old one, so that a new one shows. */
static void age(struct hiding *hiding)
{
	char path[128];
	sqlite3 *db;

	store_folder_finish(&hiding->folder);
	hiding_close(hiding);
	snprintf(path, sizeof(path), "%s/journal.db", hiding->journal.dir);
	sqlite3_open(path, &db);
	assert_int_equal(
		sqlite3_exec(db, "UPDATE places SET mtime = 5", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	hiding_open(hiding);
	look(hiding);
	assert_int_equal(hidden_mtime(hiding), 5);
}

static void check_recent(struct hiding *hiding)
{
	assert_in_range(hidden_mtime(hiding), clock_wall_s() - 60, clock_wall_s() + 60);
	age(hiding);
}

/* It changes when what is shown does, and stays when the rows have gone. */
static void test_mtime(void **state)
{
	struct hiding *hiding = *state;
	uint32_t uid = 1;
	size_t count = 1;

	assert_int_equal(hidden_mtime(hiding), 0);
	add(&hiding->journal, "A.B", EPOCH, 1, 2);
	check_recent(hiding);
	assert_int_equal(journal_send(hiding->journal.journal, 1, &uid, &count, NULL), 0);
	settle(hiding, 1, JOURNAL_MARKED);
	assert_int_equal(journal_confirm(hiding->journal.journal, 1, &uid, 1), 0);
	assert_int_equal(hidden_mtime(hiding), 5);
	settle(hiding, 2, JOURNAL_HELD);
	check_recent(hiding);
	assert_int_equal(tell(hiding, JOURNAL_RELEASE, "1.2"), 1);
	check_recent(hiding);
	assert_int_equal(tell(hiding, JOURNAL_UNDO, "1.2"), 1);
	check_recent(hiding);
	add(&hiding->journal, "A.B", EPOCH, 2, 2);
	settle(hiding, 2, JOURNAL_PARKED);
	age(hiding);
	assert_int_equal(tell(hiding, JOURNAL_DISCARD, "1.2"), 1);
	assert_int_equal(hidden_mtime(hiding), 5);
}

static void confirm(struct hiding *hiding, uint32_t uid)
{
	assert_int_equal(
		store_messages_drop(hiding->store, hiding->folder.id, &uid, 1, 0, NULL), 0);
	assert_int_equal(journal_confirm(hiding->journal.journal, 1, &uid, 1), 0);
}

/*
 * A reader whose moment is before the drop still has the message, and the row has gone: it is
 * not shown. Nor to one that began in between. Once they have all ended it is forgotten.
 */
static void test_what_left_both_is_never_shown(void **state)
{
	struct hiding *hiding = *state;
	struct store_reader *first = hiding->reader, *second, *third;

	assert_int_equal(store_reader_create(hiding->store, &second, NULL), 0);
	assert_int_equal(store_reader_create(hiding->store, &third, NULL), 0);
	add(&hiding->journal, "A.B", EPOCH, 3, 3);
	assert_int_equal(store_reader_begin(first), 0);
	assert_string_equal(shown_now(hiding, 0), "1 2 4 5 ");
	confirm(hiding, 3);
	assert_int_equal(store_reader_begin(second), 0);
	assert_string_equal(shown_now(hiding, 0), "1 2 4 5 ");
	assert_int_equal(store_message_hidden(first, &hiding->folder, 3), 1);
	/* Others end and begin, and another goes: the first one's stays all the same. */
	add(&hiding->journal, "A.B", EPOCH, 4, 4);
	hiding->reader = second;
	assert_string_equal(shown_now(hiding, 0), "1 2 5 ");
	confirm(hiding, 4);
	assert_int_equal(store_reader_begin(third), 0);
	store_reader_end(second);
	hiding->reader = first;
	assert_string_equal(shown_now(hiding, 0), "1 2 5 ");
	store_reader_end(third);
	assert_string_equal(shown_now(hiding, 0), "1 2 5 ");
	store_reader_end(first);
	/* A server that was set back has them again: they are others now. */
	list(hiding, 3, 4, 100);
	check_shown(hiding, "1 2 3 4 5 ");
	store_reader_destroy(second);
	store_reader_destroy(third);
}

/* The same UID removed again while a reader of its first removal is still there. */
static void test_removed_again_at_once(void **state)
{
	struct hiding *hiding = *state;

	add(&hiding->journal, "A.B", EPOCH, 3, 3);
	assert_int_equal(store_reader_begin(hiding->reader), 0);
	confirm(hiding, 3);
	list(hiding, 3, 3, 100);
	add(&hiding->journal, "A.B", EPOCH, 3, 3);
	store_reader_end(hiding->reader);
	check_shown(hiding, "1 2 4 5 ");
}

static void test_drop(void **state)
{
	struct hiding *hiding = *state;
	struct body_writer *writer = body_writer_create(hiding->store);
	uint32_t uids[] = {2, 9, 4};
	struct store_totals totals;
	struct error err = {0};
	uint64_t old;
	int64_t mtime;

	assert_int_equal(body_append(writer, "four", 4), 0);
	assert_int_equal(body_commit(writer, hiding->folder.id, 4, &old, NULL), 0);
	body_writer_destroy(writer);
	mtime = hiding->folder.mtime;
	assert_int_equal(store_messages_drop(
				 hiding->store, hiding->folder.id, uids, 3, mtime - 10, NULL),
		0);
	look(hiding);
	assert_int_equal(hiding->folder.messages, 3);
	assert_int_equal(hiding->folder.bodies, 0);
	assert_int_equal(hiding->folder.mtime, mtime);
	assert_int_equal(store_totals(hiding->reader, &totals), 0);
	assert_int_equal(totals.message_bytes, 300);
	assert_int_equal(body_check(hiding->reader, hiding->folder.id, 4), -ENOENT);
	assert_string_equal(shown_now(hiding, 0), "1 3 5 ");
	assert_int_equal(store_messages_drop(
				 hiding->store, hiding->folder.id, uids, 3, mtime + 10, NULL),
		0);
	look(hiding);
	assert_int_equal(hiding->folder.messages, 3);
	assert_int_equal(hiding->folder.mtime, mtime + 10);
	assert_int_equal(
		store_messages_drop(hiding->store, 9999, uids, 3, mtime, &err), -ENOENT);
	assert_int_equal(err.code, ENOENT);
}

static void check_size(struct hiding *hiding, uint64_t size, uint64_t claim)
{
	struct store_message message;

	assert_int_equal(store_message_get(hiding->reader, hiding->folder.id, 1,
				 STORE_COLUMNS_ALL, &message),
		0);
	assert_true(message.mail.size == size);
	assert_true(message.claim == claim);
	store_message_finish(&message);
}

static void put_body(struct hiding *hiding, const char *text)
{
	struct body_writer *writer = body_writer_create(hiding->store);
	uint64_t old;

	assert_int_equal(body_append(writer, text, strlen(text)), 0);
	assert_int_equal(body_commit(writer, hiding->folder.id, 1, &old, NULL), 0);
	body_writer_destroy(writer);
}

/* A fingerprint is what the server says, also where that is not so. */
static void test_claim(void **state)
{
	struct hiding *hiding = *state;

	check_size(hiding, 100, 100);
	list(hiding, 1, 1, 101);
	check_size(hiding, 101, 101);
	put_body(hiding, "hello");
	check_size(hiding, 5, 101);
	put_body(hiding, "hello!!");
	check_size(hiding, 7, 101);
	list(hiding, 1, 1, 102);
	check_size(hiding, 7, 102);
	put_body(hiding, "hello");
	check_size(hiding, 5, 102);
	list(hiding, 1, 1, 5);
	check_size(hiding, 5, 5);
	put_body(hiding, "hello");
	check_size(hiding, 5, 5);
}

static void test_folder_by_raw(void **state)
{
	struct hiding *hiding = *state;
	struct store_folder folder;

	assert_string_equal(hiding->folder.level, "B");
	assert_int_equal(store_folder_by_raw(hiding->reader, "A", &folder), -ENOENT);
	/* Its parent is one that no server named. */
	assert_int_equal(store_folder_by_raw(hiding->reader, "", &folder), -ENOENT);
}

/* A cache from before claims were kept. */
static void test_older_cache(void **state)
{
	struct hiding *hiding = *state;
	char path[128];
	sqlite3 *db;

	store_folder_finish(&hiding->folder);
	hiding_close(hiding);
	snprintf(path, sizeof(path), "%s/mail.db", hiding->journal.dir);
	sqlite3_open(path, &db);
	assert_int_equal(sqlite3_exec(db,
				 "ALTER TABLE messages DROP COLUMN claim;"
				 "DROP INDEX folders_raw; PRAGMA user_version=1",
				 NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	hiding_open(hiding);
	look(hiding);
	check_shown(hiding, "1 2 3 4 5 ");
	check_size(hiding, 100, 100);
	put_body(hiding, "hello");
	check_size(hiding, 5, 100);
}

static bool count_one(void *ctx, const struct store_message *message)
{
	++*(int *)ctx;
	return true;
}

/* To the thousandth. */
static bool count_some(void *ctx, const struct store_message *message)
{
	assert_int_equal(message->mail.uid % 3, 0);
	return ++*(int *)ctx < 1000;
}

/* Over many chunks, with hidden ones at their edges. */
static void test_long_walk(void **state)
{
	struct hiding *hiding = *state;
	struct journal_row row = {.state = JOURNAL_QUEUED};
	int counted = 0;

	list(hiding, 1, 6000, 100);
	for (row.uid = 1; row.uid <= 6000; row.uid++)
		if (row.uid % 3)
			assert_int_equal(
				journal_add(hiding->journal.journal, "A.B", EPOCH, &row, NULL),
				0);
	assert_int_equal(store_messages_walk_shown(hiding->reader, &hiding->folder, 0,
				 STORE_COLUMNS_ALL, count_one, &counted),
		0);
	assert_int_equal(counted, 2000);
	counted = 0;
	assert_int_equal(store_messages_walk_shown(hiding->reader, &hiding->folder, 0,
				 STORE_COLUMNS_NAME, count_some, &counted),
		0);
	assert_int_equal(counted, 1000);
	counted = 0;
	assert_int_equal(store_messages_walk(hiding->reader, hiding->folder.id, 5990,
				 STORE_COLUMNS_NAME, count_one, &counted),
		0);
	assert_int_equal(counted, 10);
}

#define RACE_UIDS 400

struct race {
	struct hiding *hiding;
	atomic_bool removed[RACE_UIDS + 1]; /* the call that removed it has returned */
	bool before[RACE_UIDS + 1];
	bool wrong;
};

static bool check_not_removed(void *ctx, const struct store_message *message)
{
	struct race *race = ctx;

	race->wrong |= race->before[message->mail.uid];
	return !race->wrong;
}

static void *remove_all(void *ctx)
{
	struct race *race = ctx;
	struct hiding *hiding = race->hiding;

	for (uint32_t uid = 1; uid <= RACE_UIDS; uid++) {
		if (add_state(&hiding->journal, "A.B", EPOCH, uid, JOURNAL_QUEUED) < 0)
			abort();
		atomic_store(&race->removed[uid], true);
		if (uid < 4)
			continue;
		/* As the worker does: the cache first. */
		uid -= 3;
		if (store_messages_drop(hiding->store, hiding->folder.id, &uid, 1, 0, NULL) <
				0 ||
			journal_confirm(hiding->journal.journal, 1, &uid, 1) < 0)
			abort();
		uid += 3;
	}
	return NULL;
}

/* Nobody is ever shown what was removed before he looked. */
static void test_race(void **state)
{
	struct race race = {.hiding = *state};
	struct store_reader *reader = race.hiding->reader;
	bool over = false;
	pthread_t thread;

	list(race.hiding, 1, RACE_UIDS, 100);
	assert_int_equal(pthread_create(&thread, NULL, remove_all, &race), 0);
	for (int held = 0; !over; held = !held) {
		for (int uid = 1; uid <= RACE_UIDS; uid++)
			race.before[uid] = atomic_load(&race.removed[uid]);
		over = race.before[RACE_UIDS];
		if (held)
			assert_int_equal(store_reader_begin(reader), 0);
		assert_int_equal(store_messages_walk_shown(reader, &race.hiding->folder, 0,
					 STORE_COLUMNS_NAME, check_not_removed, &race),
			0);
		if (held)
			store_reader_end(reader);
	}
	pthread_join(thread, NULL);
	assert_false(race.wrong);
}

#define HIDING(name) cmocka_unit_test_setup_teardown(name, setup_hiding, teardown_hiding)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HIDING(test_what_hides),
		HIDING(test_nothing_hides_without_a_journal),
		HIDING(test_mtime),
		HIDING(test_what_left_both_is_never_shown),
		HIDING(test_removed_again_at_once),
		HIDING(test_drop),
		HIDING(test_claim),
		HIDING(test_folder_by_raw),
		HIDING(test_older_cache),
		HIDING(test_long_walk),
		HIDING(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
