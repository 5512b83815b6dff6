/*
 * test_watch.c - a worker with nothing to do waits for news with its server.
 */
#include "sync_fixture.h"

static int watch_setup(void **state)
{
	struct fixture *fixture;

	assert_int_equal(fixture_setup(state), 0);
	fixture = *state;
	fake_set_caps(fixture->fake, BACKEND_CAP_IDLE);
	fixture_fill(fixture, "INBOX", 3);
	return 0;
}

static int64_t start_watching(struct fixture *fixture)
{
	int64_t inbox = fixture_start_listed(fixture);

	assert_true(fake_wait_calls(fixture->fake, FAKE_WAIT, 1, SOON_MS));
	return inbox;
}

static void test_news_is_seen(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox = start_watching(fixture);

	fixture_fill(fixture, "INBOX", 1);
	UNTIL(fixture_row(fixture, inbox).messages == 4);
	assert_true(fake_message_remove(fixture->fake, "INBOX", 2));
	UNTIL(fixture_row(fixture, inbox).messages == 3);
	fake_message_set_flags(fixture->fake, "INBOX", 1, 1);
	fake_news(fixture->fake, "INBOX");
	UNTIL(fixture_logged(fixture, "scan INBOX") >= 4);
}

/* Whoever wants something does not wait for the end of the waiting. */
static void test_work_comes_first(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox = start_watching(fixture);

	for (uint32_t uid = 1; uid <= 3; uid++) {
		struct answer answer;
		int64_t before = clock_now_ms();

		answer_init(&answer);
		account_fetch_body(fixture->account, inbox, uid, answer_done, &answer);
		assert_int_equal(answer_get(&answer), 0);
		assert_true(clock_now_ms() - before < SOON_MS);
	}
	assert_int_equal(fixture_counts(fixture).created, 1);
}

static void test_stops(void **state)
{
	struct fixture *fixture = *state;
	int64_t before;

	start_watching(fixture);
	before = clock_now_ms();
	fixture_stop(fixture);
	assert_true(clock_now_ms() - before < SOON_MS);
}

static void test_refused(void **state)
{
	struct fixture *fixture = *state;

	fake_fail(fixture->fake, FAKE_WAIT, BACKEND_REFUSED, 0);
	start_watching(fixture);
	usleep(300000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_WAIT], 1);
	fixture_refresh(fixture, STORE_ROOT, 0);
}

static void test_lost(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fake_fail(fixture->fake, FAKE_WAIT, BACKEND_CONNECTION_LOST, 0);
	inbox = start_watching(fixture);
	assert_true(fake_wait_calls(fixture->fake, FAKE_WAIT, 2, SOON_MS));
	fixture_fill(fixture, "INBOX", 1);
	UNTIL(fixture_row(fixture, inbox).messages == 4);
}

/* A folder that no look makes what the server says it is, is not looked at without end. */
static void test_no_storm(void **state)
{
	struct fixture *fixture = *state;
	unsigned scans;

	start_watching(fixture);
	usleep(200000);
	scans = fixture_counts(fixture).calls[FAKE_SCAN];
	usleep(500000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_SCAN], scans);
}

/* Nor is a server that has no time for it asked again and again. */
static void test_throttled(void **state)
{
	struct fixture *fixture = *state;

	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_WAIT,
					   .status = BACKEND_THROTTLED,
					   .retry_ms = 60000,
					   .times = FAKE_ALWAYS});
	start_watching(fixture);
	usleep(300000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_WAIT], 1);
}

static void test_not_where_it_cannot(void **state)
{
	struct fixture *fixture = *state;

	fake_set_caps(fixture->fake, 0);
	fixture_start_listed(fixture);
	usleep(300000);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_WAIT], 0);
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, watch_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCH_TEST(test_news_is_seen),
		WATCH_TEST(test_work_comes_first),
		WATCH_TEST(test_stops),
		WATCH_TEST(test_refused),
		WATCH_TEST(test_lost),
		WATCH_TEST(test_no_storm),
		WATCH_TEST(test_throttled),
		WATCH_TEST(test_not_where_it_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
