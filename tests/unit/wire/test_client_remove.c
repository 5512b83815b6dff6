/*
 * test_client_remove.c - verify and remove from the mail process through child_serve to a
 * backend, and back.
 */
#include "client_rig.h"
#include <mountmail/mail/flags.h>
#include <mountmail/mail/folder.h>

static int setup(void **state)
{
	struct rig *rig = rig_create();

	fake_folder_add(rig->account, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	fake_folder_add(rig->account, "Trash", NULL, MAIL_FOLDER_TRASH, 9);
	for (int i = 0; i < 5; i++)
		fake_message_add(rig->account, "INBOX", "Subject", "body");
	*state = rig;
	return rig_open(rig) != BACKEND_OK;
}

static int teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

static void assert_uids(struct rig *rig, const char *raw, const char *expected)
{
	char *uids = fake_folder_uids(rig->account, raw);

	assert_string_equal(uids, expected);
	free(uids);
}

static const uint32_t some[] = {2, 4, 9};
static const struct backend_verify who = {.raw = "INBOX",
	.epoch = 7,
	.uids = some,
	.count = 3,
	.identify = true,
	.deleted = true};

static void test_verify(void **state)
{
	struct rig *rig = *state;
	struct backend_verify want = who;

	assert_int_equal(rig->server.caps, BACKEND_CAP_UIDPLUS | BACKEND_CAP_MOVE);
	fake_message_set_bad(rig->account, "INBOX", 4, true);
	fake_message_set_flags(rig->account, "INBOX", 1, MAIL_FLAG_DELETED);
	fake_message_set_flags(rig->account, "INBOX", 5, MAIL_FLAG_DELETED);
	assert_status(rig, rig_verify(rig, &want), BACKEND_OK);
	assert_string_equal(rig->heard.data,
		"begin 7 5 6\nfound 2 4 1700000120 <2.7@example.org>\nfound 4\n"
		"deleted 1\ndeleted 5\n");
	want.identify = want.deleted = false;
	assert_status(rig, rig_verify(rig, &want), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 7 5 6\nfound 2\nfound 4\n");
	want = (struct backend_verify){.raw = "INBOX", .from_uid = 4};
	assert_status(rig, rig_verify(rig, &want), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 7 5 6\nfound 4\nfound 5\n");
	want.from_uid = 0;
	assert_status(rig, rig_verify(rig, &want), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 7 5 6\n");
}

static void test_verify_other_ends(void **state)
{
	struct rig *rig = *state;
	struct backend_verify want = who;

	want.epoch = 8;
	assert_status(rig, rig_verify(rig, &want), BACKEND_FOLDER_CHANGED);
	assert_string_equal(rig->heard.data, "begin 7 5 6\n");
	want.raw = "None";
	assert_status(rig, rig_verify(rig, &want), BACKEND_FOLDER_GONE);
	fake_fail(rig->account, FAKE_VERIFY, BACKEND_THROTTLED, 1234);
	assert_status(rig, rig_verify(rig, &who), BACKEND_THROTTLED);
	assert_int_equal(rig->result.retry_ms, 1234);
	for (rig->stop_at = 0; rig->stop_at < 3; rig->stop_at++)
		assert_status(rig, rig_verify(rig, &who), BACKEND_STOPPED);
	rig->stop_at = -1;
	assert_status(rig, rig_verify(rig, &who), BACKEND_OK);
	fake_fail(rig->account, FAKE_VERIFY, BACKEND_CONNECTION_LOST, 0);
	assert_status(rig, rig_verify(rig, &who), BACKEND_CONNECTION_LOST);
}

/* More than one frame holds. */
static void test_verify_many(void **state)
{
	struct rig *rig = *state;
	const struct backend_verify want = {
		.raw = "INBOX", .from_uid = 1, .identify = true, .deleted = true};
	unsigned lines = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		fake_message_add(rig->account, "INBOX", "Subject", "");
		fake_message_set_flags(rig->account, "INBOX", i + 1, MAIL_FLAG_DELETED);
	}
	assert_status(rig, rig_verify(rig, &want), BACKEND_OK);
	for (const char *at = rig->heard.data; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 1 + 20005 + 20000);
}

static void test_steps(void **state)
{
	struct rig *rig = *state;
	char *log;

	fake_log_clear(rig->account);
	assert_status(rig, rig_remove(rig, BACKEND_STEP_MOVE, 1, 2), BACKEND_OK);
	assert_status(rig, rig_remove(rig, BACKEND_STEP_COPY, 3, 3), BACKEND_OK);
	assert_status(rig, rig_remove(rig, BACKEND_STEP_MARK, 3, 4), BACKEND_OK);
	assert_status(rig, rig_remove(rig, BACKEND_STEP_EXPUNGE, 3, 3), BACKEND_OK);
	assert_uids(rig, "INBOX", "4,5");
	assert_status(rig, rig_remove(rig, BACKEND_STEP_EXPUNGE_ALL, 1, 1), BACKEND_OK);
	assert_uids(rig, "INBOX", "5");
	assert_uids(rig, "Trash", "1,2,3");
	log = fake_log(rig->account);
	assert_string_equal(log,
		"remove INBOX move 1,2 Trash\nremove INBOX copy 3 Trash\n"
		"remove INBOX mark 3,4\nremove INBOX expunge 3\nremove INBOX expunge-all\n");
	free(log);
	assert_status(
		rig, rig_remove(rig, BACKEND_STEP_MARK, 1, BACKEND_REMOVE_MAX), BACKEND_OK);
}

static void test_remove_other_ends(void **state)
{
	static const enum backend_status ends[] = {BACKEND_FOLDER_GONE, BACKEND_FOLDER_CHANGED,
		BACKEND_THROTTLED, BACKEND_REFUSED};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		fake_fail(rig->account, FAKE_REMOVE, ends[i], 0);
		assert_status(rig, rig_remove(rig, BACKEND_STEP_MOVE, 1, 2), ends[i]);
	}
	fake_folder_remove(rig->account, "Trash");
	assert_status(rig, rig_remove(rig, BACKEND_STEP_MOVE, 1, 2), BACKEND_REFUSED);
	assert_string_equal(rig->result.text, "[TRYCREATE] There is no folder Trash");
	assert_uids(rig, "INBOX", "1,2,3,4,5");
	/* It was done, and the process ended before it could say so. */
	fake_script(rig->account,
		&(struct fake_fault){
			.call = FAKE_REMOVE, .late = true, .status = BACKEND_CONNECTION_LOST});
	assert_status(rig, rig_remove(rig, BACKEND_STEP_MARK, 1, 1), BACKEND_CONNECTION_LOST);
	assert_int_equal(fake_message_flags(rig->account, "INBOX", 1), MAIL_FLAG_DELETED);
	assert_status(rig, rig_remove(rig, BACKEND_STEP_MARK, 1, 1), BACKEND_CONNECTION_LOST);
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(test_verify),
		with_rig(test_verify_other_ends),
		with_rig(test_verify_many),
		with_rig(test_steps),
		with_rig(test_remove_other_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
