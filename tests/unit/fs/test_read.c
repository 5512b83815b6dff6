/*
 * test_read.c - bodies: sizes that lie, readers that wait, interrupts, races.
 */
#include "fixture.h"
#include <signal.h>
#include <sys/wait.h>

static void test_claims_are_corrected(void **state)
{
	struct fixture *fixture = *state;

	NEED_MOUNT(fixture);
	for (uint32_t uid = 1; uid <= 60; uid++) {
		char *path = path_in(fixture, "INBOX", uid);
		struct stat before;

		assert_int_equal(stat(path, &before), 0);
		assert_int_equal(before.st_size, claimed_size(uid));
		assert_int_equal(check_message(path, uid), 0);
		assert_int_equal(check_message(path, uid), 0);
		free(path);
	}
	assert_int_equal(fixture->account->answered[FAKE_BODY], 60);
}

struct reader {
	pthread_t id;
	const char *path;
	uint32_t uid;
	int result;
};

static void *reader_run(void *ctx)
{
	struct reader *reader = ctx;

	reader->result = check_message(reader->path, reader->uid);
	return NULL;
}

static bool all_wait(void *ctx)
{
	return fake_waiting(ctx) >= 200;
}

static void test_two_hundred_readers(void **state)
{
	struct fixture *fixture = *state;
	struct reader readers[200];
	char *path;

	NEED_MOUNT(fixture);
	path = path_in(fixture, "INBOX", 77);
	fake_set_hold(fixture->account, true);
	for (size_t i = 0; i < 200; i++) {
		readers[i] = (struct reader){.path = path, .uid = 77};
		assert_int_equal(
			pthread_create(&readers[i].id, NULL, reader_run, &readers[i]), 0);
	}
	assert_true(wait_until(all_wait, fixture->account));
	/* Nobody else is kept waiting. */
	assert_int_equal(count_entries(fixture->point), 3);
	fake_set_hold(fixture->account, false);
	for (size_t i = 0; i < 200; i++)
		pthread_join(readers[i].id, NULL);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(readers[i].result, 0);
	assert_int_equal(fixture->account->answered[FAKE_BODY], 1);
	free(path);
}

/* Many at once, at messages that lie: one who reads is not disturbed by the next one's
 * correction. */
static void test_crowds(void **state)
{
	struct fixture *fixture = *state;
	struct reader readers[16];

	NEED_MOUNT(fixture);
	for (uint32_t uid = 7; uid < 300; uid += 10) {
		char *path = path_in(fixture, "INBOX", uid);

		for (size_t i = 0; i < 16; i++) {
			readers[i] = (struct reader){.path = path, .uid = uid};
			pthread_create(&readers[i].id, NULL, reader_run, &readers[i]);
		}
		for (size_t i = 0; i < 16; i++)
			pthread_join(readers[i].id, NULL);
		for (size_t i = 0; i < 16; i++)
			assert_int_equal(readers[i].result, 0);
		free(path);
	}
	assert_int_equal(fixture->account->answered[FAKE_BODY], 30);
}

