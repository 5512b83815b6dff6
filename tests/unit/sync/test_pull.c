/*
 * test_pull.c - listings: order, resumption, epochs, what vanished, refreshes.
 */
#include "sync_fixture.h"
#include "wrapped_backend.h"
#include <mountmail/mail/flags.h>
#include <signal.h>
#include <sys/resource.h>

static void test_inbox_first(void **state)
{
	struct fixture *fixture = *state;

	fake_folder_remove(fixture->fake, "INBOX");
	fake_folder_add(fixture->fake, "A", NULL, 0, 1);
	fake_folder_add(fixture->fake, "N", NULL, MAIL_FOLDER_NOSELECT, 0);
	fake_folder_add(fixture->fake, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	fake_folder_add(fixture->fake, "Z", NULL, 0, 1);
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "Z"));
	fixture_expect_listing(fixture, "list\nscan INBOX 0\nscan A 0\nscan Z 0\n");
	assert_int_equal(fixture->heard.tree, 1);
}

static void test_opened_jumps_the_queue(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	fake_folder_add(fixture->fake, "A", NULL, 0, 1);
	fake_folder_add(fixture->fake, "B", NULL, 0, 1);
	fake_folder_add(fixture->fake, "C", NULL, 0, 1);
	fixture_fill(fixture, "C", 1);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	answer_init(&answer);
	account_list_folder(
		fixture->account, fixture_folder(fixture, "C"), answer_done, &answer);
	assert_int_equal(answer_calls(&answer), 0);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answer), 0);
	assert_true(fixture_is_listed(fixture, "C"));
	UNTIL(fixture_is_listed(fixture, "B"));
	fixture_expect_listing(fixture, "list\nscan INBOX 0\nscan C 0\nscan A 0\nscan B 0\n");
	/* Now it is there. */
	answer_init(&answer);
	account_list_folder(
		fixture->account, fixture_folder(fixture, "C"), answer_done, &answer);
	assert_int_equal(answer_calls(&answer), 1);
	assert_int_equal(answer.result, 0);
}

/* A long listing makes way for a body, goes on where it was, and is surveyed once at the end.
 */
static void test_yields(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 1000);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .after = 150, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	inbox = fixture_folder(fixture, "INBOX");
	assert_int_equal(fixture_row(fixture, inbox).messages, 100);
	assert_int_equal(fixture_row(fixture, inbox).listed, STORE_LISTED_PARTLY);
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 42, answer_done, &answer);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answer), 0);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	assert_int_equal(fixture_row(fixture, inbox).messages, 1000);
	UNTIL(fixture_counts(fixture).calls[FAKE_SCAN] == 3);
	fixture_expect_listing(fixture, "list\nscan INBOX 0\nfetch INBOX 42\nscan INBOX 200\n"
					"scan INBOX 1000 survey\n");
	assert_int_equal(fixture_counts(fixture).created, 1);
}

/* With a second connection to be had nothing makes way. */
static void test_second_connection(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture->conf.connections = 4;
	fixture_fill(fixture, "INBOX", 300);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .after = 150, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	inbox = fixture_folder(fixture, "INBOX");
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 42, answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
	assert_int_equal(fixture_counts(fixture).alive, 2);
	assert_int_equal(fixture_status(fixture).connections, 2);
	fake_release(fixture->fake);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	assert_int_equal(fixture_counts(fixture).calls[FAKE_SCAN], 1);
	/* The idle one is closed after a while, and one stays. */
	UNTIL(fixture_counts(fixture).alive == 1);
	usleep(400000);
	assert_int_equal(fixture_counts(fixture).alive, 1);
	assert_int_equal(fixture_status(fixture).connections, 1);
}

static void test_resumes_after_a_loss(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 1000);
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_SCAN, .after = 555, .status = BACKEND_CONNECTION_LOST});
	inbox = fixture_start_listed(fixture);
	UNTIL(fixture_counts(fixture).calls[FAKE_SCAN] == 3);
	fixture_expect_listing(fixture, "list\nscan INBOX 0\nopen\nscan INBOX 500\n"
					"scan INBOX 1000 survey\n");
	assert_int_equal(fixture_row(fixture, inbox).messages, 1000);
	assert_int_equal(fixture->heard.added, 1000);
}

