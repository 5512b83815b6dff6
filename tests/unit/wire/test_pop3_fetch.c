#include "pop3_rig.h"

#define ID "Message-ID: <1@x>\r\n"

static void want(struct backend_want *wants, const char *letters)
{
	for (size_t i = 0; letters[i]; i++)
		wants[i] =
			(struct backend_want){.uid = uid_of((const char[]){letters[i], '\0'})};
}

/* letters: what is wanted. */
static void expect_fetch_stop(const char *caps, const char *letters, const struct turn *turns,
	const char *stop_at, enum backend_status status, const char *log)
{
	struct seen seen = {.stop_at = stop_at};
	struct backend_want wants[8];
	struct script script;

	want(wants, letters);
	script_init(&script);
	script_begin(&script, caps, script_three, turns);
	rig_fetch(&script, wants, strlen(letters), &seen);
	assert_status(&script, status);
	assert_string_equal(seen.log.data, log);
	seen_finish(&seen);
	script_close(&script);
}

static void expect_fetch(const char *letters, const struct turn *turns,
	enum backend_status status, const char *log)
{
	expect_fetch_stop(CAPS, letters, turns, NULL, status, log);
}

static void expect_body(const struct turn *turn, const char *log)
{
	const struct turn turns[] = {*turn, {NULL}};

	expect_fetch("b", turns, BACKEND_OK, log);
}

static void test_bodies(void **state)
{
	static const struct turn turns[] = {{"RETR 1\r", "+OK 10 octets\r\none\r\n.\r\n"},
		{"RETR 2\r", "+OK\r\ntwo\r\n.\r\n"}, {"RETR 3\r", "+OK\r\nthree\r\n.\r\n"},
		{NULL}};

	/* In the order of the maildrop. */
	expect_fetch("cab", turns, BACKEND_OK,
		"done a one\\r\\n|done b two\\r\\n|done c three\\r\\n|");
	expect_fetch_stop(CAPS_PIPE, "cab", turns, NULL, BACKEND_OK,
		"done a one\\r\\n|done b two\\r\\n|done c three\\r\\n|");
}

static void test_byte_for_byte(void **state)
{
	expect_body(&(struct turn){"RETR", "+OK\r\n.\r\n"}, "done b |");
	expect_body(&(struct turn){"RETR", "+OK\r\n..\r\n...\r\n..a\r\n.\r\n"},
		"done b .\\r\\n..\\r\\n.a\\r\\n|");
	expect_body(&(struct turn){"RETR", RAW("+OK\r\na\0\0b\r\n\0\r\n.\r\n")},
		"done b a\\0\\0b\\r\\n\\0\\r\\n|");
	expect_body(&(struct turn){"RETR", "+OK\r\na\r\nb\n.\r\n+OK\nx\r\n.\r\n"},
		"done b a\\r\\nb\\n.\\r\\n+OK\\nx\\r\\n|");
	expect_body(&(struct turn){"RETR", "+OK\na\n..b\n.\n"}, "done b a\\n.b\\n|");
	expect_body(&(struct turn){"RETR", "+OK\r\n\xff\x80\x01\r\n.\r\n"},
		"done b \xff\x80\x01\\r\\n|");
}

/* What LIST said is a claim. */
static void test_lying_sizes(void **state)
{
	static const struct turn list[] = {{"STAT", "+OK 3 60\r\n"},
		{"UIDL", "+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n"},
		{"LIST", "+OK\r\n1 0\r\n2 9223372036854775807\r\n3 "
			 "99999999999999999999\r\n.\r\n"},
		{NULL}};
	static const struct turn turns[] = {{"RETR 1\r", "+OK\r\none\r\n.\r\n"},
		{"RETR 2\r", "+OK 0 octets\r\ntwo\r\n.\r\n"},
		{"RETR 3\r", "+OK\r\nthree\r\n.\r\n"}, {NULL}};
	struct seen seen = {.stop_at = NULL};
	struct backend_want wants[3];
	struct script script;

	want(wants, "abc");
	script_init(&script);
	script_begin(&script, CAPS_PIPE, list, turns);
	rig_fetch(&script, wants, 3, &seen);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(
		seen.log.data, "done a one\\r\\n|done b two\\r\\n|done c three\\r\\n|");
	seen_finish(&seen);
	script_close(&script);
}