static pid_t start_cat(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execlp("cat", "cat", path, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static bool one_waits(void *ctx)
{
	return fake_waiting(ctx) >= 1;
}

static bool none_waits(void *ctx)
{
	return fake_waiting(ctx) == 0;
}

static void test_interrupt(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
	struct fixture *fixture = *state;
	char *path;

	NEED_MOUNT(fixture);
	path = path_in(fixture, "INBOX", 27);
	fake_set_hold(fixture->account, true);
	for (size_t i = 0; i < 3; i++) {
		pid_t pid = start_cat(path);
		int64_t start;
		int status;

		assert_true(wait_until(one_waits, fixture->account));
		start = clock_now_ms();
		kill(pid, signals[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(clock_now_ms() - start < 1000);
		assert_true(WIFSIGNALED(status));
		assert_true(wait_until(none_waits, fixture->account));
	}
	assert_int_equal(fake_count(fixture->account, &fixture->account->cancelled), 3);
	fake_set_hold(fixture->account, false);
	assert_int_equal(check_message(path, 27), 0);
	free(path);
}

/* The body comes although its reader was interrupted: the next one must not read by the claim.
 */
static void test_interrupted_but_fetched(void **state)
{
	struct fixture *fixture = *state;
	struct body_writer *writer;
	struct stat stat_buf;
	char *path, *data = NULL;
	int64_t inbox;
	uint64_t old;
	size_t len;
	pid_t pid;

	NEED_MOUNT(fixture);
	inbox = folder_id(fixture, "INBOX");
	path = path_in(fixture, "INBOX", 37);
	assert_int_equal(stat(path, &stat_buf), 0);
	fake_set_hold(fixture->account, true);
	pid = start_cat(path);
	assert_true(wait_until(one_waits, fixture->account));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* As a worker between its commit and its event. */
	writer = body_writer_create(fixture->store);
	assert_int_equal(server_body(fixture, inbox, 37, &data, &len), 0);
	assert_int_equal(body_append(writer, data, len), 0);
	assert_int_equal(body_commit(writer, inbox, 37, &old, NULL), 0);
	body_writer_destroy(writer);
	free(data);
	assert_int_equal(check_message(path, 37), 0);
	free(path);
}

static void test_failures(void **state)
{
	struct fixture *fixture = *state;
	char *path, *bad, *data;
	struct reader reader;
	size_t len;

	NEED_MOUNT(fixture);
	path = path_in(fixture, "INBOX", 5);
	assert_true(wait_until(none_waits, fixture->account));
	fake_set_offline(fixture->account, true);
	assert_int_equal(read_all(path, &data, &len), -EIO);
	fake_set_offline(fixture->account, false);
	fake_set_hold(fixture->account, true);
	reader = (struct reader){.path = path, .uid = 5};
	pthread_create(&reader.id, NULL, reader_run, &reader);
	assert_true(wait_until(one_waits, fixture->account));
	fake_fail_all(fixture->account, -ETIMEDOUT);
	pthread_join(reader.id, NULL);
	assert_int_equal(reader.result, -ETIMEDOUT);
	fake_set_hold(fixture->account, false);
	assert_int_equal(check_message(path, 5), 0);
	/* One that the server cannot give. */
	fixture->poison = 666;
	add_messages(fixture, folder_id(fixture, "INBOX"), 666, 666, true);
	bad = path_in(fixture, "INBOX", 666);
	assert_int_equal(read_all(bad, &data, &len), -EIO);
	free(bad);
	free(path);
}

/* The file of the only segment, damaged or emptied. */
static void damage_bodies(struct fixture *fixture, bool cut)
{
	char *path = xasprintf("%s/cache/bodies", fixture->dir);
	DIR *dir = opendir(path);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		int fd = openat(dirfd(dir), entry->d_name, O_WRONLY);

		if (entry->d_name[0] == '.' || fd < 0)
			continue;
		if (cut)
			assert_int_equal(ftruncate(fd, 10), 0);
		else
			assert_int_equal(pwrite(fd, "XX", 2, 100), 2);
		close(fd);
	}
	closedir(dir);
	free(path);
}

/* Damage in the cache is fetched again, inside READ. */
static void test_damage(void **state)
{
	struct fixture *fixture = *state;
	struct store_reader *reader;
	int64_t inbox;
	char *path;

	NEED_MOUNT(fixture);
	inbox = folder_id(fixture, "INBOX");
	path = path_in(fixture, "INBOX", 3);
	assert_int_equal(fake_store_body(fixture->account, inbox, 3), 0);
	damage_bodies(fixture, false);
	assert_int_equal(check_message(path, 3), 0);
	assert_int_equal(
		fake_count(fixture->account, &fixture->account->answered[FAKE_BODY]), 1);
	free(path);

	/* Cut off below a body that was checked already; what the kernel has is not asked
	 * again. */
	path = path_in(fixture, "INBOX", 4);
	assert_int_equal(fake_store_body(fixture->account, inbox, 4), 0);
	assert_int_equal(store_reader_create(fixture->store, &reader, NULL), 0);
	assert_int_equal(body_check(reader, inbox, 4), 0);
	damage_bodies(fixture, true);
	assert_int_equal(check_message(path, 4), 0);
	store_reader_destroy(reader);
	free(path);
}

/* A message whose size is known but whose body is not here any more. */
static char *evicted(struct fixture *fixture, uint32_t uid)
{
	int64_t inbox = folder_id(fixture, "INBOX");
	struct store_reader *reader;

	assert_int_equal(fake_store_body(fixture->account, inbox, uid), 0);
	damage_bodies(fixture, true);
	assert_int_equal(store_reader_create(fixture->store, &reader, NULL), 0);
	assert_int_equal(body_check(reader, inbox, uid), -ENODATA);
	store_reader_destroy(reader);
	return path_in(fixture, "INBOX", uid);
}

/* Then OPEN costs nothing, and READ waits: for the body, for Ctrl-C, or until the time is up.
 */
static void test_evicted(void **state)
{
	struct fixture *fixture = *state;
	struct reader reader;
	int64_t start;
	char *path;
	pid_t pid;
	int fd;

	NEED_MOUNT(fixture);
	path = evicted(fixture, 17);
	fake_set_hold(fixture->account, true);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fake_waiting(fixture->account), 0);

	pid = start_cat(path);
	assert_true(wait_until(one_waits, fixture->account));
	start = clock_now_ms();
	kill(pid, SIGINT);
	waitpid(pid, NULL, 0);
	assert_true(clock_now_ms() - start < 1000);
	fake_fail_all(fixture->account, -ETIMEDOUT);

	reader = (struct reader){.path = path, .uid = 17};
	pthread_create(&reader.id, NULL, reader_run, &reader);
	assert_true(wait_until(one_waits, fixture->account));
	fake_set_offline(fixture->account, true); /* for what the kernel asks again */
	fake_fail_all(fixture->account, -ETIMEDOUT);
	pthread_join(reader.id, NULL);
	assert_true(reader.result < 0);
	fake_set_offline(fixture->account, false);
	fake_set_hold(fixture->account, false);
	assert_int_equal(check_message(path, 17), 0);
	free(path);
}

/* A server that gives another body for the same message: never a mixture of sizes. */
static void test_another_size_later(void **state)
{
	struct fixture *fixture = *state;
	struct body_writer *writer;
	int64_t inbox;
	char *path, byte;
	uint64_t old;
	int fd;

	NEED_MOUNT(fixture);
	inbox = folder_id(fixture, "INBOX");
	path = path_in(fixture, "INBOX", 6);
	assert_int_equal(fake_store_body(fixture->account, inbox, 6), 0);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	writer = body_writer_create(fixture->store);
	assert_int_equal(body_append(writer, "short", 5), 0);
	assert_int_equal(body_commit(writer, inbox, 6, &old, NULL), 0);
	body_writer_destroy(writer);
	assert_int_equal(pread(fd, &byte, 1, 0), -1);
	assert_true(errno == ESTALE || errno == EIO);
	close(fd);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 's');
	close(fd);
	free(path);
}

/* Readers interrupted at every moment, while the body comes and goes on coming. */
static void test_interrupt_storm(void **state)
{
	struct fixture *fixture = *state;
	unsigned seed = 42;

	NEED_MOUNT(fixture);
	for (uint32_t uid = 200; uid < 260; uid++) {
		char *path = path_in(fixture, "INBOX", uid);
		pid_t pids[4];

		fake_set_hold(fixture->account, uid % 3 == 0);
		for (size_t i = 0; i < 4; i++)
			pids[i] = start_cat(path);
		for (size_t i = 0; i < 4; i++) {
			usleep((useconds_t)(rand_r(&seed) % 3000));
			kill(pids[i], i % 2 ? SIGINT : SIGKILL);
		}
		fake_set_hold(fixture->account, false);
		for (size_t i = 0; i < 4; i++)
			waitpid(pids[i], NULL, 0);
		assert_int_equal(check_message(path, uid), 0);
		free(path);
	}
}

/* The mount goes while requests wait: they end with an error, and nothing is left over. */
static void test_end_while_waiting(void **state)
{
	struct fixture *fixture = *state;
	struct reader readers[8];
	char *path;

	NEED_MOUNT(fixture);
	path = path_in(fixture, "INBOX", 9);
	fake_set_hold(fixture->account, true);
	for (size_t i = 0; i < 8; i++) {
		readers[i] = (struct reader){.path = path, .uid = 9};
		pthread_create(&readers[i].id, NULL, reader_run, &readers[i]);
	}
	while (fake_waiting(fixture->account) < 8)
		usleep(1000);
	fs_stop(fixture->fs);
	for (size_t i = 0; i < 8; i++)
		pthread_join(readers[i].id, NULL);
	for (size_t i = 0; i < 8; i++)
		assert_true(readers[i].result < 0);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_crowds, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_claims_are_corrected, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_two_hundred_readers, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_interrupt, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_interrupted_but_fetched, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_failures, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_evicted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_damage, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_another_size_later, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_interrupt_storm, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_end_while_waiting, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
