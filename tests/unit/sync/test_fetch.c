/*
 * test_fetch.c - bodies: shared, given up, lost, gone, wrong.
 */
#include "sync_fixture.h"
#include <signal.h>
#include <sys/resource.h>

#define READERS 200

static void test_two_hundred_one_fetch(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[READERS];
	int64_t inbox;

	fake_message_add(fixture->fake, "INBOX", "one", "the body of one");
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_FETCH, .block = true});
	for (int i = 0; i < READERS; i++) {
		answer_init(&answers[i]);
		assert_non_null(account_fetch_body(
			fixture->account, inbox, 1, answer_done, &answers[i]));
	}
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fake_release(fixture->fake);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(answer_get(&answers[i]), 0);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_FETCH], 1);
	fixture_expect_body(fixture, inbox, 1, "the body of one");
	/* It is here now. */
	answer_init(&answers[0]);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answers[0]);
	assert_int_equal(answer_calls(&answers[0]), 1);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_FETCH], 1);
}

/* What waits for the same folder goes in one call, by UID; each is told as it comes. */
static void test_coalesced(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, answers[4];
	static const uint32_t uids[] = {9, 3, 7, 4};
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 10);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_FETCH, .block = true});
	answer_init(&first);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &first);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_FETCH, .after = 12, .block = true});
	fake_log_clear(fixture->fake);
	for (int i = 0; i < 4; i++) {
		answer_init(&answers[i]);
		account_fetch_body(fixture->account, inbox, uids[i], answer_done, &answers[i]);
	}
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&first), 0);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	/* UID 3 has come; 4 is under way and 7 and 9 are not. */
	assert_int_equal(answer_get(&answers[1]), 0);
	assert_int_equal(answer_calls(&answers[2]), 0);
	assert_int_equal(answer_calls(&answers[0]), 0);
	fake_release(fixture->fake);
	for (int i = 0; i < 4; i++)
		assert_int_equal(answer_get(&answers[i]), 0);
	fixture_expect_log(fixture, "fetch INBOX 3,4,7,9\n");
}

static void test_cancel(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, second, third;
	struct account_wait *wait;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_FETCH, .block = true});
	answer_init(&first);
	answer_init(&second);
	answer_init(&third);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &first);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	wait = account_fetch_body(fixture->account, inbox, 2, answer_done, &second);
	account_fetch_body(fixture->account, inbox, 3, answer_done, &third);
	fake_log_clear(fixture->fake);
	assert_true(account_cancel(fixture->account, wait));
	assert_false(account_cancel(fixture->account, wait));
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&first), 0);
	assert_int_equal(answer_get(&third), 0);
	/* Nobody waited for it any more. */
	fixture_expect_log(fixture, "fetch INBOX 3\n");
	assert_int_equal(answer_calls(&second), 0);
}

/* A call that nobody waits for is ended, and the connection is used on. */
static void test_cancel_running(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, second;
	struct account_wait *wait;
	int64_t inbox;

	fake_message_add(fixture->fake, "INBOX", "long", "0123456789");
	fake_message_add(fixture->fake, "INBOX", "other", "x");
	fake_set_piece(fixture->fake, 1);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_FETCH, .after = 4, .block = true});
	answer_init(&first);
	answer_init(&second);
	wait = account_fetch_body(fixture->account, inbox, 1, answer_done, &first);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	assert_true(account_cancel(fixture->account, wait));
	account_fetch_body(fixture->account, inbox, 2, answer_done, &second);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&second), 0);
	assert_int_equal(fake_message_fetches(fixture->fake, "INBOX", 1), 0);
	assert_int_equal(body_check(fixture->reader, inbox, 1), -ENODATA);
	assert_int_equal(fixture_counts(fixture).created, 1);
}

/* A long message on a slow line: as long as it comes nobody's time is up. */
static void test_slow_is_not_silent(void **state)
{
	struct fixture *fixture = *state;
	struct answer first, second;
	int64_t inbox, begun;

	fake_message_add(fixture->fake, "INBOX", "slow", "a body in many pieces");
	fake_message_add(fixture->fake, "INBOX", "next", "the one behind it");
	fixture->conf.timeout_ms = 1000;
	fake_set_piece(fixture->fake, 2);
	fake_set_pace(fixture->fake, 200);
	inbox = fixture_start_listed(fixture);
	answer_init(&first);
	answer_init(&second);
	begun = clock_now_ms();
	account_fetch_body(fixture->account, inbox, 1, answer_done, &first);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &second);
	assert_int_equal(answer_get(&first), 0);
	assert_int_equal(answer_get(&second), 0);
	assert_true(clock_now_ms() - begun > 2000);
	fixture_expect_body(fixture, inbox, 1, "a body in many pieces");
}

