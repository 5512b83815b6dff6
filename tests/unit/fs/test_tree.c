/*
 * test_tree.c - what the kernel is answered about names, and what it is told when they change.
 */
#include "fixture.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static char *path_of(struct fixture *fixture, const char *rest)
{
	return xasprintf("%s/%s", fixture->point, rest);
}

static void test_walk(void **state)
{
	struct fixture *fixture = *state;
	struct stat stat_buf;
	struct statvfs statvfs_buf;
	char *path;

	NEED_MOUNT(fixture);
	assert_int_equal(count_entries(fixture->point), 3);
	path = path_of(fixture, "INBOX");
	assert_int_equal(count_entries(path), 300);
	assert_int_equal(count_entries(path), 300);
	free(path);
	path = path_of(fixture, "Archive");
	assert_int_equal(count_entries(path), 1);
	free(path);
	path = path_in(fixture, "INBOX", 300);
	assert_int_equal(stat(path, &stat_buf), 0);
	assert_int_equal(stat_buf.st_mode, S_IFREG | 0400);
	assert_int_equal(stat_buf.st_size, 3300);
	assert_int_equal(stat_buf.st_mtim.tv_sec, FIXTURE_DATE);
	free(path);
	path = path_in(fixture, "INBOX", 301);
	assert_int_equal(stat(path, &stat_buf), -1);
	assert_int_equal(errno, ENOENT);
	free(path);
	assert_int_equal(statvfs(fixture->point, &statvfs_buf), 0);
	assert_true(statvfs_buf.f_blocks > 200);
	assert_int_equal(statvfs_buf.f_files, 304);
	assert_int_equal(statvfs_buf.f_namemax, 255);
}

