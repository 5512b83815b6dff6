/*
 * test_kept.c - kept mail: what is put there is there, byte for byte, and what may be asked of
 * it.
 */
#include "kept_fixture.h"
#include <mountmail/base/clock.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

/* Nobody pulls the plug here: of the program and, before the C library's, of SQLite. */
int fsync(int fd)
{
	return 0;
}

int fdatasync(int fd)
{
	return 0;
}

#define BODY(uid) "the body of message " #uid "\r\n"
#define BODY_LEN (sizeof(BODY(1)) - 1)

static void test_a_message_is_kept_as_it_was(void **state)
{
	char uidl[] = "<dead/beef>", sender[] = "a@b", from[] = "A <a@b>", to[] = "to",
	     cc[] = "cc", subject[] = "s\xc3\xa4", date[] = "Mon", id[] = "<i>",
	     references[] = "<r>", list[] = "l";
	const struct mail_message mail = {UINT32_MAX, uidl, 1ull << 40, -5, 0x85, 1, 1,
		{sender, from, to, cc, subject, date, id, references, list}};
	struct fixture *fixture = *state;
	struct kept_writer *writer = kept_begin(fixture->kept, &mail);
	struct kept_message got;

	assert_int_equal(kept_append(writer, "\0.\n", 3), 0);
	assert_int_equal(kept_commit(writer, NULL), 0);
	for (int times = 0; times < 2; times++, fixture_reopen(fixture)) {
		got = get(fixture, UINT32_MAX);
		assert_true(got.mail.uid == UINT32_MAX && got.mail.size == 1ull << 40);
		assert_true(got.mail.date == -5 && got.mail.flags == 0x85);
		assert_true(got.mail.bad && got.mail.twin && !got.damaged);
		assert_true(got.state == KEPT_COPY && got.length == 3);
		assert_in_range(got.at, clock_wall_s() - 100, clock_wall_s());
		assert_string_equal(got.mail.uidl, uidl);
		assert_string_equal(got.mail.fields.sender, sender);
		assert_string_equal(got.mail.fields.from, from);
		assert_string_equal(got.mail.fields.to, to);
		assert_string_equal(got.mail.fields.cc, cc);
		assert_string_equal(got.mail.fields.subject, subject);
		assert_string_equal(got.mail.fields.date, date);
		assert_string_equal(got.mail.fields.message_id, id);
		assert_string_equal(got.mail.fields.references, references);
		assert_string_equal(got.mail.fields.list_id, list);
		kept_message_finish(&got);
	}
}

static void test_nothing_but_a_number(void **state)
{
	const struct mail_message mail = {.uid = 1};
	struct fixture *fixture = *state;
	struct kept_message got;
	char data[4];

	assert_int_equal(kept_commit(kept_begin(fixture->kept, &mail), NULL), 0);
	got = get(fixture, 1);
	assert_null(got.mail.uidl);
	assert_null(got.mail.fields.subject);
	assert_true(!got.mail.bad && !got.mail.twin && got.length == 0);
	kept_message_finish(&got);
	assert_int_equal(kept_read(fixture->kept, 1, data, 4, 0), 0);
	assert_int_equal(kept_commit(kept_begin(fixture->kept, &mail), NULL), 0);
	check_counts(fixture, (struct kept_counts){.copies = 1});
}

static void test_read(void **state)
{
	enum { LEN = 1000003 };
	struct fixture *fixture = *state;
	char *body = xmalloc(LEN), *data = xmalloc(LEN);

	for (size_t i = 0; i < LEN; i++)
		body[i] = (char)(i * i >> 7);
	assert_int_equal(put_bytes(fixture->kept, 5, body, LEN, 4099), 0);
	assert_int_equal(kept_read(fixture->kept, 5, data, LEN, 0), LEN);
	assert_memory_equal(data, body, LEN);
	assert_int_equal(kept_read(fixture->kept, 5, data, 100, LEN - 7), 7);
	assert_memory_equal(data, body + LEN - 7, 7);
	assert_int_equal(kept_read(fixture->kept, 5, data, 100, LEN), 0);
	assert_int_equal(kept_read(fixture->kept, 5, data, 100, UINT64_MAX), 0);
	assert_int_equal(kept_read(fixture->kept, 6, data, 100, 0), -ENOENT);
	assert_int_equal(kept_check(fixture->kept, 5), 0);
	assert_int_equal(kept_check(fixture->kept, 6), -ENOENT);
	free(body);
	free(data);
}

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* More than stay open; each is what it was. */
static void test_many_are_read(void **state)
{
	struct fixture *fixture = *state;
	size_t before;

	put(fixture, 1, 50);
	before = open_files();
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t uid = i * 7 % 50 + 1;
		char text[64];

		snprintf(text, sizeof(text), "the body of message %u\r\n", uid);
		check_body(fixture, uid, text);
	}
	assert_in_range(open_files() - before, 1, 16);
}

