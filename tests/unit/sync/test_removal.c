/*
 * test_removal.c - removals on their way to a server that does what it is told, or not.
 */
#include "removal_rig.h"

static void test_moves_to_trash(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_int_equal(rig_remove(rig, 2), 0);
	assert_false(rig_shows(rig, 2));
	assert_int_equal(rig_remove(rig, 2), -ENOENT);
	assert_int_equal(rig_remove(rig, 5), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,3,4,6");
	rig_expect(rig, "Trash", "1,2");
	assert_int_equal(fixture_row(rig->fixture, rig->inbox).messages, 4);
	/* Both went in one command, and nobody's marks were touched. */
	assert_int_equal(fixture_logged(rig->fixture, "remove INBOX move 2,5 Trash"), 1);
	assert_int_equal(fixture_logged(rig->fixture, "remove"), 1);
	assert_true(rig->fixture->heard.gone == 0);
}

static void test_copies_without_move(void **state)
{
	struct rig *rig = *state;

	fake_set_caps(rig->fixture->fake, BACKEND_CAP_UIDPLUS);
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,4,5,6");
	rig_expect(rig, "Trash", "1");
	assert_int_equal(fixture_logged(rig->fixture, "remove INBOX copy 3 Trash"), 1);
	assert_int_equal(fixture_logged(rig->fixture, "remove INBOX expunge 3"), 1);
}

static void test_refused_move_becomes_copy(void **state)
{
	struct rig *rig = *state;
	struct fake_fault fault = {.call = FAKE_REMOVE, .status = BACKEND_REFUSED};

	rig_start(rig);
	fake_script(rig->fixture->fake, &fault);
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,4,5,6");
	rig_expect(rig, "Trash", "1");
	assert_int_equal(rig_counts(rig).held, 0);
}

static void test_final_without_trash(void **state)
{
	struct rig *rig = *state;
	int64_t before;

	rig->fixture->conf.trash = "";
	rig_start(rig);
	before = clock_now_ms();
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_is_quiet(rig));
	assert_true(clock_now_ms() - before >= 150); /* others might have come along */
	rig_expect(rig, "INBOX", "1,2,4,5,6");
	rig_expect(rig, "Trash", "");
	assert_int_equal(fixture_logged(rig->fixture, "INBOX move"), 0);
}

static void test_flush_does_not_wait_for_others(void **state)
{
	struct rig *rig = *state;

	rig->fixture->conf.trash = "";
	rig->fixture->tuning.quiet_ms = 60000;
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	usleep(300000);
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	account_flush(rig->fixture->account);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,4,5,6");
}

static void test_inside_trash_is_final(void **state)
{
	struct rig *rig = *state;
	int64_t trash;

	fixture_fill(rig->fixture, "Trash", 2);
	rig_start(rig);
	trash = fixture_folder(rig->fixture, "Trash");
	assert_int_equal(account_remove(rig->fixture->account, rig->fixture->reader, trash, 9,
				 1, "a.name.eml"),
		0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "Trash", "2");
	assert_int_equal(fixture_logged(rig->fixture, "remove Trash expunge 1"), 1);
}

static void test_lying_server_is_found_out(void **state)
{
	struct rig *rig = *state;

	fake_set_lying(rig->fixture->fake, true);
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	assert_false(rig_shows(rig, 3));
	UNTIL(rig_counts(rig).held == 1);
	assert_true(rig_shows(rig, 3));
	rig_expect_row(rig, JOURNAL_HELD, "still has it");
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	UNTIL(rig->fixture->heard.added > 6); /* the kernel is told that it is back */

	/* It is removed once the server does it, and not by itself. */
	fake_set_lying(rig->fixture->fake, false);
	usleep(200000);
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	assert_int_equal(account_tell(rig->fixture->account, JOURNAL_RELEASE, NULL, NULL), 1);
	UNTIL(rig_is_quiet(rig) && !rig_counts(rig).held);
	rig_expect(rig, "INBOX", "1,2,4,5,6");
	rig_expect(rig, "Trash", "1");
}

static void test_lying_copy_removes_nothing(void **state)
{
	struct rig *rig = *state;

	fake_set_caps(rig->fixture->fake, BACKEND_CAP_UIDPLUS);
	fake_set_lying(rig->fixture->fake, true);
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_counts(rig).held == 1);
	rig_expect_row(rig, JOURNAL_HELD, "is not there");
	assert_int_equal(fixture_logged(rig->fixture, "mark"), 0);
	assert_int_equal(fixture_logged(rig->fixture, "expunge"), 0);
}

