/*
 * test_client_wait.c - waiting for news from the mail process through child_serve to a backend,
 * and back; and that the fake of it does what backend.h promises.
 */
#include "client_rig.h"
#include <mountmail/base/clock.h>
#include <mountmail/mail/folder.h>

#define LONG_MS 15000

static int setup(void **state)
{
	struct rig *rig = rig_create();

	fake_folder_add(rig->account, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	fake_folder_add(rig->account, "Trash", NULL, MAIL_FOLDER_TRASH, 9);
	for (int i = 0; i < 3; i++)
		fake_message_add(rig->account, "INBOX", "Subject", "body");
	fake_set_caps(rig->account, BACKEND_CAP_IDLE | BACKEND_CAP_UIDPLUS);
	*state = rig;
	return rig_open(rig) != BACKEND_OK;
}

static int teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

/* What is done while somebody waits, in a thread. */
struct later {
	struct rig *rig;
	void (*act)(struct later *later);
	int wake_fd;
	pthread_t thread;
};

static void *later_run(void *ctx)
{
	struct later *later = ctx;

	if (fake_wait_idling(later->rig->account, 1, LONG_MS))
		later->act(later);
	return NULL;
}

/* Waits for news while act is done. Returns how long it took. */
static int64_t wait_during(struct rig *rig, void (*act)(struct later *later), int wake[2])
{
	struct later later = {rig, act, wake ? wake[1] : -1, 0};
	int64_t start = clock_now_ms();

	pthread_create(&later.thread, NULL, later_run, &later);
	rig_wait(rig, 7, LONG_MS, wake ? wake[0] : -1);
	pthread_join(later.thread, NULL);
	return clock_now_ms() - start;
}

static void add(struct later *later)
{
	fake_message_add(later->rig->account, "INBOX", "Subject", "body");
}

static void add_elsewhere(struct later *later)
{
	fake_message_add(later->rig->account, "Trash", "Subject", "body");
	usleep(50000);
	add(later);
}

static void take_away(struct later *later)
{
	fake_message_remove(later->rig->account, "INBOX", 2);
}

static void flag(struct later *later)
{
	fake_message_set_flags(later->rig->account, "INBOX", 1, 0);
}

static void tell(struct later *later)
{
	fake_news(later->rig->account, "INBOX");
}

static void test_news(void **state)
{
	void (*const acts[])(struct later * later) = {
		add, take_away, flag, tell, add_elsewhere};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		assert_true(wait_during(rig, acts[i], NULL) < LONG_MS / 2);
		assert_status(rig, rig->result.status, BACKEND_OK);
		assert_true(rig->news);
	}
	assert_status(rig, rig_wait(rig, 7, 0, -1), BACKEND_OK);
	assert_false(rig->news);
	assert_string_equal(rig->heard.data, "begin 7 4 6\n");
}

static void test_no_news(void **state)
{
	struct rig *rig = *state;
	int64_t start = clock_now_ms();
	struct fake_counts counts;

	assert_status(rig, rig_wait(rig, 7, 100, -1), BACKEND_OK);
	assert_false(rig->news);
	assert_true(clock_now_ms() - start >= 100);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n");
	fake_counts(rig->account, &counts);
	assert_int_equal(counts.idling, 0);
	assert_int_equal(rig->hangups, 0);
}

/* Between a scan and a wait nothing is missed, and nothing is told twice. */
static void test_between_scan_and_wait(void **state)
{
	struct rig *rig = *state;

	assert_status(rig, rig_scan(rig, "INBOX", 0, 0, false), BACKEND_OK);
	fake_message_add(rig->account, "INBOX", "Subject", "body");
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_OK);
	assert_true(rig->news);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n");
	assert_status(rig, rig_scan(rig, "INBOX", 7, 3, true), BACKEND_OK);
	assert_status(rig, rig_wait(rig, 7, 0, -1), BACKEND_OK);
	assert_false(rig->news);
	assert_string_equal(rig->heard.data, "begin 7 4 5\n");
	/* Scanned by another connection, say. */
	fake_news(rig->account, "INBOX");
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_OK);
	assert_true(rig->news);
	assert_status(rig, rig_wait(rig, 7, 0, -1), BACKEND_OK);
	assert_false(rig->news);
	/* Open elsewhere: the state tells. */
	assert_status(rig, rig_scan(rig, "Trash", 0, 0, false), BACKEND_OK);
	fake_message_add(rig->account, "INBOX", "Subject", "body");
	rig->stop_at = 0;
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_STOPPED);
	assert_string_equal(rig->heard.data, "begin 7 5 6\n");
	assert_false(rig->news);
	rig->stop_at = -1;
	assert_status(rig, rig_wait(rig, 7, 0, -1), BACKEND_OK);
}

