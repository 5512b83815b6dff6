/*
 * test_store.c - folders, batches, bodies; what happens to them when the ground shakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/folders.h>
#include <mountmail/store/messages.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	struct store *store;
	struct store_reader *reader;
};

static void reopen(struct fixture *fixture, uint64_t limit)
{
	struct error err = {0};

	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	if (store_open(fixture->dir, "imaps://a@b", limit, &fixture->store, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(store_reader_create(fixture->store, &fixture->reader, &err), 0);
}

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/mm-store-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	reopen(fixture, 0);
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

static void list(struct fixture *fixture, const char *const *paths, size_t count)
{
	struct mail_folder folders[8] = {{0}};

	for (size_t i = 0; i < count; i++) {
		folders[i].raw = xstrdup(paths[i]);
		folders[i].path = xstrdup(paths[i]);
	}
	assert_int_equal(store_folders_replace(fixture->store, folders, count, NULL, NULL), 0);
	for (size_t i = 0; i < count; i++)
		mail_folder_finish(&folders[i]);
}

static int64_t folder_id(struct fixture *fixture, int64_t parent, const char *level)
{
	struct store_folder folder;
	int64_t id;

	assert_int_equal(store_folder_by_level(fixture->reader, parent, level, &folder), 0);
	id = folder.id;
	store_folder_finish(&folder);
	return id;
}

static void add(struct fixture *fixture, int64_t folder, uint32_t from, uint32_t to)
{
	struct store_batch *batch = store_batch_create(fixture->store, folder);
	struct store_batch_end end = {.last_uid = to, .uidnext = to + 1, .complete = true};

	for (uint32_t uid = from; uid <= to; uid++) {
		char subject[] = "a subject", sender[] = "alice@example.org";
		struct mail_message message = {.uid = uid,
			.size = 100,
			.date = 1700000000,
			.fields = {.subject = subject, .sender = sender}};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
}

static void put_body(struct fixture *fixture, int64_t folder, uint32_t uid, const char *text)
{
	struct body_writer *writer = body_writer_create(fixture->store);
	uint64_t old;

	assert_int_equal(body_append(writer, text, strlen(text)), 0);
	assert_int_equal(body_commit(writer, folder, uid, &old, NULL), 0);
	body_writer_destroy(writer);
}

static bool count_one(void *ctx, const struct store_message *message)
{
	++*(int *)ctx;
	return true;
}

static int count_messages(struct fixture *fixture, int64_t folder)
{
	int count = 0;

	assert_int_equal(store_messages_walk(fixture->reader, folder, 0, STORE_COLUMNS_NAME,
				 count_one, &count),
		0);
	return count;
}

static const char *const inbox[] = {"INBOX"};

static void test_implied_parents(void **state)
{
	struct fixture *fixture = *state;
	const char *const paths[] = {"INBOX", "A\nB\nC", "A\nB"};
	const char *const fewer[] = {"INBOX"};
	struct store_folder folder;
	int64_t a, b;

	list(fixture, paths, 3);
	a = folder_id(fixture, STORE_ROOT, "A");
	b = folder_id(fixture, a, "B");
	folder_id(fixture, b, "C");
	assert_int_equal(store_folder_by_id(fixture->reader, a, &folder), 0);
	assert_int_equal(folder.flags, MAIL_FOLDER_IMPLIED | MAIL_FOLDER_NOSELECT);
	assert_int_not_equal(folder.dir_tag, 0);
	store_folder_finish(&folder);
	assert_int_equal(store_folder_by_id(fixture->reader, b, &folder), 0);
	assert_int_equal(folder.flags, 0);
	store_folder_finish(&folder);
	list(fixture, fewer, 1);
	assert_int_equal(store_folder_by_id(fixture->reader, a, &folder), -ENOENT);
}

static void test_messages_survive_reopening(void **state)
{
	struct fixture *fixture = *state;
	struct store_folder folder;
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	assert_int_equal(store_folder_new_epoch(fixture->store, id, 7, NULL), 0);
	add(fixture, id, 1, 1500);
	reopen(fixture, 0);
	assert_int_equal(count_messages(fixture, id), 1500);
	assert_int_equal(store_folder_by_id(fixture->reader, id, &folder), 0);
	assert_int_equal(folder.messages, 1500);
	assert_int_equal(folder.last_uid, 1500);
	assert_int_equal(folder.listed, STORE_LISTED_FULLY);
	assert_true(folder.epoch == 7);
	store_folder_finish(&folder);
}

static void test_tags_do_not_depend_on_the_cache(void **state)
{
	struct fixture *fixture = *state;
	struct store_folder first, second;
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	store_folder_new_epoch(fixture->store, id, 7, NULL);
	assert_int_equal(store_folder_by_id(fixture->reader, id, &first), 0);
	store_folder_new_epoch(fixture->store, id, 8, NULL);
	assert_int_equal(store_folder_by_id(fixture->reader, id, &second), 0);
	assert_int_equal(first.dir_tag, second.dir_tag);
	assert_int_not_equal(first.message_tag, second.message_tag);
	store_folder_finish(&second);
	store_folder_new_epoch(fixture->store, id, 7, NULL);
	assert_int_equal(store_folder_by_id(fixture->reader, id, &second), 0);
	assert_int_equal(first.message_tag, second.message_tag);
	store_folder_finish(&first);
	store_folder_finish(&second);
}

static void check_totals(
	struct fixture *fixture, uint64_t messages, uint64_t bytes, uint32_t bodies, int64_t id)
{
	struct store_totals totals;
	struct store_folder folder;

	assert_int_equal(store_totals(fixture->reader, &totals), 0);
	assert_int_equal(totals.messages, messages);
	assert_int_equal(totals.message_bytes, bytes);
	assert_int_equal(store_folder_by_id(fixture->reader, id, &folder), 0);
	assert_int_equal(folder.bodies, bodies);
	store_folder_finish(&folder);
}

/* Counters are kept beside the rows: whatever happens to the rows, they agree. */
static void test_totals(void **state)
{
	struct fixture *fixture = *state;
	struct store_batch_end end = {.complete = true};
	struct store_batch *batch;
	struct store_message one;
	int64_t id;
	uint64_t size;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 3);
	assert_int_equal(
		store_message_get(fixture->reader, id, 1, STORE_COLUMNS_NAME, &one), 0);
	size = one.mail.size;
	store_message_finish(&one);
	check_totals(fixture, 3, 3 * size, 0, id);
	add(fixture, id, 2, 4); /* two of them again */
	check_totals(fixture, 4, 4 * size, 0, id);
	put_body(fixture, id, 2, "hello");
	put_body(fixture, id, 2, "hello");
	check_totals(fixture, 4, 3 * size + 5, 1, id);
	batch = store_batch_create(fixture->store, id);
	store_batch_keep(batch, 1, 0);
	store_batch_drop_unkept(batch, 4);
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
	check_totals(fixture, 1, size, 0, id);
	assert_int_equal(store_folder_new_epoch(fixture->store, id, 9, NULL), 0);
	check_totals(fixture, 0, 0, 0, id);
}

