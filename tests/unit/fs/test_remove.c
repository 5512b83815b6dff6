/*
 * test_remove.c - what is removed through the mount: the kernel, the view and the journal
 * agree.
 */
#include "fixture.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

static char *path_of(struct fixture *fixture, const char *rest)
{
	return xasprintf("%s/%s", fixture->point, rest);
}

static int remove_message(struct fixture *fixture, const char *folder, uint32_t uid)
{
	char *path = path_in(fixture, folder, uid);
	int result = unlink(path) < 0 ? -errno : 0;

	free(path);
	return result;
}

static bool is_there(struct fixture *fixture, const char *folder, uint32_t uid)
{
	char *path = path_in(fixture, folder, uid);
	struct stat stat_buf;
	bool there = lstat(path, &stat_buf) == 0;

	if (!there)
		assert_int_equal(errno, ENOENT);
	free(path);
	return there;
}

static uint64_t pending(struct fixture *fixture)
{
	struct journal_counts counts;

	journal_counts(fixture->journal, &counts);
	return counts.queued;
}

static int entries(struct fixture *fixture, const char *folder)
{
	char *path = path_of(fixture, folder);
	int count = count_entries(path);

	free(path);
	return count;
}

static char *ask(struct fixture *fixture, const char *request, int code)
{
	struct buf payload = BUF_INIT;
	struct error err = {0};
	int result = control_ask(fixture->point, request, 20000, &payload, &err);

	assert_int_equal(result, -code);
	if (code) {
		buf_finish(&payload);
		return xstrdup(err.text);
	}
	return buf_steal(&payload);
}

static void test_one(void **state)
{
	struct fixture *fixture = *state;
	struct stat before, after;
	struct statvfs statvfs_buf;
	char *inbox = path_of(fixture, "INBOX");

	NEED_MOUNT(fixture);
	assert_int_equal(entries(fixture, "INBOX"), 300);
	assert_int_equal(stat(inbox, &before), 0);
	assert_int_equal(remove_message(fixture, "INBOX", 7), 0);
	assert_int_equal(pending(fixture), 1);
	assert_false(is_there(fixture, "INBOX", 7));
	assert_true(is_there(fixture, "INBOX", 8));
	assert_int_equal(entries(fixture, "INBOX"), 299);
	assert_int_equal(remove_message(fixture, "INBOX", 7), -ENOENT);
	assert_int_equal(pending(fixture), 1);
	assert_int_equal(stat(inbox, &after), 0);
	assert_true(after.st_mtim.tv_sec >= before.st_mtim.tv_sec);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(statvfs(fixture->point, &statvfs_buf), 0);
	free(inbox);
}

static void test_undo(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	NEED_MOUNT(fixture);
	for (uint32_t uid = 1; uid <= 3; uid++)
		assert_int_equal(remove_message(fixture, "INBOX", uid), 0);
	text = ask(fixture, "queue json", 0);
	assert_non_null(strstr(text, "{\"removals\":{\"pending\":3,\"queued\":3,\"sent\":0,"));
	assert_non_null(
		strstr(text, "\"state\":\"online\",\"readonly\":false},\"rows\":[{\"id\":"));
	assert_non_null(
		strstr(text, "\"folder\":\"INBOX\",\"uid\":2,\"name\":\"2024-05-03_alice@"
			     "example.org_a-subject.2.eml\",\"state\":\"queued\","
			     "\"hidden\":true,\"reason\":null,\"removed\":\"2024-05-03T00:"
			     "00:00Z\",\"tries\":0,\"final\":false}"));
	assert_non_null(strstr(text, "],\"left_out\":0}\n"));
	free(text);
	assert_false(is_there(fixture, "INBOX", 2));
	assert_int_equal(entries(fixture, "INBOX"), 297);
	text = ask(fixture, "queue undo 1.2", 0);
	assert_string_equal(text, "1 message is shown again\n");
	free(text);
	assert_true(is_there(fixture, "INBOX", 2));
	assert_int_equal(entries(fixture, "INBOX"), 298);
	free(ask(fixture, "queue undo 1.2", ENOENT));
	free(ask(fixture, "queue undo nonsense", ENOENT));
	text = ask(fixture, "queue undo all", 0);
	assert_string_equal(text, "2 messages are shown again\n");
	free(text);
	assert_int_equal(entries(fixture, "INBOX"), 300);
	text = ask(fixture, "queue text", 0);
	assert_string_equal(text, "no removals are waiting\n");
	free(text);
	/* And once more the same one. */
	assert_int_equal(remove_message(fixture, "INBOX", 2), 0);
	assert_false(is_there(fixture, "INBOX", 2));
}

