/*
 * test_kept_damage.c - kept mail when something happened to its files: it is told, nothing of
 * it is thrown away, and nothing wrong is given out.
 */
#include "kept_fixture.h"
#include <sqlite3.h>

#define BODY "the body of message 1\r\n"
#define BODY_LEN (sizeof(BODY) - 1)

/* Nobody pulls the plug here: of the program and, before the C library's, of SQLite. */
int fsync(int fd)
{
	return 0;
}

int fdatasync(int fd)
{
	return 0;
}

static char *file_read(const char *path, size_t *len_out)
{
	FILE *file = fopen(path, "r");
	char *data = xmalloc(1 << 20);

	assert_non_null(file);
	*len_out = fread(data, 1, 1 << 20, file);
	fclose(file);
	return data;
}

/* It is refused, with these words, and the database stays as it was. */
static void check_unclean(struct fixture *fixture, const char *words)
{
	size_t before_len, after_len;
	char *before = file_read(path_of(fixture, "kept.db"), &before_len), *after;
	struct error err = {0};
	struct kept *other;

	assert_int_equal(kept_open(fixture->dir, IDENTITY, &other, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, words));
	assert_non_null(strstr(err.text, path_of(fixture, "kept.db")));
	assert_non_null(strstr(err.text, "backup"));
	assert_non_null(strstr(err.text, "to begin anew without"));
	after = file_read(path_of(fixture, "kept.db"), &after_len);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, before_len);
	free(before);
	free(after);
}

static void test_the_database_is_damaged(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	put(fixture, 1, 100);
	fixture_close(fixture);
	plant(fixture, "kept/999", "somebody's");
	fd = open(path_of(fixture, "kept.db"), O_WRONLY);
	/* First a page in the middle, then the beginning. */
	for (off_t at = 8192 + 8; at >= 0; at -= 8192 + 8) {
		assert_int_equal(
			pwrite(fd, "this is no page of a database at all", 36, at), 36);
		check_unclean(fixture, "is damaged");
	}
	close(fd);
	assert_int_equal(names_in(fixture, "kept"), 101);
	check_file(fixture, "kept/1", BODY);
	/* What the text says helps. */
	assert_int_equal(unlink(path_of(fixture, "kept.db")), 0);
	for (uint32_t uid = 1; uid <= 100; uid++) {
		char name[32];

		snprintf(name, sizeof(name), "kept/%u", uid);
		assert_int_equal(unlink(path_of(fixture, name)), 0);
	}
	assert_int_equal(unlink(path_of(fixture, "kept/999")), 0);
	fixture_open(fixture);
	check_counts(fixture, (struct kept_counts){0});
}

static void test_rows_make_no_sense(void **state)
{
	static const char *const changes[] = {"UPDATE messages SET state = 4",
		"UPDATE messages SET state = 1, uid = 0", "UPDATE messages SET uid = 1 << 32",
		"UPDATE messages SET uid = 1, length = -1"};
	struct fixture *fixture = *state;

	put(fixture, 1, 1);
	fixture_close(fixture);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		sqlite3 *db;

		sqlite3_open(path_of(fixture, "kept.db"), &db);
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		check_unclean(fixture, "is damaged");
		check_file(fixture, "kept/1", BODY);
	}
}

/* No new list is made while there is mail that would not be in it. */
static void test_the_database_is_missing(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};
	struct kept *other;
	char away[128];

	put(fixture, 1, 1);
	fixture_close(fixture);
	snprintf(away, sizeof(away), "%s/away", fixture->dir);
	assert_int_equal(rename(path_of(fixture, "kept.db"), away), 0);
	assert_int_equal(kept_open(fixture->dir, IDENTITY, &other, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "is missing"));
	assert_false(has(fixture, "kept.db"));
	check_file(fixture, "kept/1", BODY);
	/* An empty one is none. */
	plant(fixture, "kept.db", "");
	assert_int_equal(kept_open(fixture->dir, IDENTITY, &other, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "is missing"));
	check_file(fixture, "kept/1", BODY);
	/* Brought back, as the text says. */
	assert_int_equal(rename(away, path_of(fixture, "kept.db")), 0);
	fixture_open(fixture);
	check_body(fixture, 1, BODY);
}

/* Where nothing is kept, there is nothing to be careful about. */
static void test_an_empty_database(void **state)
{
	struct fixture *fixture = *state;

	fixture_close(fixture);
	plant(fixture, "kept.db", "");
	fixture_open(fixture);
	put(fixture, 1, 1);
	check_body(fixture, 1, BODY);
}

/* What may have become of a file. 1 is the message's; 2 is another's. */
static void lose_it(struct fixture *fixture)
{
	assert_int_equal(unlink(path_of(fixture, "kept/1")), 0);
}

static void shorten_it(struct fixture *fixture)
{
	assert_int_equal(truncate(path_of(fixture, "kept/1"), 5), 0);
}

static void lengthen_it(struct fixture *fixture)
{
	plant(fixture, "kept/1", BODY "and more");
}

