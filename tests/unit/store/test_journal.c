/*
 * test_journal.c - removals: what becomes of a row, and that it is there whatever happens.
 */
#include "journal_fixture.h"
#include <fcntl.h>
#include <mountmail/base/clock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

struct seen {
	struct journal *journal;
	int64_t places[8];
	size_t place_count;
	struct journal_row rows[8]; /* texts are not kept */
	char names[8][64], reasons[8][64];
	size_t count, stop_at;
};

static bool see_row(void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	struct seen *seen = ctx;
	size_t at = seen->count % 8;

	assert_int_equal(place->id, row->place);
	seen->rows[at] = *row;
	snprintf(seen->names[at], 64, "%s %llu %s %s", place->raw,
		(unsigned long long)place->epoch, row->name,
		row->message_id ? row->message_id : "-");
	snprintf(seen->reasons[at], 64, "%s", row->reason);
	return ++seen->count != seen->stop_at;
}

static size_t walk(struct fixture *fixture, struct seen *seen)
{
	seen->count = 0;
	assert_int_equal(journal_walk(fixture->journal, see_row, seen), 0);
	return seen->count;
}

/* The row of a UID, in the only place there is. Its texts are not kept. */
static struct journal_row row_of(struct fixture *fixture, uint32_t uid)
{
	struct seen seen = {0};

	assert_in_range(walk(fixture, &seen), 1, 8);
	for (size_t i = 0; i < seen.count; i++)
		if (seen.rows[i].uid == uid)
			return seen.rows[i];
	fail_msg("no row %u", uid);
	return seen.rows[0];
}

static bool see_place(void *ctx, int64_t place)
{
	struct seen *seen = ctx;

	seen->places[seen->place_count++ % 8] = place;
	return seen->place_count != seen->stop_at;
}

/* The first place with rows to be sent. */
static int64_t first_place(struct fixture *fixture)
{
	struct seen seen = {.stop_at = 1};

	assert_int_equal(journal_places(fixture->journal, see_place, &seen), 0);
	assert_int_equal(seen.place_count, 1);
	return seen.places[0];
}

static void check_counts(struct fixture *fixture, struct journal_counts wanted)
{
	struct journal_counts counts;

	journal_counts(fixture->journal, &counts);
	assert_memory_equal(&counts, &wanted, sizeof(counts));
	/* What is counted is what is there. */
	fixture_reopen(fixture);
	journal_counts(fixture->journal, &counts);
	assert_memory_equal(&counts, &wanted, sizeof(counts));
}

static void test_a_removal_is_kept_as_it_was(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {0};
	struct journal_place place;
	char id[JOURNAL_ID_MAX];

	add(fixture, "Box &AOk-", 1ull << 40, 7, 7);
	fixture_reopen(fixture);
	assert_int_equal(walk(fixture, &seen), 1);
	assert_string_equal(
		seen.names[0], "Box &AOk- 1099511627776 mail.7.eml <7@example.org>");
	assert_string_equal(seen.reasons[0], "");
	assert_int_equal(seen.rows[0].uid, 7);
	assert_int_equal(seen.rows[0].state, JOURNAL_QUEUED);
	assert_true(seen.rows[0].final && !seen.rows[0].released && !seen.rows[0].copied);
	assert_int_equal(seen.rows[0].size, 70);
	assert_int_equal(seen.rows[0].date, 1700000007);
	assert_int_equal(seen.rows[0].at, 1800000000 - 7);
	assert_int_equal(seen.rows[0].tries, 0);
	journal_row_id(&seen.rows[0], id);
	assert_string_equal(id, "1.7");
	assert_int_equal(journal_place_get(fixture->journal, 1, &place), 0);
	assert_string_equal(place.raw, "Box &AOk-");
	assert_true(place.epoch == 1ull << 40);
	journal_place_finish(&place);
	assert_int_equal(journal_place_get(fixture->journal, 2, &place), -ENOENT);
	check_counts(fixture, (struct journal_counts){.queued = 1});
}