/* Of every state: what status and the queue say of it, and whether it is shown. */
static void test_states(void **state)
{
	static const enum journal_state states[] = {
		JOURNAL_SENT, JOURNAL_MARKED, JOURNAL_BRAKED, JOURNAL_HELD, JOURNAL_PARKED};
	struct fixture *fixture = *state;
	char *text;

	NEED_MOUNT(fixture);
	for (uint32_t uid = 1; uid <= 6; uid++)
		assert_int_equal(remove_message(fixture, "INBOX", uid), 0);
	for (uint32_t uid = 2; uid <= 6; uid++)
		assert_int_equal(journal_settle(fixture->journal, 1, &uid, 1, states[uid - 2],
					 1, "because it is a test"),
			0);
	fixture->account->removal_error = "the Trash is full";
	text = ask(fixture, "status text", 0);
	assert_non_null(strstr(text, "removals:\n  2 pending: on their way to the server\n"
				     "    why: the Trash is full\n"));
	assert_non_null(strstr(text, "  1 marked: "));
	assert_non_null(strstr(text, "  1 braked: "));
	assert_non_null(strstr(text, "  1 held: "));
	assert_non_null(strstr(text, "  1 parked: "));
	assert_non_null(strstr(text, "why: because it is a test\n"));
	assert_non_null(strstr(text, fixture->point));
	assert_non_null(strstr(text, "--release\n"));
	/* 300, without the four that are hidden still. */
	assert_non_null(strstr(text, "       296 "));
	free(text);
	text = ask(fixture, "status json", 0);
	assert_non_null(strstr(text, "\"messages\":296,"));
	assert_non_null(strstr(text, "\"pending\":3,\"removals\":{\"pending\":3,\"queued\":1,"
				     "\"sent\":1,\"marked\":1,\"braked\":1,\"held\":1,"
				     "\"parked\":1,\"error\":\"the Trash is full\","));
	free(text);
	text = ask(fixture, "queue text", 0);
	assert_non_null(strstr(text, "1.5"));
	assert_non_null(
		strstr(text, "  held    INBOX/2024-05-03_alice@example.org_a-subject.5.eml\n"));
	assert_non_null(strstr(text, "why: because it is a test\n"));
	free(text);
	free(ask(fixture, "queue undo 1.2", EBUSY));
	text = ask(fixture, "flush", 0);
	assert_true(strncmp(text, "{\"pending\":3,", 13) == 0);
	free(text);
	assert_int_equal(fixture->account->flushes, 1);
	text = ask(fixture, "queue discard 1.6", 0);
	assert_string_equal(text, "1 message is not to be removed any more\n");
	free(text);
	text = ask(fixture, "queue release", 0);
	assert_string_equal(text, "2 messages are to be removed now\n");
	free(text);
	free(ask(fixture, "queue", EINVAL));
	free(ask(fixture, "queue dance", EINVAL));
}