static void wake_up(struct later *later)
{
	assert_int_equal(write(later->wake_fd, "x", 1), 1);
}

static void hang_up(struct later *later)
{
	close(later->wake_fd);
}

static void test_woken(void **state)
{
	struct rig *rig = *state;
	int wake[2];
	char byte;

	assert_int_equal(pipe(wake), 0);
	assert_true(wait_during(rig, wake_up, wake) < 1000);
	assert_status(rig, rig->result.status, BACKEND_OK);
	assert_false(rig->news);
	/* Readable still: it ends at once, though the folder's state is told. */
	for (int i = 0; i < 50; i++) {
		assert_status(rig, rig_wait(rig, 7, LONG_MS, wake[0]), BACKEND_OK);
		assert_false(rig->news);
	}
	assert_int_equal(read(wake[0], &byte, 1), 1);
	assert_status(rig, rig_list(rig), BACKEND_OK);
	assert_true(wait_during(rig, hang_up, wake) < 1000);
	assert_status(rig, rig->result.status, BACKEND_OK);
	close(wake[0]);
	assert_int_equal(rig->hangups, 0);
}

static void cancel(struct later *later)
{
	later->rig->client->ops->cancel(later->rig->client);
}

static void test_cancelled(void **state)
{
	struct rig *rig = *state;

	assert_true(wait_during(rig, cancel, NULL) < 1000);
	assert_status(rig, rig->result.status, BACKEND_CONNECTION_LOST);
	assert_false(rig->news);
	assert_int_equal(rig->hangups, 1);
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_CONNECTION_LOST);
}

static void remove_folder(struct later *later)
{
	fake_folder_remove(later->rig->account, "INBOX");
}

static void test_other_ends(void **state)
{
	struct rig *rig = *state;
	struct fake_counts counts;

	assert_status(rig, rig_wait(rig, 8, LONG_MS, -1), BACKEND_FOLDER_CHANGED);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n");
	assert_status(rig, rig_wait(rig, 0, 0, -1), BACKEND_OK);
	fake_fail(rig->account, FAKE_WAIT, BACKEND_THROTTLED, 1234);
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_THROTTLED);
	assert_int_equal(rig->result.retry_ms, 1234);
	fake_fail(rig->account, FAKE_WAIT, BACKEND_REFUSED, 0);
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_REFUSED);
	wait_during(rig, remove_folder, NULL);
	assert_status(rig, rig->result.status, BACKEND_OK);
	assert_true(rig->news);
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_FOLDER_GONE);
	fake_fail(rig->account, FAKE_WAIT, BACKEND_CONNECTION_LOST, 0);
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_CONNECTION_LOST);
	fake_counts(rig->account, &counts);
	assert_int_equal(counts.calls[FAKE_WAIT], 7);
}

/* Not asked for, where it is not offered: by the client, and by the fake. */
static void test_not_offered(void **state)
{
	struct rig *rig = rig_create();
	const struct backend_wait wait = {"INBOX", 7, LONG_MS, -1};
	const struct backend_wait_sink sink = {rig, rig_on_begin};
	struct fake_counts counts;

	fake_folder_add(rig->account, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	assert_status(rig, rig_open(rig), BACKEND_OK);
	assert_status(rig, rig_wait(rig, 7, LONG_MS, -1), BACKEND_REFUSED);
	fake_counts(rig->account, &counts);
	assert_int_equal(counts.calls[FAKE_WAIT], 0);
	rig->backend->ops->wait(rig->backend, &wait, &sink, &rig->news, &rig->result);
	assert_status(rig, rig->result.status, BACKEND_REFUSED);
	assert_status(rig, rig_list(rig), BACKEND_OK);
	rig_destroy(rig);
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(test_news),
		with_rig(test_no_news),
		with_rig(test_between_scan_and_wait),
		with_rig(test_woken),
		with_rig(test_cancelled),
		with_rig(test_other_ends),
		cmocka_unit_test(test_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
