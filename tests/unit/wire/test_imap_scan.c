#include "imap_scan_rig.h"

static void test_empty_folder(void **state)
{
	static const struct turn turns[] = {EXAMINE("0", "1"), {NULL}};

	expect_scan(turns, &first_look, BACKEND_OK, "begin 7 0 1 99|");
}

static void test_first_look(void **state)
{
	static const struct turn turns[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 3 9\r\n\1 OK x\r\n"},
		{"UID FETCH 3:9 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS",
			MESSAGE("1", "3", "a") MESSAGE("2", "9", "b") "\1 OK x\r\n"},
		{NULL}};

	expect_scan(turns, &first_look, BACKEND_OK,
		"begin 7 2 10 99|" NEW("3", "a") NEW("9", "b") "upto 9|");
}

/* Where nothing is missing one number tells all UIDs; where it does not fit they are asked for. */
static void test_dense_folder(void **state)
{
	static const struct turn all[] = {EXAMINE("2", "3"),
		{"UID SEARCH UID 2:*", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 1:2 ", MESSAGE("1", "1", "a") MESSAGE("2", "2", "b") "\1 OK x\r\n"},
		{NULL}};
	static const struct turn stale[] = {EXAMINE("2", "3"),
		{"UID SEARCH UID 2:*", "* SEARCH 5 9\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 1:*", "* SEARCH 5 9\r\n\1 OK x\r\n"},
		{"UID FETCH 5:9 ", MESSAGE("1", "5", "a") MESSAGE("2", "9", "b") "\1 OK x\r\n"},
		{NULL}};
	static const struct turn gone[] = {EXAMINE("2", "3"),
		{"UID SEARCH UID 2:*", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 1:2 ", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH\r\n\1 OK x\r\n"}, {NULL}};

	expect_scan(all, &first_look, BACKEND_OK,
		"begin 7 2 3 99|" NEW("1", "a") NEW("2", "b") "upto 2|");
	expect_scan(stale, &first_look, BACKEND_OK,
		"begin 7 2 3 99|" NEW("5", "a") NEW("9", "b") "upto 9|");
	expect_scan(gone, &first_look, BACKEND_OK, "begin 7 2 3 99|" NEW("1", "a") "upto 2|");
}

static void test_nothing_new(void **state)
{
	static const struct turn by_uidnext[] = {EXAMINE("2", "10"), {NULL}};
	static const struct turn courier[] = {
		{"EXAMINE", "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 10:*", "* SEARCH 9\r\n\1 OK x\r\n"}, {NULL}};
	const struct backend_scan want = {.raw = "INBOX", .epoch = 7, .last_uid = 9};

	expect_scan(by_uidnext, &want, BACKEND_OK, "begin 7 2 10 99|");
	expect_scan(courier, &want, BACKEND_OK, "begin 7 2 0 0|");
}

static void test_survey(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"),
		{"UID FETCH 1:9 (UID FLAGS)",
			"* 2 FETCH (FLAGS (\\Seen) UID 5)\r\n"
			"* 1 FETCH (UID 3 FLAGS (\\Flagged $Forwarded unknown))\r\n"
			"* 7 FETCH (FLAGS (\\Seen))\r\n"                   /* no UID */
			"* 3 FETCH (UID 9 FLAGS (\\Deleted \\Recent))\r\n"
			"* 9 FETCH (UID 12 FLAGS ())\r\n"                  /* not asked for */
			"* 2 FETCH (UID 5 FLAGS (\\Draft))\r\n"            /* a later word */
			"* 4 EXISTS\r\n\1 OK x\r\n"},
		{NULL}};
	const struct backend_scan want = {
		.raw = "INBOX", .epoch = 7, .last_uid = 9, .survey = true};

	expect_scan(turns, &want, BACKEND_OK,
		"begin 7 3 10 99|have 3 36|have 5 16|have 9 8|all|");
}

/* Fewer than there should be. */
static void test_survey_that_comes_short(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"),
		{"UID FETCH 1:9", "* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 1:9", "* SEARCH 3 5\r\n\1 OK x\r\n"}, {NULL}};
	const struct backend_scan want = {
		.raw = "INBOX", .epoch = 7, .last_uid = 9, .survey = true};

	expect_scan(turns, &want, BACKEND_OK, "begin 7 3 10 99|have 3 1|have 5 0|all|");
}