static void test_put_twice(void **state)
{
	const struct mail_message other = {.uid = 1};
	struct fixture *fixture = *state;
	struct kept_writer *writer;
	struct error err = {0};

	put(fixture, 1, 2);
	assert_int_equal(set_state(fixture, 1, KEPT_ALONE), 1);
	assert_int_equal(put_text(fixture, 1, BODY(1)), 0);
	assert_int_equal(look(fixture, 1).state, KEPT_ALONE);
	/* As long, and not the same. */
	assert_int_equal(put_text(fixture, 1, BODY(2)), -EEXIST);
	assert_int_equal(put_text(fixture, 1, ""), -EEXIST);
	/* The same bytes under another UIDL are another message. */
	writer = kept_begin(fixture->kept, &other);
	assert_int_equal(kept_append(writer, BODY(1), BODY_LEN), 0);
	assert_int_equal(kept_commit(writer, &err), -EEXIST);
	assert_non_null(strstr(err.text, "another message"));
	check_body(fixture, 1, BODY(1));
	assert_int_equal(names_in(fixture, "kept"), 2);
	check_counts(
		fixture, (struct kept_counts){.copies = 1, .alone = 1, .bytes = 2 * BODY_LEN});
}

static void test_abort(void **state)
{
	const struct mail_message mail = {.uid = 1};
	struct fixture *fixture = *state;
	struct kept_writer *writer = kept_begin(fixture->kept, &mail);

	assert_int_equal(names_in(fixture, "kept"), 1);
	assert_int_equal(kept_append(writer, "x", 1), 0);
	kept_abort(writer);
	kept_abort(kept_begin(fixture->kept, &mail));
	kept_abort(NULL);
	assert_int_equal(names_in(fixture, "kept"), 0);
	check_counts(fixture, (struct kept_counts){0});
}

static void test_two_writers_at_once(void **state)
{
	const struct mail_message mails[] = {{.uid = 1}, {.uid = 2}, {.uid = 1}};
	struct fixture *fixture = *state;
	struct kept_writer *writers[3];

	for (int i = 0; i < 3; i++)
		writers[i] = kept_begin(fixture->kept, &mails[i]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kept_append(writers[i], "first ", 6), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kept_append(writers[i], i == 1 ? "two" : "one", 3), 0);
	for (int i = 2; i >= 0; i--)
		assert_int_equal(kept_commit(writers[i], NULL), 0);
	check_body(fixture, 1, "first one");
	check_body(fixture, 2, "first two");
	check_counts(fixture, (struct kept_counts){.copies = 2, .bytes = 18});
}

static void test_states(void **state)
{
	static const enum kept_state all[] = {KEPT_COPY, KEPT_TAKING, KEPT_ALONE};
	struct fixture *fixture = *state;
	uint32_t uids[] = {9, 3, 1, 77};
	size_t count = 4;

	put(fixture, 1, 4);
	for (size_t from = 0; from < 3; from++)
		for (size_t to = 0; to < 3; to++) {
			assert_int_equal(set_state(fixture, 1, all[from]), 1);
			assert_int_equal(set_state(fixture, 1, all[to]), 1);
			assert_int_equal(look(fixture, 1).state, all[to]);
		}
	/* What is not there is not in the list any more. */
	assert_int_equal(kept_state_set(fixture->kept, uids, &count, KEPT_TAKING, NULL), 0);
	assert_int_equal(count, 2);
	assert_true(uids[0] == 3 && uids[1] == 1);
	assert_int_equal(set_state(fixture, 4, KEPT_ALONE), 1);
	check_counts(
		fixture, (struct kept_counts){
				 .copies = 1, .taking = 2, .alone = 1, .bytes = 4 * BODY_LEN});
	assert_int_equal(look(fixture, 3).state, KEPT_TAKING);
	count = 0;
	assert_int_equal(kept_state_set(fixture->kept, uids, &count, KEPT_COPY, NULL), 0);
	assert_string_equal(kept_state_name(KEPT_COPY), "copy");
	assert_string_equal(kept_state_name(KEPT_TAKING), "taking");
	assert_string_equal(kept_state_name(KEPT_ALONE), "alone");
}

