/*
 * test_imap_batch.c - batches: of a given size, asked for ahead, given up, and what a
 * connection lost over one tells.
 */
#include "imap_scan_rig.h"
#include <mountmail/base/clock.h>

#define SEARCH(found)                                                                          \
	{                                                                                      \
		"UID SEARCH UID 1:*", "* SEARCH " found "\r\n\1 OK x\r\n"                      \
	}

static const struct backend_scan one_by_one = {.raw = "INBOX", .most = 1};

static void test_most(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), SEARCH("1 2 3"),
		{"UID FETCH 1:2 ", MESSAGE("1", "1", "a") MESSAGE("2", "2", "b") "\1 OK x\r\n"},
		{"UID FETCH 3:3 ", MESSAGE("3", "3", "c") "\1 OK x\r\n"}, {NULL}};
	const struct backend_scan want = {.raw = "INBOX", .most = 2};

	expect_scan(turns, &want, BACKEND_OK,
		"begin 7 3 10 99|" NEW("1", "a")
			NEW("2", "b") "upto 2|" NEW("3", "c") "upto 3|");
}

static void test_stub(void **state)
{
	static const struct turn more[] = {EXAMINE("2", "10"), SEARCH("4 9"),
		{"UID FETCH 9:9 ", MESSAGE("2", "9", "b") "\1 OK x\r\n"}, {NULL}};
	static const struct turn alone[] = {EXAMINE("1", "10"), SEARCH("4"), {NULL}};
	static const struct turn none[] = {EXAMINE("1", "10"), SEARCH(""), {NULL}};
	const struct backend_scan want = {.raw = "INBOX", .most = 1, .stub_first = true};

	expect_scan(more, &want, BACKEND_OK,
		"begin 7 2 10 99|new 4 0 0 0 - bad|upto 4|" NEW("9", "b") "upto 9|");
	expect_scan(alone, &want, BACKEND_OK, "begin 7 1 10 99|new 4 0 0 0 - bad|upto 4|");
	expect_scan(none, &want, BACKEND_OK, "begin 7 1 10 99|");
	expect_scan_stop(alone, &want, "upto", BACKEND_STOPPED,
		"begin 7 1 10 99|new 4 0 0 0 - bad|upto 4|");
}

/* While a batch is reported, the next one has been asked for already. */

struct watching {
	struct script *script;
	unsigned batches;
	unsigned ahead; /* in which the server had the next command */
};

static bool watch_begin(void *ctx, const struct backend_folder_state *state)
{
	return true;
}

static bool watch_message(void *ctx, const struct mail_message *message)
{
	return true;
}

static bool watch_batch(void *ctx, uint32_t through)
{
	struct watching *watching = ctx;
	/* Greeted, logged in, opened, searched, and two commands for this batch and the next.
	 */
	unsigned wanted = 3 + 2 + ++watching->batches + 1;
	int64_t end = clock_now_ms() + (watching->batches < 3 ? 3000 : 50);

	while (atomic_load(&watching->script->turned) < wanted && clock_now_ms() < end)
		usleep(1000);
	watching->ahead += atomic_load(&watching->script->turned) >= wanted;
	return true;
}

static void test_asked_ahead(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), SEARCH("1 2 3"),
		{"UID FETCH 1:1 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:2 ", MESSAGE("2", "2", "b") "\1 OK x\r\n"},
		{"UID FETCH 3:3 ", MESSAGE("3", "3", "c") "\1 OK x\r\n"}, {NULL}};
	struct script script;
	struct watching watching = {.script = &script};
	const struct backend_scan_sink sink = {.ctx = &watching,
		.begin = watch_begin,
		.message = watch_message,
		.batch = watch_batch};

	script_start(&script, turns);
	script.backend->ops->scan(script.backend, &one_by_one, &sink, &script.result);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(watching.batches, 3);
	assert_int_equal(watching.ahead, 2);
	script_close(&script);
}