/* One that hides stays; one that is shown was seen again and removed again. */
static void test_removed_twice(void **state)
{
	struct fixture *fixture = *state;
	uint32_t uid = 2;
	int64_t place;

	add(fixture, "INBOX", 1, 2, 2);
	place = first_place(fixture);
	assert_int_equal(
		journal_settle(fixture->journal, place, &uid, 1, JOURNAL_MARKED, 2, "m"), 0);
	add(fixture, "INBOX", 1, 2, 2);
	assert_int_equal(row_of(fixture, 2).state, JOURNAL_MARKED);
	assert_int_equal(row_of(fixture, 2).tries, 2);
	check_counts(fixture, (struct journal_counts){.marked = 1});
	assert_int_equal(
		journal_settle(fixture->journal, place, &uid, 1, JOURNAL_HELD, 1, "stays"), 0);
	assert_int_equal(row_of(fixture, 2).tries, 3);
	add(fixture, "INBOX", 1, 2, 2);
	assert_int_equal(row_of(fixture, 2).state, JOURNAL_QUEUED);
	assert_int_equal(row_of(fixture, 2).tries, 0);
	check_counts(fixture, (struct journal_counts){.queued = 1});
}

static void test_order_of_places(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {0};

	/* The higher the UID, the older the row. */
	add(fixture, "A", 1, 1, 1);
	add(fixture, "B", 1, 9, 9);
	add(fixture, "A", 2, 5, 5);
	assert_int_equal(add_state(fixture, "C", 1, 20, JOURNAL_BRAKED), 0);
	for (int times = 0; times < 2; times++) {
		seen.place_count = 0;
		assert_int_equal(journal_places(fixture->journal, see_place, &seen), 0);
		assert_int_equal(seen.place_count, 3);
		assert_int_equal(seen.places[0], 2);
		assert_int_equal(seen.places[1], 3);
		assert_int_equal(seen.places[2], 1);
		fixture_reopen(fixture);
	}
}

static void check_take(
	struct fixture *fixture, uint32_t after, size_t max, uint32_t first, int count)
{
	struct journal_row *rows;

	assert_int_equal(
		journal_take(fixture->journal, first_place(fixture), after, max, &rows), count);
	for (int i = 0; i < count; i++) {
		assert_int_equal(rows[i].uid, first + (uint32_t)i);
		journal_row_finish(&rows[i]);
	}
	free(rows);
}

static void test_take(void **state)
{
	struct fixture *fixture = *state;
	uint32_t uids[] = {3, UINT32_MAX};

	add(fixture, "INBOX", 1, 1, 5);
	add(fixture, "Other", 1, 1, 1);
	check_take(fixture, 0, 10, 1, 5);
	check_take(fixture, 0, 2, 1, 2);
	check_take(fixture, 2, 2, 3, 2);
	check_take(fixture, 5, 10, 6, 0);
	check_take(fixture, 0, 0, 0, 0);
	assert_int_equal(add_state(fixture, "INBOX", 1, UINT32_MAX, JOURNAL_QUEUED), 0);
	check_take(fixture, 5, 10, UINT32_MAX, 1);
	assert_int_equal(
		journal_settle(fixture->journal, 1, uids, 2, JOURNAL_PARKED, 0, "another"), 0);
	check_take(fixture, 2, 10, 4, 2);
}

