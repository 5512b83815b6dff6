/*
 * test_epochs.c - folders that are numbered anew, and servers that do not say so.
 */
#include "sync_fixture.h"
#include "wrapped_backend.h"

static void test_epoch_change(void **state)
{
	struct fixture *fixture = *state;
	uint32_t tag;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 5);
	inbox = fixture_start_listed(fixture);
	tag = fixture_row(fixture, inbox).message_tag;
	assert_int_equal(fixture->heard.reset, 0);
	fake_folder_set_epoch(fixture->fake, "INBOX", 9);
	fixture_fill(fixture, "INBOX", 2);
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture_row(fixture, inbox).epoch, 9);
	assert_int_equal(fixture_row(fixture, inbox).messages, 2);
	assert_int_not_equal(fixture_row(fixture, inbox).message_tag, tag);
	assert_int_equal(fixture->heard.reset, 1);
}

/* Deleted and made anew under the same UIDVALIDITY. */
static void test_uidnext_goes_down(void **state)
{
	struct fixture *fixture = *state;
	struct store_message message;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 5);
	inbox = fixture_start_listed(fixture);
	fake_folder_set_epoch(fixture->fake, "INBOX", 7);
	fake_message_add(fixture->fake, "INBOX", "quite another", "x");
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture_row(fixture, inbox).messages, 1);
	assert_int_equal(fixture->heard.reset, 1);
	assert_int_equal(
		store_message_get(fixture->reader, inbox, 1, STORE_COLUMNS_NAME, &message), 0);
	assert_string_equal(message.mail.fields.subject, "quite another");
	store_message_finish(&message);
}

/* No UIDVALIDITY: believed for as long as the program runs, and listed anew when it starts. */
static void test_no_uidvalidity(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fake_folder_set_epoch(fixture->fake, "INBOX", 0);
	fixture_fill(fixture, "INBOX", 5);
	inbox = fixture_start_listed(fixture);
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture->heard.reset, 0);
	fixture_stop(fixture);
	fake_log_clear(fixture->fake);
	fixture_start(fixture);
	UNTIL(fixture->heard.reset == 1);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	fixture_refresh(fixture, inbox, 0);
	assert_int_equal(fixture->heard.reset, 1);
	assert_int_equal(fixture_row(fixture, inbox).messages, 5);
	fixture_expect_listing(
		fixture, "list\nscan INBOX 5 survey\nscan INBOX 0\nscan INBOX 5 survey\n");
}

static void lying_uidnext(struct backend_folder_state *state)
{
	state->uidnext = 2;
}

/* A UIDNEXT that is never above the last UID is no sign of another folder, not each time. */
static void test_lying_uidnext(void **state)
{
	struct fixture *fixture = *state;
	int64_t inbox;

	fixture_fill(fixture, "INBOX", 1000);
	fixture->conf.backend_create = wrapped_create;
	wrapped_state_hook = lying_uidnext;
	fake_script(fixture->fake,
		&(struct fake_fault){
			.call = FAKE_SCAN, .after = 555, .status = BACKEND_CONNECTION_LOST});
	inbox = fixture_start_listed(fixture);
	for (int i = 0; i < 3; i++)
		fixture_refresh(fixture, inbox, 0);
	wrapped_state_hook = NULL;
	assert_int_equal(fixture->heard.reset, 0);
	assert_int_equal(fixture->heard.added, 1000);
	assert_int_equal(fixture_row(fixture, inbox).messages, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_epoch_change),
		TEST(test_uidnext_goes_down),
		TEST(test_no_uidvalidity),
		TEST(test_lying_uidnext),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
