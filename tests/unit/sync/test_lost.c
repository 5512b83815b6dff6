/*
 * test_lost.c - bodies and connections: lost in the middle, dead for long, killed by a message.
 */
#include "sync_fixture.h"
#include "wrapped_backend.h"

/* A connection lost in the middle of a body: the read succeeds on a new one. */
static void test_lost_in_a_body(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[3];
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_FETCH, .after = 3, .status = BACKEND_CONNECTION_LOST});
	for (uint32_t i = 0; i < 3; i++) {
		answer_init(&answers[i]);
		account_fetch_body(fixture->account, inbox, i + 1, answer_done, &answers[i]);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(answer_get(&answers[i]), 0);
		fixture_expect_body(fixture, inbox, i + 1, "a body");
	}
	assert_int_equal(fixture_counts(fixture).created, 2);
	assert_int_equal(fixture_status(fixture).state, ACCOUNT_ONLINE);
}

#define DEADLY_UID 2
static atomic_uint deadly_alone, deadly_deaths, deadly_company;

/* A backend that dies of one message: those before it come whole, of it itself one byte. */
static void deadly_fetch(struct backend *inner, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result)
{
	struct backend_fetch part = *fetch;

	for (part.count = 0; part.count < fetch->count; part.count++)
		if (fetch->wants[part.count].uid == DEADLY_UID)
			break;
	if (part.count == fetch->count) {
		inner->ops->fetch(inner, fetch, sink, result);
		return;
	}
	deadly_deaths++;
	deadly_alone += fetch->count == 1;
	deadly_company = (unsigned)fetch->count - 1;
	if (part.count)
		inner->ops->fetch(inner, &part, sink, result);
	sink->data(sink->ctx, "x", 1);
	backend_result_set(result, BACKEND_CONNECTION_LOST, "it died of it");
}

static void test_poison(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[6];
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 6);
	fixture->conf.backend_create = wrapped_create;
	wrapped_fetch_hook = deadly_fetch;
	deadly_alone = deadly_deaths = 0;
	inbox = fixture_start_listed(fixture);
	for (uint32_t i = 0; i < 6; i++) {
		answer_init(&answers[i]);
		account_fetch_body(fixture->account, inbox, i + 1, answer_done, &answers[i]);
	}
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(answer_get(&answers[i]), i + 1 == DEADLY_UID ? -EIO : 0);
	assert_int_equal(deadly_deaths, 3);
	assert_true(deadly_alone >= 1);
	UNTIL(fixture_status(fixture).state == ACCOUNT_ONLINE);
	wrapped_fetch_hook = NULL;
}

/* After two losses it is asked for without those that came meanwhile. */
static void test_poison_alone(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[3];
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 4);
	fixture->conf.backend_create = wrapped_create;
	wrapped_fetch_hook = deadly_fetch;
	deadly_deaths = 0;
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_OPEN});
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_OPEN, .block = true});
	for (uint32_t i = 0; i < 3; i++)
		answer_init(&answers[i]);
	account_fetch_body(fixture->account, inbox, DEADLY_UID, answer_done, &answers[0]);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	assert_int_equal(deadly_deaths, 2);
	account_fetch_body(fixture->account, inbox, 3, answer_done, &answers[1]);
	account_fetch_body(fixture->account, inbox, 4, answer_done, &answers[2]);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&answers[0]), -EIO);
	assert_int_equal(answer_get(&answers[1]), 0);
	assert_int_equal(answer_get(&answers[2]), 0);
	assert_int_equal(deadly_company, 0);
	wrapped_fetch_hook = NULL;
}

/* Connections that stood idle and are dead: that is no message's fault. */
static void test_stale_connection(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 2);
	fixture->tuning.proven_ms = 50;
	inbox = fixture_start_listed(fixture);
	usleep(100000);
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_FETCH, .status = BACKEND_CONNECTION_LOST, .times = 3});
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
	fixture_stop(fixture);
	/* Three that worked a moment ago. */
	fixture->tuning.proven_ms = 10000;
	fixture_start(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_FETCH, .status = BACKEND_CONNECTION_LOST, .times = 3});
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lost_in_a_body),
		TEST(test_poison),
		TEST(test_poison_alone),
		TEST(test_stale_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
