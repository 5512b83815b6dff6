#include "imap_script.h"

/* What a fetch reported: "done 3 <body>|" or "failed 3 MESSAGE_GONE|". */
struct got {
	struct buf log;
	struct buf body;
	uint64_t bytes;
	const char *stop_at;
};

static bool on_data(void *ctx, const void *data, size_t len)
{
	struct got *got = ctx;

	got->bytes += len;
	if (got->body.len < 4096)
		buf_append(&got->body, data, len < 4096 ? len : 4096);
	return !got->stop_at || strcmp(got->stop_at, "data") != 0;
}

static bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct got *got = ctx;

	assert_int_equal(size, got->bytes);
	buf_printf(&got->log, "done %u ", uid);
	for (size_t i = 0; i < got->body.len && i < 40; i++)
		buf_append_char(&got->log, got->body.data[i] < ' ' ? '.' : got->body.data[i]);
	buf_append_char(&got->log, '|');
	buf_clear(&got->body);
	got->bytes = 0;
	return !got->stop_at || strcmp(got->stop_at, "done") != 0;
}

static bool on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct got *got = ctx;

	assert_true(text[0]);
	buf_printf(&got->log, "failed %u %s|", uid,
		status == BACKEND_MESSAGE_GONE ? "gone"
		: status == BACKEND_MESSAGE_BAD ? "bad"
						: "?");
	buf_clear(&got->body);
	got->bytes = 0;
	return true;
}

#define WHEN 837596665
#define DATE "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\""
#define EXAMINE                                                                              \
	{                                                                                    \
		"EXAMINE \"INBOX\"", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n\1 OK x\r\n"   \
	}
#define SMALL(seq, uid)                                                                      \
	"* " seq " FETCH (UID " uid " " DATE " RFC822.SIZE 4 BODY[] {4}\r\n" uid             \
	"..\n)\r\n"

static const struct backend_want wants[] = {
	{.uid = 2, .date = WHEN}, {.uid = 3, .date = WHEN}, {.uid = 5, .date = WHEN}};

static void fetch(struct script *script, const struct backend_want *want, size_t count,
	struct got *got)
{
	const struct backend_fetch fetch = {
		.raw = "INBOX", .epoch = 7, .wants = want, .count = count};
	const struct backend_fetch_sink sink = {
		.ctx = got, .data = on_data, .done = on_done, .failed = on_failed};

	script->backend->ops->fetch(script->backend, &fetch, &sink, &script->result);
}

static void expect(const struct turn *turns, const struct backend_want *want, size_t count,
	enum backend_status status, const char *log)
{
	struct got got = {.bytes = 0};
	struct script script;

	script_start_as(&script, turns, false);
	fetch(&script, want, count, &got);
	assert_string_equal(got.log.data ? got.log.data : "", log);
	assert_status(&script, status);
	buf_finish(&got.log);
	buf_finish(&got.body);
	script_close(&script);
}

static void test_bodies(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH 2:3,5 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[])",
			SMALL("2", "3") SMALL("1", "2") SMALL("3", "5") "\1 OK x\r\n"},
		{NULL}};

	expect(turns, wants, 3, BACKEND_OK, "done 3 3...|done 2 2...|done 5 5...|");
}

static void test_bytes_as_they_are(void **state)
{
	static const char body[] = "a\0b\r\n\r\n)\r\n\377\n\r.\r\n";
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH", RAW("* 1 FETCH (UID 2 BODY[] {16}\r\na\0b\r\n\r\n)\r\n\377\n\r.\r\n "
				  DATE ")\r\n\1 OK x\r\n")},
		{NULL}};
	struct got got = {.bytes = 0};
	struct script script;

	script_start(&script, turns);
	got.stop_at = "data"; /* so that they stay to be looked at */
	fetch(&script, wants, 1, &got);
	assert_status(&script, BACKEND_STOPPED);
	assert_int_equal(got.body.len, sizeof(body) - 1);
	assert_memory_equal(got.body.data, body, sizeof(body) - 1);
	buf_finish(&got.log);
	buf_finish(&got.body);
	script_close(&script);
}

static void test_selected_folder_is_asked_again_for_its_epoch(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH 2 ", SMALL("1", "2") "\1 OK x\r\n"},
		{"UID FETCH 3 ", SMALL("2", "3") "\1 OK x\r\n"},
		{"NOOP", "* OK [UIDVALIDITY 8] new\r\n\1 OK x\r\n"}, {NULL}};
	struct got got = {.bytes = 0};
	struct script script;

	script_start(&script, turns);
	fetch(&script, wants, 1, &got);
	fetch(&script, wants + 1, 1, &got);
	assert_string_equal(got.log.data, "done 2 2...|done 3 3...|");
	imap_of(script.backend)->heard_ms -= 60000;
	fetch(&script, wants + 2, 1, &got);
	assert_status(&script, BACKEND_FOLDER_CHANGED);
	buf_finish(&got.log);
	buf_finish(&got.body);
	script_close(&script);
}

