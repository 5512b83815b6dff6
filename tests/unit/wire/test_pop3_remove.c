#include "pop3_rig.h"

#define HEADER "+OK\r\nMessage-ID: <1@x>\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\n.\r\n"
#define DATE "880127706"

static void begin(struct script *script, const char *caps, const struct turn *turns)
{
	script_init(script);
	script_begin(script, caps, script_three, turns);
}

/* Closes, and checks what the client said last. */
static void close_with(struct script *script, const char *last)
{
	struct buf heard;

	script->backend->ops->close(script->backend);
	pthread_join(script->thread, NULL);
	close(script->fd);
	assert_string_equal(script->wrong, "");
	heard = script->heard;
	assert_true(heard.len >= strlen(last));
	assert_string_equal(heard.data + heard.len - strlen(last), last);
	buf_finish(&script->heard);
}

static void test_removal(void **state)
{
	static const char *const caps[] = {CAPS, CAPS_PIPE};
	/* In the order of the UIDs. */
	static const struct turn turns[] = {{"DELE 2\r", "+OK\r\n"}, {"DELE 1\r", "+OK\r\n"},
		{"QUIT\r", "+OK bye\r\n"}, {NULL}};

	for (size_t i = 0; i < 2; i++) {
		struct script script;
		struct seen seen = {.stop_at = NULL};

		begin(&script, caps[i], turns);
		rig_remove(&script, BACKEND_STEP_MARK, "ab");
		assert_status(&script, BACKEND_OK);
		rig_remove(&script, BACKEND_STEP_EXPUNGE, "ab");
		assert_status(&script, BACKEND_OK);
		/* That was the end of the connection. */
		rig_verify(&script, "a", false, &seen);
		assert_status(&script, BACKEND_CONNECTION_LOST);
		rig_remove(&script, BACKEND_STEP_MARK, "c");
		assert_status(&script, BACKEND_CONNECTION_LOST);
		seen_finish(&seen);
		close_with(&script, "QUIT\r\n");
	}
}

/* What was marked and not asked for may never come true. */
static void test_no_quit_over_marks(void **state)
{
	static const struct turn turns[] = {{"DELE 2\r", "+OK\r\n"}, {NULL}};
	struct script script;

	begin(&script, CAPS, turns);
	rig_remove(&script, BACKEND_STEP_MARK, "b");
	assert_status(&script, BACKEND_OK);
	close_with(&script, "DELE 2\r\nRSET\r\n");
}

static void test_no_quit_when_out_of_step(void **state)
{
	static const struct turn turns[] = {
		{"DELE 2\r", "+OK\r\n"}, {"DELE 1\r", "what?\r\n"}, {NULL}};
	struct script script;

	begin(&script, CAPS, turns);
	rig_remove(&script, BACKEND_STEP_MARK, "ab");
	assert_status(&script, BACKEND_CONNECTION_LOST);
	close_with(&script, "DELE 1\r\n");
}

static void test_marks_of_an_earlier_removal(void **state)
{
	static const struct turn turns[] = {{"DELE 2\r", "+OK\r\n"}, {"RSET\r", "+OK\r\n"},
		{"DELE 1\r", "+OK\r\n"}, {"QUIT\r", "+OK\r\n"}, {NULL}};
	struct script script;

	begin(&script, CAPS, turns);
	rig_remove(&script, BACKEND_STEP_MARK, "b");
	/* Not what is marked. */
	rig_remove(&script, BACKEND_STEP_EXPUNGE, "a");
	assert_status(&script, BACKEND_REFUSED);
	rig_remove(&script, BACKEND_STEP_MARK, "a");
	assert_status(&script, BACKEND_OK);
	rig_remove(&script, BACKEND_STEP_EXPUNGE, "a");
	assert_status(&script, BACKEND_OK);
	close_with(&script, "QUIT\r\n");
}

static void test_marked_twice(void **state)
{
	static const struct turn turns[] = {{"DELE 2\r", "+OK\r\n"}, {"DELE 1\r", "+OK\r\n"},
		{"QUIT\r", "+OK\r\n"}, {NULL}};
	struct script script;

	begin(&script, CAPS, turns);
	rig_remove(&script, BACKEND_STEP_MARK, "b");
	rig_remove(&script, BACKEND_STEP_MARK, "ab");
	assert_status(&script, BACKEND_OK);
	rig_remove(&script, BACKEND_STEP_EXPUNGE, "ab");
	assert_status(&script, BACKEND_OK);
	close_with(&script, "QUIT\r\n");
}