static void test_xattrs(void **state)
{
	struct fixture *fixture = *state;
	char *path, value[256];

	NEED_MOUNT(fixture);
	path = path_in(fixture, "INBOX", 12);
	assert_int_equal(getxattr(path, "user.mail.uid", value, sizeof(value)), 2);
	assert_memory_equal(value, "12", 2);
	assert_int_equal(getxattr(path, "user.mail.subject", NULL, 0), 9);
	assert_int_equal(getxattr(path, "user.mail.subject", value, 3), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(getxattr(path, "user.other", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(getxattr(path, "security.capability", value, sizeof(value)), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_true(listxattr(path, value, sizeof(value)) > 20);
	assert_int_equal(listxattr(path, value, 3), -1);
	assert_int_equal(errno, ERANGE);
	free(path);
	assert_int_equal(getxattr(fixture->point, CONTROL_XATTR, value, sizeof(value)),
		strlen(fixture->control));
	assert_int_equal(
		listxattr(fixture->point, value, sizeof(value)), sizeof(CONTROL_XATTR));
	assert_string_equal(value, CONTROL_XATTR);
	path = path_of(fixture, "INBOX");
	assert_int_equal(listxattr(path, value, sizeof(value)), 0);
	free(path);
}

static void refuse_all(struct fixture *fixture, int code)
{
	char *path = path_in(fixture, "INBOX", 1), *other = path_of(fixture, "INBOX/other");
	char *existing = path_in(fixture, "INBOX", 2);
	int results[20], count = 0;

#define REFUSED(call) (results[count++] = (call) < 0 ? errno : 0)
	REFUSED(mkdir(other, 0700));
	REFUSED(rename(path, other));
	REFUSED(symlink("a", other));
	REFUSED(link(path, other));
	REFUSED(truncate(path, 0));
	REFUSED(chmod(path, 0600));
	REFUSED(utimensat(AT_FDCWD, path, NULL, 0));
	REFUSED(open(path, O_WRONLY));
	REFUSED(open(other, O_WRONLY | O_CREAT, 0600));
	REFUSED(setxattr(path, "user.x", "y", 1, 0));
	REFUSED(mknod(other, S_IFREG | 0600, 0));
	REFUSED(rename(path, existing));
	REFUSED(renameat2(AT_FDCWD, path, AT_FDCWD, existing, RENAME_EXCHANGE));
	REFUSED(open(path, O_RDONLY | O_TRUNC));
	REFUSED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	REFUSED(removexattr(path, "user.mail.uid"));
#undef REFUSED
	for (int i = 0; i < count; i++)
		assert_int_equal(results[i], code);
	/* Nothing was half done. */
	assert_int_equal(check_message(path, 1), 0);
	assert_int_equal(check_message(existing, 2), 0);
	free(existing);
	free(path);
	free(other);
}

static void test_refusals(void **state)
{
	struct fixture *fixture = *state;

	NEED_MOUNT(fixture);
	refuse_all(fixture, EPERM);
}

static bool listing_waits(void *ctx)
{
	return fake_waiting(ctx) >= 1;
}

struct listing {
	pthread_t id;
	char *path;
	int result;
};

static void *listing_run(void *ctx)
{
	struct listing *listing = ctx;

	listing->result = count_entries(listing->path);
	return NULL;
}

/* A folder that was never listed: waited for, an error when it cannot be had, never empty. */
static void test_unlisted(void **state)
{
	struct fixture *fixture = *state;
	struct listing listing = {.path = NULL};
	struct stat stat_buf;
	char *path;

	NEED_MOUNT(fixture);
	listing.path = path_of(fixture, "Unlisted");
	path = path_in(fixture, "Unlisted", 50);
	fixture->listed = 500;
	fake_set_offline(fixture->account, true);
	assert_int_equal(count_entries(listing.path), -EIO);
	assert_int_equal(stat(path, &stat_buf), -1);
	assert_int_equal(errno, EIO);
	fake_set_offline(fixture->account, false);

	fake_set_hold(fixture->account, true);
	pthread_create(&listing.id, NULL, listing_run, &listing);
	assert_true(wait_until(listing_waits, fixture->account));
	assert_int_equal(count_entries(fixture->point), 3);
	assert_int_equal(stat(listing.path, &stat_buf), 0);
	fake_fail_all(fixture->account, -ETIMEDOUT);
	pthread_join(listing.id, NULL);
	assert_int_equal(listing.result, -ETIMEDOUT);

	/* A name that is known from elsewhere works before any ls. */
	fake_set_hold(fixture->account, false);
	assert_int_equal(check_message(path, 50), 0);
	assert_int_equal(count_entries(listing.path), 500);
	free(path);
	free(listing.path);
}

/* A listing that is read while it comes. */
struct trickle {
	pthread_t id;
	char *path;
	atomic_int seen; /* messages */
	int wanted;
	int error; /* of the last readdir */
};

static void *trickle_run(void *ctx)
{
	struct trickle *trickle = ctx;
	DIR *dir = opendir(trickle->path);
	struct dirent *entry;

	errno = 0;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			atomic_fetch_add(&trickle->seen, 1);
	trickle->error = errno;
	if (dir)
		closedir(dir);
	return NULL;
}

static bool trickle_has(void *ctx)
{
	struct trickle *trickle = ctx;

	return atomic_load(&trickle->seen) == trickle->wanted;
}

static void trickle_more(
	struct fixture *fixture, struct trickle *trickle, int to, bool complete)
{
	const struct account_events *events = fixture->account->events;
	int64_t folder = folder_id(fixture, "Unlisted");
	struct store_changes changes = add_messages(
		fixture, folder, (uint32_t)trickle->wanted + 1, (uint32_t)to, complete);

	trickle->wanted = to;
	events->folder_changed(events->ctx, folder, &changes);
	store_changes_finish(&changes);
	assert_true(wait_until(trickle_has, trickle));
}

static void trickle_begin(struct fixture *fixture, struct trickle *trickle)
{
	atomic_store(&trickle->seen, 0);
	pthread_create(&trickle->id, NULL, trickle_run, trickle);
	assert_true(wait_until(listing_waits, fixture->account));
}

/* What came is given out at once; an end that did not come is an error, and no end. */
static void test_listing_in_pieces(void **state)
{
	struct fixture *fixture = *state;
	struct trickle trickle = {.wanted = 0};

	NEED_MOUNT(fixture);
	trickle.path = path_of(fixture, "Unlisted");
	fake_set_hold(fixture->account, true);
	trickle_begin(fixture, &trickle);
	trickle_more(fixture, &trickle, 100, false);
	trickle_more(fixture, &trickle, 700, false);
	assert_true(wait_until(listing_waits, fixture->account));
	fake_fail_all(fixture->account, -ETIMEDOUT);
	pthread_join(trickle.id, NULL);
	assert_int_equal(trickle.error, ETIMEDOUT);
	assert_int_equal(trickle.seen, 700);

	/* Whoever comes now gets what is there, and waits for the rest. */
	trickle_begin(fixture, &trickle);
	assert_true(wait_until(trickle_has, &trickle));
	trickle_more(fixture, &trickle, 800, false);
	trickle_more(fixture, &trickle, 900, true);
	pthread_join(trickle.id, NULL);
	assert_int_equal(trickle.error, 0);
	assert_int_equal(count_entries(trickle.path), 900);
	fake_set_hold(fixture->account, false);
	free(trickle.path);
}

static void test_unlisted_interrupted(void **state)
{
	struct fixture *fixture = *state;
	char *path;
	pid_t pid;
	int64_t start;

	NEED_MOUNT(fixture);
	path = path_of(fixture, "Unlisted");
	fake_set_hold(fixture->account, true);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execlp("ls", "ls", path, (char *)NULL);
		_exit(127);
	}
	assert_true(wait_until(listing_waits, fixture->account));
	start = clock_now_ms();
	kill(pid, SIGINT);
	waitpid(pid, NULL, 0);
	assert_true(clock_now_ms() - start < 1000);
	free(path);
}

struct want {
	char *path;
	int entries;
	bool there;
};

static bool has_entries(void *ctx)
{
	struct want *want = ctx;

	return count_entries(want->path) == want->entries;
}

static bool is_there(void *ctx)
{
	struct want *want = ctx;
	struct stat stat_buf;

	return (stat(want->path, &stat_buf) == 0) == want->there;
}

static void drop_above(struct fixture *fixture, int64_t folder, uint32_t keep, uint32_t last)
{
	struct store_batch *batch = store_batch_create(fixture->store, folder);
	struct store_batch_end end = {.last_uid = last, .complete = true};
	struct store_changes changes = {0};
	const struct account_events *events = fixture->account->events;

	for (uint32_t uid = 1; uid <= keep; uid++)
		store_batch_keep(batch, uid, 0);
	store_batch_drop_unkept(batch, last);
	assert_int_equal(store_batch_commit(batch, &end, &changes, NULL), 0);
	events->folder_changed(events->ctx, folder, &changes);
	store_changes_finish(&changes);
	store_batch_destroy(batch);
}

static void test_messages_come_and_go(void **state)
{
	struct fixture *fixture = *state;
	const struct account_events *events;
	struct store_changes changes;
	struct want want = {.entries = 310}, gone = {.there = false};
	int64_t inbox;

	NEED_MOUNT(fixture);
	events = fixture->account->events;
	inbox = folder_id(fixture, "INBOX");
	want.path = path_of(fixture, "INBOX");
	gone.path = path_in(fixture, "INBOX", 305);
	assert_int_equal(count_entries(want.path), 300);
	assert_true(is_there(&gone)); /* that it is not there */
	changes = add_messages(fixture, inbox, 301, 310, true);
	events->folder_changed(events->ctx, inbox, &changes);
	store_changes_finish(&changes);
	assert_true(wait_until(has_entries, &want));
	assert_int_equal(check_message(gone.path, 305), 0);

	drop_above(fixture, inbox, 300, 310);
	want.entries = 300;
	assert_true(wait_until(is_there, &gone));
	assert_true(wait_until(has_entries, &want));
	free(want.path);
	free(gone.path);
}

/* A reply that was made before the change and arrives behind the notification does not stand.
 */
static void test_late_reply(void **state)
{
	struct fixture *fixture = *state;
	const struct account_events *events;
	struct store_changes changes = {.added = 1};
	struct want want = {.entries = 300};
	int64_t inbox;

	NEED_MOUNT(fixture);
	events = fixture->account->events;
	inbox = folder_id(fixture, "INBOX");
	want.path = path_of(fixture, "INBOX");
	assert_true(has_entries(&want));
	events->folder_changed(events->ctx, inbox, &changes);
	usleep(100000);
	assert_true(has_entries(&want)); /* the listing of before, kept by the kernel */
	changes = add_messages(fixture, inbox, 301, 310, true);
	store_changes_finish(&changes);
	want.entries = 310;
	assert_true(wait_until(has_entries, &want));
	free(want.path);
}

/* A whole new set of messages under the old UIDs: other inodes under the same names. */
static void test_reset(void **state)
{
	struct fixture *fixture = *state;
	const struct account_events *events;
	struct store_changes changes;
	struct want want = {.entries = 20}, gone = {.there = false};
	struct stat before, after;
	char *kept, *held, byte;
	int64_t inbox;
	int fd;

	NEED_MOUNT(fixture);
	events = fixture->account->events;
	inbox = folder_id(fixture, "INBOX");
	want.path = path_of(fixture, "INBOX");
	kept = path_in(fixture, "INBOX", 10);
	held = path_in(fixture, "INBOX", 11);
	gone.path = path_in(fixture, "INBOX", 200);
	assert_int_equal(count_entries(want.path), 300);
	assert_int_equal(stat(kept, &before), 0);
	fd = open(held, O_RDONLY); /* its name stays in use in the kernel */
	assert_true(fd >= 0);

	assert_int_equal(store_folder_new_epoch(fixture->store, inbox, 77, NULL), 0);
	events->folder_reset(events->ctx, inbox);
	changes = add_messages(fixture, inbox, 1, 20, true);
	events->folder_changed(events->ctx, inbox, &changes);
	store_changes_finish(&changes);

	assert_true(wait_until(is_there, &gone));
	assert_true(wait_until(has_entries, &want));
	assert_int_equal(stat(kept, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(check_message(kept, 10), 0);
	/* The open one belongs to a message that is no more; its name is the new one's. */
	assert_int_equal(pread(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ESTALE);
	assert_int_equal(check_message(held, 11), 0);
	close(fd);
	free(want.path);
	free(gone.path);
	free(kept);
	free(held);
}

static void test_folders_come_and_go(void **state)
{
	static const char *const other[] = {"INBOX", "New"};
	struct fixture *fixture = *state;
	const struct account_events *events;
	struct want old = {.there = false}, new = {.there = true}, back = {.there = true};
	struct want root = {.entries = 2};

	NEED_MOUNT(fixture);
	events = fixture->account->events;
	root.path = fixture->point;
	old.path = path_of(fixture, "Archive/Old");
	new.path = path_of(fixture, "New");
	assert_int_equal(count_entries(fixture->point), 3);
	old.there = true;
	assert_true(is_there(&old));
	set_folders(fixture, other, 2);
	events->folders_changed(events->ctx);
	old.there = false;
	assert_true(wait_until(is_there, &old));
	assert_true(wait_until(is_there, &new));
	assert_true(wait_until(has_entries, &root));
	/* And back: the same inode number, alive again. */
	set_folders(fixture, fixture_folders, 3);
	events->folders_changed(events->ctx);
	back.path = old.path;
	assert_true(wait_until(is_there, &back));
	root.entries = 3;
	assert_true(wait_until(has_entries, &root));
	free(old.path);
	free(new.path);
}

/* Whoever lists, reads and stats meanwhile: never an error but that of what is gone, and exact
 * in the end. */
struct walker {
	pthread_t id;
	struct fixture *fixture;
	char *path;
	_Atomic bool stop;
	int bad;
};

static void *walker_run(void *ctx)
{
	struct walker *walker = ctx;
	unsigned seed = (unsigned)(uintptr_t)walker;

	while (!walker->stop) {
		uint32_t uid = 301 + (uint32_t)rand_r(&seed) % 600;
		char *path = path_in(walker->fixture, "INBOX", uid);
		int entries = count_entries(walker->path), result;

		if (entries < 300)
			walker->bad = entries ? entries : -1;
		result = check_message(path, uid);
		/* 3: it went between read and stat. */
		if (result && result != -ENOENT && result != -ESTALE && result != 3)
			walker->bad = result;
		free(path);
	}
	return NULL;
}

static void test_changes_under_walkers(void **state)
{
	struct fixture *fixture = *state;
	const struct account_events *events;
	struct walker walkers[4] = {0};
	struct want want = {.entries = 300};
	int64_t inbox;

	NEED_MOUNT(fixture);
	events = fixture->account->events;
	inbox = folder_id(fixture, "INBOX");
	want.path = path_of(fixture, "INBOX");
	for (size_t i = 0; i < 4; i++) {
		walkers[i].fixture = fixture;
		walkers[i].path = want.path;
		pthread_create(&walkers[i].id, NULL, walker_run, &walkers[i]);
	}
	for (int round = 0; round < 60; round++) {
		uint32_t first = 301 + 10 * (uint32_t)round;
		struct store_changes changes =
			add_messages(fixture, inbox, first, first + 9, true);

		events->folder_changed(events->ctx, inbox, &changes);
		store_changes_finish(&changes);
		usleep(5000);
		drop_above(fixture, inbox, 300, first + 9);
	}
	for (size_t i = 0; i < 4; i++) {
		walkers[i].stop = true;
		pthread_join(walkers[i].id, NULL);
	}
	/* All of them are gone before the first may fail: they walk on this stack. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(walkers[i].bad, 0);
	assert_true(wait_until(has_entries, &want));
	for (uint32_t uid = 301; uid <= 900; uid++) {
		struct want ghost = {.path = path_in(fixture, "INBOX", uid), .there = false};

		assert_true(wait_until(is_there, &ghost));
		free(ghost.path);
	}
	free(want.path);
}

/* The end while everybody is at work, and the mount still there: it does not hang. */
static void test_stop_under_walkers(void **state)
{
	struct fixture *fixture = *state;
	const struct account_events *events;
	struct walker walkers[4] = {0};
	int64_t inbox, start;
	char *path;

	NEED_MOUNT(fixture);
	events = fixture->account->events;
	inbox = folder_id(fixture, "INBOX");
	path = path_of(fixture, "INBOX");
	for (size_t i = 0; i < 4; i++) {
		walkers[i].fixture = fixture;
		walkers[i].path = path;
		pthread_create(&walkers[i].id, NULL, walker_run, &walkers[i]);
	}
	for (uint32_t round = 0; round < 40; round++) {
		uint32_t first = 301 + 10 * round;
		struct store_changes changes =
			add_messages(fixture, inbox, first, first + 9, true);

		events->folder_changed(events->ctx, inbox, &changes);
		store_changes_finish(&changes);
		drop_above(fixture, inbox, 300, first + 9);
		if (round == 30)
			fs_stop(fixture->fs);
	}
	start = clock_now_ms();
	fixture_end(fixture);
	assert_true(clock_now_ms() - start < 20000);
	for (size_t i = 0; i < 4; i++) {
		walkers[i].stop = true;
		pthread_join(walkers[i].id, NULL);
	}
	free(path);
}

static void test_status_document(void **state)
{
	struct fixture *fixture = *state;
	struct stat stat_buf;
	char *path, *data;
	size_t len = 0;

	NEED_MOUNT(fixture);
	path = path_of(fixture, ".mountmail/status.json");
	assert_int_equal(read_all(path, &data, &len), 0);
	assert_int_equal(stat(path, &stat_buf), 0);
	assert_int_equal(stat_buf.st_size, len);
	data[len - 1] = '\0';
	assert_non_null(strstr(data, "\"state\":\"online\""));
	assert_non_null(strstr(data, "\"wire\":[4711]"));
	assert_non_null(strstr(data, "\"path\":\"Archive/Old\""));
	assert_non_null(strstr(data, "\"messages\":300,\"listed\":true"));
	free(data);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_walk, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_xattrs, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refusals, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unlisted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_listing_in_pieces, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_unlisted_interrupted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_messages_come_and_go, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_late_reply, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_reset, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_folders_come_and_go, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_changes_under_walkers, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_stop_under_walkers, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_status_document, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
