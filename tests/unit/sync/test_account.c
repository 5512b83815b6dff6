/*
 * test_account.c - states, being offline, the first attempt, the end; and everything at once.
 */
#include "sync_fixture.h"

static int wait_first(struct fixture *fixture, char *text_out)
{
	struct error err = {0};
	int result = account_wait_first(fixture->account, &err);

	if (text_out)
		strcpy(text_out, err.text);
	return result;
}

static void fail_open(struct fixture *fixture, enum backend_status status)
{
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_OPEN, .status = status, .times = FAKE_ALWAYS});
}

static void test_first(void **state)
{
	struct fixture *fixture = *state;
	struct account_status status;

	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, NULL), 0);
	fixture_folder(fixture, "INBOX");
	status = fixture_status(fixture);
	assert_int_equal(status.state, ACCOUNT_ONLINE);
	assert_string_equal(status.server, "fake.example.org");
	assert_string_equal(status.error, "");
	assert_int_equal(status.connections, 1);
	assert_int_equal(status.wire_count, 0);
	assert_true(fixture->heard.status > 0);
}

static void first_fails(struct fixture *fixture, enum backend_status status, int expected,
	enum account_state state)
{
	char text[768];

	fail_open(fixture, status);
	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, text), expected);
	assert_string_equal(text, fixture_status(fixture).error);
	assert_true(strstr(text, backend_status_name(status)));
	assert_int_equal(fixture_status(fixture).state, state);
}

static void test_first_unreachable(void **state)
{
	first_fails(*state, BACKEND_CONNECTION_LOST, -ECONNREFUSED, ACCOUNT_OFFLINE);
}

static void test_first_refused(void **state)
{
	first_fails(*state, BACKEND_REFUSED, -EPROTO, ACCOUNT_OFFLINE);
}

static void test_first_wrong_password(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	first_fails(fixture, BACKEND_AUTH_FAILED, -EACCES, ACCOUNT_AUTH_FAILED);
	/* Final: no attempt is made again. */
	answer_init(&answer);
	account_refresh(fixture->account, STORE_ROOT, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -EIO);
	usleep(300000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_OPEN], 1);
}

static void test_first_tree_refused(void **state)
{
	struct fixture *fixture = *state;

	fake_fail(fixture->fake, FAKE_LIST, BACKEND_REFUSED, 0);
	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, NULL), -EPROTO);
}

/* What is in the cache is served offline, what is not fails at once; then the network is back.
 */
static void test_offline(void **state)
{
	struct fixture *fixture = *state;
	struct answer cached, missing, again;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 2);
	fixture_start_listed(fixture);
	inbox = fixture_folder(fixture, "INBOX");
	answer_init(&cached);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &cached);
	assert_int_equal(answer_get(&cached), 0);
	fixture_stop(fixture);

	fail_open(fixture, BACKEND_CONNECTION_LOST);
	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, NULL), 0);
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_OFFLINE);
	answer_init(&cached);
	answer_init(&missing);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &cached);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &missing);
	assert_int_equal(answer_calls(&cached), 1);
	assert_int_equal(cached.result, 0);
	assert_int_equal(answer_calls(&missing), 1);
	assert_int_equal(missing.result, -EIO);
	answer_init(&again);
	account_list_folder(fixture->account, inbox, answer_done, &again);
	assert_int_equal(answer_calls(&again), 1);
	assert_int_equal(again.result, 0);
	/* Somebody who asks for a look is answered by the next attempt. */
	answer_init(&again);
	account_refresh(fixture->account, inbox, answer_done, &again);
	assert_int_equal(answer_get(&again), -EIO);

	fake_script_clear(fixture->fake);
	UNTIL(fixture_status(fixture).state == ACCOUNT_ONLINE);
	answer_init(&missing);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &missing);
	assert_int_equal(answer_get(&missing), 0);
}

/* A read while offline brings the next attempt forward, but not more often than every so often.
 */