/* Gone already, all of them: there is nothing to do, and the session goes on. */
static void test_gone_before(void **state)
{
	struct seen seen = {.stop_at = NULL};
	struct script script;

	begin(&script, CAPS, script_none);
	rig_remove(&script, BACKEND_STEP_MARK, "d");
	assert_status(&script, BACKEND_OK);
	rig_remove(&script, BACKEND_STEP_EXPUNGE, "d");
	assert_status(&script, BACKEND_OK);
	rig_verify(&script, "d", false, &seen);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(seen.log.data, "begin 3|");
	seen_finish(&seen);
	close_with(&script, "LIST\r\nQUIT\r\n");
}

static void test_a_no(void **state)
{
	static const struct turn some[] = {
		{"DELE 2\r", "-ERR mine\r\n"}, {"DELE 1\r", "+OK\r\n"}, {NULL}};
	static const struct turn none[] = {
		{"DELE 2\r", "-ERR mine\r\n"}, {"DELE 1\r", "-ERR mine\r\n"}, {NULL}};
	static const struct turn busy[] = {
		{"DELE 2\r", "-ERR [SYS/TEMP] disk\r\n"}, {"DELE 1\r", "+OK\r\n"}, {NULL}};
	static const struct {
		const struct turn *turns;
		enum backend_status status;
		const char *last;
	} cases[] = {{some, BACKEND_OK, "RSET\r\n"}, {none, BACKEND_REFUSED, "RSET\r\n"},
		{busy, BACKEND_THROTTLED, "RSET\r\n"}};

	for (size_t i = 0; i < 3; i++) {
		struct script script;

		begin(&script, CAPS_PIPE, cases[i].turns);
		rig_remove(&script, BACKEND_STEP_MARK, "ab");
		assert_status(&script, cases[i].status);
		close_with(&script, cases[i].last);
	}
}

static void expect_quit(const char *answer, enum backend_status status)
{
	const struct turn turns[] = {{"DELE 2\r", "+OK\r\n"}, {"QUIT\r", answer}, {NULL}};
	struct seen seen = {.stop_at = NULL};
	struct script script;

	begin(&script, CAPS, turns);
	rig_remove(&script, BACKEND_STEP_MARK, "b");
	rig_remove(&script, BACKEND_STEP_EXPUNGE, "b");
	assert_status(&script, status);
	rig_verify(&script, "b", false, &seen);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	seen_finish(&seen);
	close_with(&script, "QUIT\r\n");
}

static void test_what_quit_may_come_to(void **state)
{
	expect_quit("+OK\r\n", BACKEND_OK);
	expect_quit("-ERR some deleted messages not removed\r\n", BACKEND_THROTTLED);
	expect_quit("-ERR [SYS/TEMP] no\r\n", BACKEND_THROTTLED);
	expect_quit("\r\n", BACKEND_CONNECTION_LOST);
}

static void test_quit_without_answer(void **state)
{
	static const struct turn turns[] = {
		{"DELE 2\r", "+OK\r\n"}, {"QUIT\r", "+O", 2}, {NULL}};
	struct script script;

	script_init(&script);
	script.hold = false;
	script_begin(&script, CAPS, script_three, turns);
	rig_remove(&script, BACKEND_STEP_MARK, "b");
	rig_remove(&script, BACKEND_STEP_EXPUNGE, "b");
	assert_status(&script, BACKEND_CONNECTION_LOST);
	close_with(&script, "QUIT\r\n");
}

static void test_what_pop3_cannot(void **state)
{
	static const enum backend_step steps[] = {
		BACKEND_STEP_MOVE, BACKEND_STEP_COPY, BACKEND_STEP_EXPUNGE_ALL};
	struct script script;

	begin(&script, CAPS, script_none);
	for (size_t i = 0; i < 3; i++) {
		rig_remove(&script, steps[i], "a");
		assert_status(&script, BACKEND_REFUSED);
	}
	close_with(&script, "LIST\r\nQUIT\r\n");
}

