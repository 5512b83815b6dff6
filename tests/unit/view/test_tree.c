/*
 * test_tree.c - the tree as the kernel asks for it, out of a real store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/mail/flags.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/folders.h>
#include <mountmail/store/journal.h>
#include <mountmail/store/messages.h>
#include <mountmail/view/inode.h>
#include <mountmail/view/name.h>
#include <mountmail/view/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DATE 1714754462 /* 2024-05-03 */
#define LONG_300                                                                               \
	"0123456789abcdefghijklmnopqrstuvwxyz01234567890123456789abcdefghijklmnopqrstuvwxyz"   \
	"0123456789abcdefghijklmnopqrstuvwxyz01234567890123456789abcdefghijklmnopqrstuvwxyz"   \
	"0123456789abcdefghijklmnopqrstuvwxyz01234567890123456789abcdefghijklmnopqrstuvwxyz"   \
	"0123456789abcdefghijklmnopqrstuvwxyz01234567890123456789"

struct fixture {
	char dir[64];
	struct store *store;
	struct journal *journal;
	struct store_reader *reader;
	struct view *view;
};

static const struct view_conf conf = {
	.uid = 1000, .gid = 100, .umask = 077, .mounted = 1234567};

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	struct error err = {0};

	strcpy(fixture->dir, "/tmp/mm-view-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	if (store_open(fixture->dir, "imaps://a@b", 0, &fixture->store, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(
		journal_open(fixture->dir, "imaps://a@b", &fixture->journal, &err), 0);
	store_hide_by(fixture->store, fixture->journal);
	assert_int_equal(store_reader_create(fixture->store, &fixture->reader, &err), 0);
	fixture->view = view_create(fixture->reader, &conf);
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

	view_destroy(fixture->view);
	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	journal_close(fixture->journal);
	nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