/* A line that cannot be read must not make its message look removed. */
static void test_survey_with_a_hole(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"),
		{"UID FETCH 1:9", "* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n* 2 FETCH (UID 5 FLAGS "
				  "NONSENSE)\r\n* 3 FETCH (UID 9 FLAGS ())\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 1:9", "* SEARCH 9 5 3\r\n\1 OK x\r\n"}, {NULL}};
	const struct backend_scan want = {
		.raw = "INBOX", .epoch = 7, .last_uid = 9, .survey = true};

	expect_scan(turns, &want, BACKEND_OK,
		"begin 7 3 10 99|have 3 1|have 5 0|have 9 0|all|");
}

static void test_survey_that_fails_is_no_survey(void **state)
{
	static const struct turn no_twice[] = {EXAMINE("3", "10"), {"UID FETCH", "\1 NO x\r\n"},
		{"UID SEARCH", "\1 NO x\r\n"}, {NULL}};
	static const struct turn busy[] = {EXAMINE("3", "10"),
		{"UID FETCH", "* 1 FETCH (UID 3 FLAGS ())\r\n\1 NO [THROTTLED] x\r\n"}, {NULL}};
	static const struct turn lost[] = {EXAMINE("3", "10"),
		{"UID FETCH", "* 1 FETCH (UID 3 FLAGS ())\r\n* BYE x\r\n"}, {NULL}};
	const struct backend_scan want = {
		.raw = "INBOX", .epoch = 7, .last_uid = 9, .survey = true};

	expect_scan(no_twice, &want, BACKEND_THROTTLED, "begin 7 3 10 99|");
	expect_scan(busy, &want, BACKEND_THROTTLED, "begin 7 3 10 99|");
	expect_scan(lost, &want, BACKEND_CONNECTION_LOST, "begin 7 3 10 99|");
}

static void test_everything_was_removed(void **state)
{
	static const struct turn turns[] = {EXAMINE("0", "10"), {NULL}};
	static const struct turn unsaid[] = {
		{"EXAMINE", "* OK [UIDVALIDITY 7] v\r\n\1 OK x\r\n"}, {NULL}};
	const struct backend_scan want = {
		.raw = "INBOX", .epoch = 7, .last_uid = 9, .survey = true};

	expect_scan(turns, &want, BACKEND_OK, "begin 7 0 10 99|all|");
	expect_scan(unsaid, &want, BACKEND_THROTTLED, "");
}

static void test_epochs(void **state)
{
	static const struct turn changed[] = {EXAMINE("2", "10"), {NULL}};
	static const struct turn long_one[] = {
		{"EXAMINE", "* 0 EXISTS\r\n* OK [UIDVALIDITY 1715000000123] v\r\n\1 OK x\r\n"},
		{NULL}};
	static const struct turn none[] = {{"EXAMINE", "* 0 EXISTS\r\n\1 OK x\r\n"}, {NULL}};
	const struct backend_scan other = {.raw = "INBOX", .epoch = 8, .last_uid = 9};
	const struct backend_scan wrapped = {.raw = "INBOX", .epoch = 1715000000123 % 4294967296};
	const struct backend_scan same = {.raw = "INBOX", .epoch = 1715000000123};

	expect_scan(changed, &other, BACKEND_FOLDER_CHANGED, "begin 7 2 10 99|");
	expect_scan(long_one, &same, BACKEND_OK, "begin 1715000000123 0 0 0|");
	expect_scan(long_one, &wrapped, BACKEND_FOLDER_CHANGED, "begin 1715000000123 0 0 0|");
	expect_scan(none, &first_look, BACKEND_OK, "begin 0 0 0 0|");
	expect_scan(none, &same, BACKEND_FOLDER_CHANGED, "begin 0 0 0 0|");
}