/* With more rows than are shown, those that need somebody come first. */
static void test_queue_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	uint32_t held[] = {50000, 50001};
	char *text, *path, *data;
	struct error err = {0};
	size_t len;

	NEED_MOUNT(fixture);
	for (uint32_t uid = 1; uid <= 3000; uid++) {
		char name[] = "x.eml", none[] = "";
		const struct journal_row row = {.uid = uid == 3000 ? held[0] : uid,
			.state = JOURNAL_QUEUED,
			.name = name,
			.copy_raw = none,
			.reason = none};

		assert_int_equal(
			journal_add(fixture->journal, "Gone folder", 5, &row, &err), 0);
	}
	assert_int_equal(
		journal_settle(fixture->journal, 1, held, 2, JOURNAL_HELD, 3, "no"), 0);
	path = path_of(fixture, ".mountmail/queue.json");
	assert_int_equal(read_all(path, &data, &len), 0);
	free(path);
	assert_non_null(
		strstr(data, "\"rows\":[{\"id\":\"1.50000\",\"folder\":\"Gone folder\","));
	assert_non_null(strstr(data, "\"left_out\":2000}\n"));
	free(data);
	text = ask(fixture, "queue text", 0);
	assert_non_null(strstr(text, "... and 1000 more: --json lists them\n"));
	free(text);
	text = ask(fixture, "queue json", 0);
	assert_non_null(strstr(text, "\"left_out\":0}\n"));
	free(text);
}

static void test_documents(void **state)
{
	struct fixture *fixture = *state;
	char *path, *data;
	struct stat stat_buf;
	size_t len;

	NEED_MOUNT(fixture);
	path = path_of(fixture, ".mountmail/queue.json");
	assert_int_equal(read_all(path, &data, &len), 0);
	assert_non_null(strstr(data, "\"rows\":[],\"left_out\":0}\n"));
	assert_int_equal(stat(path, &stat_buf), 0);
	assert_int_equal(stat_buf.st_size, len);
	free(data);
	assert_int_equal(unlink(path), -1);
	assert_int_equal(errno, geteuid() == 0 ? EPERM : EACCES);
	free(path);
	path = path_of(fixture, ".mountmail");
	assert_int_equal(rmdir(path), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(unlink(path), -1);
	assert_int_equal(errno, EISDIR);
	free(path);
}

static void test_directories(void **state)
{
	struct fixture *fixture = *state;
	char *path = path_of(fixture, "INBOX"), *file = path_in(fixture, "INBOX", 4);

	NEED_MOUNT(fixture);
	assert_int_equal(rmdir(path), -1);
	assert_int_equal(errno, ENOTEMPTY);
	assert_int_equal(unlink(path), -1);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(rmdir(file), -1);
	assert_int_equal(errno, ENOTDIR);
	for (uint32_t uid = 1; uid <= 300; uid++)
		assert_int_equal(remove_message(fixture, "INBOX", uid), 0);
	assert_int_equal(rmdir(path), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(entries(fixture, "INBOX"), 0);
	free(path);
	path = path_of(fixture, "Archive"); /* has a subfolder */
	assert_int_equal(rmdir(path), -1);
	assert_int_equal(errno, ENOTEMPTY);
	free(path);
	path = path_of(fixture, "Unlisted"); /* nobody knows */
	assert_int_equal(rmdir(path), -1);
	assert_int_equal(errno, ENOTEMPTY);
	free(path);
	free(file);
}

/* An open file is read on, and is said to have no name. */
static void test_open_file(void **state)
{
	struct fixture *fixture = *state;
	char *path = path_in(fixture, "INBOX", 9), byte;
	struct stat stat_buf;
	int fd;

	NEED_MOUNT(fixture);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fstat(fd, &stat_buf), 0);
	assert_int_equal(stat_buf.st_nlink, 0);
	assert_int_equal(stat_buf.st_size, true_size(9));
	for (size_t at = 0; at < true_size(9); at++) {
		assert_int_equal(read(fd, &byte, 1), 1);
		assert_int_equal(byte, byte_of(9, at));
	}
	/* Brought back while it is open, it is one and the same. */
	free(ask(fixture, "queue undo all", 0));
	assert_int_equal(check_message(path, 9), 0);
	assert_int_equal(fstat(fd, &stat_buf), 0);
	assert_int_equal(stat_buf.st_nlink, 1);
	close(fd);
	free(path);
}

static void drop(struct fixture *fixture, uint32_t uid)
{
	assert_int_equal(store_messages_drop(fixture->store, folder_id(fixture, "INBOX"), &uid,
				 1, clock_wall_s(), NULL),
		0);
	assert_int_equal(journal_confirm(fixture->journal, 1, &uid, 1), 0);
}

/* Also when the server is done with it, and the store, and the kernel has dropped its pages. */
static void test_open_file_outlives_the_store(void **state)
{
	struct fixture *fixture = *state;
	char *path = path_in(fixture, "INBOX", 17), byte;
	struct stat stat_buf;
	int fd, other;

	NEED_MOUNT(fixture);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	other = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && other >= 0);
	assert_int_equal(unlink(path), 0);
	drop(fixture, 17);
	close(other);
	for (size_t at = 0; at < true_size(17); at += 999) {
		assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		assert_int_equal(byte, byte_of(17, at));
		assert_int_equal(fstat(fd, &stat_buf), 0);
		assert_int_equal(stat_buf.st_nlink, 0);
		assert_int_equal(stat_buf.st_size, true_size(17));
	}
	assert_int_equal(pread(fd, &byte, 1, (off_t)true_size(17)), 0);
	close(fd);
	assert_int_equal(open(path, O_RDONLY), -1);
	assert_int_equal(errno, ENOENT);
	free(path);
}

