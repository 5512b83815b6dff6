#include "pop3_rig.h"

/* By UID, a, b and c are in the order b, c, a. */

#define HEADER(subject)                                                                        \
	"+OK\r\nSubject: " subject "\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\n.\r\n"
#define DATE "880127706"

static const struct turn headers[] = {{"TOP 2 0\r", HEADER("two")},
	{"TOP 3 0\r", HEADER("three")}, {"TOP 1 0\r", HEADER("one")}, {NULL}};

#define NEW_B "new b b 20 " DATE " two|"
#define NEW_C "new c c 30 " DATE " three|"
#define NEW_A "new a a 10 " DATE " one|"

struct wanted {
	const char *caps;
	const struct turn *list;
	const char *known;
	struct backend_scan scan;
	const char *stop_at;
};

static void expect_scan(const struct wanted *wanted, const struct turn *turns,
	enum backend_status status, const char *log)
{
	struct seen seen = {.stop_at = wanted->stop_at};
	struct backend_scan scan = wanted->scan;
	struct script script;

	script_init(&script);
	script_begin(&script, wanted->caps ? wanted->caps : CAPS,
		wanted->list ? wanted->list : script_three, turns);
	rig_scan(&script, &scan, wanted->known ? wanted->known : "", &seen);
	assert_status(&script, status);
	assert_string_equal(seen.log.data, log);
	seen_finish(&seen);
	script_close(&script);
}

static void test_first_look(void **state)
{
	const struct wanted plain = {.scan.epoch = 0};
	const struct wanted piped = {.caps = CAPS_PIPE};

	expect_scan(&plain, headers, BACKEND_OK, "begin 3|" NEW_B NEW_C NEW_A "upto a|");
	expect_scan(&piped, headers, BACKEND_OK, "begin 3|" NEW_B NEW_C NEW_A "upto a|");
}

static void test_survey(void **state)
{
	static const struct turn two[] = {{"TOP 2 0\r", HEADER("two")}, {NULL}};
	const struct wanted all = {.known = "abc", .scan = {.epoch = 1, .survey = true}};
	const struct wanted some = {.known = "acd", .scan = {.epoch = 1, .survey = true}};
	const struct wanted news = {.known = "acd", .scan = {.epoch = 1}};

	expect_scan(&all, script_none, BACKEND_OK, "begin 3|have b|have c|have a|all|");
	expect_scan(&some, two, BACKEND_OK, "begin 3|have c|have a|all|" NEW_B "upto b|");
	expect_scan(&news, two, BACKEND_OK, "begin 3|" NEW_B "upto b|");
}

static void test_another_epoch_and_folder(void **state)
{
	const struct wanted other = {.scan.epoch = 7};
	const struct backend_scan scan = {.raw = "Sent"};
	const struct backend_scan_sink sink = {.ctx = NULL};
	struct script script;

	expect_scan(&other, script_none, BACKEND_FOLDER_CHANGED, "begin 3|");
	script_init(&script);
	script_begin(&script, CAPS, script_three, script_none);
	script.backend->ops->scan(script.backend, &scan, &sink, &script.result);
	assert_status(&script, BACKEND_FOLDER_GONE);
	script_close(&script);
}

/* What a list has holes in says nothing of what it does not name; what it names is there. */
static void expect_partial(
	const char *stat, const char *uidl, const char *list, const char *log)
{
	const struct turn turns[] = {{"STAT", stat}, {"UIDL", uidl}, {"LIST", list}, {NULL}};
	const struct wanted wanted = {
		.list = turns, .known = "abcd", .scan = {.epoch = 1, .survey = true}};

	expect_scan(&wanted, script_none, BACKEND_OK, log);
}

