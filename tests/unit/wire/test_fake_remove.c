/*
 * The fake's verify and remove do what backend.h promises, or the tests of all who lean on it
 * prove nothing.
 */
#include "fake_backend.h"
#include <mountmail/base/xalloc.h>
#include <mountmail/mail/flags.h>
#include <mountmail/mail/folder.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fake_account *account;
static struct backend *backend;
static struct backend_result result;
static struct backend_server server;

struct seen {
	struct backend_folder_state state;
	char found[256], deleted[256];
};

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	((struct seen *)ctx)->state = *state;
	return true;
}

static bool on_found(void *ctx, const struct backend_identity *identity)
{
	char *text = ((struct seen *)ctx)->found;

	snprintf(text + strlen(text), 256 - strlen(text), "%u%s%s ", identity->uid,
		identity->known ? "=" : "",
		identity->known && identity->message_id ? identity->message_id : "");
	return true;
}

static bool on_deleted(void *ctx, uint32_t uid)
{
	char *text = ((struct seen *)ctx)->deleted;

	snprintf(text + strlen(text), 256 - strlen(text), "%u ", uid);
	return true;
}

static struct seen verify(const struct backend_verify *want)
{
	struct seen seen = {0};
	const struct backend_verify_sink sink = {&seen, on_begin, on_found, on_deleted};

	backend->ops->verify(backend, want, &sink, &result);
	return seen;
}

static enum backend_status take(enum backend_step step, uint32_t first, uint32_t second)
{
	const uint32_t uids[] = {first, second};
	const struct backend_removal removal = {.step = step,
		.raw = "INBOX",
		.epoch = 7,
		.uids = uids,
		.count = second ? 2 : 1,
		.to = step == BACKEND_STEP_MOVE || step == BACKEND_STEP_COPY ? "Trash" : NULL};

	backend->ops->remove(backend, &removal, &result);
	return result.status;
}

static void assert_uids(const char *raw, const char *expected)
{
	char *uids = fake_folder_uids(account, raw);

	assert_string_equal(uids, expected);
	free(uids);
}

static void reopen(void)
{
	backend->ops->close(backend);
	backend = fake_backend_create(account);
	backend->ops->open(backend, &server, &result);
	assert_int_equal(result.status, BACKEND_OK);
}