/* Also from one start of the program to the next. */
static void test_resumes_after_a_restart(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 1000);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .after = 555, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fixture_stop(fixture);
	fake_message_remove(fixture->fake, "INBOX", 17);
	fake_log_clear(fixture->fake);
	inbox = fixture_start_listed(fixture);
	fixture_expect_listing(fixture, "list\nscan INBOX 500 survey\n");
	assert_int_equal(fixture_row(fixture, inbox).messages, 999);
}

static void test_refresh_folder(void **state)
{
	struct fixture *fixture = *state;
	struct store_message message;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 4);
	inbox = fixture_start_listed(fixture);
	fixture_fill(fixture, "INBOX", 2);
	fake_message_remove(fixture->fake, "INBOX", 2);
	fake_message_set_flags(fixture->fake, "INBOX", 3, MAIL_FLAG_SEEN);
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture_row(fixture, inbox).messages, 5);
	assert_int_equal(fixture->heard.added, 6);
	assert_int_equal(fixture->heard.gone, 1);
	assert_int_equal(
		store_message_get(fixture->reader, inbox, 3, STORE_COLUMNS_NAME, &message), 0);
	assert_int_equal(message.mail.flags, MAIL_FLAG_SEEN);
	store_message_finish(&message);
	fixture_refresh(fixture, 4711, -ENOENT);
}

/* A look that had begun before cannot answer for what came since. */
static void test_refresh_asked_during_a_look(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, second;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 4);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .after = 1, .block = true});
	fixture_fill(fixture, "INBOX", 3);
	answer_init(&first);
	answer_init(&second);
	account_refresh(fixture->account, inbox, answer_done, &first);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fixture_fill(fixture, "INBOX", 1);
	account_refresh(fixture->account, inbox, answer_done, &second);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&first), 0);
	assert_int_equal(answer_get(&second), 0);
	assert_int_equal(fixture_row(fixture, inbox).messages, 8);
}

static void test_refresh_everything(void **state)
{
	struct fixture *fixture = *state;

	fake_folder_add(fixture->fake, "Old", NULL, 0, 1);
	fake_folder_add(fixture->fake, "Dir", NULL, MAIL_FOLDER_NOSELECT, 0);
	fixture_fill(fixture, "Old", 1);
	fixture_start_listed(fixture);
	UNTIL(fixture_is_listed(fixture, "Old"));
	fake_folder_remove(fixture->fake, "Old");
	fake_folder_add(fixture->fake, "New", NULL, 0, 1);
	fixture_fill(fixture, "New", 3);
	fixture_fill(fixture, "INBOX", 2);
	fixture_refresh(fixture, STORE_ROOT, 0);
	assert_true(fixture_is_listed(fixture, "New"));
	assert_int_equal(fixture_row(fixture, fixture_folder(fixture, "New")).messages, 3);
	assert_int_equal(fixture_row(fixture, fixture_folder(fixture, "INBOX")).messages, 2);
	assert_false(fixture_is_listed(fixture, "Old"));
	fixture_refresh(fixture, fixture_folder(fixture, "Dir"), 0);
}

static void test_filters(void **state)
{
	struct fixture *fixture = *state;
	struct store_folder folder;
	int64_t parent;

	fixture->conf.folders = "Lists/*";
	fixture->conf.exclude = "*/Noise";
	fake_folder_add(fixture->fake, "L", "Lists", 0, 1);
	fake_folder_add(fixture->fake, "L.a", "Lists\na", 0, 1);
	fake_folder_add(fixture->fake, "L.n", "Lists\nNoise", 0, 1);
	fake_folder_add(fixture->fake, "L.n.x", "Lists\nNoise\nx", 0, 1);
	fixture_fill(fixture, "L", 1);
	fixture_fill(fixture, "L.a", 1);
	fixture_start(fixture);
	UNTIL(fixture_counts(fixture).calls[FAKE_SCAN] == 1);
	parent = fixture_folder(fixture, "Lists");
	assert_int_equal(
		fixture_row(fixture, parent).flags, MAIL_FOLDER_IMPLIED | MAIL_FOLDER_NOSELECT);
	assert_int_equal(store_folder_by_level(fixture->reader, parent, "a", &folder), 0);
	store_folder_finish(&folder);
	assert_int_equal(
		store_folder_by_level(fixture->reader, parent, "Noise", &folder), -ENOENT);
	assert_int_equal(
		store_folder_by_level(fixture->reader, STORE_ROOT, "INBOX", &folder), -ENOENT);
	fixture_expect_listing(fixture, "list\nscan L.a 0\n");
}