static void test_absent_is_not_gone(void **state)
{
	expect_partial("+OK 265 1000\r\n", "+OK\r\n1 a\r\n2 b\r\n.\r\n",
		"+OK\r\n1 10\r\n2 20\r\n.\r\n", "begin 265|have b|have a|");
	expect_partial(
		"-ERR\r\n", "+OK\r\n1 a\r\n.\r\n", "+OK\r\n1 10\r\n.\r\n", "begin 1|have a|");
	expect_partial("+OK many\r\n", "+OK\r\n1 a\r\n.\r\n", "+OK\r\n1 10\r\n.\r\n",
		"begin 1|have a|");
	expect_partial("+OK 2 30\r\n", "+OK\r\n1 a\r\nx b\r\n2 b\r\n.\r\n",
		"+OK\r\n1 10\r\n2 20\r\n.\r\n", "begin 2|have b|have a|");
	expect_partial("+OK 1 10\r\n", "+OK\r\n1 a\r\n1 b\r\n.\r\n", "+OK\r\n1 10\r\n.\r\n",
		"begin 1|have a|");
	expect_partial("+OK 2 30\r\n", "+OK\r\n2 b\r\n\r\n1 a\r\n.\r\n",
		"+OK\r\n1 10\r\n2 20\r\n.\r\n", "begin 2|have b|have a|");
	expect_partial("+OK 1 10\r\n", "+OK\r\n0 a\r\n.\r\n", "+OK\r\n.\r\n", "begin 1|");
	expect_partial("+OK 0 0\r\n", "+OK\r\n1 a\r\n.\r\n", "+OK\r\n1 10\r\n.\r\n",
		"begin 0|have a|");
	/* All there is. */
	expect_partial("+OK 2 30\r\n", "+OK\r\n2 b\r\n1 a\r\n.\r\n",
		"+OK\r\n2 20\r\n1 10\r\n.\r\n", "begin 2|have b|have a|all|");
	expect_partial("+OK 1 10\r\n", "+OK\r\n1 a  \r\n.\r\n", "+OK\r\n1 junk\r\n.\r\n",
		"begin 1|have a|all|");
	expect_partial("+OK 0 0\r\n", "+OK\r\n.\r\n", "+OK\r\n.\r\n", "begin 0|all|");
}

static const struct turn twin_list[] = {{"STAT", "+OK 3 60\r\n"},
	{"UIDL", "+OK\r\n1 a\r\n2 b\r\n3 a\r\n.\r\n"},
	{"LIST", "+OK\r\n1 10\r\n2 20\r\n3 30\r\n.\r\n"}, {NULL}};

/* In the order b, a', a. */
static void test_twins(void **state)
{
	static const struct turn all[] = {{"TOP 2 0\r", HEADER("two")},
		{"TOP 3 0\r", HEADER("three")}, {"TOP 1 0\r", HEADER("one")}, {NULL}};
	static const struct turn changed[] = {
		{"TOP 3 0\r", HEADER("three")}, {"TOP 1 0\r", HEADER("one")}, {NULL}};
	const struct wanted first = {.list = twin_list};
	const struct wanted later = {
		.list = twin_list, .known = "ab", .scan = {.epoch = 1, .survey = true}};

	expect_scan(&first, all, BACKEND_OK,
		"begin 3|" NEW_B "new a' a 30 " DATE " three twin|new a a 10 " DATE
		" one twin|upto a|");
	/* There was but one: it may be either. */
	expect_scan(&later, changed, BACKEND_OK,
		"begin 3|have b|all|new a' a 30 " DATE " three twin|new a a 10 " DATE
		" one twin|upto a|");
}

static void test_strange_uidls(void **state)
{
	struct buf uidl = BUF_INIT;
	const struct turn turns[] = {{"TOP", "+OK\r\n\r\n.\r\n"}, {"TOP", "+OK\r\n\r\n.\r\n"},
		{"TOP", "+OK\r\n\r\n.\r\n"}, {NULL}};
	struct turn list[] = {{"STAT", "+OK 3 60\r\n"}, {"UIDL", NULL},
		{"LIST", "+OK\r\n1 10\r\n2 20\r\n3 30\r\n.\r\n"}, {NULL}};
	struct backend_scan scan = {.survey = true};
	struct seen seen = {.stop_at = NULL};
	struct script script;

	buf_append_str(&uidl, "+OK\r\n1 ");
	for (int i = 0; i < 300; i++)
		buf_append_char(&uidl, 'x');
	buf_append(&uidl, RAW("\r\n2 a\0b\r\n3 c\033[2J\r\n.\r\n"));
	list[1].answer = uidl.data;
	list[1].len = uidl.len;
	script_init(&script);
	script_begin(&script, CAPS, list, turns);
	rig_scan(&script, &scan, "", &seen);
	assert_status(&script, BACKEND_OK);
	assert_non_null(strstr(seen.log.data, "begin 3|all|new "));
	/* Three digests, each of which the client takes. */
	for (const char *at = seen.log.data; (at = strstr(at, "new ")); at++)
		assert_non_null(strstr(at, " xxh128:"));
	seen_finish(&seen);
	script_close(&script);
	buf_finish(&uidl);
}