static void test_send(void **state)
{
	struct fixture *fixture = *state;
	char trash[] = "Trash";
	struct journal_row how = {.copy_raw = trash, .copy_epoch = 77, .copy_from = 12};
	uint32_t uids[] = {1, 2, 3, 4, 9}, one = 3;
	struct journal_row *rows;
	size_t count = 5;

	add(fixture, "INBOX", 1, 1, 4);
	/* Undone, and held, between the look and the command. */
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_UNDO, "1.2", NULL, NULL, NULL), 1);
	assert_int_equal(
		journal_settle(fixture->journal, 1, &one, 1, JOURNAL_HELD, 3, "no"), 0);
	assert_int_equal(journal_send(fixture->journal, 1, uids, &count, &how), 0);
	assert_int_equal(count, 2);
	assert_int_equal(uids[0], 1);
	assert_int_equal(uids[1], 4);
	check_counts(fixture, (struct journal_counts){.sent = 2, .held = 1});
	one = 4;
	assert_int_equal(journal_note_copied(fixture->journal, 1, &one, 1), 0);
	/* A later try leaves what is known of the copy. */
	assert_int_equal(journal_send(fixture->journal, 1, uids, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(journal_take(fixture->journal, 1, 0, 10, &rows), 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rows[i].state, JOURNAL_SENT);
		assert_string_equal(rows[i].copy_raw, "Trash");
		assert_true(rows[i].copy_epoch == 77 && rows[i].copy_from == 12);
		assert_int_equal(rows[i].copied, rows[i].uid == 4);
		journal_row_finish(&rows[i]);
	}
	free(rows);
	count = 1;
	assert_int_equal(journal_send(fixture->journal, 99, uids, &count, NULL), 0);
	assert_int_equal(count, 0);
}

static void test_settle_and_confirm(void **state)
{
	struct fixture *fixture = *state;
	uint32_t all[] = {1, 2, 3, 4, 5};
	struct seen seen = {0};

	add(fixture, "INBOX", 1, 1, 4);
	assert_int_equal(
		journal_settle(fixture->journal, 1, all, 1, JOURNAL_PARKED, 0, "another"), 0);
	assert_int_equal(
		journal_settle(fixture->journal, 1, all + 1, 1, JOURNAL_BRAKED, 0, "many"), 0);
	assert_int_equal(
		journal_settle(fixture->journal, 1, all, 5, JOURNAL_MARKED, 1, "marks"), 0);
	check_counts(fixture, (struct journal_counts){.parked = 1, .braked = 1, .marked = 2});
	assert_int_equal(walk(fixture, &seen), 4);
	assert_string_equal(seen.reasons[0], "another");
	assert_string_equal(seen.reasons[1], "many");
	assert_string_equal(seen.reasons[3], "marks");
	assert_int_equal(
		journal_settle(fixture->journal, 1, all + 2, 1, JOURNAL_QUEUED, 1, NULL), 0);
	check_counts(fixture,
		(struct journal_counts){.parked = 1, .braked = 1, .marked = 1, .queued = 1});
	assert_int_equal(row_of(fixture, 3).tries, 2);
	assert_int_equal(journal_confirm(fixture->journal, 1, all, 5), 0);
	check_counts(fixture, (struct journal_counts){0});
	assert_int_equal(walk(fixture, &seen), 0);
	/* The number of a place is never another's. */
	add(fixture, "Later", 1, 1, 1);
	assert_int_equal(first_place(fixture), 2);
}

static void test_brake(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, "A", 1, 1, 6); /* the odd ones are final */
	add(fixture, "B", 1, 1, 2);
	assert_int_equal(journal_brake(fixture->journal, 1, "too many"), 3);
	check_counts(fixture, (struct journal_counts){.queued = 5, .braked = 3});
	assert_int_equal(journal_brake(fixture->journal, 0, "too many"), 1);
	check_counts(fixture, (struct journal_counts){.queued = 4, .braked = 4});
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_RELEASE, NULL, NULL, NULL, NULL), 4);
	/* What was released is not braked again. */
	assert_int_equal(journal_brake(fixture->journal, 0, "too many"), 0);
	check_counts(fixture, (struct journal_counts){.queued = 8});
}

static void note_change(void *ctx, const struct journal_place *place)
{
	struct seen *seen = ctx;
	struct journal_counts counts;

	seen->places[seen->place_count++ % 8] = place->id;
	journal_counts(seen->journal, &counts); /* no lock is held */
}