static void make_folders(struct fixture *fixture, const char *const *paths, size_t count)
{
	struct mail_folder *folders = xcalloc(count, sizeof(*folders));

	for (size_t i = 0; i < count; i++) {
		folders[i].raw = xstrdup(paths[i]);
		folders[i].path = xstrdup(paths[i]);
	}
	assert_int_equal(store_folders_replace(fixture->store, folders, count, NULL, NULL), 0);
	for (size_t i = 0; i < count; i++)
		mail_folder_finish(&folders[i]);
	free(folders);
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

/* Messages from..to, every one with the same sender and subject. */
static void add(struct fixture *fixture, int64_t folder, uint32_t from, uint32_t to)
{
	struct store_batch *batch = store_batch_create(fixture->store, folder);
	struct store_batch_end end = {.last_uid = to, .complete = true};

	for (uint64_t uid = from; uid <= to; uid++) {
		char subject[] = "Budget review", sender[] = "alice@example.org";
		struct mail_message message = {.uid = (uint32_t)uid,
			.size = 1000 + uid,
			.date = DATE,
			.fields = {.subject = subject, .sender = sender}};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
}

/* Leaves only those of kept. */
static void keep_only(struct fixture *fixture, int64_t folder, const uint32_t *kept,
	size_t count, uint32_t last_uid)
{
	struct store_batch *batch = store_batch_create(fixture->store, folder);
	struct store_batch_end end = {.complete = true};

	for (size_t i = 0; i < count; i++)
		store_batch_keep(batch, kept[i], 0);
	store_batch_drop_unkept(batch, last_uid);
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
}

/* What a listing gave: names with their cookies and inodes, in order. */
struct seen {
	char names[700][NAME_MAX_BYTES + 1];
	struct view_entry entries[700];
	uint64_t cookies[700];
	size_t count;
	size_t stop_at; /* refuses the entry that would be this one */
};

static bool see(void *ctx, const char *name, const struct view_entry *entry, uint64_t cookie)
{
	struct seen *seen = ctx;

	if (seen->count == seen->stop_at)
		return false;
	assert_true(seen->count < COUNT(seen->names));
	assert_true(cookie != 0 && cookie <= INT64_MAX);
	strcpy(seen->names[seen->count], name);
	seen->entries[seen->count] = *entry;
	seen->cookies[seen->count++] = cookie;
	return true;
}

static struct seen *list_from(
	struct fixture *fixture, uint64_t inode, uint64_t cookie, size_t stop_at)
{
	struct seen *seen = xcalloc(1, sizeof(*seen));

	seen->stop_at = stop_at;
	assert_int_equal(view_list(fixture->view, inode, cookie, see, seen), 0);
	return seen;
}

static struct seen *list(struct fixture *fixture, uint64_t inode)
{
	return list_from(fixture, inode, 0, SIZE_MAX);
}

static uint64_t lookup(struct fixture *fixture, uint64_t parent, const char *name)
{
	struct view_entry entry, again;
	int result = view_lookup(fixture->view, parent, name, &entry);

	if (result < 0)
		fail_msg("%s: %s", name, strerror(-result));
	assert_int_equal(view_get(fixture->view, entry.stat.st_ino, &again), 0);
	assert_memory_equal(&entry.stat, &again.stat, sizeof(entry.stat));
	assert_true(entry.folder_id == again.folder_id && entry.uid == again.uid &&
		    entry.message == again.message);
	return entry.stat.st_ino;
}

#define assert_no_entry(fixture, parent, name, code)                                           \
	do {                                                                                   \
		struct view_entry no_entry;                                                    \
		assert_int_equal(view_lookup((fixture)->view, parent, name, &no_entry), code); \
	} while (0)

static const char *const inbox[] = {"INBOX"};
#define MESSAGE_7 "2024-05-03_alice@example.org_Budget-review.7.eml"

static void test_empty_account(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry entry;
	struct seen *seen = list(fixture, INODE_ROOT);
	int64_t id;

	assert_int_equal(seen->count, 2);
	assert_string_equal(seen->names[0], ".");
	assert_string_equal(seen->names[1], "..");
	assert_int_equal(seen->entries[1].stat.st_ino, INODE_ROOT);
	free(seen);
	assert_int_equal(view_get(fixture->view, INODE_ROOT, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFDIR | 0700);
	assert_int_equal(entry.stat.st_mtim.tv_sec, conf.mounted);
	assert_int_equal(view_list_ready(fixture->view, INODE_ROOT, &id), 0);
}

static void test_control_directory(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry entry;
	uint64_t behind_last;
	struct seen *seen;
	int64_t id;

	make_folders(fixture, inbox, 1);
	assert_int_equal(lookup(fixture, INODE_ROOT, ".mountmail"), INODE_CONTROL_DIR);
	assert_int_equal(lookup(fixture, INODE_CONTROL_DIR, "status.json"), INODE_STATUS);
	assert_int_equal(lookup(fixture, INODE_CONTROL_DIR, "queue.json"), INODE_QUEUE);
	assert_no_entry(fixture, INODE_CONTROL_DIR, "other", -ENOENT);
	assert_no_entry(fixture, INODE_CONTROL_DIR, "INBOX", -ENOENT);
	assert_no_entry(fixture, INODE_STATUS, "x", -ENOTDIR);
	assert_no_entry(fixture, lookup(fixture, INODE_ROOT, "INBOX"), ".mountmail", -ENOENT);
	assert_int_equal(view_get(fixture->view, INODE_CONTROL_DIR, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFDIR | 0500);
	assert_int_equal(view_get(fixture->view, INODE_STATUS, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFREG | 0400);
	assert_int_equal(entry.stat.st_mtim.tv_sec, conf.mounted);
	assert_int_equal(view_list_ready(fixture->view, INODE_CONTROL_DIR, &id), 0);
	assert_int_equal(view_list_ready(fixture->view, INODE_STATUS, &id), -ENOTDIR);
	seen = list(fixture, INODE_ROOT);
	assert_int_equal(seen->count, 3);
	assert_string_equal(seen->names[2], "INBOX");
	free(seen);
	seen = list(fixture, INODE_CONTROL_DIR);
	assert_int_equal(seen->count, 4);
	assert_int_equal(seen->entries[0].stat.st_ino, INODE_CONTROL_DIR);
	assert_int_equal(seen->entries[1].stat.st_ino, INODE_ROOT);
	assert_string_equal(seen->names[2], "status.json");
	assert_int_equal(seen->entries[2].stat.st_ino, INODE_STATUS);
	assert_string_equal(seen->names[3], "queue.json");
	assert_int_equal(seen->entries[3].stat.st_ino, INODE_QUEUE);
	behind_last = seen->cookies[2];
	free(seen);
	seen = list_from(fixture, INODE_CONTROL_DIR, behind_last, SIZE_MAX);
	assert_int_equal(seen->count, 1);
	behind_last = seen->cookies[0];
	free(seen);
	seen = list_from(fixture, INODE_CONTROL_DIR, behind_last, SIZE_MAX);
	assert_int_equal(seen->count, 0);
	free(seen);
}

static void test_message_stat(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry entry;
	uint64_t inbox_inode, old;
	struct body_writer *writer;
	int64_t id;

	make_folders(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 7, 7);
	inbox_inode = lookup(fixture, INODE_ROOT, "INBOX");
	assert_int_equal(view_lookup(fixture->view, inbox_inode, MESSAGE_7, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFREG | 0400);
	assert_int_equal(entry.stat.st_nlink, 1);
	assert_int_equal(entry.stat.st_uid, 1000);
	assert_int_equal(entry.stat.st_gid, 100);
	assert_int_equal(entry.stat.st_size, 1007);
	assert_int_equal(entry.stat.st_blocks, 2);
	assert_int_equal(entry.stat.st_mtim.tv_sec, DATE);
	assert_int_equal(entry.stat.st_ctim.tv_sec, DATE);
	assert_true(
		entry.message && !entry.verified && entry.uid == 7 && entry.folder_id == id);
	writer = body_writer_create(fixture->store);
	assert_int_equal(body_append(writer, "hello", 5), 0);
	assert_int_equal(body_commit(writer, id, 7, &old, NULL), 0);
	body_writer_destroy(writer);
	assert_int_equal(view_get(fixture->view, entry.stat.st_ino, &entry), 0);
	assert_true(entry.verified);
	assert_int_equal(entry.stat.st_size, 5);
	assert_int_equal(entry.stat.st_blocks, 1);
	assert_int_equal(entry.stat.st_mtim.tv_sec, DATE);
}

static void test_directory_stat(void **state)
{
	struct fixture *fixture = *state;
	struct store_folder folder;
	struct view_entry entry;
	uint64_t inode;
	int64_t id;

	make_folders(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	assert_int_equal(store_folder_by_id(fixture->reader, id, &folder), 0);
	assert_int_equal(view_get(fixture->view, inode, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFDIR | 0700);
	assert_int_equal(entry.stat.st_mtim.tv_sec, folder.mtime);
	assert_int_equal(entry.stat.st_ctim.tv_sec, folder.mtime);
	assert_true(!entry.message && entry.folder_id == id);
	store_folder_finish(&folder);
	assert_int_equal(view_get(fixture->view, INODE_ROOT, &entry), 0);
	assert_true(entry.stat.st_mtim.tv_sec > conf.mounted); /* the tree's, not the mount's */
	assert_true(entry.folder_id == STORE_ROOT);
}

static void test_umask(void **state)
{
	struct fixture *fixture = *state;
	struct view_conf wide = conf;
	struct view_entry entry;
	struct view *view;

	make_folders(fixture, inbox, 1);
	add(fixture, folder_id(fixture, STORE_ROOT, "INBOX"), 7, 7);
	wide.umask = 027;
	view = view_create(fixture->reader, &wide);
	assert_int_equal(view_lookup(view, INODE_ROOT, "INBOX", &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFDIR | 0750);
	assert_int_equal(view_lookup(view, entry.stat.st_ino, MESSAGE_7, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFREG | 0440);
	assert_int_equal(view_get(view, INODE_CONTROL_DIR, &entry), 0);
	assert_int_equal(entry.stat.st_mode, S_IFDIR | 0550);
	view_destroy(view);
}

static void test_lookup_misses(void **state)
{
	struct fixture *fixture = *state;
	uint64_t inbox_inode, message;
	struct view_entry entry;

	make_folders(fixture, inbox, 1);
	add(fixture, folder_id(fixture, STORE_ROOT, "INBOX"), 7, 7);
	inbox_inode = lookup(fixture, INODE_ROOT, "INBOX");
	message = lookup(fixture, inbox_inode, MESSAGE_7);
	assert_no_entry(fixture, inbox_inode,
		"2024-05-03_alice@example.org_Budget-review.8.eml", -ENOENT);
	assert_no_entry(
		fixture, inbox_inode, "2024-05-03_mallory@example.org_x.7.eml", -ENOENT);
	assert_no_entry(fixture, inbox_inode, "x.7.eml", -ENOENT);
	assert_no_entry(fixture, inbox_inode, "INBOX", -ENOENT);
	assert_no_entry(fixture, INODE_ROOT, MESSAGE_7, -ENOENT);
	assert_no_entry(fixture, INODE_ROOT, "inbox", -ENOENT);
	assert_no_entry(fixture, INODE_ROOT, "%49NBOX", -ENOENT);
	assert_no_entry(fixture, INODE_ROOT, "", -ENOENT);
	assert_no_entry(fixture, INODE_ROOT, LONG_300, -ENOENT);
	assert_no_entry(fixture, message, "x", -ENOTDIR);
	assert_no_entry(fixture, inode_of_folder(12345), "x", -ENOENT);
	assert_int_equal(view_get(fixture->view, 0, &entry), -ENOENT);
	assert_int_equal(view_get(fixture->view, INODE_QUEUE + 1, &entry), -ENOENT);
	assert_int_equal(view_get(fixture->view, UINT64_MAX, &entry), -ENOENT);
	assert_int_equal(view_get(fixture->view, message + 1, &entry), -ENOENT);
	assert_int_equal(view_get(fixture->view, inode_of_folder(12345), &entry), -ENOENT);
	assert_int_equal(view_get(fixture->view, inode_of_message(12345, 7), &entry), -ENOENT);
}

static void test_odd_folders(void **state)
{
	static const char *const levels[] = {".", "..", ".mountmail", "a/b", "x.12.eml",
		"x.12%2Eeml", "-rf", "caf\xe9", "e\u0301", "\u00e9", "\x01&raw", "a%2Fb",
		LONG_300 "1", LONG_300 "2",
		("\u202e"
		 "fdp"),
		"Tom & Jerry", "日本語", "\x1b[2J"};
	struct fixture *fixture = *state;
	struct seen *seen;

	make_folders(fixture, levels, COUNT(levels));
	seen = list(fixture, INODE_ROOT);
	assert_int_equal(seen->count, 2 + COUNT(levels));
	for (size_t i = 2; i < seen->count; i++) {
		uint64_t inode = lookup(fixture, INODE_ROOT, seen->names[i]);
		int64_t id;

		assert_true(name_is_safe(seen->names[i], strlen(seen->names[i])));
		assert_int_equal(inode, seen->entries[i].stat.st_ino);
		for (size_t j = 2; j < i; j++)
			assert_string_not_equal(seen->names[i], seen->names[j]);
		assert_int_equal(view_folder_by_path(fixture->view, seen->names[i], &id), 0);
		assert_true(id == seen->entries[i].folder_id);
	}
	free(seen);
}

static void test_list_order_and_parents(void **state)
{
	static const char *const paths[] = {"INBOX", "A\nB", "A\nC", "A\nB\nD", "A"};
	struct fixture *fixture = *state;
	struct view_entry root, a_entry;
	struct seen *seen;
	uint64_t a, b;

	make_folders(fixture, paths, COUNT(paths));
	a = lookup(fixture, INODE_ROOT, "A");
	b = lookup(fixture, a, "B");
	add(fixture, folder_id(fixture, STORE_ROOT, "A"), 1, 3);
	seen = list(fixture, a);
	assert_int_equal(seen->count, 7);
	assert_int_equal(seen->entries[0].stat.st_ino, a);
	assert_int_equal(seen->entries[1].stat.st_ino, INODE_ROOT);
	assert_string_equal(seen->names[2], "B");
	assert_string_equal(seen->names[3], "C");
	assert_int_equal(seen->entries[4].uid, 1);
	assert_int_equal(seen->entries[6].uid, 3);
	for (size_t i = 1; i < seen->count; i++)
		assert_true(seen->cookies[i - 1] < seen->cookies[i]);
	free(seen);
	seen = list(fixture, b);
	assert_int_equal(view_get(fixture->view, a, &a_entry), 0);
	assert_memory_equal(&seen->entries[1].stat, &a_entry.stat, sizeof(a_entry.stat));
	free(seen);
	seen = list(fixture, INODE_ROOT);
	assert_int_equal(view_get(fixture->view, INODE_ROOT, &root), 0);
	assert_memory_equal(&seen->entries[0].stat, &root.stat, sizeof(root.stat));
	free(seen);
}

/* However small the pieces, the whole is the same, and each is given exactly once. */
static void test_list_in_pieces(void **state)
{
	static const char *const paths[] = {"INBOX", "INBOX\nB", "INBOX\nC", "INBOX\nD"};
	struct fixture *fixture = *state;
	struct seen *whole;
	uint64_t inode;

	make_folders(fixture, paths, COUNT(paths));
	add(fixture, folder_id(fixture, STORE_ROOT, "INBOX"), 1, 600);
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	whole = list(fixture, inode);
	assert_int_equal(whole->count, 605);
	for (size_t piece = 1; piece < 606; piece += piece < 8 ? 1 : 149) {
		uint64_t cookie = 0;
		size_t at = 0, count;

		do {
			struct seen *seen = list_from(fixture, inode, cookie, piece);

			count = seen->count;
			for (size_t i = 0; i < count; i++, at++) {
				assert_string_equal(seen->names[i], whole->names[at]);
				assert_true(seen->cookies[i] == whole->cookies[at]);
			}
			cookie = count ? seen->cookies[count - 1] : cookie;
			free(seen);
		} while (count);
		assert_int_equal(at, whole->count);
	}
	free(whole);
}

static void test_cookies_outlive_their_entries(void **state)
{
	static const char *const paths[] = {"INBOX", "INBOX\nB", "INBOX\nC"};
	static const char *const fewer[] = {"INBOX", "INBOX\nC"};
	static const uint32_t kept[] = {1, 5};
	struct fixture *fixture = *state;
	uint64_t inode, behind_b, behind_3, behind_last;
	struct seen *seen;
	int64_t id;

	make_folders(fixture, paths, COUNT(paths));
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	add(fixture, id, 1, 5);
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	seen = list(fixture, inode);
	assert_string_equal(seen->names[2], "B");
	behind_b = seen->cookies[2];
	behind_3 = seen->cookies[6];
	behind_last = seen->cookies[8];
	free(seen);
	make_folders(fixture, fewer, COUNT(fewer));
	keep_only(fixture, id, kept, COUNT(kept), 5);
	seen = list_from(fixture, inode, behind_b, SIZE_MAX);
	assert_int_equal(seen->count, 3);
	assert_string_equal(seen->names[0], "C");
	free(seen);
	seen = list_from(fixture, inode, behind_3, SIZE_MAX);
	assert_int_equal(seen->count, 1);
	assert_int_equal(seen->entries[0].uid, 5);
	free(seen);
	add(fixture, id, 6, 6);
	seen = list_from(fixture, inode, behind_last, SIZE_MAX);
	assert_int_equal(seen->count, 1);
	assert_int_equal(seen->entries[0].uid, 6);
	free(seen);
}

static void test_highest_uid(void **state)
{
	struct fixture *fixture = *state;
	uint64_t inode, last;
	struct seen *seen;

	make_folders(fixture, inbox, 1);
	add(fixture, folder_id(fixture, STORE_ROOT, "INBOX"), UINT32_MAX, UINT32_MAX);
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	seen = list(fixture, inode);
	assert_int_equal(seen->count, 3);
	last = seen->cookies[2];
	lookup(fixture, inode, seen->names[2]);
	free(seen);
	seen = list_from(fixture, inode, last, SIZE_MAX);
	assert_int_equal(seen->count, 0);
	free(seen);
	/* None of ours: no way back to the beginning. */
	seen = xcalloc(1, sizeof(*seen));
	assert_int_equal(view_list(fixture->view, inode, last + 1, see, seen), -ESTALE);
	assert_int_equal(view_list(fixture->view, inode, INT64_MAX, see, seen), -ESTALE);
	free(seen);
}

/* A walk that began in one epoch does not go on in the next as if nothing had happened. */
static void test_cookie_of_another_epoch(void **state)
{
	struct fixture *fixture = *state;
	uint64_t inode, behind_dots, behind_first;
	struct seen *seen;
	int64_t id;

	make_folders(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	store_folder_new_epoch(fixture->store, id, 7, NULL);
	add(fixture, id, 1, 3);
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	seen = list(fixture, inode);
	behind_dots = seen->cookies[1];
	behind_first = seen->cookies[2];
	free(seen);
	store_folder_new_epoch(fixture->store, id, 8, NULL);
	add(fixture, id, 1, 3);
	seen = list_from(fixture, inode, behind_dots, SIZE_MAX);
	assert_int_equal(seen->count, 3);
	assert_int_equal(view_list(fixture->view, inode, behind_first, see, seen), -ESTALE);
	free(seen);
}

static void test_list_refusals(void **state)
{
	struct fixture *fixture = *state;
	struct seen *seen = xcalloc(1, sizeof(*seen));
	uint64_t inode;

	make_folders(fixture, inbox, 1);
	add(fixture, folder_id(fixture, STORE_ROOT, "INBOX"), 7, 7);
	inode = lookup(fixture, lookup(fixture, INODE_ROOT, "INBOX"), MESSAGE_7);
	assert_int_equal(view_list(fixture->view, inode, 0, see, seen), -ENOTDIR);
	assert_int_equal(view_list(fixture->view, INODE_STATUS, 0, see, seen), -ENOTDIR);
	assert_int_equal(
		view_list(fixture->view, inode_of_folder(12345), 0, see, seen), -ENOENT);
	assert_int_equal(view_list(fixture->view, 0, 0, see, seen), -ENOENT);
	assert_int_equal(seen->count, 0);
	free(seen);
}

static void test_new_epoch(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry entry;
	uint64_t inode, old, new;
	int64_t id, asked = 0;

	make_folders(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	store_folder_new_epoch(fixture->store, id, 7, NULL);
	add(fixture, id, 7, 7);
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	old = lookup(fixture, inode, MESSAGE_7);
	assert_int_equal(view_list_ready(fixture->view, inode, &asked), 0);
	store_folder_new_epoch(fixture->store, id, 8, NULL);
	assert_int_equal(view_list_ready(fixture->view, inode, &asked), -EAGAIN);
	assert_true(asked == id);
	add(fixture, id, 7, 7);
	assert_int_equal(view_get(fixture->view, old, &entry), -ENOENT);
	new = lookup(fixture, inode, MESSAGE_7);
	assert_true(old != new);
	assert_int_equal(lookup(fixture, INODE_ROOT, "INBOX"), inode);
}

static void test_list_ready(void **state)
{
	static const char *const paths[] = {"A\nB", "INBOX"};
	struct fixture *fixture = *state;
	struct store_batch_end part = {.last_uid = 7};
	struct store_batch *batch;
	uint64_t inode;
	int64_t id, asked = 0;

	make_folders(fixture, paths, COUNT(paths));
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	assert_int_equal(view_list_ready(fixture->view, inode, &asked), -EAGAIN);
	assert_true(asked == id);
	/* Cut off: what is there can be had by name, but it is no whole listing. */
	batch = store_batch_create(fixture->store, id);
	store_batch_add(batch, &(struct mail_message){.uid = 7, .date = DATE});
	assert_int_equal(store_batch_commit(batch, &part, NULL, NULL), 0);
	store_batch_destroy(batch);
	assert_int_equal(view_list_ready(fixture->view, inode, &asked), -EAGAIN);
	assert_no_entry(fixture, inode, MESSAGE_7, -ENOENT);
	lookup(fixture, inode, "2024-05-03.7.eml");
	add(fixture, id, 8, 8);
	assert_int_equal(view_list_ready(fixture->view, inode, &asked), 0);
	/* A folder that is only there for its children has nothing to wait for. */
	assert_int_equal(
		view_list_ready(fixture->view, lookup(fixture, INODE_ROOT, "A"), &asked), 0);
	assert_int_equal(
		view_list_ready(fixture->view, inode_of_folder(12345), &asked), -ENOENT);
}

static void test_bad_message_and_wild_claims(void **state)
{
	struct fixture *fixture = *state;
	struct store_batch_end end = {.last_uid = 2, .complete = true};
	struct store_batch *batch;
	struct view_entry entry;
	uint64_t inode;
	int64_t id;

	make_folders(fixture, inbox, 1);
	id = folder_id(fixture, STORE_ROOT, "INBOX");
	batch = store_batch_create(fixture->store, id);
	store_batch_add(batch, &(struct mail_message){.uid = 1, .bad = 1, .date = DATE});
	store_batch_add(
		batch, &(struct mail_message){.uid = 2, .size = UINT64_MAX, .date = -86400});
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
	inode = lookup(fixture, INODE_ROOT, "INBOX");
	lookup(fixture, inode, "2024-05-03.1.eml");
	assert_int_equal(view_lookup(fixture->view, inode, "1970-01-01.2.eml", &entry), 0);
	assert_true(entry.stat.st_size >= 0 && entry.stat.st_blocks >= 0);
	assert_int_equal(entry.stat.st_mtim.tv_sec, -86400);
}

/* The value as text, "(none)" for -ENODATA. */
static void check_xattr(
	struct fixture *fixture, uint64_t inode, const char *name, const char *want)
{
	char *value = NULL;
	size_t len = 0;
	int result = view_xattr_get(fixture->view, inode, name, &value, &len);

	if (!want) {
		assert_int_equal(result, -ENODATA);
		assert_null(value);
		return;
	}
	assert_int_equal(result, 0);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(value, want, len);
	free(value);
}

static uint64_t add_with_fields(struct fixture *fixture)
{
	char from[] = "Älice <alice@example.org>", to[] = "bob@example.net", empty[] = "",
	     date[] = "Fri, 03 May 2024", id_field[] = "<1@x>";
	struct mail_message message = {.uid = 7,
		.date = DATE,
		.flags = MAIL_FLAG_SEEN | MAIL_FLAG_FLAGGED,
		.fields = {.from = from,
			.to = to,
			.subject = empty,
			.date = date,
			.message_id = id_field}};
	struct store_batch_end end = {.last_uid = 7, .complete = true};
	struct store_batch *batch;

	make_folders(fixture, inbox, 1);
	batch = store_batch_create(fixture->store, folder_id(fixture, STORE_ROOT, "INBOX"));
	store_batch_add(batch, &message);
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
	return lookup(fixture, lookup(fixture, INODE_ROOT, "INBOX"), "2024-05-03.7.eml");
}

static void test_xattrs(void **state)
{
	static const char names[] =
		"user.mail.uid\0user.mail.flags\0user.mail.from\0user.mail.to\0"
		"user.mail.subject\0user.mail.date\0user.mail.message-id";
	struct fixture *fixture = *state;
	uint64_t inode = add_with_fields(fixture);
	char *list_out = NULL;
	size_t len = 0;

	check_xattr(fixture, inode, "user.mail.uid", "7");
	check_xattr(fixture, inode, "user.mail.flags", "\\Seen \\Flagged");
	check_xattr(fixture, inode, "user.mail.from", "Älice <alice@example.org>");
	check_xattr(fixture, inode, "user.mail.to", "bob@example.net");
	check_xattr(fixture, inode, "user.mail.cc", NULL);
	check_xattr(fixture, inode, "user.mail.subject", "");
	check_xattr(fixture, inode, "user.mail.date", "Fri, 03 May 2024");
	check_xattr(fixture, inode, "user.mail.message-id", "<1@x>");
	check_xattr(fixture, inode, "user.mail.", NULL);
	check_xattr(fixture, inode, "user.mail.uid2", NULL);
	check_xattr(fixture, inode, "user.other", NULL);
	assert_int_equal(view_xattr_list(fixture->view, inode, &list_out, &len), 0);
	assert_int_equal(len, sizeof(names));
	assert_memory_equal(list_out, names, len);
	free(list_out);
}

static void test_xattrs_of_others(void **state)
{
	struct fixture *fixture = *state;
	uint64_t inode = add_with_fields(fixture);
	char *out = NULL;
	size_t len = 1;

	check_xattr(fixture, INODE_ROOT, "user.mail.uid", NULL);
	check_xattr(fixture, lookup(fixture, INODE_ROOT, "INBOX"), "user.mail.uid", NULL);
	assert_int_equal(view_xattr_list(fixture->view, INODE_ROOT, &out, &len), 0);
	assert_int_equal(len, 0);
	free(out);
	assert_int_equal(
		view_xattr_get(fixture->view, inode + 1, "user.mail.uid", &out, &len), -ENOENT);
	assert_int_equal(view_xattr_list(fixture->view, inode + 1, &out, &len), -ENOENT);
}

static void test_paths(void **state)
{
	static const char *const paths[] = {
		"INBOX", "A\nx/y\n..", "A\n" LONG_300 "\nend", "日本語\n受信"};
	struct fixture *fixture = *state;
	int64_t id, end;
	char *path;

	make_folders(fixture, paths, COUNT(paths));
	assert_int_equal(view_folder_by_path(fixture->view, "", &id), 0);
	assert_true(id == STORE_ROOT);
	assert_int_equal(view_folder_by_path(fixture->view, "A/x%2Fy/%2E.", &id), 0);
	path = view_folder_path(fixture->view, id);
	assert_string_equal(path, "A/x%2Fy/%2E.");
	free(path);
	assert_int_equal(view_folder_by_path(fixture->view, "/日本語//受信/", &id), 0);
	path = view_folder_path(fixture->view, id);
	assert_string_equal(path, "日本語/受信");
	free(path);
	end = folder_id(fixture, STORE_ROOT, "A");
	end = folder_id(fixture, folder_id(fixture, end, LONG_300), "end");
	path = view_folder_path(fixture->view, end);
	assert_non_null(strstr(path, "%~"));
	assert_int_equal(view_folder_by_path(fixture->view, path, &id), 0);
	assert_true(id == end);
	free(path);
	path = view_folder_path(fixture->view, STORE_ROOT);
	assert_string_equal(path, "");
	free(path);
	assert_null(view_folder_path(fixture->view, 999));
	assert_int_equal(view_folder_by_path(fixture->view, "A/x", &id), -ENOENT);
	assert_int_equal(view_folder_by_path(fixture->view, "A/..", &id), -ENOENT);
	assert_int_equal(view_folder_by_path(fixture->view, ".mountmail", &id), -ENOENT);
	assert_int_equal(view_folder_by_path(fixture->view, "INBOX/INBOX", &id), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_account),
		TEST(test_control_directory),
		TEST(test_message_stat),
		TEST(test_directory_stat),
		TEST(test_umask),
		TEST(test_lookup_misses),
		TEST(test_odd_folders),
		TEST(test_list_order_and_parents),
		TEST(test_list_in_pieces),
		TEST(test_cookies_outlive_their_entries),
		TEST(test_highest_uid),
		TEST(test_cookie_of_another_epoch),
		TEST(test_list_refusals),
		TEST(test_new_epoch),
		TEST(test_list_ready),
		TEST(test_bad_message_and_wild_claims),
		TEST(test_xattrs),
		TEST(test_xattrs_of_others),
		TEST(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
