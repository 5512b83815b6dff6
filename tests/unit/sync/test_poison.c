/*
 * test_poison.c - listings of folders with messages over whose headers connections break.
 */
#include "sync_fixture.h"

static void expect_bad(struct fixture *fixture, int64_t folder, uint32_t uid, bool bad)
{
	struct store_message message;
	const struct mail_message *mail = &message.mail;

	assert_int_equal(
		store_message_get(fixture->reader, folder, uid, STORE_COLUMNS_ALL, &message),
		0);
	assert_int_equal(mail->bad, bad);
	if (bad) {
		assert_int_equal(mail->size, 0);
		assert_int_equal(mail->date, 0);
		assert_null(mail->fields.subject);
	} else {
		assert_string_equal(mail->fields.subject, "a subject");
	}
	store_message_finish(&message);
}

static void poison(struct fixture *fixture, uint32_t uid)
{
	fake_message_set_poison(fixture->fake, "INBOX", uid, true);
}

static void test_one_of_forty(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 40);
	poison(fixture, 7);
	inbox = fixture_start_listed(fixture);
	assert_int_equal(fixture_row(fixture, inbox).messages, 40);
	for (uint32_t uid = 1; uid <= 40; uid++)
		expect_bad(fixture, inbox, uid, uid == 7);
	assert_int_equal(fixture_logged(fixture, " stub"), 1);
	assert_in_range(fixture_counts(fixture).created, 4, 8);
	/* Its body is asked for as any other. */
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 7, answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
	fixture_expect_body(fixture, inbox, 7, "a body");
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_ONLINE);
	/* Nothing is left of it: the folder is looked at as any other. */
	UNTIL(fixture_logged(fixture, "survey\n") == 1);
	fake_log_clear(fixture->fake);
	fixture_refresh(fixture, inbox, 0);
	fixture_expect_log(fixture, "scan INBOX 40 survey\n");
}

/* Who opened the folder waits for it, and gets it. */
static void test_waiters_are_kept(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	inbox = fixture_folder(fixture, "INBOX");
	fixture_fill(fixture, "INBOX", 3);
	poison(fixture, 4);
	answer_init(&answer);
	account_refresh(fixture->account, inbox, answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
	assert_int_equal(fixture_row(fixture, inbox).messages, 6);
	expect_bad(fixture, inbox, 4, true);
	expect_bad(fixture, inbox, 5, false);
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_ONLINE);
}

/* A connection that broke once or twice by chance makes no message bad. */
static void test_by_chance(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 10);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .after = 1,
					   .status = BACKEND_CONNECTION_LOST,
					   .broke = true,
					   .times = 3});
	inbox = fixture_start_listed(fixture);
	for (uint32_t uid = 1; uid <= 10; uid++)
		expect_bad(fixture, inbox, uid, false);
	assert_int_equal(fixture_logged(fixture, "stub"), 0);
	assert_true(fixture_logged(fixture, "most") > 0);
}

/* Silence, a network that fails, a server that is busy: no message's doing. */
static void test_other_losses(void **state)
{
	struct fixture *fixture = *state;

	fixture_fill(fixture, "INBOX", 4);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .after = 1,
					   .status = BACKEND_CONNECTION_LOST,
					   .times = 3});
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .after = 1,
					   .status = BACKEND_THROTTLED,
					   .retry_ms = 10,
					   .times = 2});
	fixture_start_listed(fixture);
	assert_int_equal(fixture_logged(fixture, "most"), 0);
}

/* Lost before anything of the folder was told: it is not among its messages. */
static void test_before_it_began(void **state)
{
	struct fixture *fixture = *state;

	fixture_fill(fixture, "INBOX", 4);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_SCAN,
					   .status = BACKEND_CONNECTION_LOST,
					   .broke = true,
					   .times = 5});
	fixture_start_listed(fixture);
	assert_int_equal(fixture_logged(fixture, "most"), 0);
}

/* Given up is what has the number now; when the folder is another, nothing is. */
static void test_another_folder(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	poison(fixture, 1);
	fixture_start(fixture);
	UNTIL(fixture_logged(fixture, " most 1\n") == 1);
	fake_folder_set_epoch(fixture->fake, "INBOX", 8);
	fixture_fill(fixture, "INBOX", 2);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	inbox = fixture_folder(fixture, "INBOX");
	assert_int_equal(fixture_row(fixture, inbox).messages, 2);
	expect_bad(fixture, inbox, 1, false);
}

/* It was removed while it was found out: the next one is not taken for it. */
static void test_removed_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	poison(fixture, 1);
	fixture_start(fixture);
	UNTIL(fixture_logged(fixture, " most 1\n") == 1);
	fake_message_remove(fixture->fake, "INBOX", 1);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	inbox = fixture_folder(fixture, "INBOX");
	assert_int_equal(fixture_row(fixture, inbox).messages, 2);
	expect_bad(fixture, inbox, 2, false);
	expect_bad(fixture, inbox, 3, false);
}

/* Other folders are served meanwhile. */
static void test_others_go_on(void **state)
{
	struct fixture *fixture = *state;

	fixture_fill(fixture, "INBOX", 4);
	fake_folder_add(fixture->fake, "Other", NULL, 0, 3);
	fixture_fill(fixture, "Other", 4);
	for (uint32_t uid = 1; uid <= 4; uid++)
		poison(fixture, uid);
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "Other"));
	assert_false(fixture_is_listed(fixture, "INBOX"));
	UNTIL(fixture_logged(fixture, " stub") >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_of_forty),
		TEST(test_waiters_are_kept),
		TEST(test_by_chance),
		TEST(test_other_losses),
		TEST(test_before_it_began),
		TEST(test_another_folder),
		TEST(test_removed_meanwhile),
		TEST(test_others_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