static void test_offline_poke(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	unsigned opened;
	int64_t inbox, begun;

	fixture_fill(fixture, "INBOX", 1);
	inbox = fixture_start_listed(fixture);
	fixture_stop(fixture);
	fixture->tuning.backoff_first_ms = fixture->tuning.backoff_max_ms = 3600000;
	fixture->tuning.poke_ms = 200;
	fail_open(fixture, BACKEND_CONNECTION_LOST);
	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, NULL), 0);
	opened = fixture_counts(fixture).calls[FAKE_OPEN];
	begun = clock_now_ms();
	while (clock_now_ms() - begun < 700) {
		answer_init(&answer);
		account_fetch_body(fixture->account, inbox, 1, answer_done, &answer);
		assert_int_equal(answer_get(&answer), -EIO);
		usleep(1000);
	}
	opened = fixture_counts(fixture).calls[FAKE_OPEN] - opened;
	assert_in_range(opened, 2, 4);
	fake_script_clear(fixture->fake);
	UNTIL(fixture_status(fixture).state == ACCOUNT_ONLINE);
}

/* Those who wait when the connection cannot be had again are told so. */
static void test_goes_offline(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, second;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 2);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_FETCH, .block = true, .status = BACKEND_CONNECTION_LOST});
	answer_init(&first);
	answer_init(&second);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &first);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	account_fetch_body(fixture->account, inbox, 2, answer_done, &second);
	fail_open(fixture, BACKEND_CONNECTION_LOST);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&first), -EIO);
	assert_int_equal(answer_get(&second), -EIO);
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_OFFLINE);
	assert_string_not_equal(fixture_status(fixture).error, "");
	fake_script_clear(fixture->fake);
	UNTIL(fixture_status(fixture).state == ACCOUNT_ONLINE);
	assert_string_equal(fixture_status(fixture).error, "");
}

/* While it is tried again after a loss, a read waits. */
static void test_reconnecting(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, second;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 2);
	inbox = fixture_start_listed(fixture);
	fake_fail(fixture->fake, FAKE_FETCH, BACKEND_CONNECTION_LOST, 0);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_OPEN, .block = true});
	answer_init(&first);
	answer_init(&second);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &first);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_CONNECTING);
	assert_int_equal(fixture_status(fixture).connections, 0);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &second);
	assert_int_equal(answer_calls(&second), 0);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&first), 0);
	assert_int_equal(answer_get(&second), 0);
}

/* Logs in and is lost, again and again: no storm, and it says so. */
static void test_drops(void **state)
{
	struct fixture *fixture = *state;

	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_LIST,
					   .status = BACKEND_CONNECTION_LOST,
					   .times = FAKE_ALWAYS});
	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, NULL), -ECONNREFUSED);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_OPEN], 6);
	fake_script_clear(fixture->fake);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	UNTIL(fixture_status(fixture).state == ACCOUNT_ONLINE);
}

/* A server that takes one connection: the one there is is kept, and listings make way. */
static void test_one_connection_allowed(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture->conf.connections = 4;
	fixture->tuning.extra_ms = 60000;
	fixture_fill(fixture, "INBOX", 1000);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .after = 150, .block = true});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fail_open(fixture, BACKEND_AUTH_FAILED);
	inbox = fixture_folder(fixture, "INBOX");
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 42, answer_done, &answer);
	assert_true(fake_wait_calls(fixture->fake, FAKE_OPEN, 2, SOON_MS));
	UNTIL(fixture_counts(fixture).alive == 1);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answer), 0);
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_ONLINE);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	assert_int_equal(fixture_row(fixture, inbox).messages, 1000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_OPEN], 2);
}

/* Two folders at once, one folder never by two. */
static void test_folders_in_parallel(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	fixture->conf.connections = 4;
	fake_folder_add(fixture->fake, "A", NULL, 0, 1);
	fake_folder_add(fixture->fake, "B", NULL, 0, 1);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_SCAN, .block = true, .times = 3});
	fixture_start(fixture);
	assert_true(fake_wait_blocked(fixture->fake, 3, SOON_MS));
	answer_init(&answer);
	account_refresh(fixture->account, fixture_folder(fixture, "A"), answer_done, &answer);
	usleep(50000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_SCAN], 3);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answer), 0);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_SCAN], 4);
}

