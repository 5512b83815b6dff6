/*
 * test_kept_crash.c - kept mail when the disk fails or the process dies, at every point there
 * is: what was acknowledged is there, byte for byte, and what was not is whole or not there.
 *
 * The calls that write are ours, of the program and, before the C library's, of SQLite.
 */
#include "kept_fixture.h"
#include <signal.h>
#include <sqlite3.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct {
	int error; /* of a call that fails, 0: none does */
	int after; /* so many that work come before */
	bool on;   /* and later ones fail as well */
	int calls;
	char steps[256]; /* what was done, one letter each; of equal ones one */
	size_t count;
} disk;

static void disk_note(char step)
{
	if (disk.count + 1 < sizeof(disk.steps) &&
		(disk.count == 0 || disk.steps[disk.count - 1] != step))
		disk.steps[disk.count++] = step;
}

static void disk_forget(void)
{
	memset(disk.steps, 0, sizeof(disk.steps));
	disk.count = 0;
}

/* Whether this call fails. */
static bool disk_hits(char step)
{
	int number = disk.calls++;

	if (disk.error && (disk.on ? number >= disk.after : number == disk.after)) {
		errno = disk.error;
		return true;
	}
	disk_note(step);
	return false;
}

static void disk_fails(int error, int after, bool on)
{
	disk.error = error;
	disk.after = after;
	disk.on = on;
	disk.calls = 0;
}

/* Small for a body, large for the database. */
static char kind_of(int fd, char body, char folder, char database)
{
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	if (strstr(path, "/kept/"))
		return body;
	return strstr(path, "/kept.db") ? database : folder;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (disk_hits(kind_of(fd, 'w', '?', 'W')))
		return -1;
	return syscall(SYS_pwrite64, fd, data, len, offset);
}

int fsync(int fd)
{
	return disk_hits(kind_of(fd, 's', 'f', 'S')) ? -1 : 0;
}

int fdatasync(int fd)
{
	return fsync(fd);
}

int renameat(int from, const char *name, int to, const char *new_name)
{
	if (disk_hits('r'))
		return -1;
	return (int)syscall(SYS_renameat2, from, name, to, new_name, 0);
}

int unlinkat(int fd, const char *name, int flags)
{
	if (disk_hits('u'))
		return -1;
	return (int)syscall(SYS_unlinkat, fd, name, flags);
}

static ssize_t sqlite_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return pwrite(fd, data, len, offset);
}

static void disk_watch(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	sqlite3_syscall_ptr call = (sqlite3_syscall_ptr)sqlite_pwrite;

	assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", call), SQLITE_OK);
	assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", call), SQLITE_OK);
}

/* What is done to one maildrop, in order; each is acknowledged by its number. */
enum step {
	PUT_1,
	PUT_2,
	PUT_3,
	TAKE_1_2,
	GONE_1,
	DROP_2,
	PUT_2_ANEW,
	DROP_3_AND_1,
	STEPS,
};

static const char body_1[] = "the first\r\n.\r\nand more of it\r\n";
static const char body_2[] = "the second";
static const char body_2_anew[] = "another that is second";
static const char body_3[] = "";
static const char stray[] = "somebody's";

/* 0 or -errno. */
static int step_do(struct kept *kept, enum step step)
{
	uint32_t uids[] = {1, 2}, two = 2, three_one[] = {3, 1};
	size_t count = 2;
	int result;

	switch (step) {
	case PUT_1:
		return put_bytes(kept, 1, body_1, strlen(body_1), 12);
	case PUT_2:
		return put_bytes(kept, 2, body_2, strlen(body_2), 12);
	case PUT_3:
		return put_bytes(kept, 3, body_3, strlen(body_3), 12);
	case TAKE_1_2:
		result = kept_state_set(kept, uids, &count, KEPT_TAKING, NULL);
		return result == 0 && count != 2 ? -EBADMSG : result;
	case GONE_1:
		count = 1;
		return kept_state_set(kept, uids, &count, KEPT_ALONE, NULL);
	case DROP_2:
		return kept_drop(kept, &two, 1, NULL);
	case PUT_2_ANEW:
		return put_bytes(kept, 2, body_2_anew, strlen(body_2_anew), 100);
	case DROP_3_AND_1:
		return kept_drop(kept, three_one, 2, NULL);
	case STEPS:
		break;
	}
	return -EINVAL;
}

/* How far it came. */
struct progress {
	bool begun[STEPS], done[STEPS];
	bool tried[STEPS]; /* also in vain */
};