static void test_survey(void **state)
{
	struct fixture *fixture = *state;
	struct store_batch_end end = {.complete = true};
	struct store_changes changes;
	struct store_batch *batch;
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 5);
	put_body(fixture, id, 3, "three");
	batch = store_batch_create(fixture->store, id);
	store_batch_keep(batch, 1, 0);
	store_batch_keep(batch, 2, 4);
	store_batch_keep(batch, 5, 0);
	store_batch_drop_unkept(batch, 5);
	assert_int_equal(store_batch_commit(batch, &end, &changes, NULL), 0);
	assert_int_equal(changes.gone_count, 2);
	assert_int_equal(changes.gone[0].uid, 3);
	assert_string_equal(changes.gone[1].fields.subject, "a subject");
	assert_int_equal(changes.reflagged, 1);
	store_changes_finish(&changes);
	store_batch_destroy(batch);
	assert_int_equal(count_messages(fixture, id), 3);
	assert_int_equal(body_check(fixture->reader, id, 3), -ENOENT);
}

/* Of a maildrop: those that share a UIDL, and those that have none. */
static void test_twins(void **state)
{
	struct fixture *fixture = *state;
	struct store_batch_end end = {.complete = true};
	struct store_twins twins;
	struct store_batch *batch;
	char a[] = "a", b[] = "b";
	char *uidls[] = {a, b, b, b, NULL};
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	batch = store_batch_create(fixture->store, id);
	for (uint32_t i = 0; i < 5; i++) {
		struct mail_message message = {
			.uid = UINT32_MAX - i, .uidl = uidls[i], .twin = i > 0};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
	assert_int_equal(store_folder_twins(fixture->reader, id, &twins), 0);
	assert_int_equal(twins.shared, 3);
	assert_int_equal(twins.nameless, 1);
	assert_int_equal(store_folder_twins(fixture->reader, id + 1, &twins), 0);
	assert_int_equal(twins.shared + twins.nameless, 0);
}

static void test_body_round_trip_and_verified_size(void **state)
{
	struct fixture *fixture = *state;
	struct store_message message;
	char data[16];
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 2);
	assert_int_equal(body_check(fixture->reader, id, 1), -ENODATA);
	put_body(fixture, id, 1, "hello");
	put_body(fixture, id, 2, "");
	assert_int_equal(body_check(fixture->reader, id, 1), 0);
	assert_int_equal(body_check(fixture->reader, id, 2), 0);
	assert_int_equal(body_read(fixture->reader, id, 1, data, sizeof(data), 1), 4);
	assert_memory_equal(data, "ello", 4);
	assert_int_equal(body_read(fixture->reader, id, 1, data, sizeof(data), 5), 0);
	add(fixture, id, 1, 1); /* listed again, with the server's wrong size */
	assert_int_equal(
		store_message_get(fixture->reader, id, 1, STORE_COLUMNS_ALL, &message), 0);
	assert_true(message.verified && message.cached);
	assert_int_equal(message.mail.size, 5);
	store_message_finish(&message);
}

