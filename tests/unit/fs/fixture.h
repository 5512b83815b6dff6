/*
 * fixture.h - a real mount of a store filled by hand, with fake_account.h behind it.
 * Included by the tests of fs. Skips where /dev/fuse cannot be had, but not with CI=true.
 */
#ifndef MOUNTMAIL_TESTS_FIXTURE_H
#define MOUNTMAIL_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_account.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <mountmail/base/clock.h>
#include <mountmail/fs/control.h>
#include <mountmail/fs/fs.h>
#include <mountmail/view/name.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	char point[96];
	char control[96];
	struct store *store;
	struct journal *journal;
	struct fs *fs;
	struct account *account;
	int control_fd;
	pthread_t server;
	int served;
	bool serving;
	int unmounts; /* how often the host was asked */
	bool last_force;
	int unmount_result;
	unsigned listed; /* how many messages a listing brings */
	uint32_t poison; /* a UID whose body the server cannot give; 0: none */
};

#define FIXTURE_DATE 1714694400 /* 2024-05-03 */

/* What the server has: uid % 10 == 7 is longer than it claims, == 8 shorter. */
static inline size_t claimed_size(uint32_t uid)
{
	return 3000 + uid;
}

static inline size_t true_size(uint32_t uid)
{
	size_t size = claimed_size(uid);

	return uid % 10 == 7 ? size + 100000 : uid % 10 == 8 ? size / 2 : size;
}

static inline char byte_of(uint32_t uid, size_t at)
{
	return (char)('a' + (uid * 7 + at) % 23);
}

static inline int server_body(
	void *ctx, int64_t folder_id, uint32_t uid, char **data_out, size_t *len_out)
{
	const struct fixture *fixture = ctx;
	size_t len = true_size(uid);
	char *data;

	if (uid == fixture->poison)
		return -EIO;
	data = xmalloc(len);
	for (size_t i = 0; i < len; i++)
		data[i] = byte_of(uid, i);
	*data_out = data;
	*len_out = len;
	return 0;
}

static inline void message_name(uint32_t uid, char name[NAME_MAX_BYTES + 1])
{
	name_of_message(uid, FIXTURE_DATE, "alice@example.org", "a subject", name);
}

static inline struct store_changes add_messages(
	struct fixture *fixture, int64_t folder, uint32_t from, uint32_t to, bool complete)
{
	struct store_batch *batch = store_batch_create(fixture->store, folder);
	struct store_batch_end end = {.last_uid = to, .uidnext = to + 1, .complete = complete};
	struct store_changes changes = {0};

	for (uint32_t uid = from; uid <= to; uid++) {
		char subject[] = "a subject", sender[] = "alice@example.org";
		struct mail_message message = {.uid = uid,
			.size = claimed_size(uid),
			.date = FIXTURE_DATE,
			.fields = {.subject = subject, .sender = sender}};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, &changes, NULL), 0);
	store_batch_destroy(batch);
	return changes;
}

static inline int64_t folder_id(struct fixture *fixture, const char *level)
{
	struct store_reader *reader;
	struct store_folder folder;
	int64_t id;

	assert_int_equal(store_reader_create(fixture->store, &reader, NULL), 0);
	assert_int_equal(store_folder_by_level(reader, STORE_ROOT, level, &folder), 0);
	id = folder.id;
	store_folder_finish(&folder);
	store_reader_destroy(reader);
	return id;
}

static inline int server_list(void *ctx, int64_t folder)
{
	struct fixture *fixture = ctx;
	struct store_changes changes;

	if (folder == STORE_ROOT || !fixture->listed)
		return 0;
	changes = add_messages(fixture, folder, 1, fixture->listed, true);
	fixture->account->events->folder_changed(
		fixture->account->events->ctx, folder, &changes);
	store_changes_finish(&changes);
	return 0;
}

static inline void set_folders(struct fixture *fixture, const char *const *paths, size_t count)
{
	struct mail_folder folders[8] = {{0}};

	for (size_t i = 0; i < count; i++) {
		folders[i].raw = xstrdup(paths[i]);
		folders[i].path = xstrdup(paths[i]);
		folders[i].flags = strcmp(paths[i], "INBOX") == 0 ? MAIL_FOLDER_INBOX : 0;
	}
	assert_int_equal(store_folders_replace(fixture->store, folders, count, NULL, NULL), 0);
	for (size_t i = 0; i < count; i++)
		mail_folder_finish(&folders[i]);
}

static inline int host_unmount(void *ctx, bool force, struct error *err)
{
	struct fixture *fixture = ctx;

	fixture->unmounts++;
	fixture->last_force = force;
	if (fixture->unmount_result)
		return error_set(err, -fixture->unmount_result, "files are open");
	return fs_unmount(fixture->fs, force, err);
}

static inline void *fixture_serve(void *ctx)
{
	struct fixture *fixture = ctx;
	struct error err = {0};
	struct fs_host host = {.account = fixture->account,
		.store = fixture->store,
		.journal = fixture->journal,
		.account_name = "work",
		.version = "0.0",
		.control_path = fixture->control,
		.control_fd = fixture->control_fd,
		.view = {.uid = geteuid(),
			.gid = getegid(),
			.umask = 077,
			.mounted = 1700000000},
		.supervisor_pid = 12,
		.unmount = host_unmount,
		.unmount_ctx = fixture};

	fixture->served = fs_serve(fixture->fs, &host, &err);
	if (fixture->served < 0)
		fprintf(stderr, "fs_serve: %s\n", err.text);
	return NULL;
}