/* Every verb of every state. */
static void test_tell_one(void **state)
{
	static const enum journal_state states[] = {JOURNAL_QUEUED, JOURNAL_SENT,
		JOURNAL_MARKED, JOURNAL_BRAKED, JOURNAL_HELD, JOURNAL_PARKED};
	static const int64_t wanted[][6] = {
		[JOURNAL_UNDO] = {1, -EBUSY, -EBUSY, 1, 1, 1},
		[JOURNAL_RELEASE] = {-EBUSY, -EBUSY, -EBUSY, 1, 1, -EBUSY},
		[JOURNAL_DISCARD] = {-EBUSY, -EBUSY, -EBUSY, -EBUSY, 1, 1},
	};
	struct fixture *fixture = *state;

	for (int verb = 0; verb < 3; verb++)
		for (size_t i = 0; i < 6; i++) {
			struct seen seen = {.journal = fixture->journal};
			struct error err = {0};
			uint32_t uid = 2;
			bool went;

			add(fixture, "INBOX", 1, 2, 2);
			assert_int_equal(journal_settle(fixture->journal, 1, &uid, 1, states[i],
						 3, "why"),
				0);
			assert_int_equal(journal_tell(fixture->journal, (enum journal_verb)verb,
						 "1.2", note_change, &seen, &err),
				wanted[verb][i]);
			went = wanted[verb][i] == 1 && verb != JOURNAL_RELEASE;
			assert_int_equal(seen.place_count, wanted[verb][i] == 1);
			assert_int_equal(err.code, wanted[verb][i] == 1 ? 0 : EBUSY);
			if (wanted[verb][i] == -EBUSY)
				assert_non_null(
					strstr(err.text, journal_state_name(states[i])));
			assert_int_equal(walk(fixture, &seen), !went);
			if (wanted[verb][i] == 1 && !went) {
				assert_int_equal(row_of(fixture, 2).state, JOURNAL_QUEUED);
				assert_int_equal(row_of(fixture, 2).tries, 0);
				assert_true(row_of(fixture, 2).released);
			}
			assert_int_equal(journal_confirm(fixture->journal, 1, &uid, 1), 0);
		}
	check_counts(fixture, (struct journal_counts){0});
}

static void test_tell_all(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {.journal = fixture->journal};
	uint32_t uids[] = {1, 2};
	size_t count = 1;

	add(fixture, "A", 1, 1, 3);
	add(fixture, "B", 1, 1, 2);
	add(fixture, "C", 1, 1, 1);
	assert_int_equal(journal_send(fixture->journal, 3, uids, &count, NULL), 0);
	assert_int_equal(
		journal_settle(fixture->journal, 1, uids, 2, JOURNAL_PARKED, 0, "x"), 0);
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_DISCARD, NULL, note_change, &seen, NULL),
		2);
	assert_int_equal(seen.place_count, 1);
	assert_int_equal(seen.places[0], 1);
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_UNDO, NULL, note_change, &seen, NULL),
		3);
	assert_int_equal(seen.place_count, 3);
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_UNDO, NULL, note_change, &seen, NULL),
		0);
	assert_int_equal(seen.place_count, 3);
	check_counts(fixture, (struct journal_counts){.sent = 1});
}

static void test_ids_that_name_nothing(void **state)
{
	static const char *const ids[] = {"", ".", "1", "1.", ".2", "1.3", "2.2", "1.2x",
		"-1.2", "1.-2", "1.2.3", "all", "99999999999999999999.2", "1.4294967296",
		"2147483648.2", "4294967297.2"};
	struct fixture *fixture = *state;
	struct error err;

	add(fixture, "INBOX", 1, 2, 2);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_int_equal(
			journal_tell(fixture->journal, JOURNAL_UNDO, ids[i], NULL, NULL, &err),
			-ENOENT);
	check_counts(fixture, (struct journal_counts){.queued = 1});
}

static void test_long_walk(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {0};

	add(fixture, "A", 1, 1, 700);
	add(fixture, "B", 1, 1, 300);
	assert_int_equal(walk(fixture, &seen), 1000);
	seen.stop_at = 600;
	assert_int_equal(walk(fixture, &seen), 600);
	seen.stop_at = 1;
	assert_int_equal(walk(fixture, &seen), 1);
}