static void check_is(struct fixture *fixture, uint32_t uid, const char *one, const char *other)
{
	char data[1000];
	ssize_t len = body_of(fixture, uid, data);

	assert_true(len >= 0);
	if (((size_t)len != strlen(one) || memcmp(data, one, strlen(one)) != 0) &&
		(!other || (size_t)len != strlen(other) ||
			memcmp(data, other, strlen(other)) != 0))
		fail_msg("UID %u has another body, of %zd bytes", uid, len);
}

/* A message: whether it has to be there, may be there, and as what. */
static void check_message(struct fixture *fixture, uint32_t uid, bool must, bool may,
	const char *one, const char *other)
{
	struct kept_message message;
	int result = kept_get(fixture->kept, uid, &message);

	if (result == -ENOENT) {
		if (must)
			fail_msg("UID %u was acknowledged and is not there", uid);
		return;
	}
	assert_int_equal(result, 0);
	if (!may)
		fail_msg("UID %u is there and should not be", uid);
	assert_false(message.damaged);
	kept_message_finish(&message);
	check_is(fixture, uid, one, other);
}

static void check_states(struct fixture *fixture, const struct progress *at)
{
	if (at->done[GONE_1] && !at->begun[DROP_3_AND_1])
		assert_int_equal(look(fixture, 1).state, KEPT_ALONE);
	else if (at->done[TAKE_1_2] && !at->begun[GONE_1] && !at->begun[DROP_3_AND_1])
		assert_int_equal(look(fixture, 1).state, KEPT_TAKING);
	if (at->done[TAKE_1_2] && !at->begun[DROP_2])
		assert_int_equal(look(fixture, 2).state, KEPT_TAKING);
	else if (at->done[PUT_2] && !at->begun[TAKE_1_2] && !at->begun[DROP_2])
		assert_int_equal(look(fixture, 2).state, KEPT_COPY);
}

static void check_messages(struct fixture *fixture, const struct progress *at)
{
	bool gone = at->done[DROP_2];

	check_message(fixture, 1, at->done[PUT_1] && !at->begun[DROP_3_AND_1],
		at->begun[PUT_1] && !at->done[DROP_3_AND_1], body_1, NULL);
	check_message(fixture, 3, at->done[PUT_3] && !at->begun[DROP_3_AND_1],
		at->begun[PUT_3] && !at->done[DROP_3_AND_1], body_3, NULL);
	check_message(fixture, 2,
		at->done[PUT_2_ANEW] || (at->done[PUT_2] && !at->begun[DROP_2]),
		gone ? at->begun[PUT_2_ANEW] : at->begun[PUT_2], gone ? body_2_anew : body_2,
		at->begun[PUT_2_ANEW] ? body_2_anew : NULL);
}

static void check_lost_one(struct fixture *fixture, const char *name)
{
	static const char *const bodies[] = {body_1, body_2, body_2_anew, body_3, stray};
	char path[64], data[1000];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "kept/lost/%.30s", name);
	file = fopen(path_of(fixture, path), "r");
	assert_non_null(file);
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		if (len == strlen(bodies[i]) && memcmp(data, bodies[i], len) == 0)
			return;
	fail_msg("%s is none that was ever whole", path);
}

/* Every file belongs to a row, or is among the lost and whole. The lost ones. */
static size_t check_files(struct fixture *fixture)
{
	struct kept_counts counts;
	size_t lost = 0;
	struct dirent *entry;
	DIR *dir = opendir(path_of(fixture, "kept/lost"));

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			check_lost_one(fixture, entry->d_name);
			lost++;
		}
	kept_counts(fixture->kept, &counts);
	assert_int_equal(names_in(fixture, "kept") - (dir != NULL),
		counts.copies + counts.taking + counts.alone);
	assert_int_equal(counts.damaged, 0);
	if (dir)
		closedir(dir);
	return lost;
}

static void check_all(struct fixture *fixture, const struct progress *at)
{
	check_messages(fixture, at);
	check_states(fixture, at);
	check_files(fixture);
}

/* In which order a message comes onto the disk, and off it. */
static void test_order(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put_text(fixture, 9, "so that there is a log"), 0);
	disk_forget();
	/* Body and its sync, name and its sync, row and its sync. */
	assert_int_equal(put_text(fixture, 1, "a body"), 0);
	assert_string_equal(disk.steps, "wsrfWS");
	disk_forget();
	assert_int_equal(set_state(fixture, 1, KEPT_TAKING), 1);
	assert_string_equal(disk.steps, "WS");
	disk_forget();
	/* The row and its sync before the file is touched. */
	assert_int_equal(kept_drop(fixture->kept, (uint32_t[]){1}, 1, NULL), 0);
	assert_string_equal(disk.steps, "WSuf");
	disk_forget();
	/* The same once more: nothing but the check of what is there. */
	assert_int_equal(put_text(fixture, 9, "so that there is a log"), 0);
	assert_string_equal(disk.steps, "wsu");
}