static inline int fixture_remove(
	const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

/* Whether mounting is possible here at all. */
static inline bool fixture_can_mount(void)
{
	const char *ci = getenv("CI");

	return access("/dev/fuse", R_OK | W_OK) == 0 || (ci && strcmp(ci, "true") == 0);
}

static inline void fixture_files(struct fixture *fixture)
{
	strcpy(fixture->dir, "/tmp/mm-fs-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->point, sizeof(fixture->point), "%s/mail", fixture->dir);
	snprintf(fixture->control, sizeof(fixture->control), "%s/control", fixture->dir);
	assert_int_equal(mkdir(fixture->point, 0700), 0);
}

static const char *const fixture_folders[] = {"INBOX", "Archive\nOld", "Unlisted"};

static inline int fixture_setup_as(void **state, const char *options)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	struct fs_conf conf = {
		.mountpoint = fixture->point, .source = "imaps://a@b,c", .options = options};
	struct error err = {0};
	char cache[96], journal[96];

	*state = fixture;
	if (!fixture_can_mount())
		return 0;
	fixture_files(fixture);
	snprintf(cache, sizeof(cache), "%s/cache", fixture->dir);
	assert_int_equal(store_open(cache, "imaps://a@b", 0, &fixture->store, &err), 0);
	snprintf(journal, sizeof(journal), "%s/state", fixture->dir);
	assert_int_equal(mkdir(journal, 0700), 0);
	assert_int_equal(journal_open(journal, "imaps://a@b", &fixture->journal, &err), 0);
	store_hide_by(fixture->store, fixture->journal);
	set_folders(fixture, fixture_folders, 3);
	add_messages(fixture, folder_id(fixture, "INBOX"), 1, 300, true);
	fixture->control_fd = control_listen(fixture->control, &err);
	assert_true(fixture->control_fd >= 0);
	if (fs_mount(&conf, &fixture->fs, &err) < 0)
		fail_msg("%s", err.text);
	fixture->account =
		fake_start(fixture->store, fixture->journal, fs_events(fixture->fs), fixture);
	fixture->account->body = server_body;
	fixture->account->list = server_list;
	assert_int_equal(pthread_create(&fixture->server, NULL, fixture_serve, fixture), 0);
	fixture->serving = true;
	return 0;
}

static inline int fixture_setup(void **state)
{
	return fixture_setup_as(state, "");
}

/* The end of the mount: as in the mail process, then as in the supervisor. */
static inline void fixture_end(struct fixture *fixture)
{
	fs_stop(fixture->fs);
	pthread_join(fixture->server, NULL);
	account_stop(fixture->account);
	fs_unmount(fixture->fs, true, NULL);
	fs_destroy(fixture->fs);
	fixture->fs = NULL;
	store_close(fixture->store);
	journal_close(fixture->journal);
	close(fixture->control_fd);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->fs) {
		fs_unmount(fixture->fs, true, NULL);
		fixture_end(fixture);
	}
	if (fixture->dir[0])
		nftw(fixture->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(fixture);
	return 0;
}

/* First line of every test that needs the mount. */
#define NEED_MOUNT(fixture)                                                                    \
	do {                                                                                   \
		if (!(fixture)->fs)                                                            \
			skip();                                                                \
	} while (0)

static inline char *path_in(struct fixture *fixture, const char *folder, uint32_t uid)
{
	char name[NAME_MAX_BYTES + 1];

	message_name(uid, name);
	return xasprintf("%s/%s/%s", fixture->point, folder, name);
}

static inline bool wait_until(bool (*condition)(void *ctx), void *ctx)
{
	int64_t end = clock_now_ms() + 20000;

	while (!condition(ctx)) {
		if (clock_now_ms() > end)
			return false;
		usleep(2000);
	}
	return true;
}

/* The whole file; owned. -errno in *len_out's place as the result. */
static inline int read_all(const char *path, char **data_out, size_t *len_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	size_t len = 0, cap = 0;
	ssize_t n;

	*data_out = NULL;
	if (fd < 0)
		return -errno;
	do {
		if (cap - len < 65536) {
			cap += 131072;
			data = xrealloc(data, cap);
		}
		n = read(fd, data + len, 50000);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	n = n < 0 ? -errno : 0;
	close(fd);
	*data_out = data;
	*len_out = len;
	return (int)n;
}

/* 0 when the file is what the server has; else what is wrong. */
static inline int check_message(const char *path, uint32_t uid)
{
	struct stat stat_buf;
	char *data;
	size_t len = 0;
	int result = read_all(path, &data, &len);

	for (size_t i = 0; result == 0 && i < len; i++)
		if (data[i] != byte_of(uid, i))
			result = 1;
	if (result == 0 && len != true_size(uid))
		result = 2;
	if (result == 0 && (stat(path, &stat_buf) < 0 || stat_buf.st_size != (off_t)len))
		result = 3;
	free(data);
	return result;
}

static inline int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return -errno;
	while (errno = 0, (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (errno)
		count = -errno;
	closedir(dir);
	return count;
}

#endif