static void test_other_epoch(void **state)
{
	static const struct turn turns[] = {
		{"EXAMINE", "* 3 EXISTS\r\n* OK [UIDVALIDITY 4294967303] v\r\n\1 OK x\r\n"},
		{NULL}};

	expect(turns, wants, 3, BACKEND_FOLDER_CHANGED, "");
}

#define ASK_AGAIN(there)                                                                     \
	{"NOOP", "\1 OK x\r\n"}, {"UID SEARCH UID", "* SEARCH" there "\r\n\1 OK x\r\n"}

/* The ways in which servers give a message that was removed. */
static void test_removed_messages(void **state)
{
	static const char *const bodies[] = {
		"BODY[] NIL",
		"BODY[] \"\"",
		"BODY[] {0}\r\n",
		"BODY[] {24}\r\nFrom: x\r\n\r\nIt is gone.\r\n",
		"RFC822.SIZE 5",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		char answer[512];
		const struct turn turns[] = {
			EXAMINE, {"UID FETCH 2", answer}, ASK_AGAIN(""), {NULL}};

		snprintf(answer, sizeof(answer),
			"* 1 FETCH (UID 2 INTERNALDATE \"01-Jan-1970 00:00:00 +0000\" %s)\r\n"
			"\1 OK x\r\n",
			bodies[i]);
		expect(turns, wants, 1, BACKEND_OK, "failed 2 gone|");
	}
}

static void test_unreported_messages(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH 2:3,5", SMALL("2", "3") "\1 OK x\r\n"}, ASK_AGAIN(" 5"),
		{"UID FETCH 5 (UID BODY.PEEK[])",
			"* 3 FETCH (UID 5 BODY[] {2}\r\nhi)\r\n\1 OK x\r\n"},
		{NULL}};

	expect(turns, wants, 3, BACKEND_OK, "done 3 3...|failed 2 gone|done 5 hi|");
}

static void test_impostors(void **state)
{
	static const struct backend_want known = {
		.uid = 2, .date = WHEN, .message_id = "<a@example.org>"};
#define BODY(id) "* 1 FETCH (UID 2 " DATE " BODY[] {38}\r\nMessage-ID:\r\n " id "\r\n\r\nhello)\r\n"
	static const struct turn fine[] = {EXAMINE,
		{"UID FETCH", BODY("<a@example.org>") "\1 OK x\r\n"}, {NULL}};
	static const struct turn twice[] = {EXAMINE,
		{"UID FETCH", BODY("<b@example.org>") "\1 OK x\r\n"}, ASK_AGAIN(" 2"),
		{"UID FETCH 2 (UID INTERNALDATE", BODY("<b@example.org>") "\1 OK x\r\n"}, {NULL}};
	static const struct turn once[] = {EXAMINE,
		{"UID FETCH", BODY("<b@example.org>") "\1 OK x\r\n"}, ASK_AGAIN(" 2"),
		{"UID FETCH 2 (UID INTERNALDATE", BODY("<a@example.org>") "\1 OK x\r\n"}, {NULL}};
	static const struct turn no_id[] = {EXAMINE,
		{"UID FETCH", "* 1 FETCH (UID 2 " DATE " BODY[] {10}\r\nA: b\r\n\r\nhi)\r\n\1 OK x\r\n"},
		ASK_AGAIN(""), {NULL}};

	expect(fine, &known, 1, BACKEND_OK, "done 2 Message-ID:.. <a@example.org>....hello|");
	expect(twice, &known, 1, BACKEND_OK, "failed 2 bad|");
	expect(once, &known, 1, BACKEND_OK, "done 2 Message-ID:.. <a@example.org>....hello|");
	expect(no_id, &known, 1, BACKEND_OK, "failed 2 gone|");
}