/* There everything is in All Mail once more; elsewhere such a folder is like any other. */
static void test_all_mail_of_gmail(void **state)
{
	struct fixture *fixture = *state;
	struct store_folder folder;

	fake_folder_add(fixture->fake, "All", NULL, MAIL_FOLDER_ALL, 1);
	fixture_start_listed(fixture);
	fixture_folder(fixture, "All");
	fixture_stop(fixture);
	fixture->conf.backend_create = wrapped_create;
	wrapped_caps = BACKEND_CAP_GMAIL;
	fixture_start(fixture);
	assert_int_equal(account_wait_first(fixture->account, NULL), 0);
	wrapped_caps = 0;
	assert_int_equal(
		store_folder_by_level(fixture->reader, STORE_ROOT, "All", &folder), -ENOENT);
	fixture_folder(fixture, "INBOX");
}

/* An account has an INBOX: an empty list is no reason to forget everything. */
static void test_empty_tree_not_believed(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 5);
	inbox = fixture_start_listed(fixture);
	fake_folder_remove(fixture->fake, "INBOX");
	fixture_refresh(fixture, STORE_ROOT, -EIO);
	assert_int_equal(fixture_row(fixture, inbox).messages, 5);
}

static void test_folder_vanishes_from_the_queue(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t work;

	fake_folder_add(fixture->fake, "Work", NULL, 0, 1);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	work = fixture_folder(fixture, "Work");
	answer_init(&answer);
	account_list_folder(fixture->account, work, answer_done, &answer);
	fake_folder_remove(fixture->fake, "Work");
	assert_int_equal(store_folders_replace(fixture->store, NULL, 0, NULL, NULL), 0);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answer), -ENOENT);
}

static void test_polls(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture->conf.poll_s = 1;
	inbox = fixture_start_listed(fixture);
	fake_folder_add(fixture->fake, "New", NULL, 0, 1);
	fixture_fill(fixture, "INBOX", 2);
	UNTIL(fixture_is_listed(fixture, "New"));
	assert_int_equal(fixture_row(fixture, inbox).messages, 2);
}

/* A poll compares all flags and UIDs only where something came or went. */
static void test_quiet_polls(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture->conf.poll_s = 1;
	fixture_fill(fixture, "INBOX", 5);
	inbox = fixture_start_listed(fixture);
	UNTIL(fixture_logged(fixture, "scan INBOX 5\n") >= 2);
	assert_int_equal(fixture_logged(fixture, "survey"), 0);
	fake_message_remove(fixture->fake, "INBOX", 3);
	UNTIL(fixture_row(fixture, inbox).messages == 4);
	assert_true(fixture_logged(fixture, "scan INBOX 5 survey\n") >= 1);
	fake_message_remove(fixture->fake, "INBOX", 5);
	fixture_fill(fixture, "INBOX", 1); /* as many as before, and not the same */
	UNTIL(fixture_row(fixture, inbox).last_uid == 6);
	assert_int_equal(fixture_row(fixture, inbox).messages, 4);
	/* Whoever asks is told of flags too. */
	fake_log_clear(fixture->fake);
	fixture_refresh(fixture, inbox, 0);
	assert_true(fixture_logged(fixture, "scan INBOX 6 survey\n") >= 1);
}