/* The second has none: its header says who it is, and it cannot be removed. */
static void test_one_without_uidl(void **state)
{
	static const struct turn list[] = {{"STAT", "+OK 2 30\r\n"},
		{"UIDL", "+OK\r\n1 a\r\n2\r\n.\r\n"}, {"LIST", "+OK\r\n1 10\r\n2 20\r\n.\r\n"},
		{NULL}};
	static const struct turn turns[] = {
		{"TOP 2 0\r", HEADER("two")}, {"TOP 2 0\r", HEADER("two")}, {NULL}};
	const struct wanted wanted = {
		.list = list, .known = "a", .scan = {.epoch = 1, .survey = true}};

	expect_scan(&wanted, turns, BACKEND_OK,
		"begin 2|have a|all|new 1986481623 - 20 " DATE " two twin|upto 1986481623|");
}

#define OLD_LOGIN                                                                              \
	{"CAPA", "-ERR\r\n"}, {"USER", "+OK\r\n"}, {"PASS", "+OK\r\n"},                        \
	{                                                                                      \
		"CAPA", "-ERR\r\n"                                                             \
	}

/* Old servers: what is scanned twice has the same numbers twice. */
static void expect_old(const struct turn *turns, size_t scans)
{
	static const struct turn login[] = {OLD_LOGIN, {"STAT", "+OK 2 30\r\n"},
		{"UIDL", "-ERR unknown command\r\n"}, {"LIST", "+OK\r\n1 10\r\n2 20\r\n.\r\n"},
		{NULL}};
	struct seen seen[2] = {{.stop_at = NULL}};
	struct script script;

	script_init(&script);
	script_add(&script, login);
	script_add(&script, turns);
	script_open(&script);
	for (size_t i = 0; i < scans; i++) {
		struct backend_scan scan = {.survey = true};

		rig_scan(&script, &scan, "", &seen[i]);
		assert_status(&script, BACKEND_OK);
		assert_non_null(strstr(seen[i].log.data, " - 10 " DATE " one twin|"));
		assert_non_null(strstr(seen[i].log.data, " - 20 " DATE " two twin|"));
		assert_string_equal(seen[i].log.data, seen[0].log.data);
	}
	seen_finish(&seen[0]);
	seen_finish(&seen[1]);
	script_close(&script);
}

static void test_no_uidl(void **state)
{
	static const struct turn turns[] = {{"TOP 1 0", HEADER("one")},
		{"TOP 2 0", HEADER("two")}, {"TOP 1 0", HEADER("one")},
		{"TOP 2 0", HEADER("two")}, {"TOP 1 0", HEADER("one")},
		{"TOP 2 0", HEADER("two")}, {NULL}};

	expect_old(turns, 2);
}

#define BODY(subject)                                                                          \
	"+OK\r\nSubject: " subject                                                             \
	"\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\n..a\r\n\r\n.\r\n"

static void test_no_top(void **state)
{
	static const struct turn turns[] = {{"TOP 1 0", "-ERR unknown command\r\n"},
		{"RETR 1\r", BODY("one")}, {"RETR 2\r", BODY("two")}, {"RETR 1\r", BODY("one")},
		{"RETR 2\r", BODY("two")}, {NULL}};

	expect_old(turns, 1);
}