static void test_impostor_is_parked(void **state)
{
	struct rig *rig = *state;
	struct mail_message other = {.uid = 3, .size = 9, .date = 77};

	rig_start(rig);
	other.fields.message_id = (char *)(uintptr_t) "<somebody@else>";
	fake_message_put(rig->fixture->fake, "INBOX", &other, "something", 9);
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_counts(rig).parked == 1);
	rig_expect_row(rig, JOURNAL_PARKED, "another message");
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	assert_int_equal(fixture_logged(rig->fixture, "remove"), 0);
	assert_true(rig_shows(rig, 3));
	assert_int_equal(account_tell(rig->fixture->account, JOURNAL_DISCARD, NULL, NULL), 1);
	assert_int_equal(rig_counts(rig).parked, 0);
}

static void test_new_epoch_parks(void **state)
{
	struct rig *rig = *state;
	struct fake_fault fault = {.call = FAKE_VERIFY, .block = true};

	rig_start(rig);
	fake_script(rig->fixture->fake, &fault);
	assert_int_equal(rig_remove(rig, 3), 0);
	assert_true(fake_wait_blocked(rig->fixture->fake, 1, SOON_MS));
	fake_folder_set_epoch(rig->fixture->fake, "INBOX", 8);
	fixture_fill(rig->fixture, "INBOX", 4);
	fake_release(rig->fixture->fake);
	UNTIL(rig_counts(rig).parked == 1);
	rig_expect_row(rig, JOURNAL_PARKED, "anew");
	rig_expect(rig, "INBOX", "1,2,3,4");
	assert_int_equal(fixture_logged(rig->fixture, "remove"), 0);
}

static void test_gone_already(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_true(fake_message_remove(rig->fixture->fake, "INBOX", 3));
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_is_quiet(rig));
	assert_int_equal(fixture_logged(rig->fixture, "remove"), 0);
	rig_expect(rig, "Trash", "");
}

static void test_foreign_mark_without_uidplus(void **state)
{
	struct rig *rig = *state;

	fake_set_caps(rig->fixture->fake, 0);
	rig->fixture->conf.trash = "";
	fake_message_set_flags(rig->fixture->fake, "INBOX", 5, MAIL_FLAG_DELETED);
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_counts(rig).marked == 1);
	rig_expect_row(rig, JOURNAL_MARKED, "another program");
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	assert_false(rig_shows(rig, 3));
	assert_int_equal(fixture_logged(rig->fixture, "expunge"), 0);

	/* The other one thought better of it. */
	fake_message_set_flags(rig->fixture->fake, "INBOX", 5, 0);
	UNTIL(rig_is_quiet(rig) && !rig_counts(rig).marked);
	rig_expect(rig, "INBOX", "1,2,4,5,6");
}

static void test_without_uidplus(void **state)
{
	struct rig *rig = *state;

	fake_set_caps(rig->fixture->fake, 0);
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	assert_int_equal(rig_remove(rig, 4), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,5,6");
	rig_expect(rig, "Trash", "1,2");
}

static void test_missing_trash_is_said(void **state)
{
	struct rig *rig = *state;

	rig->fixture->conf.trash = "No/Such";
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_counts(rig).held == 1);
	rig_expect_row(rig, JOURNAL_HELD, "trash=");
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
}

static void test_trash_that_went(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	fake_folder_remove(rig->fixture->fake, "Trash");
	fixture_refresh(rig->fixture, STORE_ROOT, 0);
	/* When it was removed nobody knew; it is not taken for a wish to lose it. */
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,4,5,6");
}

/* Removed while the server is away; then another start. */
static void remove_offline(struct rig *rig)
{
	rig_start(rig);
	fake_fail(rig->fixture->fake, FAKE_SCAN, BACKEND_CONNECTION_LOST, 0);
	fake_script(rig->fixture->fake, &(struct fake_fault){.call = FAKE_OPEN,
						.status = BACKEND_CONNECTION_LOST,
						.times = FAKE_ALWAYS});
	fixture_refresh(rig->fixture, rig->inbox, -EIO);
	assert_int_equal(rig_remove(rig, 3), 0);
	usleep(100000);
	assert_false(rig_shows(rig, 3));
	rig_close(rig);
	fake_script_clear(rig->fixture->fake);
	rig_open(rig);
	assert_false(rig_shows(rig, 3));
}