static void change_it(struct fixture *fixture)
{
	plant(fixture, "kept/1", "the body of message 2\r\n");
}

static void link_it(struct fixture *fixture)
{
	plant(fixture, "copy", BODY);
	lose_it(fixture);
	assert_int_equal(symlink("../copy", path_of(fixture, "kept/1")), 0);
}

static void pipe_it(struct fixture *fixture)
{
	lose_it(fixture);
	assert_int_equal(mkfifo(path_of(fixture, "kept/1"), 0600), 0);
}

static void make_it_a_folder(struct fixture *fixture)
{
	lose_it(fixture);
	assert_int_equal(mkdir(path_of(fixture, "kept/1"), 0700), 0);
}

static const struct {
	void (*happens)(struct fixture *fixture);
	bool seen_at_opening; /* without a look at what is in it */
} damages[] = {{lose_it, true}, {shorten_it, true}, {lengthen_it, true}, {change_it, false},
	{link_it, true}, {pipe_it, true}, {make_it_a_folder, true}};

#define DAMAGES (sizeof(damages) / sizeof(damages[0]))

static bool see_damage(void *ctx, const struct kept_message *message)
{
	uint32_t *damaged = ctx;

	if (message->damaged)
		*damaged = *damaged * 10 + message->mail.uid;
	return true;
}

static void check_damaged(struct fixture *fixture, uint32_t wanted)
{
	struct kept_counts counts;
	uint32_t damaged = 0;

	assert_int_equal(kept_walk(fixture->kept, 0, see_damage, &damaged), 0);
	assert_int_equal(damaged, wanted);
	kept_counts(fixture->kept, &counts);
	assert_int_equal(counts.damaged, wanted != 0);
	assert_int_equal(counts.copies + counts.alone, 2);
	assert_int_equal(look(fixture, 1).damaged, wanted != 0);
	assert_false(look(fixture, 2).damaged);
}