/* Time is up for one; the body comes all the same, for the next. */
static void test_timeout(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct account_wait *wait;
	int64_t inbox, begun;

	fake_message_add(fixture->fake, "INBOX", "slow", "slow body");
	fixture->conf.timeout_ms = 150;
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_FETCH, .after = 2, .block = true});
	answer_init(&answer);
	begun = clock_now_ms();
	wait = account_fetch_body(fixture->account, inbox, 1, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - begun, 149, 2000);
	assert_false(account_cancel(fixture->account, wait));
	fake_release(fixture->fake);
	UNTIL(body_check(fixture->reader, inbox, 1) == 0);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_FETCH], 1);
	assert_int_equal(answer_calls(&answer), 1);
}

/* A body that was under way when its folder became another is not given to the new UID 1. */
static void test_epoch_changed_in_a_body(void **state)
{
	struct fixture *fixture = *state;
	struct answer body, look;
	int64_t inbox;

	fake_message_add(fixture->fake, "INBOX", "s", "the old body");
	fixture->conf.connections = 2;
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake,
		&(struct fake_fault){.call = FAKE_FETCH, .after = 3, .block = true});
	answer_init(&body);
	answer_init(&look);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &body);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fake_folder_set_epoch(fixture->fake, "INBOX", 8);
	fake_message_add(fixture->fake, "INBOX", "s", "the new body");
	account_refresh(fixture->account, inbox, answer_done, &look);
	assert_int_equal(answer_get(&look), 0);
	fake_release(fixture->fake);
	assert_int_equal(answer_get(&body), 0);
	fixture_expect_body(fixture, inbox, 1, "the new body");
}

/* No room on the disk: the reader is told, nothing spins, and later it works. */
static void test_store_full(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit old, none = {.rlim_cur = 0};
	struct answer answers[3];
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	inbox = fixture_start_listed(fixture);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	for (uint32_t i = 0; i < 3; i++) {
		answer_init(&answers[i]);
		account_fetch_body(fixture->account, inbox, i + 1, answer_done, &answers[i]);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(answer_get(&answers[i]), -EIO);
	usleep(100000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(fixture_counts(fixture).calls[FAKE_FETCH] <= 3);
	answer_init(&answers[0]);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answers[0]);
	assert_int_equal(answer_get(&answers[0]), 0);
	fixture_expect_body(fixture, inbox, 1, "a body");
}

static void test_gone(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 3);
	inbox = fixture_start_listed(fixture);
	fake_message_remove(fixture->fake, "INBOX", 2);
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -ENOENT);
	/* And it goes from the folder. */
	UNTIL(fixture_row(fixture, inbox).messages == 2);
	assert_int_equal(fixture->heard.gone, 1);
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -ENOENT);
}

static void test_bad(void **state)
{
	struct fixture *fixture = *state;
	struct answer bad, good;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 2);
	fake_message_set_status(fixture->fake, "INBOX", 1, BACKEND_MESSAGE_BAD);
	inbox = fixture_start_listed(fixture);
	answer_init(&bad);
	answer_init(&good);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &bad);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &good);
	assert_int_equal(answer_get(&bad), -EIO);
	assert_int_equal(answer_get(&good), 0);
	/* The half that came is in neither. */
	fixture_expect_body(fixture, inbox, 2, "a body");
	assert_int_equal(body_check(fixture->reader, inbox, 1), -ENODATA);
}

/* Event first, then the waiters. */
static struct answer *corrected_watch;

static void corrected_before(void *ctx, int64_t folder, uint32_t uid)
{
	assert_int_equal(answer_calls(corrected_watch), 0);
	heard_corrected(ctx, folder, uid);
}