/* Whoever removed it could count on the Trash: without one it is not simply lost. */
static void test_trash_that_went_meanwhile(void **state)
{
	struct rig *rig = *state;

	remove_offline(rig);
	fake_folder_remove(rig->fixture->fake, "Trash");
	fixture_start(rig->fixture);
	UNTIL(rig_counts(rig).braked == 1);
	rig_expect_row(rig, JOURNAL_BRAKED, "for good");
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	assert_int_equal(account_tell(rig->fixture->account, JOURNAL_RELEASE, NULL, NULL), 1);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,4,5,6");
}

/* One over which the connection breaks each time it is looked at. */
static void test_poison_is_held(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	fake_script(rig->fixture->fake, &(struct fake_fault){.call = FAKE_VERIFY,
						.status = BACKEND_CONNECTION_LOST,
						.broke = true,
						.times = FAKE_ALWAYS});
	assert_int_equal(rig_remove(rig, 3), 0);
	UNTIL(rig_counts(rig).held == 1);
	fake_script_clear(rig->fixture->fake);
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	assert_true(rig_shows(rig, 3));
}

static void test_offline_removals_are_kept(void **state)
{
	struct rig *rig = *state;

	remove_offline(rig);
	fixture_start(rig->fixture);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,4,5,6");
	rig_expect(rig, "Trash", "1");
}

/* The cases: lost before or after the server did it. */
static void lose(struct rig *rig, enum fake_call call, unsigned nth, bool late)
{
	for (unsigned i = 0; i < nth; i++)
		fake_script(rig->fixture->fake,
			&(struct fake_fault){.call = call, .status = BACKEND_OK});
	fake_script(rig->fixture->fake,
		&(struct fake_fault){
			.call = call, .status = BACKEND_CONNECTION_LOST, .late = late});
}

static void expect_once(struct rig *rig)
{
	assert_int_equal(rig_remove(rig, 3), 0);
	assert_int_equal(rig_remove(rig, 4), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,2,5,6");
	rig_expect(rig, "Trash", "1,2");
	assert_int_equal(rig_counts(rig).held + rig_counts(rig).parked, 0);
}

static void test_lost_before_move(void **state)
{
	rig_start(*state);
	lose(*state, FAKE_REMOVE, 0, false);
	expect_once(*state);
}

static void test_lost_after_move(void **state)
{
	rig_start(*state);
	lose(*state, FAKE_REMOVE, 0, true);
	expect_once(*state);
}

static void test_lost_after_copy(void **state)
{
	struct rig *rig = *state;

	fake_set_caps(rig->fixture->fake, BACKEND_CAP_UIDPLUS);
	rig_start(rig);
	lose(rig, FAKE_REMOVE, 0, true);
	expect_once(rig);
}

static void test_lost_at_each_step(void **state)
{
	struct rig *rig = *state;

	fake_set_caps(rig->fixture->fake, BACKEND_CAP_UIDPLUS);
	rig_start(rig);
	lose(rig, FAKE_REMOVE, 0, true);  /* copy */
	lose(rig, FAKE_REMOVE, 0, false); /* mark */
	lose(rig, FAKE_REMOVE, 1, false); /* expunge */
	lose(rig, FAKE_REMOVE, 0, true);  /* mark, and once more all of it */
	lose(rig, FAKE_VERIFY, 2, true);
	expect_once(rig);
}

static void test_throttled(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	fake_fail(rig->fixture->fake, FAKE_REMOVE, BACKEND_THROTTLED, 100);
	expect_once(rig);
}

static void test_undo(void **state)
{
	struct rig *rig = *state;

	rig->fixture->conf.trash = "";
	rig->fixture->tuning.quiet_ms = 60000;
	rig_start(rig);
	assert_int_equal(rig_remove(rig, 3), 0);
	assert_int_equal(rig_remove(rig, 4), 0);
	assert_int_equal(account_tell(rig->fixture->account, JOURNAL_UNDO, NULL, NULL), 2);
	assert_true(rig_shows(rig, 3));
	account_flush(rig->fixture->account);
	usleep(200000);
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
}

static void test_brake_holds_all(void **state)
{
	struct rig *rig = *state;

	rig->fixture->conf.trash = "";
	rig->fixture->conf.brake = 3;
	rig_start(rig);
	for (uint32_t uid = 1; uid <= 5; uid++)
		assert_int_equal(rig_remove(rig, uid), 0);
	account_flush(rig->fixture->account);
	usleep(400000);
	assert_int_equal(rig_counts(rig).braked, 5);
	rig_expect(rig, "INBOX", "1,2,3,4,5,6");
	assert_false(rig_shows(rig, 1));
	assert_int_equal(account_tell(rig->fixture->account, JOURNAL_RELEASE, NULL, NULL), 5);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "6");
}