static void test_folders_that_do_not_open(void **state)
{
	static const struct turn gone[] = {{"EXAMINE", "\1 NO [NONEXISTENT] no such\r\n"}, {NULL}};
	static const struct turn bad[] = {{"EXAMINE", "\1 BAD what\r\n"}, {NULL}};
	static const struct turn busy[] = {{"EXAMINE", "\1 NO [INUSE] locked\r\n"}, {NULL}};
	static const struct turn bug[] = {{"EXAMINE", "\1 NO [SERVERBUG] oops\r\n"}, {NULL}};
	static const struct turn nothing[] = {{NULL}};
	static const struct turn quoted[] = {
		{"EXAMINE \"a\\\"\\\\ b\"\r\n", "* 0 EXISTS\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn literal[] = {{"EXAMINE {5}\r\n", "+ ok\r\n"},
		{"\303\274ber\r\n", "* 0 EXISTS\r\n\1 OK x\r\n"}, {NULL}};
	const struct backend_scan evil = {.raw = "INBOX\"\r\n9 DELETE \"x"};
	const struct backend_scan odd = {.raw = "a\"\\ b"};
	const struct backend_scan eight_bit = {.raw = "\303\274ber"};

	expect_scan(gone, &first_look, BACKEND_FOLDER_GONE, "");
	expect_scan(bad, &first_look, BACKEND_FOLDER_GONE, "");
	expect_scan(busy, &first_look, BACKEND_THROTTLED, "");
	expect_scan(bug, &first_look, BACKEND_THROTTLED, "");
	expect_scan(nothing, &evil, BACKEND_FOLDER_GONE, "");
	expect_scan(quoted, &odd, BACKEND_OK, "begin 0 0 0 0|");
	expect_scan(literal, &eight_bit, BACKEND_OK, "begin 0 0 0 0|");
}

static void test_order_duplicates_and_strangers(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"),
		{"UID SEARCH", "* SEARCH 9 3 5\r\n* SEARCH 5\r\n\1 OK x\r\n"},
		{"UID FETCH 3:9",
			"* 4 EXISTS\r\n" MESSAGE("3", "9", "c") MESSAGE("2", "5", "b")
				MESSAGE("1", "3", "a") MESSAGE("2", "5", "x")
					MESSAGE("8", "77", "z")
			"* 1 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n"
			"\1 OK x\r\n"},
		{NULL}};
	struct seen seen = {.stop_at = NULL};
	struct script script;

	script_start(&script, turns);
	scan(&script, &first_look, &seen);
	assert_status(&script, BACKEND_OK);
	assert_non_null(strstr(seen.log.data, NEW("3", "a")));
	assert_non_null(strstr(seen.log.data, NEW("9", "c") "upto 9|"));
	assert_null(strstr(seen.log.data, "77"));
	assert_null(strstr(strstr(seen.log.data, "new 5") + 1, "new 5"));
	buf_finish(&seen.log);
	script_close(&script);
}

static void test_headers_in_every_form(void **state)
{
	static const struct turn turns[] = {EXAMINE("4", "10"),
		{"UID SEARCH", "* SEARCH 1 2 3 4\r\n\1 OK x\r\n"},
		{"UID FETCH 1:4",
			RAW("* 1 FETCH (UID 1 FLAGS () " DATE " RFC822.SIZE 5 " HEADER
			    " \"Subject: q\")\r\n"
			    "* 2 FETCH (" HEADER " {16}\r\nSubject: a\0b\r\n\r\n RFC822.SIZE 5 "
			    DATE " FLAGS () UID 2)\r\n"
			    "* 3 FETCH (UID 3 FLAGS () " DATE " RFC822.SIZE 5 " HEADER " NIL)\r\n"
			    "* 4 FETCH (UID 4 FLAGS () " DATE " RFC822.SIZE 5 " HEADER
			    " {2}\r\n\r\n)\r\n"
			    "\1 OK x\r\n")},
		{NULL}};

	expect_scan(turns, &first_look, BACKEND_OK,
		"begin 7 4 10 99|new 1 0 5 837596665 q|new 2 0 5 837596665 ab|"
		"new 3 0 5 837596665 -|new 4 0 5 837596665 -|upto 4|");
}

