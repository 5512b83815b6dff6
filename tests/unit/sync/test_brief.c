/*
 * test_brief.c - a server that locks the mailbox while somebody is connected.
 */
#include "sync_fixture.h"

static int brief_setup(void **state)
{
	struct fixture *fixture;

	assert_int_equal(fixture_setup(state), 0);
	fixture = *state;
	fixture->conf.brief = true;
	fixture->conf.connections = 4;
	fixture_fill(fixture, "INBOX", 3);
	return 0;
}

static void expect_left(struct fixture *fixture)
{
	UNTIL(fixture_status(fixture).connections == 0);
	assert_int_equal(fixture_counts(fixture).alive, 0);
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_ONLINE);
}

static void busy(struct fixture *fixture, uint32_t times)
{
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_OPEN, .status = BACKEND_THROTTLED, .times = times});
}

static int fetch(struct fixture *fixture, int64_t folder, uint32_t uid)
{
	struct answer answer;

	answer_init(&answer);
	account_fetch_body(fixture->account, folder, uid, answer_done, &answer);
	return answer_get(&answer);
}

static void test_leaves_when_done(void **state)
{
	struct fixture *fixture = *state;

	fixture_start_listed(fixture);
	expect_left(fixture);
	usleep(200000);
	assert_int_equal(fixture_counts(fixture).created, 1);
}

static void test_comes_back_for_work(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox = fixture_start_listed(fixture);

	expect_left(fixture);
	assert_int_equal(fetch(fixture, inbox, 2), 0);
	fixture_expect_body(fixture, inbox, 2, "a body");
	expect_left(fixture);
	fixture_fill(fixture, "INBOX", 2);
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture_row(fixture, inbox).messages, 5);
	expect_left(fixture);
	assert_int_equal(fixture_counts(fixture).created, 3);
}

/* What a connection saw at its beginning is not what the server has now. */
static void test_looks_anew(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture->conf.poll_s = 0;
	fixture->tuning.brief_ms = 60000;
	inbox = fixture_start_listed(fixture);
	for (int n = 2; n <= 4; n++) {
		fixture_refresh(fixture, n % 2 ? inbox : STORE_ROOT, 0);
		assert_int_equal(fixture_counts(fixture).created, n);
		assert_int_equal(fixture_counts(fixture).alive, 1);
	}
	/* Bodies are the same on any connection. */
	assert_int_equal(fetch(fixture, inbox, 2), 0);
	assert_int_equal(fixture_counts(fixture).created, 4);
}

static void test_polls(void **state)
{
	struct fixture *fixture = *state;

	fixture->conf.poll_s = 1;
	fixture_start_listed(fixture);
	expect_left(fixture);
	fixture_fill(fixture, "INBOX", 2);
	UNTIL(fixture_row(fixture, fixture_folder(fixture, "INBOX")).messages == 5);
	expect_left(fixture);
}

static void test_one_connection(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[3];
	int64_t inbox = fixture_start_listed(fixture);

	for (uint32_t i = 0; i < 3; i++) {
		answer_init(&answers[i]);
		account_fetch_body(fixture->account, inbox, i + 1, answer_done, &answers[i]);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(answer_get(&answers[i]), 0);
	assert_int_equal(fixture_counts(fixture).created, 1);
}

/* Others have it now and then: who waits goes on waiting. */
static void test_busy_is_waited_for(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox = fixture_start_listed(fixture);

	expect_left(fixture);
	busy(fixture, 3);
	assert_int_equal(fetch(fixture, inbox, 1), 0);
	expect_left(fixture);
}

static void test_busy_has_an_end(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox = fixture_start_listed(fixture);

	expect_left(fixture);
	fixture->conf.timeout_ms = 300;
	busy(fixture, FAKE_ALWAYS);
	account_stop(fixture->account);
	fixture_start(fixture);
	assert_int_equal(fetch(fixture, inbox, 1), -ETIMEDOUT);
	assert_int_equal(account_wait_first(fixture->account, NULL), 0);
}

static void test_busy_at_the_first_mount(void **state)
{
	struct fixture *fixture = *state;
	struct error err;

	busy(fixture, FAKE_ALWAYS);
	fixture_start(fixture);
	assert_int_equal(account_wait_first(fixture->account, &err), -ECONNREFUSED);
}

static void expect_messages(struct fixture *fixture, int64_t inbox, uint32_t count)
{
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture_row(fixture, inbox).messages, count);
}

static void put(struct fixture *fixture, uint32_t uid, const char *subject)
{
	struct mail_message message = {.uid = uid, .size = 6};

	message.fields.subject = (char *)(uintptr_t)subject;
	fake_message_put(fixture->fake, "INBOX", &message, "a body", 6);
}

/* UIDs that say nothing of time: what comes may be below what is there. */
static void test_scattered(void **state)
{
	struct fixture *fixture = *state;
	struct store_message message;
	int64_t inbox;

	fake_set_caps(fixture->fake, BACKEND_CAP_SCATTERED | BACKEND_CAP_BRIEF);
	for (uint32_t uid = 1; uid <= 3; uid++)
		fake_message_remove(fixture->fake, "INBOX", uid);
	put(fixture, 4000000000, "late");
	inbox = fixture_start_listed(fixture);
	assert_int_equal(fixture_row(fixture, inbox).messages, 1);
	put(fixture, 77, "early");
	put(fixture, 3000000000, "middle");
	expect_messages(fixture, inbox, 3);
	assert_true(fake_message_remove(fixture->fake, "INBOX", 3000000000));
	expect_messages(fixture, inbox, 2);
	assert_int_equal(fixture->heard.gone, 1);
	/* One without a sound date has none: it would be another one without the cache. */
	assert_int_equal(
		store_message_get(fixture->reader, inbox, 77, STORE_COLUMNS_NAME, &message), 0);
	assert_int_equal(message.mail.date, 0);
	store_message_finish(&message);
}

/* A list with holes says of nothing that it is gone. */
static void test_partial_list(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fake_set_caps(fixture->fake, BACKEND_CAP_SCATTERED | BACKEND_CAP_BRIEF);
	fake_set_partial(fixture->fake, true);
	inbox = fixture_start_listed(fixture);
	fake_message_remove(fixture->fake, "INBOX", 2);
	fixture_fill(fixture, "INBOX", 1);
	expect_messages(fixture, inbox, 4);
	fake_set_partial(fixture->fake, false);
	expect_messages(fixture, inbox, 3);
}

#define BRIEF_TEST(name) cmocka_unit_test_setup_teardown(name, brief_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BRIEF_TEST(test_leaves_when_done),
		BRIEF_TEST(test_comes_back_for_work),
		BRIEF_TEST(test_looks_anew),
		BRIEF_TEST(test_polls),
		BRIEF_TEST(test_one_connection),
		BRIEF_TEST(test_busy_is_waited_for),
		BRIEF_TEST(test_busy_has_an_end),
		BRIEF_TEST(test_busy_at_the_first_mount),
		BRIEF_TEST(test_scattered),
		BRIEF_TEST(test_partial_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