static void test_not_listed(void **state)
{
	static const struct turn turns[] = {{"RETR 2\r", "+OK\r\ntwo\r\n.\r\n"}, {NULL}};

	expect_fetch("d", script_none, BACKEND_OK, "d message gone|");
	expect_fetch("db", turns, BACKEND_OK, "d message gone|done b two\\r\\n|");
}

/* Whether it is the one that is stored. */
static void expect_who(
	const struct backend_want *one, const struct turn *turns, const char *log)
{
	struct seen seen = {.stop_at = NULL};
	struct backend_want wants[1] = {*one};
	struct script script;

	wants[0].uid = uid_of("b");
	script_init(&script);
	script_begin(&script, CAPS, script_three, turns);
	rig_fetch(&script, wants, 1, &seen);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(seen.log.data, log);
	seen_finish(&seen);
	script_close(&script);
}

static void test_who_it_is(void **state)
{
	static const struct turn turns[] = {
		{"RETR 2\r", "+OK\r\n" ID "\r\nx\r\n.\r\n"}, {NULL}};
	static const struct turn none[] = {
		{"RETR 2\r", "+OK\r\nA: b\r\n\r\n" ID ".\r\n"}, {NULL}};
	static const char got[] = "done b Message-ID: <1@x>\\r\\n\\r\\nx\\r\\n|";

	expect_who(&(struct backend_want){.uidl = "b"}, turns, got);
	expect_who(&(struct backend_want){.uidl = "b", .message_id = "<1@x>"}, turns, got);
	/* A number that two names come to. */
	expect_who(&(struct backend_want){.uidl = "other"}, script_none, "b message gone|");
	/* Twins that changed places. */
	expect_who(&(struct backend_want){.uidl = "b", .message_id = "<2@x>"}, turns,
		"b message gone|");
	expect_who(&(struct backend_want){.message_id = "<1@x>"}, none, "b message gone|");
}

static void test_a_no(void **state)
{
	static const struct turn bad[] = {{"RETR 1\r", "+OK\r\none\r\n.\r\n"},
		{"RETR 2\r", "-ERR cannot read it\r\n"}, {"RETR 3\r", "+OK\r\nthree\r\n.\r\n"},
		{NULL}};
	static const struct turn gone[] = {
		{"RETR 2\r", "-ERR Message 2 expunged.\r\n"}, {NULL}};
	static const struct turn busy[] = {{"RETR 1\r", "-ERR [SYS/TEMP] disk\r\n"}, {NULL}};
	static const struct turn leaving[] = {
		{"RETR 1\r", "-ERR Disconnected for inactivity\r\n"}, {NULL}};

	expect_fetch(
		"abc", bad, BACKEND_OK, "done a one\\r\\n|b message bad|done c three\\r\\n|");
	expect_fetch_stop(CAPS_PIPE, "abc", bad, NULL, BACKEND_OK,
		"done a one\\r\\n|b message bad|done c three\\r\\n|");
	expect_fetch("b", gone, BACKEND_OK, "b message gone|");
	expect_fetch("ab", busy, BACKEND_THROTTLED, "");
	expect_fetch("ab", leaving, BACKEND_CONNECTION_LOST, "");
}

static void test_cut_off(void **state)
{
	static const char *const cuts[] = {"", "+O", "+OK", "+OK\r\n", "+OK\r\ntw",
		"+OK\r\ntwo\r\n", "+OK\r\ntwo\r\n.", "+OK\r\ntwo\r\n.\r"};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		const struct turn turns[] = {{"RETR 1\r", "+OK\r\none\r\n.\r\n"},
			{"RETR 2\r", cuts[i], strlen(cuts[i])}, {NULL}};
		struct seen seen = {.stop_at = NULL};
		struct backend_want wants[2];
		struct script script;

		want(wants, "ab");
		script_init(&script);
		script.hold = false;
		script_begin(&script, CAPS, script_three, turns);
		rig_fetch(&script, wants, 2, &seen);
		assert_status(&script, BACKEND_CONNECTION_LOST);
		assert_true(script.result.broke);
		assert_string_equal(seen.log.data, "done a one\\r\\n|");
		seen_finish(&seen);
		script_close(&script);
	}
}

static void test_stalled(void **state)
{
	static const struct turn turns[] = {{"RETR 1\r", "+OK\r\nhalf of it"}, {NULL}};
	struct seen seen = {.stop_at = NULL};
	struct backend_want wants[1];
	struct script script;

	want(wants, "a");
	script_init(&script);
	script.conf.timeout_ms = 300;
	script_begin(&script, CAPS, script_three, turns);
	rig_fetch(&script, wants, 1, &seen);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_false(script.result.broke);
	seen_finish(&seen);
	script_close(&script);
}