/* A date that changes is an impostor's, unless the Message-ID says that it is not. */
static void test_dates(void **state)
{
	static const struct backend_want known = {
		.uid = 2, .date = WHEN + 1, .message_id = "<a@example.org>"};
	static const struct backend_want unknown = {.uid = 2, .date = WHEN + 1};
	static const struct turn with_id[] = {EXAMINE,
		{"UID FETCH", BODY("<a@example.org>") "\1 OK x\r\n"}, {NULL}};
	static const struct turn without[] = {EXAMINE, {"UID FETCH", SMALL("1", "2") "\1 OK x\r\n"},
		ASK_AGAIN(" 2"), {"UID FETCH 2 ", SMALL("1", "2") "\1 OK x\r\n"}, {NULL}};

	expect(with_id, &known, 1, BACKEND_OK, "done 2 Message-ID:.. <a@example.org>....hello|");
	expect(without, &unknown, 1, BACKEND_OK, "failed 2 bad|");
}

static void test_empty_message(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH", "* 1 FETCH (UID 2 " DATE " RFC822.SIZE 0 BODY[] {0}\r\n)\r\n\1 OK x\r\n"},
		{NULL}};

	expect(turns, wants, 1, BACKEND_OK, "done 2 |");
}

static void test_answers_nobody_asked_for(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH",
			"* 9 FETCH (UID 99 " DATE " BODY[] {3}\r\nbad)\r\n"
			"* 1 FETCH (FLAGS (\\Seen))\r\n"
			"* 1 FETCH (" DATE " BODY[] {3}\r\nbad)\r\n"      /* no UID */
			"* 1 FETCH (UID 2 UID 3 BODY[] {3}\r\nbad)\r\n"
			"* 5 EXISTS\r\n* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
			SMALL("1", "2")
			"* 1 FETCH (UID 2 " DATE " BODY[] {3}\r\nbad)\r\n" /* once more */
			"\1 OK x\r\n"},
		{NULL}};

	expect(turns, wants, 1, BACKEND_OK, "done 2 2...|");
}

static void test_parts_are_not_the_whole(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH",
			"* 1 FETCH (UID 2 " DATE " BODY[]<0> {3}\r\nabc)\r\n"
			"* 1 FETCH (UID 2 " DATE " BODY[]<5> {3}\r\nbad)\r\n"
			"* 2 FETCH (UID 3 " DATE " BODY[TEXT] {3}\r\nbad)\r\n"
			"* 3 FETCH (UID 5 " DATE " BODY[] {3}\r\nbad BODY[] {3}\r\nbad)\r\n"
			"\1 OK x\r\n"},
		ASK_AGAIN(""), {NULL}};

	expect(turns, wants, 3, BACKEND_OK, "done 2 abc|failed 3 gone|failed 5 gone|");
}

static void test_literal_lengths_that_lie(void **state)
{
	/* Too short: the rest makes no sense, the line is dropped, the neighbour is not hurt. */
	static const struct turn too_short[] = {EXAMINE,
		{"UID FETCH", "* 1 FETCH (UID 2 " DATE " BODY[] {3}\r\nabcde)\r\n" SMALL("2", "3")
			"\1 OK x\r\n"},
		ASK_AGAIN(" 2"), {"UID FETCH 2 ", "* 1 FETCH (UID 2 BODY[] {3}\r\nabcde)\r\n\1 OK x\r\n"},
		{NULL}};
	/* Too long: it takes the neighbour with it. */
	static const struct turn too_long[] = {EXAMINE,
		{"UID FETCH", "* 1 FETCH (UID 2 BODY[] {45}\r\nabcde)\r\n* 2 FETCH (UID 3 BODY[] "
			      "{4}\r\nbody)\r\n)\r\n\1 OK x\r\n"},
		ASK_AGAIN(" 2 3"),
		{"UID FETCH 2 ", "* 1 FETCH (UID 2 BODY[] {5}\r\nabcde)\r\n\1 OK x\r\n"},
		{"UID FETCH 3 ", "* 2 FETCH (UID 3 BODY[] {4}\r\nbody)\r\n\1 OK x\r\n"}, {NULL}};
	/* Beyond the end: nothing can be trusted any more. */
	static const struct turn beyond[] = {EXAMINE,
		{"UID FETCH", "* 1 FETCH (UID 2 BODY[] {1500}\r\nabcde)\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn huge[] = {EXAMINE,
		{"UID FETCH", "* 1 FETCH (UID 2 BODY[] {4294967297}\r\na)\r\n\1 OK x\r\n"}, {NULL}};

	expect(too_short, wants, 2, BACKEND_OK, "done 3 3...|failed 2 bad|");
	expect(too_long, wants, 2, BACKEND_OK, "done 2 abcde|done 3 body|");
	expect(beyond, wants, 2, BACKEND_CONNECTION_LOST, "");
	expect(huge, wants, 2, BACKEND_CONNECTION_LOST, "");
	/* Alone, it is to blame: nobody shall ask for it for ever. */
	expect(huge, wants, 1, BACKEND_CONNECTION_LOST, "failed 2 bad|");
}

static void test_one_bad_message_fails_the_whole_command(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH 2:3,5", "\1 NO cannot read\r\n"}, ASK_AGAIN(" 2 3 5"),
		{"UID FETCH 2 ", SMALL("1", "2") "\1 OK x\r\n"},
		{"UID FETCH 3,5 ", SMALL("3", "5") "\1 NO cannot read\r\n"}, ASK_AGAIN(" 3"),
		{"UID FETCH 3 (UID BODY", "\1 BAD cannot read\r\n"}, {NULL}};

	expect(turns, wants, 3, BACKEND_OK, "done 2 2...|done 5 5...|failed 3 bad|");
}