static void test_journal_refuses(void **state)
{
	struct fixture *fixture = *state;

	NEED_MOUNT(fixture);
	fixture->account->refuse_removal = true;
	assert_int_equal(remove_message(fixture, "INBOX", 5), -ENOSPC);
	assert_true(is_there(fixture, "INBOX", 5));
	assert_int_equal(entries(fixture, "INBOX"), 300);
	fixture->account->refuse_removal = false;
	assert_int_equal(remove_message(fixture, "INBOX", 5), 0);
}

static void test_fsync(void **state)
{
	struct fixture *fixture = *state;
	char *path = path_of(fixture, "INBOX");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	NEED_MOUNT(fixture);
	assert_int_equal(remove_message(fixture, "INBOX", 5), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(fdatasync(fd), 0);
	close(fd);
	free(path);
	path = path_in(fixture, "INBOX", 6);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	free(path);
}

static int setup_read_only(void **state)
{
	return fixture_setup_as(state, "ro");
}

static void refuse_removals(struct fixture *fixture)
{
	char *inbox = path_of(fixture, "INBOX");

	assert_int_equal(remove_message(fixture, "INBOX", 5), -EROFS);
	assert_int_equal(rmdir(inbox), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mkdir(inbox, 0700), -1);
	assert_true(errno == EROFS || errno == EEXIST);
	assert_true(is_there(fixture, "INBOX", 5));
	assert_int_equal(pending(fixture), 0);
	free(inbox);
}

static void test_read_only(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	NEED_MOUNT(fixture);
	refuse_removals(fixture);
	/* Also when somebody made it writable. */
	if (geteuid() == 0) {
		assert_int_equal(mount(NULL, fixture->point, NULL, MS_REMOUNT, NULL), 0);
		refuse_removals(fixture);
	}
	text = ask(fixture, "flush", 0);
	assert_non_null(strstr(text, "\"readonly\":true"));
	free(text);
}

static bool listing_waits(void *ctx)
{
	return fake_waiting(ctx) >= 1;
}

struct remover {
	pthread_t id;
	struct fixture *fixture;
	int result;
};

static void *remover_run(void *ctx)
{
	struct remover *remover = ctx;

	remover->result = remove_message(remover->fixture, "Unlisted", 3);
	return NULL;
}

/* In a folder that was never listed the name may be there: it is waited for. */
static void test_unlisted(void **state)
{
	struct fixture *fixture = *state;
	struct remover remover = {.fixture = fixture};

	NEED_MOUNT(fixture);
	fixture->listed = 5;
	fake_set_hold(fixture->account, true);
	assert_int_equal(pthread_create(&remover.id, NULL, remover_run, &remover), 0);
	assert_true(wait_until(listing_waits, fixture->account));
	fake_set_hold(fixture->account, false);
	pthread_join(remover.id, NULL);
	assert_int_equal(remover.result, 0);
	assert_int_equal(entries(fixture, "Unlisted"), 4);
}

/* A new epoch: the names the kernel remembers mean nothing any more. */
static void test_new_epoch(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox = folder_id(fixture, "INBOX");
	struct store_changes changes;

	NEED_MOUNT(fixture);
	assert_int_equal(entries(fixture, "INBOX"), 300);
	assert_int_equal(store_folder_new_epoch(fixture->store, inbox, 77, NULL), 0);
	changes = add_messages(fixture, inbox, 1, 3, true);
	store_changes_finish(&changes);
	/* The kernel was not told yet, and asks by the old name. */
	assert_int_equal(remove_message(fixture, "INBOX", 200), -ENOENT);
	assert_int_equal(pending(fixture), 0);
	assert_int_equal(remove_message(fixture, "INBOX", 2), 0);
	assert_int_equal(pending(fixture), 1);
}

struct crowd {
	struct fixture *fixture;
	atomic_bool stop;
	atomic_uint listings;
};

static void *crowd_list(void *ctx)
{
	struct crowd *crowd = ctx;

	while (!atomic_load(&crowd->stop)) {
		int count = entries(crowd->fixture, "INBOX");

		assert_true(count >= 0 && count <= 300);
		atomic_fetch_add(&crowd->listings, 1);
	}
	return NULL;
}

static void *crowd_remove(void *ctx)
{
	struct crowd *crowd = ctx;

	for (uint32_t uid = 2; uid <= 300; uid += 2)
		assert_int_equal(remove_message(crowd->fixture, "INBOX", uid), 0);
	return NULL;
}

/* Removed while others list: what is listed in the end is exactly what is left. */
static void test_while_listed(void **state)
{
	struct fixture *fixture = *state;
	struct crowd crowd = {.fixture = fixture};
	pthread_t listers[2], remover;

	NEED_MOUNT(fixture);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&listers[i], NULL, crowd_list, &crowd), 0);
	while (atomic_load(&crowd.listings) < 4)
		usleep(1000);
	assert_int_equal(pthread_create(&remover, NULL, crowd_remove, &crowd), 0);
	pthread_join(remover, NULL);
	atomic_store(&crowd.stop, true);
	for (size_t i = 0; i < 2; i++)
		pthread_join(listers[i], NULL);
	assert_int_equal(entries(fixture, "INBOX"), 150);
	for (uint32_t uid = 1; uid <= 300; uid++)
		assert_int_equal(is_there(fixture, "INBOX", uid), uid % 2);
	assert_int_equal(pending(fixture), 150);
	/* All at once come back. */
	free(ask(fixture, "queue undo all", 0));
	assert_int_equal(entries(fixture, "INBOX"), 300);
}