static void test_size_corrected(void **state)
{
	struct fixture *fixture = *state;
	struct store_message message;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 1);
	fake_message_claim_size(fixture->fake, "INBOX", 1, 4711);
	fixture->events.size_corrected = corrected_before;
	inbox = fixture_start_listed(fixture);
	answer_init(&answer);
	corrected_watch = &answer;
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
	assert_int_equal(fixture->heard.corrected, 1);
	assert_int_equal(
		store_message_get(fixture->reader, inbox, 1, STORE_COLUMNS_NAME, &message), 0);
	assert_int_equal(message.mail.size, 6);
	assert_true(message.verified);
	store_message_finish(&message);
}

static void test_epoch_changed(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 2);
	inbox = fixture_start_listed(fixture);
	fake_folder_set_epoch(fixture->fake, "INBOX", 8);
	fixture_fill(fixture, "INBOX", 1);
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 2, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -ENOENT);
	UNTIL(fixture_row(fixture, inbox).epoch == 8 && fixture_is_listed(fixture, "INBOX"));
	assert_int_equal(fixture_row(fixture, inbox).messages, 1);
	assert_int_equal(fixture->heard.reset, 1);
}

static void test_throttled(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox, begun;

	fixture_fill(fixture, "INBOX", 1);
	inbox = fixture_start_listed(fixture);
	fake_fail(fixture->fake, FAKE_FETCH, BACKEND_THROTTLED, 300);
	answer_init(&answer);
	begun = clock_now_ms();
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answer);
	assert_int_equal(answer_get(&answer), 0);
	assert_true(clock_now_ms() - begun >= 300);
	assert_int_equal(fixture_counts(fixture).created, 1);
	assert_int_equal(fixture_counts(fixture).calls[FAKE_FETCH], 2);
}

static void test_refused(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 1);
	inbox = fixture_start_listed(fixture);
	fake_fail(fixture->fake, FAKE_FETCH, BACKEND_REFUSED, 0);
	answer_init(&answer);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -EIO);
}

static void test_folder_gone(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t work;

	fake_folder_add(fixture->fake, "Work", NULL, 0, 3);
	fixture_fill(fixture, "Work", 1);
	fixture_start_listed(fixture);
	UNTIL(fixture_is_listed(fixture, "Work"));
	work = fixture_folder(fixture, "Work");
	fake_folder_remove(fixture->fake, "Work");
	answer_init(&answer);
	account_fetch_body(fixture->account, work, 1, answer_done, &answer);
	assert_int_equal(answer_get(&answer), -ENOENT);
	/* The tree is looked at, and the folder goes. */
	UNTIL(!fixture_is_listed(fixture, "Work"));
	assert_int_equal(fixture->heard.tree, 2);
}

/* A call brings tens of MiB at most, so that others are not kept waiting. */
static void test_bounded_by_size(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[5];
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 5);
	for (uint32_t uid = 2; uid <= 5; uid++)
		fake_message_claim_size(fixture->fake, "INBOX", uid, 20 << 20);
	inbox = fixture_start_listed(fixture);
	fake_script(fixture->fake, &(struct fake_fault){.call = FAKE_FETCH, .block = true});
	answer_init(&answers[0]);
	account_fetch_body(fixture->account, inbox, 1, answer_done, &answers[0]);
	assert_true(fake_wait_blocked(fixture->fake, 1, SOON_MS));
	fake_log_clear(fixture->fake);
	for (uint32_t uid = 2; uid <= 5; uid++) {
		answer_init(&answers[uid - 1]);
		account_fetch_body(
			fixture->account, inbox, uid, answer_done, &answers[uid - 1]);
	}
	fake_release(fixture->fake);
	for (int i = 0; i < 5; i++)
		assert_int_equal(answer_get(&answers[i]), 0);
	fixture_expect_log(fixture, "fetch INBOX 2,3\nfetch INBOX 4,5\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_two_hundred_one_fetch),
		TEST(test_coalesced),
		TEST(test_cancel),
		TEST(test_cancel_running),
		TEST(test_slow_is_not_silent),
		TEST(test_timeout),
		TEST(test_epoch_changed_in_a_body),
		TEST(test_store_full),
		TEST(test_gone),
		TEST(test_bad),
		TEST(test_size_corrected),
		TEST(test_epoch_changed),
		TEST(test_throttled),
		TEST(test_refused),
		TEST(test_folder_gone),
		TEST(test_bounded_by_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