/* Goes on after each step that failed, as whoever calls would: the next ones may be all right.
 */
static void run_on_a_failing_disk(struct fixture *fixture, struct progress *at)
{
	for (int step = 0; step < STEPS; step++) {
		int result;

		/* One that needs what is not there is not tried. */
		if ((step == TAKE_1_2 && !(at->done[PUT_1] && at->done[PUT_2])) ||
			(step == GONE_1 && !at->done[TAKE_1_2]) ||
			(step == PUT_2_ANEW && !at->done[DROP_2]))
			continue;
		result = step_do(fixture->kept, (enum step)step);
		at->done[step] = result == 0;
		at->tried[step] = true;
		/* One that failed has done nothing. */
		at->begun[step] = result == 0;
		if (result < 0)
			assert_int_equal(result, disk.error == ENOSPC ? -ENOSPC : -EIO);
	}
}

/*
 * The process ends after that, before anything is closed: what an opening finds then. A step
 * that failed may have been obeyed all the same.
 */
static void check_copy(struct fixture *fixture, const struct progress *at)
{
	struct fixture copy = {0};
	struct progress tried = *at;
	char command[256];

	for (int step = 0; step < STEPS; step++)
		tried.begun[step] = at->tried[step];
	strcpy(copy.dir, "/tmp/mm-kept-copy-XXXXXX");
	assert_non_null(mkdtemp(copy.dir));
	snprintf(command, sizeof(command), "cp -r %s/. %s", fixture->dir, copy.dir);
	assert_int_equal(system(command), 0);
	fixture_open(&copy);
	check_all(&copy, &tried);
	fixture_close(&copy);
	nftw(copy.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The Nth call fails, for every N; or all do from there on. How many there are. */
static int fail_everywhere(int error, bool on)
{
	int calls = INT32_MAX;

	for (int after = 0; after < calls; after++) {
		struct progress at = {0};
		struct fixture *fixture;
		void *state;

		setup(&state);
		fixture = state;
		disk_fails(error, after, on);
		run_on_a_failing_disk(fixture, &at);
		calls = disk.calls;
		disk_fails(0, 0, false);
		check_copy(fixture, &at);
		/* As it is now, and after it was opened anew. */
		check_messages(fixture, &at);
		check_states(fixture, &at);
		fixture_reopen(fixture);
		check_all(fixture, &at);
		/* And it works. */
		assert_int_equal(put_text(fixture, 77, "later"), 0);
		check_body(fixture, 77, "later");
		teardown(&state);
	}
	return calls;
}

static void test_the_disk_fails(void **state)
{
	/* A sync that fails for want of room is an I/O error to SQLite: told apart below. */
	assert_in_range(fail_everywhere(EIO, false), 20, 500);
	fail_everywhere(EIO, true);
}

/* Writes alone, each in turn: a full disk, and a full quota. */
static void test_the_disk_is_full(void **state)
{
	static const int errors[] = {ENOSPC, EDQUOT};
	const uint32_t two = 2;
	struct fixture *fixture = *state;
	struct kept_counts before, after;
	uint32_t uids[] = {2};
	size_t count = 1;

	assert_int_equal(put_text(fixture, 2, "kept before"), 0);
	kept_counts(fixture->kept, &before);
	for (int i = 0; i < 2; i++) {
		disk_fails(errors[i], 0, true);
		assert_int_equal(put_text(fixture, 1, "a body"), -ENOSPC);
		assert_int_equal(
			kept_state_set(fixture->kept, uids, &count, KEPT_ALONE, NULL), -ENOSPC);
		assert_int_equal(count, 1);
		assert_int_equal(kept_drop(fixture->kept, &two, 1, NULL), -ENOSPC);
		/* The body, its sync, the name, the folder's sync; then the row is too much. */
		disk_fails(errors[i], 4, true);
		assert_int_equal(put_bytes(fixture->kept, 1, "a body", 6, 6), -ENOSPC);
		disk_fails(0, 0, false);
		kept_counts(fixture->kept, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		check_body(fixture, 2, "kept before");
		assert_int_equal(look(fixture, 2).state, KEPT_COPY);
	}
	fixture_reopen(fixture);
	assert_int_equal(names_in(fixture, "kept/lost"), 1);
	check_body(fixture, 2, "kept before");
}

/* The room is back at once: nothing stays of what could not be written. */
static void test_nothing_stays_of_it(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put_text(fixture, 2, "kept before"), 0);
	/* The row's first write fails, once; what removes the file works. */
	disk_fails(ENOSPC, 4, false);
	assert_int_equal(put_bytes(fixture->kept, 1, "a body", 6, 6), -ENOSPC);
	disk_fails(ENOSPC, 0, false);
	assert_int_equal(put_bytes(fixture->kept, 1, "a body", 6, 6), -ENOSPC);
	disk_fails(EIO, 1, false);
	assert_int_equal(put_bytes(fixture->kept, 1, "a body", 6, 6), -EIO);
	disk_fails(EIO, 2, false);
	assert_int_equal(put_bytes(fixture->kept, 1, "a body", 6, 6), -EIO);
	disk_fails(EIO, 3, false);
	assert_int_equal(put_bytes(fixture->kept, 1, "a body", 6, 6), -EIO);
	disk_fails(0, 0, false);
	assert_int_equal(names_in(fixture, "kept"), 1);
	assert_int_equal(put_text(fixture, 1, "a body"), 0);
	check_body(fixture, 1, "a body");
}

#ifdef MOUNTMAIL_FAULTS
/* In a process of its own: what was begun and done stands in a file, one byte each. */
static int run_child(const char *dir)
{
	char path[256];
	struct kept *kept;
	FILE *file;
	int acks;

	snprintf(path, sizeof(path), "%s/acks", dir);
	acks = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (acks < 0 || kept_open(dir, IDENTITY, &kept, NULL) < 0)
		return 2;
	for (int step = 0; step < STEPS; step++) {
		const char begun = (char)('a' + step), done = (char)('A' + step);

		if (write(acks, &begun, 1) != 1 || step_do(kept, (enum step)step) < 0 ||
			write(acks, &done, 1) != 1)
			return 3;
	}
	kept_close(kept);
	/* And an opening with something to move and something to remove. */
	snprintf(path, sizeof(path), "%s/kept/99", dir);
	file = fopen(path, "w");
	if (!file || fputs(stray, file) < 0 || fclose(file) != 0)
		return 4;
	snprintf(path, sizeof(path), "%s/kept/new-5", dir);
	file = fopen(path, "w");
	if (!file || fputs("half", file) < 0 || fclose(file) != 0)
		return 4;
	if (kept_open(dir, IDENTITY, &kept, NULL) < 0)
		return 5;
	kept_close(kept);
	return 0;
}

/* Whether it was killed at the Nth point. */
static bool child_dies(struct fixture *fixture, int number)
{
	char fault[32];
	int status;
	pid_t pid = fork();

	snprintf(fault, sizeof(fault), "die:%d", number);
	if (pid == 0) {
		setenv("MOUNTMAIL_FAULT", fault, 1);
		execl("/proc/self/exe", "test_kept_crash", fixture->dir, (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFSIGNALED(status);
}

static void read_acks(struct fixture *fixture, struct progress *at)
{
	FILE *file = fopen(path_of(fixture, "acks"), "r");
	int c;

	while (file && (c = fgetc(file)) != EOF) {
		if (c >= 'a')
			at->begun[c - 'a'] = true;
		else
			at->done[c - 'A'] = true;
	}
	if (file)
		fclose(file);
}

static void test_the_process_dies(void **state)
{
	int number = 0;
	bool died;

	do {
		struct progress at = {0};
		struct fixture *fixture;
		void *fixture_state;

		setup(&fixture_state);
		fixture = fixture_state;
		/* From nothing on: the first opening has points as well. */
		fixture_close(fixture);
		unlink(path_of(fixture, "kept.db"));
		rmdir(path_of(fixture, "kept"));
		died = child_dies(fixture, ++number);
		read_acks(fixture, &at);
		fixture_open(fixture);
		check_all(fixture, &at);
		assert_int_equal(put_text(fixture, 77, "later"), 0);
		fixture_reopen(fixture);
		check_all(fixture, &at);
		check_body(fixture, 77, "later");
		if (!died)
			check_file(fixture, "kept/lost/99", stray);
		teardown(&fixture_state);
	} while (died);
	assert_in_range(number, 50, 500);
	print_message("the process died at %d points\n", number - 1);
}
#else
static void test_the_process_dies(void **state)
{
	print_message("needs a build with -Dfaults=true\n");
	skip();
}
#endif

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		cmocka_unit_test(test_the_disk_fails),
		TEST(test_the_disk_is_full),
		TEST(test_nothing_stays_of_it),
		cmocka_unit_test(test_the_process_dies),
	};

	umask(0);
#ifdef MOUNTMAIL_FAULTS
	if (argc == 2)
		return run_child(argv[1]);
#endif
	disk_watch();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