/* Programs that remove: each removes all it means to, and says so. */
static void test_programs(void **state)
{
	static const struct {
		const char *command;
		int left;
	} runs[] = {
		{"rm -f *.1.eml", 299},
		{"ls >/dev/null; rm -f *1.eml && ls >/dev/null", 270},
		{"find . -name '*2.eml' -delete", 240},
		{"ls -l >/dev/null; mkdir ../../out && mv -f *3.eml ../../out && ls -l "
		 ">/dev/null "
		 "&& test $(ls ../../out | wc -l) = 30",
			210},
		{"! rm -rf . ../INBOX 2>/dev/null", 0},
	};
	struct fixture *fixture = *state;

	NEED_MOUNT(fixture);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		char *command = xasprintf("cd %s/INBOX && %s", fixture->point, runs[i].command);

		if (system(command) != 0)
			fail_msg("%s", command);
		assert_int_equal(entries(fixture, "INBOX"), runs[i].left);
		assert_int_equal(pending(fixture), 300 - runs[i].left);
		free(command);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one),
		TEST(test_undo),
		TEST(test_states),
		TEST(test_queue_is_bounded),
		TEST(test_documents),
		TEST(test_directories),
		TEST(test_open_file),
		TEST(test_open_file_outlives_the_store),
		TEST(test_journal_refuses),
		TEST(test_fsync),
		cmocka_unit_test_setup_teardown(
			test_read_only, setup_read_only, fixture_teardown),
		TEST(test_unlisted),
		TEST(test_new_epoch),
		TEST(test_while_listed),
		TEST(test_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