static const struct turn twins[] = {{"STAT", "+OK 3 60\r\n"},
	{"UIDL", "+OK\r\n1 a\r\n2 b\r\n3 a\r\n.\r\n"},
	{"LIST", "+OK\r\n1 10\r\n2 20\r\n3 30\r\n.\r\n"}, {NULL}};

static void test_twins_stay(void **state)
{
	struct script script;

	script_init(&script);
	script_begin(&script, CAPS, twins, script_none);
	rig_remove(&script, BACKEND_STEP_MARK, "ab");
	assert_status(&script, BACKEND_REFUSED);
	assert_text(&script, "UIDL");
	close_with(&script, "LIST\r\nQUIT\r\n");
}

static void test_verify(void **state)
{
	static const struct turn turns[] = {
		{"TOP 2 0\r", HEADER}, {"TOP 1 0\r", HEADER}, {NULL}};
	struct seen plain = {.stop_at = NULL}, full = {.stop_at = NULL};
	struct script script;

	begin(&script, CAPS_PIPE, turns);
	rig_verify(&script, "abd", false, &plain);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(plain.log.data, "begin 3|found b|found a|");
	rig_verify(&script, "abd", true, &full);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(full.log.data,
		"begin 3|found b b 20 " DATE " <1@x>|found a a 10 " DATE " <1@x>|");
	seen_finish(&plain);
	seen_finish(&full);
	script_close(&script);
}

/* Nobody knows which of the two it is, nor who it is whose header is not given. */
static void test_verify_the_unknown(void **state)
{
	static const struct turn turns[] = {
		{"TOP 2 0\r", "-ERR no\r\n"}, {"TOP 1 0\r", HEADER}, {NULL}};
	struct seen seen = {.stop_at = NULL};
	struct script script;

	script_init(&script);
	script_begin(&script, CAPS, twins, turns);
	rig_verify(&script, "ab", true, &seen);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(seen.log.data, "begin 3|found b|found a|");
	seen_finish(&seen);
	script_close(&script);
}

/* What a part of a list does not name is not gone. */
static void test_verify_in_a_partial_list(void **state)
{
	static const struct turn part[] = {{"STAT", "+OK 300 60\r\n"},
		{"UIDL", "+OK\r\n1 a\r\n.\r\n"}, {"LIST", "+OK\r\n1 10\r\n.\r\n"}, {NULL}};
	struct seen there = {.stop_at = NULL}, missing = {.stop_at = NULL};
	struct script script;

	script_init(&script);
	script_begin(&script, CAPS, part, script_none);
	rig_verify(&script, "a", false, &there);
	assert_status(&script, BACKEND_OK);
	rig_verify(&script, "ab", false, &missing);
	assert_status(&script, BACKEND_THROTTLED);
	assert_text(&script, "not taken for gone");
	seen_finish(&there);
	seen_finish(&missing);
	script_close(&script);
}

static void test_other_epoch_and_folder(void **state)
{
	uint32_t uids[] = {1};
	struct backend_removal removal = {.step = BACKEND_STEP_MARK,
		.raw = "INBOX",
		.epoch = 2,
		.uids = uids,
		.count = 1};
	struct script script;

	begin(&script, CAPS, script_none);
	script.backend->ops->remove(script.backend, &removal, &script.result);
	assert_status(&script, BACKEND_FOLDER_CHANGED);
	removal.raw = "Sent";
	script.backend->ops->remove(script.backend, &removal, &script.result);
	assert_status(&script, BACKEND_FOLDER_GONE);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_no_quit_over_marks),
		cmocka_unit_test(test_no_quit_when_out_of_step),
		cmocka_unit_test(test_marks_of_an_earlier_removal),
		cmocka_unit_test(test_marked_twice),
		cmocka_unit_test(test_gone_before),
		cmocka_unit_test(test_a_no),
		cmocka_unit_test(test_what_quit_may_come_to),
		cmocka_unit_test(test_quit_without_answer),
		cmocka_unit_test(test_what_pop3_cannot),
		cmocka_unit_test(test_twins_stay),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_verify_the_unknown),
		cmocka_unit_test(test_verify_in_a_partial_list),
		cmocka_unit_test(test_other_epoch_and_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