static void test_server_in_trouble(void **state)
{
	static const struct turn busy[] = {EXAMINE,
		{"UID FETCH", SMALL("1", "2") "\1 NO [THROTTLED] later\r\n"}, {NULL}};
	static const struct turn bye[] = {
		EXAMINE, {"UID FETCH", SMALL("1", "2") "* BYE autologout\r\n"}, {NULL}};

	expect(busy, wants, 3, BACKEND_THROTTLED, "done 2 2...|");
	expect(bye, wants, 3, BACKEND_CONNECTION_LOST, "done 2 2...|");
	/* Not the message's fault. */
	expect(bye, wants + 1, 1, BACKEND_CONNECTION_LOST, "");
}

/* Larger than what is held back; its head is checked all the same. */
static char *large_answer(size_t size, const char *id)
{
	struct buf answer = BUF_INIT;
	char head[64];
	size_t at;

	snprintf(head, sizeof(head), "Message-ID: %s\r\n\r\n", id);
	buf_printf(&answer, "* 1 FETCH (UID 2 " DATE " BODY[] {%zu}\r\n%s", size, head);
	at = answer.len;
	buf_reserve(&answer, size);
	memset(answer.data + at, 'x', size - strlen(head));
	answer.len += size - strlen(head);
	buf_append_str(&answer, ")\r\n\1 OK x\r\n");
	return buf_steal(&answer);
}

static void test_large_messages(void **state)
{
	static const struct backend_want known = {.uid = 2, .date = WHEN, .message_id = "<a@b>"};
	char *right = large_answer(6000000, "<a@b>"), *wrong = large_answer(6000000, "<c@d>");
	const struct turn fine[] = {EXAMINE, {"UID FETCH", right}, {NULL}};
	const struct turn impostor[] = {EXAMINE, {"UID FETCH", wrong}, {NULL}};

	expect(fine, &known, 1, BACKEND_OK,
		"done 2 Message-ID: <a@b>....xxxxxxxxxxxxxxxxxxx|");
	expect(impostor, &known, 1, BACKEND_OK, "failed 2 bad|");
	/* Passed on, and nobody's: the whole call is void. */
	expect(impostor, wants + 1, 1, BACKEND_CONNECTION_LOST, "");
	free(right);
	free(wrong);
}

static void test_stopping(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		{"UID FETCH", SMALL("1", "2") SMALL("2", "3") "\1 OK x\r\n"},
		{"UID FETCH 3 ", SMALL("2", "3") "\1 OK x\r\n"}, {NULL}};
	struct got got = {.stop_at = "done"};
	struct script script;

	script_start(&script, turns);
	fetch(&script, wants, 2, &got);
	assert_status(&script, BACKEND_STOPPED);
	assert_string_equal(got.log.data, "done 2 2...|");
	got.stop_at = NULL;
	fetch(&script, wants + 1, 1, &got);
	assert_status(&script, BACKEND_OK);
	assert_string_equal(got.log.data, "done 2 2...|done 3 3...|");
	buf_finish(&got.log);
	buf_finish(&got.body);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_bytes_as_they_are),
		cmocka_unit_test(test_selected_folder_is_asked_again_for_its_epoch),
		cmocka_unit_test(test_other_epoch),
		cmocka_unit_test(test_removed_messages),
		cmocka_unit_test(test_unreported_messages),
		cmocka_unit_test(test_impostors),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_empty_message),
		cmocka_unit_test(test_answers_nobody_asked_for),
		cmocka_unit_test(test_parts_are_not_the_whole),
		cmocka_unit_test(test_literal_lengths_that_lie),
		cmocka_unit_test(test_one_bad_message_fails_the_whole_command),
		cmocka_unit_test(test_server_in_trouble),
		cmocka_unit_test(test_large_messages),
		cmocka_unit_test(test_stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