/* What goes wrong with the one under way is found when it is its turn. */
static void test_trouble_ahead(void **state)
{
	static const struct turn no[] = {EXAMINE("2", "10"), SEARCH("1 2"),
		{"UID FETCH 1:1 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:2 ", "\1 NO x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 2:2 (UID FLAGS INTERNALDATE BODY",
			MESSAGE("2", "2", "b") "\1 OK x\r\n"},
		{NULL}};
	static const struct turn busy[] = {EXAMINE("2", "10"), SEARCH("1 2"),
		{"UID FETCH 1:1 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:2 ", "\1 NO [THROTTLED] x\r\n"}, {NULL}};
	static const struct turn lost[] = {EXAMINE("2", "10"), SEARCH("1 2"),
		{"UID FETCH 1:1 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:2 ", ""}, {NULL}};
	static const char first[] = "begin 7 2 10 99|" NEW("1", "a") "upto 1|";

	expect_scan(no, &one_by_one, BACKEND_OK,
		"begin 7 2 10 99|" NEW("1", "a") "upto 1|" NEW("2", "b") "upto 2|");
	expect_scan(busy, &one_by_one, BACKEND_THROTTLED, first);
	expect_scan(lost, &one_by_one, BACKEND_CONNECTION_LOST, first);
}

/* The answer under way when nobody wants more is not taken for that of the next command. */
static void test_stopped_with_one_under_way(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), SEARCH("1 2 3"),
		{"UID FETCH 1:1 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:2 ", MESSAGE("2", "2", "b") "\1 OK x\r\n"}, EXAMINE("3", "10"),
		{"UID SEARCH UID 2:*", "* SEARCH 2 3\r\n\1 OK x\r\n"},
		{"UID FETCH 2:3 ", MESSAGE("2", "2", "b") MESSAGE("3", "3", "c") "\1 OK x\r\n"},
		{NULL}};
	static const char *const stops[] = {"new", "upto"};
	const struct backend_scan rest = {.raw = "INBOX", .epoch = 7, .last_uid = 1};

	for (size_t i = 0; i < 2; i++) {
		struct seen seen = {.stop_at = stops[i]};
		struct script script;

		script_start(&script, turns);
		scan(&script, &one_by_one, &seen);
		assert_status(&script, BACKEND_STOPPED);
		assert_null(strstr(seen.log.data, "new 2"));
		buf_clear(&seen.log);
		seen.stop_at = NULL;
		scan(&script, &rest, &seen);
		assert_status(&script, BACKEND_OK);
		assert_string_equal(seen.log.data,
			"begin 7 3 10 99|" NEW("2", "b") NEW("3", "c") "upto 3|");
		buf_finish(&seen.log);
		script_close(&script);
	}
}

/* When that answer does not come, the session is over, and that is said. */
static void test_stopped_and_lost(void **state)
{
	static const struct turn turns[] = {EXAMINE("2", "10"), SEARCH("1 2"),
		{"UID FETCH 1:1 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:2 ", "* 2 FETCH (UID 2 " HEADER " {140}\r\nSub"}, {NULL}};

	expect_scan_stop(turns, &one_by_one, "upto", BACKEND_CONNECTION_LOST,
		"begin 7 2 10 99|" NEW("1", "a") "upto 1|");
}

/* Whose doing a loss is. */

static void expect_loss(const char *answer, bool hold, bool broke)
{
	const struct turn turns[] = {
		EXAMINE("1", "10"), SEARCH("1"), {"UID FETCH 1:1 ", answer}, {NULL}};
	struct seen seen = {.stop_at = NULL};
	struct script script;

	script_init(&script);
	script.hold = hold;
	script.conf.timeout_ms = 300;
	script_add(&script, script_login);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_OK);
	scan(&script, &first_look, &seen);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_int_equal(script.result.broke, broke);
	buf_finish(&seen.log);
	script_close(&script);
}

static void test_whose_doing(void **state)
{
	struct buf endless = BUF_INIT;

	expect_loss("", false, true); /* hangs up */
	expect_loss("* BYE internal error\r\n", false, true);
	expect_loss("nonsense\r\n", true, true);
	expect_loss("", true, false); /* says nothing */
	expect_loss("* 1 FETCH (UID 1 ", true, false);
	expect_loss("* BYE [UNAVAILABLE] later\r\n", false, false);
	expect_loss("* BYE too many connections\r\n", false, false);
	buf_append_str(&endless, "* OK ");
	for (size_t i = 0; i < GUARD_STATUS_MAX; i++)
		buf_append_char(&endless, 'x');
	expect_loss(endless.data, true, true); /* over a bound of the guard */
	buf_finish(&endless);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_most),
		cmocka_unit_test(test_stub),
		cmocka_unit_test(test_asked_ahead),
		cmocka_unit_test(test_trouble_ahead),
		cmocka_unit_test(test_stopped_with_one_under_way),
		cmocka_unit_test(test_stopped_and_lost),
		cmocka_unit_test(test_whose_doing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