/* As if they had been kept at these times. */
static void set_times(struct fixture *fixture, const char *sql)
{
	sqlite3 *db;

	fixture_close(fixture);
	assert_int_equal(sqlite3_open(path_of(fixture, "kept.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	fixture_open(fixture);
}

static void check_older(struct fixture *fixture, int64_t before, enum kept_state state,
	size_t wanted, uint32_t first)
{
	uint32_t *uids;
	size_t count;

	assert_int_equal(kept_older(fixture->kept, before, state, &uids, &count), 0);
	assert_int_equal(count, wanted);
	if (count)
		assert_int_equal(uids[0], first);
	free(uids);
}

static void test_older(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 1, 200);
	check_older(fixture, clock_wall_s() - 100, KEPT_COPY, 0, 0);
	check_older(fixture, clock_wall_s() + 100, KEPT_COPY, 200, 1);
	set_times(fixture, "UPDATE messages SET at = 1000 - uid");
	check_older(fixture, 999, KEPT_COPY, 199, 200);
	check_older(fixture, 801, KEPT_COPY, 1, 200);
	check_older(fixture, 800, KEPT_COPY, 0, 0);
	assert_int_equal(set_state(fixture, 200, KEPT_TAKING), 1);
	check_older(fixture, 801, KEPT_COPY, 0, 0);
	check_older(fixture, 801, KEPT_TAKING, 1, 200);
	check_older(fixture, INT64_MAX, KEPT_ALONE, 0, 0);
}

struct seen {
	struct fixture *fixture;
	uint32_t next;
	size_t count, stop_at;
};

static bool see(void *ctx, const struct kept_message *message)
{
	struct seen *seen = ctx;

	assert_int_equal(message->mail.uid, seen->next++);
	assert_int_equal(look(seen->fixture, message->mail.uid).mail.uid, message->mail.uid);
	/* Nothing is locked and no transaction open. */
	assert_int_equal(kept_drop(seen->fixture->kept, &message->mail.uid, 1, NULL), 0);
	return ++seen->count != seen->stop_at;
}

static void test_walk(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {.fixture = fixture, .next = 301, .stop_at = 270};

	put(fixture, 1, 600);
	assert_int_equal(kept_walk(fixture->kept, 300, see, &seen), 0);
	assert_int_equal(seen.count, 270);
	seen = (struct seen){.fixture = fixture, .next = 571};
	assert_int_equal(kept_walk(fixture->kept, 300, see, &seen), 0);
	assert_int_equal(seen.count, 30);
	seen = (struct seen){.fixture = fixture, .next = 1};
	assert_int_equal(kept_walk(fixture->kept, 0, see, &seen), 0);
	assert_int_equal(seen.count, 300);
	assert_int_equal(kept_walk(fixture->kept, 0, see, &seen), 0);
	assert_int_equal(kept_walk(fixture->kept, UINT32_MAX, see, &seen), 0);
	assert_int_equal(seen.count, 300);
	assert_int_equal(names_in(fixture, "kept"), 0);
}

static void test_drop(void **state)
{
	struct fixture *fixture = *state;
	const uint32_t uids[] = {2, 99, 2};
	struct kept_counts counts;
	struct kept_message got;
	char data[1000];

	put(fixture, 1, 3);
	assert_int_equal(set_state(fixture, 2, KEPT_ALONE), 1);
	check_body(fixture, 2, BODY(2));
	assert_int_equal(kept_drop(fixture->kept, uids + 1, 1, NULL), 0);
	kept_counts(fixture->kept, &counts);
	assert_int_equal(counts.mtime, 0);
	assert_int_equal(kept_drop(fixture->kept, uids, 3, NULL), 0);
	assert_int_equal(body_of(fixture, 2, data), -ENOENT);
	assert_int_equal(kept_get(fixture->kept, 2, &got), -ENOENT);
	assert_false(has(fixture, "kept/2"));
	check_counts(fixture, (struct kept_counts){.copies = 2, .bytes = 2 * BODY_LEN});
	kept_counts(fixture->kept, &counts);
	assert_in_range(counts.mtime, clock_wall_s() - 100, clock_wall_s());
	/* Another under the same number is read as what it is. */
	assert_int_equal(put_text(fixture, 2, "another"), 0);
	check_body(fixture, 2, "another");
	assert_int_equal(names_in(fixture, "kept"), 3);
}

static void test_refusals(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};
	struct kept *other;
	sqlite3 *db;

	assert_int_equal(kept_open(fixture->dir, IDENTITY, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "mounted already"));
	put(fixture, 1, 1);
	fixture_close(fixture);
	plant(fixture, "kept/99", "somebody's");
	assert_int_equal(kept_open(fixture->dir, "pop3s://c@d", &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "belongs to " IDENTITY));
	assert_true(has(fixture, "kept/99"));
	set_times(fixture, "UPDATE messages SET at = at");
	check_file(fixture, "kept/lost/99", "somebody's");
	fixture_close(fixture);
	assert_int_equal(sqlite3_open(path_of(fixture, "kept.db"), &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(kept_open(fixture->dir, IDENTITY, &other, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "newer mountmail"));
	sqlite3_open(path_of(fixture, "kept.db"), &db);
	sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL);
	sqlite3_close(db);
	fixture_open(fixture);
	check_body(fixture, 1, BODY(1));
}

static void test_links_are_not_followed(void **state)
{
	static const char *const names[] = {"kept.db", "kept.lock", "kept"};
	struct fixture *fixture = *state;
	struct kept *other;

	fixture_close(fixture);
	for (size_t i = 0; i < 3; i++) {
		char moved[128];

		snprintf(moved, sizeof(moved), "%s/moved", fixture->dir);
		assert_int_equal(rename(path_of(fixture, names[i]), moved), 0);
		assert_int_equal(symlink("moved", path_of(fixture, names[i])), 0);
		assert_true(kept_open(fixture->dir, IDENTITY, &other, NULL) < 0);
		assert_int_equal(unlink(path_of(fixture, names[i])), 0);
		assert_int_equal(rename(moved, path_of(fixture, names[i])), 0);
	}
	fixture_open(fixture);
}

static void test_files_are_private(void **state)
{
	static const char *const names[] = {
		".", "kept.db", "kept.db-wal", "kept.lock", "kept", "kept/1"};
	struct fixture *fixture = *state;
	struct stat stat_buf;

	put(fixture, 1, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(stat(path_of(fixture, names[i]), &stat_buf), 0);
		assert_int_equal(stat_buf.st_mode & 077, 0);
	}
}

static void test_exists(void **state)
{
	struct fixture *fixture = *state;

	assert_true(kept_exists(fixture->dir));
	fixture_close(fixture);
	assert_int_equal(unlink(path_of(fixture, "kept.db")), 0);
	assert_true(kept_exists(fixture->dir));
	assert_int_equal(rmdir(path_of(fixture, "kept")), 0);
	assert_false(kept_exists(fixture->dir));
	fixture_open(fixture);
	assert_true(kept_exists(fixture->dir));
}

/* What the threads below do is wrong. */
static atomic_int wrong;

struct worker {
	struct fixture *fixture;
	uint32_t from;
	atomic_bool *over;
};

/* Its own messages come, go, and come again as others. */
static void *put_and_drop(void *ctx)
{
	struct worker *worker = ctx;

	for (int round = 0; round < 30; round++)
		for (uint32_t uid = worker->from; uid < worker->from + 3; uid++) {
			char text[64];
			size_t count = 1;
			uint32_t one = uid;

			snprintf(text, sizeof(text), "%u: round %d, and that is all", uid,
				round);
			if (put_bytes(worker->fixture->kept, uid, text, strlen(text), 5) < 0 ||
				kept_state_set(worker->fixture->kept, &one, &count, KEPT_TAKING,
					NULL) < 0 ||
				count != 1 ||
				kept_drop(worker->fixture->kept, &one, 1, NULL) < 0)
				wrong++;
		}
	return NULL;
}

/* Reads whatever is there: whole, or not there; never damaged. */
static void *read_all(void *ctx)
{
	struct worker *worker = ctx;
	unsigned seen = 0;

	for (unsigned i = 0; !atomic_load(worker->over); i++) {
		uint32_t uid = i % 12 + 1;
		char text[64] = "", start[16];
		ssize_t got = kept_read(worker->fixture->kept, uid, text, 63, 0);
		struct kept_counts counts;

		snprintf(start, sizeof(start), "%u: round ", uid);
		if (got < 0 ? got != -ENOENT
			    : strncmp(text, start, strlen(start)) != 0 ||
					!strstr(text, ", and that is all"))
			wrong++;
		seen += got > 0;
		kept_counts(worker->fixture->kept, &counts);
		if (counts.damaged || counts.copies + counts.taking > 12)
			wrong++;
	}
	return seen ? NULL : ctx;
}

static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	atomic_bool over = false;
	struct worker workers[] = {{fixture, 1, &over}, {fixture, 4, &over},
		{fixture, 7, &over}, {fixture, 10, &over}};
	pthread_t threads[4], readers[2];
	void *failed;

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all, &workers[0]), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, put_and_drop, &workers[i]), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&over, true);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(readers[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(names_in(fixture, "kept"), 0);
	check_counts(fixture, (struct kept_counts){0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_message_is_kept_as_it_was),
		TEST(test_nothing_but_a_number),
		TEST(test_read),
		TEST(test_many_are_read),
		TEST(test_put_twice),
		TEST(test_abort),
		TEST(test_two_writers_at_once),
		TEST(test_states),
		TEST(test_older),
		TEST(test_walk),
		TEST(test_drop),
		TEST(test_refusals),
		TEST(test_links_are_not_followed),
		TEST(test_files_are_private),
		TEST(test_exists),
		TEST(test_threads),
	};

	umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