static void test_no_brake_before_trash(void **state)
{
	struct rig *rig = *state;

	rig->fixture->conf.brake = 3;
	rig_start(rig);
	for (uint32_t uid = 1; uid <= 5; uid++)
		assert_int_equal(rig_remove(rig, uid), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "6");
	rig_expect(rig, "Trash", "1,2,3,4,5");
}

static void test_many(void **state)
{
	struct rig *rig = *state;

	fixture_fill(rig->fixture, "INBOX", 2500);
	rig_start(rig);
	UNTIL(fixture_row(rig->fixture, rig->inbox).messages == 2506);
	for (uint32_t uid = 1; uid <= 2500; uid++)
		assert_int_equal(rig_remove(rig, uid), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "2501,2502,2503,2504,2505,2506");
	assert_int_equal(fixture_row(rig->fixture, rig->inbox).messages, 6);
}

static void start_brief(struct rig *rig)
{
	rig->fixture->conf.brief = true;
	fake_set_caps(rig->fixture->fake,
		BACKEND_CAP_SCATTERED | BACKEND_CAP_BRIEF | BACKEND_CAP_UIDPLUS);
	fake_folder_remove(rig->fixture->fake, "Trash");
	rig->inbox = fixture_start_listed(rig->fixture);
	fake_log_clear(rig->fixture->fake);
}

/* What is removed when the connection ends is seen on the next one. */
static void test_brief(void **state)
{
	struct rig *rig = *state;

	start_brief(rig);
	assert_int_equal(rig_remove(rig, 2), 0);
	assert_int_equal(rig_remove(rig, 4), 0);
	UNTIL(rig_is_quiet(rig));
	rig_expect(rig, "INBOX", "1,3,5,6");
	assert_int_equal(fixture_logged(rig->fixture, "remove INBOX mark 2,4"), 1);
	assert_int_equal(fixture_logged(rig->fixture, "verify INBOX 2,4"), 2);
	assert_true(fixture_logged(rig->fixture, "open") >= 1);
}

static void test_brief_lie(void **state)
{
	struct rig *rig = *state;

	fake_set_lying(rig->fixture->fake, true);
	start_brief(rig);
	assert_int_equal(rig_remove(rig, 2), 0);
	UNTIL(rig_counts(rig).held == 1);
	rig_expect_row(rig, JOURNAL_HELD, "still has it");
	assert_int_equal(fixture_logged(rig->fixture, "remove INBOX expunge 2"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_moves_to_trash),
		RIG_TEST(test_copies_without_move),
		RIG_TEST(test_refused_move_becomes_copy),
		RIG_TEST(test_final_without_trash),
		RIG_TEST(test_flush_does_not_wait_for_others),
		RIG_TEST(test_inside_trash_is_final),
		RIG_TEST(test_lying_server_is_found_out),
		RIG_TEST(test_lying_copy_removes_nothing),
		RIG_TEST(test_impostor_is_parked),
		RIG_TEST(test_new_epoch_parks),
		RIG_TEST(test_gone_already),
		RIG_TEST(test_foreign_mark_without_uidplus),
		RIG_TEST(test_without_uidplus),
		RIG_TEST(test_missing_trash_is_said),
		RIG_TEST(test_trash_that_went),
		RIG_TEST(test_trash_that_went_meanwhile),
		RIG_TEST(test_poison_is_held),
		RIG_TEST(test_offline_removals_are_kept),
		RIG_TEST(test_lost_before_move),
		RIG_TEST(test_lost_after_move),
		RIG_TEST(test_lost_after_copy),
		RIG_TEST(test_lost_at_each_step),
		RIG_TEST(test_throttled),
		RIG_TEST(test_undo),
		RIG_TEST(test_brake_holds_all),
		RIG_TEST(test_no_brake_before_trash),
		RIG_TEST(test_many),
		RIG_TEST(test_brief),
		RIG_TEST(test_brief_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