/* What is under way is read, so that the session can be used on. */
static void test_stop(void **state)
{
	static const struct turn turns[] = {{"RETR 1\r", "+OK\r\none\r\n.\r\n"},
		{"RETR 2\r", "-ERR no\r\n"}, {"RETR 3\r", "+OK\r\nthree\r\n.\r\n"},
		{"RETR 3\r", "+OK\r\nthree\r\n.\r\n"}, {NULL}};
	static const char *const words[] = {"data", "done"};

	for (size_t i = 0; i < 2; i++) {
		struct seen seen = {.stop_at = words[i]}, after = {.stop_at = NULL};
		struct backend_want wants[3];
		struct script script;

		want(wants, "abc");
		script_init(&script);
		script_begin(&script, CAPS_PIPE, script_three, turns);
		rig_fetch(&script, wants, 3, &seen);
		assert_status(&script, BACKEND_STOPPED);
		want(wants, "c");
		rig_fetch(&script, wants, 1, &after);
		assert_status(&script, BACKEND_OK);
		assert_string_equal(after.log.data, "done c three\\r\\n|");
		seen_finish(&seen);
		seen_finish(&after);
		script_close(&script);
	}
}

static void test_large_message(void **state)
{
	struct buf body = BUF_INIT;
	struct turn turns[] = {{"RETR 2\r", NULL}, {NULL}};
	struct seen seen = {.stop_at = NULL};
	struct backend_want wants[] = {{.uid = uid_of("b"), .message_id = "<1@x>"}};
	struct script script;

	/* Its header is longer than what is looked at. */
	buf_append_str(&body, "+OK\r\n");
	for (int i = 0; i < 20000; i++)
		buf_append_str(
			&body, "X-Header: ..........................................\r\n");
	buf_append_str(&body, ID "\r\n");
	for (int i = 0; i < 20000; i++)
		buf_append_str(&body, "..................................................\r\n");
	buf_append_str(&body, ".\r\n");
	turns[0].answer = body.data;
	script_init(&script);
	script_begin(&script, CAPS, script_three, turns);
	rig_fetch(&script, wants, 1, &seen);
	assert_status(&script, BACKEND_OK);
	/* All but the dots that the server added. */
	assert_true(seen.log.len > 20000 * 100);
	seen_finish(&seen);
	script_close(&script);
	buf_finish(&body);
}

/* All of them bad: it is the server. */
static void test_a_server_in_trouble(void **state)
{
	struct backend_want wants[10] = {{0}};
	struct turn list[4] = {{"STAT", "+OK 10 100\r\n"}, {"UIDL"}, {"LIST"}, {NULL}};
	struct buf uidl = BUF_INIT, sizes = BUF_INIT;
	struct turn turns[9] = {{NULL}};
	struct seen seen = {.stop_at = NULL};
	struct script script;

	buf_append_str(&uidl, "+OK\r\n");
	buf_append_str(&sizes, "+OK\r\n");
	for (int i = 0; i < 10; i++) {
		char name[16];

		snprintf(name, sizeof(name), "m%d", i);
		wants[i].uid = uid_of(name);
		buf_printf(&uidl, "%d %s\r\n", i + 1, name);
		buf_printf(&sizes, "%d 10\r\n", i + 1);
		if (i < 8)
			turns[i] = (struct turn){"RETR", "-ERR I/O error\r\n"};
	}
	buf_append_str(&uidl, ".\r\n");
	buf_append_str(&sizes, ".\r\n");
	list[1].answer = uidl.data;
	list[2].answer = sizes.data;
	script_init(&script);
	script_begin(&script, CAPS, list, turns);
	rig_fetch(&script, wants, 10, &seen);
	assert_status(&script, BACKEND_THROTTLED);
	seen_finish(&seen);
	script_close(&script);
	buf_finish(&uidl);
	buf_finish(&sizes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_byte_for_byte),
		cmocka_unit_test(test_lying_sizes),
		cmocka_unit_test(test_not_listed),
		cmocka_unit_test(test_who_it_is),
		cmocka_unit_test(test_a_no),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_large_message),
		cmocka_unit_test(test_a_server_in_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