static int setup(void **state)
{
	account = fake_account_create();
	fake_folder_add(account, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	fake_folder_add(account, "Trash", NULL, MAIL_FOLDER_TRASH, 9);
	for (int i = 0; i < 5; i++)
		fake_message_add(account, "INBOX", "hello", "body");
	fake_message_add(account, "Trash", "old", "body");
	backend = fake_backend_create(account);
	backend->ops->open(backend, &server, &result);
	return result.status != BACKEND_OK;
}

static int teardown(void **state)
{
	backend->ops->close(backend);
	fake_account_destroy(account);
	return 0;
}

static void test_caps_are_told(void **state)
{
	assert_int_equal(server.caps, BACKEND_CAP_UIDPLUS | BACKEND_CAP_MOVE);
	fake_set_caps(account, BACKEND_CAP_IDLE);
	reopen();
	assert_int_equal(server.caps, BACKEND_CAP_IDLE);
}

static void test_verify_tells_what_is_there(void **state)
{
	const uint32_t uids[] = {2, 4, 9};
	struct backend_verify want = {.raw = "INBOX", .epoch = 7, .uids = uids, .count = 3};
	struct seen seen = verify(&want);
	char *log;

	assert_int_equal(result.status, BACKEND_OK);
	assert_string_equal(seen.found, "2 4 ");
	assert_int_equal(seen.state.uidnext, 6);
	fake_message_set_bad(account, "INBOX", 4, true);
	fake_message_set_flags(account, "INBOX", 5, MAIL_FLAG_DELETED);
	want.identify = want.deleted = true;
	fake_log_clear(account);
	seen = verify(&want);
	assert_string_equal(seen.found, "2=<2.7@example.org> 4 ");
	assert_string_equal(seen.deleted, "5 ");
	want = (struct backend_verify){.raw = "INBOX", .from_uid = 4};
	assert_string_equal(verify(&want).found, "4 5 ");
	want.from_uid = 0;
	assert_string_equal(verify(&want).found, "");
	want.epoch = 8;
	assert_int_equal(verify(&want).state.epoch, 7);
	assert_int_equal(result.status, BACKEND_FOLDER_CHANGED);
	log = fake_log(account);
	assert_string_equal(log, "verify INBOX 2,4,9 identify deleted\nverify INBOX from 4\n"
				 "verify INBOX\nverify INBOX\n");
	free(log);
}

static void test_steps(void **state)
{
	char *log;

	fake_log_clear(account);
	assert_int_equal(take(BACKEND_STEP_MOVE, 1, 3), BACKEND_OK);
	assert_uids("INBOX", "2,4,5");
	assert_uids("Trash", "1,2,3");
	assert_int_equal(take(BACKEND_STEP_COPY, 2, 9), BACKEND_OK);
	assert_uids("Trash", "1,2,3,4");
	assert_int_equal(take(BACKEND_STEP_MARK, 2, 0), BACKEND_OK);
	assert_int_equal(fake_message_flags(account, "INBOX", 2), MAIL_FLAG_DELETED);
	assert_int_equal(take(BACKEND_STEP_EXPUNGE, 2, 4), BACKEND_OK);
	assert_uids("INBOX", "4,5"); /* 4 has no mark */
	fake_message_set_flags(account, "INBOX", 5, MAIL_FLAG_DELETED);
	assert_int_equal(take(BACKEND_STEP_EXPUNGE_ALL, 0, 0), BACKEND_OK);
	assert_uids("INBOX", "4");
	log = fake_log(account);
	assert_string_equal(log,
		"remove INBOX move 1,3 Trash\nremove INBOX copy 2,9 Trash\n"
		"remove INBOX mark 2\nremove INBOX expunge 2,4\nremove INBOX expunge-all\n");
	free(log);
}

static void test_a_copy_keeps_who_it_is(void **state)
{
	struct backend_verify want = {.raw = "Trash", .from_uid = 2, .identify = true};

	take(BACKEND_STEP_MOVE, 3, 0);
	assert_string_equal(verify(&want).found, "2=<3.7@example.org> ");
}

static void test_refusals(void **state)
{
	fake_set_caps(account, 0);
	assert_int_equal(take(BACKEND_STEP_MOVE, 1, 0), BACKEND_REFUSED);
	assert_int_equal(take(BACKEND_STEP_EXPUNGE, 1, 0), BACKEND_REFUSED);
	fake_set_caps(account, BACKEND_CAP_MOVE);
	fake_folder_remove(account, "Trash");
	assert_int_equal(take(BACKEND_STEP_MOVE, 1, 0), BACKEND_REFUSED);
	assert_int_equal(take(BACKEND_STEP_COPY, 1, 0), BACKEND_REFUSED);
	fake_folder_set_epoch(account, "INBOX", 8);
	assert_int_equal(take(BACKEND_STEP_MARK, 1, 0), BACKEND_FOLDER_CHANGED);
	fake_folder_remove(account, "INBOX");
	assert_int_equal(take(BACKEND_STEP_MARK, 1, 0), BACKEND_FOLDER_GONE);
}

static void test_a_liar_does_nothing(void **state)
{
	fake_set_lying(account, true);
	assert_int_equal(take(BACKEND_STEP_MOVE, 1, 2), BACKEND_OK);
	assert_uids("INBOX", "1,2,3,4,5");
	assert_uids("Trash", "1");
}

/* Before, in the middle, and after it was done. */
static void test_faults(void **state)
{
	struct fake_fault fault = {
		.call = FAKE_REMOVE, .status = BACKEND_CONNECTION_LOST, .raw = "INBOX"};

	fault.steps = 1u << BACKEND_STEP_MOVE;
	fake_script(account, &fault);
	assert_int_equal(take(BACKEND_STEP_MARK, 5, 0), BACKEND_OK);
	assert_int_equal(take(BACKEND_STEP_MOVE, 1, 2), BACKEND_CONNECTION_LOST);
	assert_uids("INBOX", "1,2,3,4,5");
	reopen();
	fault.after = 3;
	fake_script(account, &fault);
	assert_int_equal(take(BACKEND_STEP_MOVE, 1, 2), BACKEND_CONNECTION_LOST);
	assert_uids("INBOX", "2,3,4,5");
	assert_uids("Trash", "1,2,3");
	reopen();
	fault.after = 0;
	fault.late = true;
	fake_script(account, &fault);
	assert_int_equal(take(BACKEND_STEP_MOVE, 2, 3), BACKEND_CONNECTION_LOST);
	assert_uids("INBOX", "4,5");
	reopen();
	fault = (struct fake_fault){
		.call = FAKE_VERIFY, .after = 1, .status = BACKEND_CONNECTION_LOST};
	fake_script(account, &fault);
	assert_string_equal(
		verify(&(struct backend_verify){.raw = "INBOX", .from_uid = 1}).found, "4 ");
	assert_int_equal(result.status, BACKEND_CONNECTION_LOST);
	reopen();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_caps_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_verify_tells_what_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_copy_keeps_who_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_liar_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