/* A folder that cannot be looked at keeps no other waiting, and is tried again. */
static void test_throttled_folder(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	fake_folder_add(fixture->fake, "Sick", NULL, 0, 1);
	fake_folder_add(fixture->fake, "Well", NULL, 0, 1);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .raw = "Sick",
					   .status = BACKEND_THROTTLED,
					   .times = FAKE_ALWAYS});
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "Well"));
	fixture_refresh(fixture, fixture_folder(fixture, "Sick"), -EIO);
	fake_script_clear(fixture->fake);
	answer_init(&answer);
	account_list_folder(
		fixture->account, fixture_folder(fixture, "Sick"), answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
}

/* A folder that costs a connection each time: no busy loop, others are listed. */
static void test_deadly_folder(void **state)
{
	struct fixture *fixture = *state;
	unsigned opened;

	fake_folder_add(fixture->fake, "Sick", NULL, 0, 1);
	fake_folder_add(fixture->fake, "Well", NULL, 0, 1);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .raw = "Sick",
					   .status = BACKEND_CONNECTION_LOST,
					   .times = FAKE_ALWAYS});
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "Well"));
	opened = fixture_counts(fixture).calls[FAKE_OPEN];
	usleep(500000);
	assert_true(fixture_counts(fixture).calls[FAKE_OPEN] - opened < 15);
	fake_script_clear(fixture->fake);
	UNTIL(fixture_is_listed(fixture, "Sick"));
}

/* A folder in the tree that may not be opened: the tree is asked for once more, not for ever.
 */
static void test_closed_folder(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	fake_folder_add(fixture->fake, "Closed", NULL, 0, 1);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .raw = "Closed",
					   .status = BACKEND_FOLDER_GONE,
					   .times = FAKE_ALWAYS});
	fixture_start_listed(fixture);
	assert_true(fake_wait_calls(fixture->fake, FAKE_LIST, 2, SOON_MS));
	usleep(300000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_LIST], 2);
	answer_init(&answer);
	account_list_folder(
		fixture->account, fixture_folder(fixture, "Closed"), answer_done, &answer);
	assert_int_equal(answer_get(&answer), -ENOENT);
	/* In a look at everything it is no failure. */
	fixture_refresh(fixture, STORE_ROOT, 0);
}

/* No room on the disk in a listing: nothing spins, and it is tried again by itself. */
static void test_store_full(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit old, none = {.rlim_cur = 0};
	struct answer answer;
	unsigned scans;

	fixture_fill(fixture, "INBOX", 300);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .after = 150, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	answer_init(&answer);
	account_list_folder(
		fixture->account, fixture_folder(fixture, "INBOX"), answer_done, &answer);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answer), -EIO);
	usleep(500000);
	scans = fixture_counts(fixture).calls[FAKE_SCAN];
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_in_range(scans, 2, 8);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	assert_int_equal(fixture_row(fixture, fixture_folder(fixture, "INBOX")).messages, 300);
}

/* A message that the cache lost, or that was taken for gone, comes back. */
static void test_missing_is_listed_again(void **state)
{
	struct fixture *fixture = *state;
	const uint32_t lost[] = {2, 4};
	struct error err;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 5);
	inbox = fixture_start_listed(fixture);
	assert_int_equal(store_messages_drop(fixture->store, inbox, lost, 2, 0, &err), 0);
	fixture_refresh(fixture, inbox, 0);
	UNTIL(fixture_row(fixture, inbox).messages == 5);
	assert_int_equal(fixture_row(fixture, inbox).last_uid, 5);
	/* And that is that. */
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture_logged(fixture, "scan INBOX 1"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_inbox_first),
		TEST(test_opened_jumps_the_queue),
		TEST(test_yields),
		TEST(test_second_connection),
		TEST(test_resumes_after_a_loss),
		TEST(test_resumes_after_a_restart),
		TEST(test_refresh_folder),
		TEST(test_refresh_asked_during_a_look),
		TEST(test_refresh_everything),
		TEST(test_filters),
		TEST(test_all_mail_of_gmail),
		TEST(test_empty_tree_not_believed),
		TEST(test_folder_vanishes_from_the_queue),
		TEST(test_polls),
		TEST(test_quiet_polls),
		TEST(test_throttled_folder),
		TEST(test_deadly_folder),
		TEST(test_closed_folder),
		TEST(test_store_full),
		TEST(test_missing_is_listed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