static void check_no_taking(struct fixture *fixture)
{
	uint32_t uids[] = {1, 2}, *older;
	size_t count = 2;

	assert_int_equal(kept_state_set(fixture->kept, uids, &count, KEPT_TAKING, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(uids[0], 2);
	assert_int_equal(look(fixture, 1).state, KEPT_COPY);
	assert_int_equal(set_state(fixture, 2, KEPT_COPY), 1);
	assert_int_equal(kept_older(fixture->kept, INT64_MAX, KEPT_COPY, &older, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(older[0], 2);
	free(older);
	/* What the server did is not ours to doubt. */
	assert_int_equal(set_state(fixture, 1, KEPT_ALONE), 1);
	assert_int_equal(set_state(fixture, 1, KEPT_COPY), 1);
}

static void put_away(struct fixture *fixture)
{
	if (!has(fixture, "kept/1"))
		return;
	if (rmdir(path_of(fixture, "kept/1")) < 0)
		assert_int_equal(unlink(path_of(fixture, "kept/1")), 0);
}

/* While it is closed. */
static void test_files_are_damaged(void **state)
{
	struct fixture *fixture = *state;
	char data[1000];

	put(fixture, 1, 2);
	for (size_t i = 0; i < DAMAGES; i++) {
		fixture_close(fixture);
		damages[i].happens(fixture);
		fixture_open(fixture);
		check_damaged(fixture, damages[i].seen_at_opening);
		assert_int_equal(body_of(fixture, 1, data), -EIO);
		check_damaged(fixture, 1);
		assert_int_equal(kept_check(fixture->kept, 1), -EIO);
		check_no_taking(fixture);
		check_body(fixture, 2, "the body of message 2\r\n");
		/* Put back, it is read again. */
		put_away(fixture);
		plant(fixture, "kept/1", BODY);
		check_body(fixture, 1, BODY);
		check_damaged(fixture, 0);
		assert_int_equal(names_in(fixture, "kept"), 2);
	}
}

/* A server's copy goes only when ours was read through once more, also if nobody has read it.
 */
static void test_no_taking_of_what_went_bad(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 1, 2);
	for (size_t i = 0; i < DAMAGES; i++) {
		damages[i].happens(fixture);
		check_damaged(fixture, 0);
		check_no_taking(fixture);
		check_damaged(fixture, 1);
		put_away(fixture);
		plant(fixture, "kept/1", BODY);
		assert_int_equal(kept_check(fixture->kept, 1), 0);
	}
}

/* Kept once more, it is whole; what was left of it is there as well. */
static void test_damage_is_healed(void **state)
{
	struct fixture *fixture = *state;
	size_t left = 0;

	put(fixture, 1, 2);
	for (size_t i = 0; i < DAMAGES; i++) {
		assert_int_equal(set_state(fixture, 1, KEPT_ALONE), 1);
		damages[i].happens(fixture);
		left += has(fixture, "kept/1");
		assert_int_equal(kept_check(fixture->kept, 1), -EIO);
		/* Another message is none of it. */
		assert_int_equal(put_text(fixture, 1, "the body of message 3\r\n"), -EEXIST);
		assert_int_equal(put_text(fixture, 1, BODY), 0);
		check_damaged(fixture, 0);
		check_body(fixture, 1, BODY);
		assert_int_equal(look(fixture, 1).state, KEPT_ALONE);
		assert_int_equal(names_in(fixture, "kept"), 2 + left);
	}
	fixture_reopen(fixture);
	check_damaged(fixture, 0);
	assert_int_equal(names_in(fixture, "kept"), 3);
	assert_int_equal(names_in(fixture, "kept/lost"), left);
	check_file(fixture, "kept/lost/1.1", "the b");
}

/* What was whole when it was opened, and is cut off while it is open. */
static void test_cut_off_while_it_is_open(void **state)
{
	struct fixture *fixture = *state;
	char data[1000];

	put(fixture, 1, 2);
	check_body(fixture, 1, BODY);
	shorten_it(fixture);
	assert_int_equal(body_of(fixture, 1, data), -EIO);
	check_damaged(fixture, 1);
	assert_int_equal(body_of(fixture, 1, data), -EIO);
	plant(fixture, "kept/1", BODY);
	check_body(fixture, 1, BODY);
}

static void test_all_bodies_are_gone(void **state)
{
	struct fixture *fixture = *state;
	struct kept_counts counts;

	put(fixture, 1, 1);
	fixture_close(fixture);
	lose_it(fixture);
	assert_int_equal(rmdir(path_of(fixture, "kept")), 0);
	fixture_open(fixture);
	kept_counts(fixture->kept, &counts);
	assert_true(counts.copies == 1 && counts.damaged == 1 && counts.bytes == BODY_LEN);
	/* What is damaged can be removed. */
	assert_int_equal(kept_drop(fixture->kept, (uint32_t[]){1}, 1, NULL), 0);
	check_counts(fixture, (struct kept_counts){0});
}

/* Files that no row names. */
static void test_strays(void **state)
{
	static const char *const left_alone[] = {"kept/007", "kept/0", "kept/1.x", "kept/note",
		"kept/4294967296", "kept/new-x", "kept/99999999999999999999999999999999999"};
	struct fixture *fixture = *state;

	put(fixture, 1, 1);
	fixture_close(fixture);
	for (size_t i = 0; i < sizeof(left_alone) / sizeof(left_alone[0]); i++)
		plant(fixture, left_alone[i], "foreign");
	plant(fixture, "kept/99", "somebody's");
	plant(fixture, "kept/1.3", "set aside");
	plant(fixture, "kept/new-17", "half a mess");
	fixture_open(fixture);
	check_file(fixture, "kept/lost/99", "somebody's");
	check_file(fixture, "kept/lost/1.3", "set aside");
	assert_false(has(fixture, "kept/99") || has(fixture, "kept/new-17"));
	for (size_t i = 0; i < sizeof(left_alone) / sizeof(left_alone[0]); i++)
		check_file(fixture, left_alone[i], "foreign");
	/* No two are one. */
	for (int times = 0; times < 2; times++) {
		plant(fixture, "kept/99", times ? "the third" : "the second");
		fixture_reopen(fixture);
	}
	check_file(fixture, "kept/lost/99", "somebody's");
	check_file(fixture, "kept/lost/99.1", "the second");
	check_file(fixture, "kept/lost/99.2", "the third");
	check_body(fixture, 1, BODY);
	assert_int_equal(names_in(fixture, "kept/lost"), 4);
}

/* What is in the way of a new message is not overwritten: nobody knows what it is. */
static void test_a_stray_is_in_the_way(void **state)
{
	struct fixture *fixture = *state;

	plant(fixture, "kept/1", "somebody's");
	put(fixture, 1, 1);
	check_body(fixture, 1, BODY);
	check_file(fixture, "kept/1.1", "somebody's");
	fixture_reopen(fixture);
	check_file(fixture, "kept/lost/1.1", "somebody's");
	check_body(fixture, 1, BODY);
}

/* Where they cannot be moved they stay, and the mail is there all the same. */
static void test_a_stray_that_stays(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 1, 1);
	fixture_close(fixture);
	plant(fixture, "kept/99", "somebody's");
	plant(fixture, "kept/lost", "no folder");
	fixture_open(fixture);
	check_file(fixture, "kept/99", "somebody's");
	check_body(fixture, 1, BODY);
	assert_int_equal(put_text(fixture, 99, "new"), 0);
	check_body(fixture, 99, "new");
	check_file(fixture, "kept/99.1", "somebody's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_database_is_damaged),
		TEST(test_rows_make_no_sense),
		TEST(test_the_database_is_missing),
		TEST(test_an_empty_database),
		TEST(test_files_are_damaged),
		TEST(test_no_taking_of_what_went_bad),
		TEST(test_damage_is_healed),
		TEST(test_cut_off_while_it_is_open),
		TEST(test_all_bodies_are_gone),
		TEST(test_strays),
		TEST(test_a_stray_is_in_the_way),
		TEST(test_a_stray_that_stays),
	};

	umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