static void stop_while_blocked(struct fixture *fixture, enum fake_call call, bool fetch)
{
	struct answer answer, look;
	int64_t begun;

	fixture_fill(fixture, "INBOX", 1);
	answer_init(&answer);
	answer_init(&look);
	if (fetch)
		fixture_start_listed(fixture);
	fake_script(fixture->fake, &(struct fake_fault){.call = call, .block = true});
	if (!fetch)
		fixture_start(fixture);
	else
		account_fetch_body(fixture->account, fixture_folder(fixture, "INBOX"), 1,
			answer_done, &answer);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	account_refresh(fixture->account, STORE_ROOT, answer_done, &look);
	begun = clock_now_ms();
	fixture_stop(fixture);
	assert_true(clock_now_ms() - begun < 1000);
	assert_int_equal(answer_get(&look), -ESHUTDOWN);
	if (fetch)
		assert_int_equal(answer_get(&answer), -ESHUTDOWN);
}

static void test_stop_in_open(void **state)
{
	stop_while_blocked(*state, FAKE_OPEN, false);
}

static void test_stop_in_list(void **state)
{
	stop_while_blocked(*state, FAKE_LIST, false);
}

static void test_stop_in_scan(void **state)
{
	stop_while_blocked(*state, FAKE_SCAN, false);
}

static void test_stop_in_fetch(void **state)
{
	stop_while_blocked(*state, FAKE_FETCH, true);
}

static void test_stop_in_backoff(void **state)
{
	struct fixture *fixture = *state;
	int64_t begun;

	fixture->tuning.backoff_first_ms = fixture->tuning.backoff_max_ms = 3600000;
	fail_open(fixture, BACKEND_CONNECTION_LOST);
	fixture_start(fixture);
	assert_int_equal(wait_first(fixture, NULL), -ECONNREFUSED);
	begun = clock_now_ms();
	fixture_stop(fixture);
	assert_true(clock_now_ms() - begun < 1000);
}

static void test_stop_at_once(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 20; i++) {
		fixture_start(fixture);
		fixture_stop(fixture);
	}
}

/* Asking from within an answer: no lock is held there. */
struct chain {
	struct fixture *fixture;
	struct answer answer;
	int64_t folder;
	uint32_t uid;
};

static void chain_next(void *ctx, int result)
{
	struct chain *chain = ctx;

	if (result || chain->uid == 5)
		answer_done(&chain->answer, result);
	else
		account_fetch_body(chain->fixture->account, chain->folder, ++chain->uid,
			chain_next, chain);
}

static void test_asks_from_an_answer(void **state)
{
	struct chain chain = {.fixture = *state};

	fixture_fill(chain.fixture, "INBOX", 5);
	chain.folder = fixture_start_listed(chain.fixture);
	answer_init(&chain.answer);
	chain_next(&chain, 0);
	assert_int_equal(answer_get(&chain.answer), 0);
	assert_int_equal(fixture_counts(chain.fixture).bodies, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first),
		TEST(test_first_unreachable),
		TEST(test_first_refused),
		TEST(test_first_wrong_password),
		TEST(test_first_tree_refused),
		TEST(test_offline),
		TEST(test_offline_poke),
		TEST(test_goes_offline),
		TEST(test_reconnecting),
		TEST(test_drops),
		TEST(test_one_connection_allowed),
		TEST(test_folders_in_parallel),
		TEST(test_stop_in_open),
		TEST(test_stop_in_list),
		TEST(test_stop_in_scan),
		TEST(test_stop_in_fetch),
		TEST(test_stop_in_backoff),
		TEST(test_stop_at_once),
		TEST(test_asks_from_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