static void test_a_bad_message(void **state)
{
	static const struct turn turns[] = {{"TOP 2 0\r", HEADER("two")},
		{"TOP 3 0\r", "-ERR cannot parse\r\n"}, {"TOP 1 0\r", HEADER("one")}, {NULL}};
	const struct wanted plain = {.scan.epoch = 0};
	const struct wanted piped = {.caps = CAPS_PIPE};

	expect_scan(&plain, turns, BACKEND_OK,
		"begin 3|" NEW_B "new c c 30 0 - bad|" NEW_A "upto a|");
	expect_scan(&piped, turns, BACKEND_OK,
		"begin 3|" NEW_B "new c c 30 0 - bad|" NEW_A "upto a|");
}

static void test_trouble_in_the_middle(void **state)
{
	static const struct turn busy[] = {{"TOP 2 0\r", HEADER("two")},
		{"TOP 3 0\r", "-ERR [SYS/TEMP] disk\r\n"}, {NULL}};
	static const struct turn ending[] = {{"TOP 2 0\r", HEADER("two")},
		{"TOP 3 0\r", "-ERR Disconnected for inactivity.\r\n"}, {NULL}};
	static const struct turn mad[] = {
		{"TOP 2 0\r", HEADER("two")}, {"TOP 3 0\r", "* 3 FETCH\r\n"}, {NULL}};
	static const struct turn torn[] = {{"TOP 2 0\r", "+OK\r\nSubject: tw"}, {NULL}};
	const struct wanted plain = {.scan.epoch = 0};
	struct seen seen = {.stop_at = NULL};
	struct backend_scan scan = {.survey = true};
	struct script script;

	expect_scan(&plain, busy, BACKEND_THROTTLED, "begin 3|" NEW_B);
	expect_scan(&plain, ending, BACKEND_CONNECTION_LOST, "begin 3|" NEW_B);
	expect_scan(&plain, mad, BACKEND_CONNECTION_LOST, "begin 3|" NEW_B);

	script_init(&script);
	script.hold = false;
	script_begin(&script, CAPS, script_three, torn);
	rig_scan(&script, &scan, "", &seen);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_true(script.result.broke);
	assert_string_equal(seen.log.data, "begin 3|all|");
	/* Every later call as well, and without a word to the server. */
	buf_clear(&seen.log);
	rig_scan(&script, &scan, "", &seen);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_string_equal(seen.log.data, "");
	seen_finish(&seen);
	script_close(&script);
}

/* Whoever stops gets no more, and the session is in step afterwards. */
static void test_stop(void **state)
{
	static const char *const words[] = {"begin", "have", "all", "new", "upto"};
	static const struct turn again[] = {{"TOP 2 0\r", HEADER("two")},
		{"TOP 3 0\r", HEADER("three")}, {"TOP", HEADER("two")},
		{"TOP", HEADER("three")}, {NULL}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct seen seen = {.stop_at = words[i]}, after = {.stop_at = NULL};
		struct backend_scan scan = {.epoch = 1, .survey = true};
		struct script script;
		bool asked = i >= 3;

		script_init(&script);
		script_begin(&script, CAPS_PIPE, script_three, asked ? again : again + 2);
		rig_scan(&script, &scan, "a", &seen);
		assert_status(&script, BACKEND_STOPPED);
		assert_int_equal(strcmp(words[i], "all") == 0,
			strcmp(seen.log.data, "begin 3|have a|all|") == 0);
		scan = (struct backend_scan){.epoch = 1, .survey = true};
		rig_scan(&script, &scan, "a", &after);
		assert_status(&script, BACKEND_OK);
		assert_string_equal(
			after.log.data, "begin 3|have a|all|" NEW_B NEW_C "upto c|");
		seen_finish(&seen);
		seen_finish(&after);
		script_close(&script);
	}
}