static void test_damaged_body_is_forgotten(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	int64_t id;
	int fd;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 1);
	put_body(fixture, id, 1, "hello");
	snprintf(path, sizeof(path), "%s/bodies/0000000001.seg", fixture->dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "J", 1, 0), 1);
	close(fd);
	assert_int_equal(body_check(fixture->reader, id, 1), -ENODATA);
	assert_int_equal(body_check(fixture->reader, id, 1), -ENODATA);
	put_body(fixture, id, 1, "hello");
	assert_int_equal(body_check(fixture->reader, id, 1), 0);
	assert_int_equal(truncate(path, 2), 0);
	assert_int_equal(body_check(fixture->reader, id, 1), -ENODATA);
}

static void test_limit_drops_the_coldest(void **state)
{
	struct fixture *fixture = *state;
	struct body_writer *writer;
	struct store_totals totals;
	char *piece = xcalloc(1, 1 << 20);
	uint64_t old;
	int64_t id;

	reopen(fixture, 70u << 20);
	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 120);
	writer = body_writer_create(fixture->store);
	for (uint32_t uid = 1; uid <= 120; uid++) {
		assert_int_equal(body_append(writer, piece, 1 << 20), 0);
		assert_int_equal(body_commit(writer, id, uid, &old, NULL), 0);
	}
	body_writer_destroy(writer);
	free(piece);
	assert_int_equal(store_totals(fixture->reader, &totals), 0);
	assert_in_range(totals.body_bytes, 30u << 20, 70u << 20);
	assert_int_equal(body_check(fixture->reader, id, 1), -ENODATA);
	assert_int_equal(body_check(fixture->reader, id, 120), 0);
}

