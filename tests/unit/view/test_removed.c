/*
 * test_removed.c - what the tree shows of messages that were removed and are in the journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
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

#define DATE 1714754462 /* 2024-05-03 */
#define MESSAGE_3 "2024-05-03_alice@example.org_Budget-review.3.eml"
#define MESSAGE_4 "2024-05-03_alice@example.org_Budget-review.4.eml"

struct fixture {
	char dir[64];
	struct store *store;
	struct journal *journal;
	struct store_reader *reader;
	struct view *view;
	int64_t folder;
	uint64_t inbox; /* inode */
	uint64_t epoch;
};

static const struct view_conf conf = {.uid = 1000, .gid = 100, .umask = 077, .mounted = 1234};

static void add_messages(struct fixture *fixture, uint32_t count)
{
	struct store_batch *batch = store_batch_create(fixture->store, fixture->folder);
	struct store_batch_end end = {.last_uid = count, .complete = true};

	for (uint32_t uid = 1; uid <= count; uid++) {
		char subject[] = "Budget review", sender[] = "alice@example.org";
		const struct mail_message message = {.uid = uid,
			.size = 1000 + uid,
			.date = DATE,
			.fields = {.subject = subject, .sender = sender}};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
}

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	char raw[] = "INBOX", parent[] = "Parent", child[] = "Parent/Child",
	     path[] = "Parent\nChild";
	const struct mail_folder folders[] = {{.raw = raw, .path = raw},
		{.raw = parent, .path = parent}, {.raw = child, .path = path}};
	struct view_entry entry;
	struct error err = {0};

	*state = fixture;
	strcpy(fixture->dir, "/tmp/mm-view-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	assert_int_equal(store_open(fixture->dir, "imaps://a@b", 0, &fixture->store, &err), 0);
	if (journal_open(fixture->dir, "imaps://a@b", &fixture->journal, &err) < 0)
		fail_msg("%s", err.text);
	store_hide_by(fixture->store, fixture->journal);
	assert_int_equal(store_reader_create(fixture->store, &fixture->reader, &err), 0);
	fixture->view = view_create(fixture->reader, &conf);
	assert_int_equal(store_folders_replace(fixture->store, folders, 3, NULL, NULL), 0);
	assert_int_equal(view_lookup(fixture->view, INODE_ROOT, "INBOX", &entry), 0);
	fixture->folder = entry.folder_id;
	fixture->inbox = entry.stat.st_ino;
	fixture->epoch = 77;
	assert_int_equal(store_folder_new_epoch(fixture->store, entry.folder_id, 77, &err), 0);
	add_messages(fixture, 5);
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

static void journal_message(struct fixture *fixture, uint64_t epoch, uint32_t uid)
{
	char name[] = "x.eml", none[] = "";
	const struct journal_row row = {.uid = uid,
		.state = JOURNAL_QUEUED,
		.size = 1000 + uid,
		.date = DATE,
		.name = name,
		.at = clock_wall_s(),
		.copy_raw = none,
		.reason = none};

	assert_int_equal(journal_add(fixture->journal, "INBOX", epoch, &row, NULL), 0);
}

struct listed {
	char uids[32]; /* "1 2 4" */
	uint64_t cookie;
	unsigned nlinks;
};

static bool list_one(
	void *ctx, const char *name, const struct view_entry *entry, uint64_t next_cookie)
{
	struct listed *listed = ctx;
	size_t len = strlen(listed->uids);

	if (entry->message) {
		snprintf(listed->uids + len, sizeof(listed->uids) - len, "%s%u", len ? " " : "",
			entry->uid);
		listed->nlinks += (unsigned)entry->stat.st_nlink;
		listed->cookie = next_cookie;
	}
	return true;
}

static void assert_listed(struct fixture *fixture, const char *uids)
{
	struct listed listed = {.cookie = 0};

	assert_int_equal(view_list(fixture->view, fixture->inbox, 0, list_one, &listed), 0);
	assert_string_equal(listed.uids, uids);
	assert_int_equal(listed.nlinks, (strlen(uids) + 1) / 2);
}

static void test_hidden(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry entry, by_inode;
	char *value;
	size_t len;

	assert_int_equal(view_lookup(fixture->view, fixture->inbox, MESSAGE_3, &entry), 0);
	assert_true(entry.epoch == fixture->epoch);
	assert_int_equal(entry.stat.st_nlink, 1);
	journal_message(fixture, fixture->epoch, 3);
	assert_int_equal(
		view_lookup(fixture->view, fixture->inbox, MESSAGE_3, &by_inode), -ENOENT);
	assert_int_equal(view_lookup(fixture->view, fixture->inbox, MESSAGE_4, &by_inode), 0);
	assert_listed(fixture, "1 2 4 5");
	/* Who has it open still has it, without a name. */
	assert_int_equal(view_get(fixture->view, entry.stat.st_ino, &by_inode), 0);
	assert_int_equal(by_inode.stat.st_nlink, 0);
	assert_int_equal(by_inode.stat.st_size, 1003);
	assert_int_equal(view_xattr_get(fixture->view, entry.stat.st_ino, "user.mail.subject",
				 &value, &len),
		0);
	assert_string_equal(value, "Budget review");
	free(value);
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_UNDO, NULL, NULL, NULL, NULL), 1);
	assert_int_equal(view_lookup(fixture->view, fixture->inbox, MESSAGE_3, &by_inode), 0);
	assert_memory_equal(&entry.stat, &by_inode.stat, sizeof(entry.stat));
	assert_listed(fixture, "1 2 3 4 5");
}