static void test_batches(void **state)
{
	static const struct turn stub[] = {
		{"TOP 3 0\r", HEADER("three")}, {"TOP 1 0\r", HEADER("one")}, {NULL}};
	const struct wanted single = {.scan.most = 1};
	const struct wanted pairs = {.scan.most = 2};
	const struct wanted first = {.scan = {.most = 1, .stub_first = true}};
	const struct wanted nothing = {
		.known = "abc", .scan = {.epoch = 1, .stub_first = true}};

	expect_scan(&single, headers, BACKEND_OK,
		"begin 3|" NEW_B "upto b|" NEW_C "upto c|" NEW_A "upto a|");
	expect_scan(
		&pairs, headers, BACKEND_OK, "begin 3|" NEW_B NEW_C "upto c|" NEW_A "upto a|");
	expect_scan(&first, stub, BACKEND_OK,
		"begin 3|new b b 20 0 - bad|upto b|" NEW_C "upto c|" NEW_A "upto a|");
	expect_scan(&nothing, script_none, BACKEND_OK, "begin 3|");
}

static void test_dates(void **state)
{
	static const struct turn turns[] = {
		{"TOP 2 0\r", "+OK\r\nDate: Wed, 31 Dec 1969 23:59:59 +0000\r\n\r\n.\r\n"},
		{"TOP 3 0\r", "+OK\r\nDate: Fri, 31 Dec 9999 23:59:59 +0000\r\n\r\n.\r\n"},
		{"TOP 1 0\r", "+OK\r\nDate: yesterday\r\n\r\n.\r\n"}, {NULL}};
	const struct wanted plain = {.scan.epoch = 0};

	expect_scan(&plain, turns, BACKEND_OK,
		"begin 3|new b b 20 0 -|new c c 30 0 -|new a a 10 0 -|upto a|");
}

/* A server that sends the body with TOP, dots and all. */
static void test_top_with_everything(void **state)
{
	static const struct turn turns[] = {
		{"TOP 2 0\r",
			RAW("+OK\r\nSubject: t\0wo\r\n\r\n..\r\n...\r\nSubject: x\r\n.\r\n")},
		{"TOP 3 0\r", "+OK\r\n.\r\n"}, {"TOP 1 0\r", "+OK\nSubject: one\n\n.\n"},
		{NULL}};
	const struct wanted plain = {.scan.epoch = 0};

	expect_scan(&plain, turns, BACKEND_OK,
		"begin 3|new b b 20 0 two|new c c 30 0 -|new a a 10 0 one|upto a|");
}

/* Nobody gives any header: the server is in trouble, and not all of the mail bad. */
static void test_a_server_in_trouble(void **state)
{
	struct buf uidl = BUF_INIT, list = BUF_INIT;
	struct turn turns[SCRIPT_TURNS] = {{NULL}};
	struct backend_scan scan = {.survey = true};
	struct seen seen = {.stop_at = NULL};
	struct turn lists[4] = {{"STAT", "+OK 20 200\r\n"}, {"UIDL"}, {"LIST"}, {NULL}};
	struct script script;

	buf_append_str(&uidl, "+OK\r\n");
	buf_append_str(&list, "+OK\r\n");
	for (int i = 1; i <= 20; i++) {
		buf_printf(&uidl, "%d uidl-%d\r\n", i, i);
		buf_printf(&list, "%d 10\r\n", i);
		if (i <= 17)
			turns[i - 1] = (struct turn){"TOP", "-ERR I/O error\r\n"};
	}
	buf_append_str(&uidl, ".\r\n");
	buf_append_str(&list, ".\r\n");
	lists[1].answer = uidl.data;
	lists[2].answer = list.data;
	script_init(&script);
	script_begin(&script, CAPS, lists, turns);
	rig_scan(&script, &scan, "", &seen);
	assert_status(&script, BACKEND_THROTTLED);
	assert_null(strstr(seen.log.data, "upto"));
	seen_finish(&seen);
	script_close(&script);
	buf_finish(&uidl);
	buf_finish(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_survey),
		cmocka_unit_test(test_another_epoch_and_folder),
		cmocka_unit_test(test_absent_is_not_gone),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_strange_uidls),
		cmocka_unit_test(test_one_without_uidl),
		cmocka_unit_test(test_no_uidl),
		cmocka_unit_test(test_no_top),
		cmocka_unit_test(test_a_bad_message),
		cmocka_unit_test(test_trouble_in_the_middle),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_top_with_everything),
		cmocka_unit_test(test_a_server_in_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