static void test_one_bad_message_fails_the_whole_command(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2 3\r\n\1 OK x\r\n"},
		{"UID FETCH 1:3", "\1 NO some messages could not be fetched\r\n"},
		{"UID SEARCH UID 1:3", "* SEARCH 1 2 3\r\n\1 OK x\r\n"},
		{"UID FETCH 1:1", MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID FETCH 2:3", MESSAGE("3", "3", "c") "\1 NO x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 2:2 (UID FLAGS INTERNALDATE RFC822.SIZE BODY", "\1 NO x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 2:2 (UID FLAGS INTERNALDATE BODY", "\1 NO x\r\n"},
		{"UID FETCH 2:2 (UID FLAGS INTERNALDATE RFC822.SIZE)",
			"* 2 FETCH (UID 2 FLAGS (\\Seen) " DATE " RFC822.SIZE 9)\r\n\1 OK x\r\n"},
		{NULL}};

	expect_scan(turns, &first_look, BACKEND_OK,
		"begin 7 3 10 99|" NEW("1", "a") "new 2 1 9 837596665 - bad|" NEW(
			"3", "c") "upto 3|");
}

/* A null size: the header is to be had, only not together with it. */
static void test_null_size(void **state)
{
	static const struct turn turns[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2\r\n\1 OK x\r\n"},
		{"UID FETCH 1:2",
			MESSAGE("1", "1", "a") "* 2 FETCH (UID 2 FLAGS () " DATE
			" RFC822.SIZE NIL " HEADER " {14}\r\nSubject: b\r\n\r\n)\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 2:2", "* 2 FETCH (UID 2 FLAGS () " DATE
			" RFC822.SIZE NIL " HEADER " {14}\r\nSubject: b\r\n\r\n)\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH 2\r\n\1 OK x\r\n"},
		{"UID FETCH 2:2 (UID FLAGS INTERNALDATE BODY",
			"* 2 FETCH (UID 2 FLAGS () " DATE " " HEADER
			" {14}\r\nSubject: b\r\n\r\n)\r\n\1 OK x\r\n"},
		{NULL}};

	expect_scan(turns, &first_look, BACKEND_OK,
		"begin 7 2 10 99|" NEW("1", "a") "new 2 0 0 837596665 b|upto 2|");
}

static void test_gone_while_fetching(void **state)
{
	static const struct turn turns[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2\r\n\1 OK x\r\n"},
		{"UID FETCH 1:2", "* 2 EXPUNGE\r\n" MESSAGE("1", "1", "a") "\1 OK x\r\n"},
		{"UID SEARCH UID 2:2", "* SEARCH\r\n\1 OK x\r\n"}, {NULL}};

	expect_scan(turns, &first_look, BACKEND_OK,
		"begin 7 2 10 99|" NEW("1", "a") "upto 2|");
}

/* A header must not be taken for the next message's when its own line could not be read. */
static void test_header_of_an_unreadable_line_is_dropped(void **state)
{
	static const struct turn turns[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2\r\n\1 OK x\r\n"},
		{"UID FETCH 1:2",
			"* 1 FETCH (UID 1 " HEADER " {14}\r\nSubject: a\r\n\r\n GARBAGE)\r\n"
			"* 2 FETCH (UID 2 FLAGS (\\Seen) " DATE " RFC822.SIZE 100 " HEADER
			" NIL)\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 1:1", "* SEARCH\r\n\1 OK x\r\n"}, {NULL}};

	expect_scan(turns, &first_look, BACKEND_OK, "begin 7 2 10 99|" NEW("2", "-") "upto 2|");
}

static void test_server_in_trouble_makes_no_bad_mail(void **state)
{
	static const struct turn busy[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2\r\n\1 OK x\r\n"},
		{"UID FETCH", "\1 NO [UNAVAILABLE] disk\r\n"}, {NULL}};
	static const struct turn lost[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2\r\n\1 OK x\r\n"},
		{"UID FETCH", MESSAGE("1", "1", "a") "* 2 FETCH (UID 2 " HEADER " {140}\r\nSub"},
		{NULL}};

	expect_scan(busy, &first_look, BACKEND_THROTTLED, "begin 7 2 10 99|");
	expect_scan(lost, &first_look, BACKEND_CONNECTION_LOST, "begin 7 2 10 99|");
}

static void test_stopping(void **state)
{
	static const struct turn begin[] = {EXAMINE("1", "10"), {NULL}};
	static const struct turn message[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 1:*", "* SEARCH 1 2\r\n\1 OK x\r\n"},
		{"UID FETCH", MESSAGE("1", "1", "a") MESSAGE("2", "2", "b") "\1 OK x\r\n"},
		{NULL}};

	expect_scan_stop(begin, &first_look, "begin", BACKEND_STOPPED, "begin 7 1 10 99|");
	expect_scan_stop(message, &first_look, "new", BACKEND_STOPPED,
		"begin 7 2 10 99|" NEW("1", "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_folder),
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_dense_folder),
		cmocka_unit_test(test_nothing_new),
		cmocka_unit_test(test_survey),
		cmocka_unit_test(test_survey_that_comes_short),
		cmocka_unit_test(test_survey_with_a_hole),
		cmocka_unit_test(test_survey_that_fails_is_no_survey),
		cmocka_unit_test(test_everything_was_removed),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_folders_that_do_not_open),
		cmocka_unit_test(test_order_duplicates_and_strangers),
		cmocka_unit_test(test_headers_in_every_form),
		cmocka_unit_test(test_one_bad_message_fails_the_whole_command),
		cmocka_unit_test(test_null_size),
		cmocka_unit_test(test_gone_while_fetching),
		cmocka_unit_test(test_header_of_an_unreadable_line_is_dropped),
		cmocka_unit_test(test_server_in_trouble_makes_no_bad_mail),
		cmocka_unit_test(test_stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