/* Held and parked ones are there; one of another epoch is another message. */
static void test_shown(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry entry;
	uint32_t uid = 2;

	journal_message(fixture, fixture->epoch, 2);
	journal_message(fixture, fixture->epoch + 1, 3);
	assert_listed(fixture, "1 3 4 5");
	assert_int_equal(
		journal_settle(fixture->journal, 1, &uid, 1, JOURNAL_HELD, 3, "no"), 0);
	assert_listed(fixture, "1 2 3 4 5");
	assert_int_equal(view_lookup(fixture->view, fixture->inbox, MESSAGE_3, &entry), 0);
	assert_int_equal(entry.stat.st_nlink, 1);
}

static void test_directory_time(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry before, after;
	int64_t now;

	assert_int_equal(view_get(fixture->view, fixture->inbox, &before), 0);
	sleep(1); /* times are whole seconds */
	now = clock_wall_s();
	journal_message(fixture, fixture->epoch, 3);
	assert_int_equal(view_get(fixture->view, fixture->inbox, &after), 0);
	assert_true(after.stat.st_mtim.tv_sec >= now);
	assert_true(after.stat.st_mtim.tv_sec > before.stat.st_mtim.tv_sec);
	assert_int_equal(after.stat.st_ctim.tv_sec, after.stat.st_mtim.tv_sec);
	assert_int_equal(view_lookup(fixture->view, INODE_ROOT, "INBOX", &before), 0);
	assert_memory_equal(&before.stat, &after.stat, sizeof(before.stat));
	/* When the server has it, and the row goes, the time does not go back. */
	assert_int_equal(store_messages_drop(fixture->store, fixture->folder, &(uint32_t){3}, 1,
				 after.stat.st_mtim.tv_sec, NULL),
		0);
	assert_int_equal(journal_confirm(fixture->journal, 1, &(uint32_t){3}, 1), 0);
	assert_int_equal(view_get(fixture->view, fixture->inbox, &before), 0);
	assert_true(before.stat.st_mtim.tv_sec >= after.stat.st_mtim.tv_sec);
	assert_listed(fixture, "1 2 4 5");
}

static void test_empty(void **state)
{
	struct fixture *fixture = *state;
	struct view_entry parent, child, message;

	assert_int_equal(view_empty(fixture->view, fixture->inbox), -ENOTEMPTY);
	for (uint32_t uid = 1; uid <= 5; uid++)
		journal_message(fixture, fixture->epoch, uid);
	assert_int_equal(view_empty(fixture->view, fixture->inbox), 0);
	assert_listed(fixture, "");
	assert_int_equal(
		journal_tell(fixture->journal, JOURNAL_UNDO, "1.5", NULL, NULL, NULL), 1);
	assert_int_equal(view_empty(fixture->view, fixture->inbox), -ENOTEMPTY);
	assert_int_equal(view_lookup(fixture->view, INODE_ROOT, "Parent", &parent), 0);
	assert_int_equal(view_empty(fixture->view, parent.stat.st_ino), -ENOTEMPTY);
	assert_int_equal(view_lookup(fixture->view, parent.stat.st_ino, "Child", &child), 0);
	/* Never listed: who knows. */
	assert_int_equal(view_empty(fixture->view, child.stat.st_ino), -ENOTEMPTY);
	assert_int_equal(view_empty(fixture->view, INODE_ROOT), -ENOTEMPTY);
	assert_int_equal(view_empty(fixture->view, INODE_CONTROL_DIR), -ENOTEMPTY);
	assert_int_equal(view_empty(fixture->view, INODE_QUEUE), -ENOTDIR);
	assert_int_equal(view_empty(fixture->view, 12345), -ENOENT);
	assert_int_equal(view_lookup(fixture->view, fixture->inbox,
				 "2024-05-03_alice@example.org_Budget-review.5.eml", &message),
		0);
	assert_int_equal(view_empty(fixture->view, message.stat.st_ino), -ENOTDIR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hidden),
		TEST(test_shown),
		TEST(test_directory_time),
		TEST(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