static void test_refusals(void **state)
{
	struct fixture *fixture = *state;
	struct store *other;
	struct error err = {0};
	char path[128];
	sqlite3 *db;

	assert_int_equal(store_open(fixture->dir, "imaps://a@b", 0, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "mounted already"));
	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	fixture->reader = NULL;
	fixture->store = NULL;
	assert_int_equal(store_open(fixture->dir, "imaps://c@d", 0, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "belongs to"));
	snprintf(path, sizeof(path), "%s/mail.db", fixture->dir);
	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(store_open(fixture->dir, "imaps://a@b", 0, &other, &err), -ENOTSUP);
	snprintf(path, sizeof(path), "%s-link", fixture->dir);
	assert_int_equal(symlink(fixture->dir, path), 0);
	assert_true(store_open(path, "imaps://a@b", 0, &other, &err) < 0);
	unlink(path);
}

static void test_damaged_database_is_made_anew(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	int fd;

	list(fixture, inbox, 1);
	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	fixture->reader = NULL;
	fixture->store = NULL;
	snprintf(path, sizeof(path), "%s/mail.db", fixture->dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "this is no database at all", 26, 0), 26);
	close(fd);
	reopen(fixture, 0);
	list(fixture, inbox, 1);
	folder_id(fixture, STORE_ROOT, "INBOX");
}

static uint32_t message_tag(struct fixture *fixture, int64_t id)
{
	struct store_folder folder;
	uint32_t tag;

	assert_int_equal(store_folder_by_id(fixture->reader, id, &folder), 0);
	tag = folder.message_tag;
	store_folder_finish(&folder);
	return tag;
}

static void test_a_moment(void **state)
{
	struct fixture *fixture = *state;
	uint32_t before;
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 3);
	assert_int_equal(store_reader_begin(fixture->reader), 0);
	before = message_tag(fixture, id);
	assert_int_equal(store_folder_new_epoch(fixture->store, id, 8, NULL), 0);
	add(fixture, id, 1, 1);
	assert_int_equal(message_tag(fixture, id), before);
	assert_int_equal(count_messages(fixture, id), 3);
	store_reader_end(fixture->reader);
	assert_int_not_equal(message_tag(fixture, id), before);
	assert_int_equal(count_messages(fixture, id), 1);
}

static bool stop_at_two(void *ctx, const struct store_message *message)
{
	uint32_t *last = ctx;

	assert_string_equal(message->mail.fields.subject, "a subject");
	*last = message->mail.uid;
	return *last != 2;
}

/* A walk that was left in the middle holds nothing: the next one begins where it is told. */
static void test_walk_in_a_moment(void **state)
{
	struct fixture *fixture = *state;
	uint32_t last = 0;
	int64_t id;

	list(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 1000);
	for (int held = 0; held < 2; held++) {
		if (held)
			assert_int_equal(store_reader_begin(fixture->reader), 0);
		assert_int_equal(store_messages_walk(fixture->reader, id, 0, STORE_COLUMNS_ALL,
					 stop_at_two, &last),
			0);
		assert_int_equal(last, 2);
		assert_int_equal(store_messages_walk(fixture->reader, id, 2, STORE_COLUMNS_NAME,
					 stop_at_two, &last),
			0);
		assert_int_equal(last, 1000);
	}
	store_reader_end(fixture->reader);
	add(fixture, id, 1001, 1001);
	assert_int_equal(count_messages(fixture, id), 1001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_implied_parents),
		TEST(test_messages_survive_reopening),
		TEST(test_tags_do_not_depend_on_the_cache),
		TEST(test_totals),
		TEST(test_survey),
		TEST(test_twins),
		TEST(test_body_round_trip_and_verified_size),
		TEST(test_damaged_body_is_forgotten),
		TEST(test_limit_drops_the_coldest),
		TEST(test_a_moment),
		TEST(test_walk_in_a_moment),
		TEST(test_refusals),
		TEST(test_damaged_database_is_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