/* A process that dies after a call returned has made its removal; one that dies before, not. */
static void test_the_process_dies(void **state)
{
	struct fixture *fixture = *state;
	struct journal_row row = {.uid = 8, .state = JOURNAL_QUEUED};
	uint32_t uids[] = {1, 2};
	struct seen seen = {0};
	int status;
	pid_t pid;

	add(fixture, "INBOX", 1, 1, 2);
	fixture_close(fixture);
	pid = fork();
	if (pid == 0) {
		size_t count = 1;

		if (journal_open(fixture->dir, IDENTITY, &fixture->journal, NULL) == 0 &&
			journal_add(fixture->journal, "New", 5, &row, NULL) == 0 &&
			journal_send(fixture->journal, 1, uids, &count, NULL) == 0 &&
			journal_confirm(fixture->journal, 1, uids + 1, 1) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fixture_open(fixture);
	assert_int_equal(walk(fixture, &seen), 2);
	assert_int_equal(seen.rows[0].state, JOURNAL_SENT);
	assert_string_equal(seen.names[1], "New 5  -");
	check_counts(fixture, (struct journal_counts){.queued = 1, .sent = 1});
}

static void test_refusals(void **state)
{
	struct fixture *fixture = *state;
	struct journal *other;
	struct error err = {0};
	char path[128];
	sqlite3 *db;

	assert_int_equal(journal_open(fixture->dir, IDENTITY, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "mounted already"));
	add(fixture, "INBOX", 1, 1, 1);
	fixture_close(fixture);
	assert_int_equal(journal_open(fixture->dir, "imaps://c@d", &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "belongs to " IDENTITY));
	snprintf(path, sizeof(path),
		"%s/"
		"journal.db",
		fixture->dir);
	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(journal_open(fixture->dir, IDENTITY, &other, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "newer mountmail"));
	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA user_version=1", NULL, NULL, NULL);
	sqlite3_close(db);
	fixture_open(fixture);
	check_counts(fixture, (struct journal_counts){.queued = 1});
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

/* Damage is told, and nothing is made of it. */
static void test_damage(void **state)
{
	struct fixture *fixture = *state;
	size_t before_len, after_len;
	char *before, *after;
	struct journal *other;
	struct error err = {0};
	char path[128];
	int fd;

	add(fixture, "INBOX", 1, 1, 100);
	fixture_close(fixture);
	snprintf(path, sizeof(path), "%s/journal.db", fixture->dir);
	fd = open(path, O_WRONLY);
	/* First a page in the middle, then the beginning. */
	for (off_t at = 3072 + 8; at >= 0; at -= 3072 + 8) {
		assert_int_equal(
			pwrite(fd, "this is no page of a database at all", 36, at), 36);
		before = file_read(path, &before_len);
		assert_int_equal(journal_open(fixture->dir, IDENTITY, &other, &err), -EUCLEAN);
		assert_non_null(strstr(err.text, "move it away"));
		assert_non_null(strstr(err.text, path));
		after = file_read(path, &after_len);
		assert_int_equal(before_len, after_len);
		assert_memory_equal(before, after, before_len);
		free(before);
		free(after);
	}
	close(fd);
	assert_int_equal(unlink(path), 0);
	fixture_open(fixture);
	check_counts(fixture, (struct journal_counts){0});
}

/* Rows that make no sense are damage as well: what is hidden must be countable. */
static void test_senseless_rows(void **state)
{
	static const char *const changes[] = {"UPDATE removals SET state = 9",
		"UPDATE removals SET state = 1 WHERE id = 1; DELETE FROM places"};
	struct fixture *fixture = *state;
	struct journal *other;
	struct error err = {0};
	char path[128];
	sqlite3 *db;

	add(fixture, "INBOX", 1, 1, 1);
	fixture_close(fixture);
	snprintf(path, sizeof(path), "%s/journal.db", fixture->dir);
	for (size_t i = 0; i < 2; i++) {
		sqlite3_open(path, &db);
		assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		assert_int_equal(journal_open(fixture->dir, IDENTITY, &other, &err), -EUCLEAN);
	}
}

/* At each write in turn: the call fails, and nothing of it is there; afterwards it works again.
 */
static void fail_everywhere(struct fixture *fixture, int error, int wanted)
{
	uint32_t uids[] = {1, 2, 3};
	const struct journal_counts before = {.queued = 3};
	struct journal_counts counts;
	size_t count;

	for (int after = 0; after < 2; after++) {
		disk_fails(error, after);
		assert_int_equal(add_state(fixture, "INBOX", 1, 50, JOURNAL_QUEUED), wanted);
		disk_fails(error, after);
		assert_int_equal(add_state(fixture, "New", 1, 1, JOURNAL_QUEUED), wanted);
		disk_fails(error, after);
		count = 3;
		assert_int_equal(journal_send(fixture->journal, 1, uids, &count, NULL), wanted);
		assert_int_equal(count, 3);
		disk_fails(error, after);
		assert_int_equal(
			journal_settle(fixture->journal, 1, uids, 3, JOURNAL_HELD, 1, "x"),
			wanted);
		disk_fails(error, after);
		assert_int_equal(journal_note_copied(fixture->journal, 1, uids, 3), wanted);
		disk_fails(error, after);
		assert_int_equal(journal_confirm(fixture->journal, 1, uids, 3), wanted);
		disk_fails(error, after);
		assert_int_equal(journal_brake(fixture->journal, 0, "x"), wanted);
		disk_fails(error, after);
		assert_int_equal(
			journal_tell(fixture->journal, JOURNAL_UNDO, NULL, NULL, NULL, NULL),
			wanted);
		disk_fails(0, 0);
		journal_counts(fixture->journal, &counts);
		assert_memory_equal(&counts, &before, sizeof(counts));
	}
}

static void test_the_disk_fails(void **state)
{
	struct fixture *fixture = *state;
	uint32_t uids[] = {1, 2, 3};

	disk_watch();
	add(fixture, "INBOX", 1, 1, 3);
	fail_everywhere(fixture, ENOSPC, -ENOSPC);
	fail_everywhere(fixture, EDQUOT, -ENOSPC);
	fail_everywhere(fixture, EIO, -EIO);
	check_counts(fixture, (struct journal_counts){.queued = 3});
	assert_int_equal(journal_confirm(fixture->journal, 1, uids, 3), 0);
	check_counts(fixture, (struct journal_counts){0});
}

static void test_sync(void **state)
{
	struct fixture *fixture = *state;
	int before;

	assert_int_equal(journal_sync(fixture->journal), 0);
	before = atomic_load(&syncs);
	assert_int_equal(journal_sync(fixture->journal), 0);
	assert_int_equal(atomic_load(&syncs), before);
	add(fixture, "INBOX", 1, 1, 9);
	/* A commit waits for no disk. */
	assert_int_equal(atomic_load(&syncs), before);
	atomic_store(&sync_error, EIO);
	assert_int_equal(journal_sync(fixture->journal), -EIO);
	assert_int_equal(journal_sync(fixture->journal), -EIO);
	atomic_store(&sync_error, 0);
	before = atomic_load(&syncs);
	/* It is all written again, the WAL and the database: the kernel has forgotten the first
	 * time. */
	assert_int_equal(journal_sync(fixture->journal), 0);
	assert_int_equal(atomic_load(&syncs), before + 2);
	add(fixture, "INBOX", 1, 10, 10);
	before = atomic_load(&syncs);
	assert_int_equal(journal_sync(fixture->journal), 0);
	assert_int_equal(atomic_load(&syncs), before + 1);
	before = atomic_load(&syncs);
	assert_int_equal(journal_sync(fixture->journal), 0);
	assert_int_equal(atomic_load(&syncs), before);
}

struct writer {
	struct fixture *fixture;
	const char *raw;
	atomic_bool *over;
};

static void *write_and_confirm(void *ctx)
{
	struct writer *writer = ctx;
	struct fixture *fixture = writer->fixture;

	for (uint32_t uid = 1; uid <= 300; uid++)
		if (add_state(fixture, writer->raw, 1, uid, JOURNAL_QUEUED) < 0)
			return ctx;
	return NULL;
}

static bool send_and_confirm(void *ctx, int64_t place)
{
	struct writer *writer = ctx;
	struct journal *journal = writer->fixture->journal;
	struct journal_row *rows;
	uint32_t uids[16];
	int got = journal_take(journal, place, 0, 16, &rows);
	size_t count = got < 0 ? 0 : (size_t)got;

	for (size_t i = 0; i < count; i++) {
		uids[i] = rows[i].uid;
		journal_row_finish(&rows[i]);
	}
	free(rows);
	if (got < 0 || journal_send(journal, place, uids, &count, NULL) < 0 ||
		journal_confirm(journal, place, uids, count) < 0 || journal_sync(journal) < 0)
		abort();
	return true;
}

static bool check_row(
	void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	char name[64];

	snprintf(name, sizeof(name), "mail.%u.eml", row->uid);
	if (strcmp(row->name, name) != 0 || place->epoch != 1 || place->id != row->place)
		abort();
	return true;
}

static void *send_all(void *ctx)
{
	struct writer *writer = ctx;

	while (!atomic_load(writer->over))
		if (journal_places(writer->fixture->journal, send_and_confirm, writer) < 0 ||
			journal_walk(writer->fixture->journal, check_row, NULL) < 0)
			return ctx;
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	atomic_bool over = false;
	struct writer writers[] = {
		{fixture, "A", &over}, {fixture, "B", &over}, {fixture, "B", &over}};
	pthread_t threads[3], sender;
	void *failed;

	assert_int_equal(pthread_create(&sender, NULL, send_all, &writers[0]), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_and_confirm, &writers[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	atomic_store(&over, true);
	pthread_join(sender, &failed);
	assert_null(failed);
	for (int i = 0; i < 100; i++)
		assert_int_equal(
			journal_places(fixture->journal, send_and_confirm, &writers[0]), 0);
	check_counts(fixture, (struct journal_counts){0});
}

/* An empty place goes when its folder has a later one, and only then. */
static void test_old_epochs(void **state)
{
	struct fixture *fixture = *state;
	struct journal_place place;

	add(fixture, "A", 1, 1, 1);
	add(fixture, "A", 2, 1, 1);
	add(fixture, "B", 1, 1, 1);
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_UNDO, NULL, NULL, NULL, NULL), 3);
	fixture_reopen(fixture);
	assert_int_equal(journal_place_get(fixture->journal, 1, &place), -ENOENT);
	assert_int_equal(journal_place_get(fixture->journal, 2, &place), 0);
	journal_place_finish(&place);
	assert_int_equal(journal_place_get(fixture->journal, 3, &place), 0);
	journal_place_finish(&place);
}

static void test_files_are_private(void **state)
{
	static const char *const names[] = {
		"journal.db", "journal.db-wal", "journal.lock", "."};
	struct fixture *fixture = *state;
	struct stat stat_buf;
	char path[128];

	add(fixture, "A", 1, 1, 1);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", fixture->dir, names[i]);
		assert_int_equal(stat(path, &stat_buf), 0);
		assert_int_equal(stat_buf.st_mode & 077, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_removal_is_kept_as_it_was),
		TEST(test_removed_twice),
		TEST(test_order_of_places),
		TEST(test_take),
		TEST(test_send),
		TEST(test_settle_and_confirm),
		TEST(test_brake),
		TEST(test_tell_one),
		TEST(test_tell_all),
		TEST(test_ids_that_name_nothing),
		TEST(test_long_walk),
		TEST(test_the_process_dies),
		TEST(test_refusals),
		TEST(test_damage),
		TEST(test_senseless_rows),
		TEST(test_the_disk_fails),
		TEST(test_sync),
		TEST(test_threads),
		TEST(test_old_epochs),
		TEST(test_files_are_private),
	};

	umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
