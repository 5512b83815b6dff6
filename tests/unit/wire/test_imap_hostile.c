#include "catchall_p.h"
#include "imap_script.h"
#include <mountmail/base/clock.h>
#include <sys/resource.h>

/*
 * Servers that break rules, by mistake or on purpose. Each answer goes through the stream and
 * the guard to the real libetpan, and the backend has to come to its result at once, without
 * more memory.
 */

#define EXAMINE                                                                                \
	{                                                                                      \
		"EXAMINE \"INBOX\"", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n\1 OK x\r\n"     \
	}

struct names {
	struct buf text;
};

static bool on_folder(void *ctx, const struct mail_folder *folder)
{
	struct names *names = ctx;

	buf_printf(&names->text, "%s|", folder->raw);
	return true;
}

static void list_after(struct script *script, struct names *names)
{
	const struct backend_list_sink sink = {.ctx = names, .folder = on_folder};

	buf_reserve(&names->text, 1);
	script->backend->ops->list(script->backend, &sink, &script->result);
}

/* LIST is answered with answer; then the server is gone. */
static void expect_list(
	const char *answer, enum backend_status status, const char *folders, const char *text)
{
	const struct turn turns[] = {{"LIST", answer}, {NULL}};
	struct names names = {BUF_INIT};
	struct script script;

	script_start_as(&script, turns, false);
	list_after(&script, &names);
	if (script.result.status != status)
		fail_msg("%.200s: %s (%s)", answer, backend_status_name(script.result.status),
			script.result.text);
	assert_string_equal(names.text.data, folders);
	assert_text(&script, text);
	buf_finish(&names.text);
	script_close(&script);
}

/* An untagged line that must change nothing. */
static void expect_ignored(const char *line)
{
	struct buf answer = BUF_INIT;

	buf_printf(&answer, "* LIST () \"/\" a\r\n%s\r\n* LIST () \"/\" b\r\n\1 OK done\r\n",
		line);
	expect_list(answer.data, BACKEND_OK, "a|b|", "");
	buf_finish(&answer);
}

static void test_status_lines(void **state)
{
	static const char *const lines[] = {"* OK [ALERT]", "* NO [ALERT]", "* BAD [ALERT] ",
		"* OK [PARSE]", "* OK", "* NO ", "* OK [PERMANENTFLAGS ((\\Seen] x",
		"* OK [PERMANENTFLAGS () x", "* OK [PERMANENTFLAGS (\"a\")] x",
		"* OK [PERMANENTFLAGS ({3}] x", "* OK [BADCHARSET ({100}",
		"* NO [BADCHARSET] x", "* OK [BADCHARSET (UTF-8 {3}] x", "* OK [UIDNEXT] x",
		"* OK [UIDNEXT x] y", "* OK [COPYUID] x", "* OK [COPYUID 1] x",
		"* OK [APPENDUID 1 2:] x", "* OK [HIGHESTMODSEQ] x",
		"* OK [HIGHESTMODSEQ 99999999999999999999999] x", "* OK [CAPABILITY] x",
		"* OK [CAPABILITY =] x", "* OK [ANNOTATEMORE] x",
		"* OK [ANNOTATEMORE TOOBIG] x", "* OK [REFERRAL imap://a/] x", "* OK [] x",
		"* OK [", "* OK ]", "* OK [ALERT", "* OK {5}", "* OK \"", "* OK (((((",
		"* OK [FOO {5}", "* OK [NOMODSEQ]", "* OK [CLOSED]", "* OK [MODIFIED 1] x",
		"* OK [MODIFIED] x", "* OK [UNKNOWN-CTE]", "* PREAUTH", "* PREAUTH [ALERT]"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_ignored(lines[i]);
}

static void test_tagged_status_lines(void **state)
{
	expect_list("\1 OK\r\n", BACKEND_OK, "", "");
	expect_list("\1 OK \r\n", BACKEND_OK, "", "");
	expect_list("\1 OK [ALERT]\r\n", BACKEND_OK, "", "");
	expect_list("\1 OK [PERMANENTFLAGS ((]\r\n", BACKEND_OK, "", "");
	expect_list("\1 NO\r\n", BACKEND_REFUSED, "", "no reason given");
	expect_list("\1 NO [ALERT]\r\n", BACKEND_REFUSED, "", "no reason given");
	expect_list("\1 BAD [PARSE]\r\n", BACKEND_REFUSED, "", "no reason given");
	expect_list("\1 OKAY\r\n", BACKEND_OK, "", "");
}

static void test_responses_nobody_asked_for(void **state)
{
	static const char *const lines[] = {"* FOO bar", "* FOO", "* STATUS \"RUU\" ()",
		"* STATUS a (MESSAGES)", "* ESEARCH (TAG \"1\") UID ALL 1:5",
		"* VANISHED (EARLIER) 1:3,7", "* VANISHED", "* ENABLED", "* ENABLED X",
		"* ANNOTATION TATION {0}\r\nab- )", "* ANNOTATION \"a\" \"b\" (", "* ACL",
		"* QUOTA", "* QUOTAROOT \"\"", "* NAMESPACE", "* NAMESPACE NIL", "* ID",
		"* ID (\"a\")", "* XLIST () x", "* SORT", "* LISTRIGHTS", "* MYRIGHTS a b",
		"* FLAGS ((", "* FLAGS", "* FLAGS (\\", "* SEARCH",
		"* SEARCH 99999999999999999999", "* 5 EXISTS", "* 5 EXPUNGE", "* 0 EXPUNGE",
		"* 4294967296 EXISTS", "* -1 EXISTS", "* 5 FETCH", "* 5 FETCH (",
		"* 5 FETCH ()", "* 5 FETCH UID 5", "* 5 FETCH (UID)", "* 5 FETCH (FLAGS (\\",
		"* 5 BAR", "* 5", "* ", "+", "* FOO {5}\r\nabcde x",
		"* FOO {3}\r\n)\r\n {0}\r\n y {2+}\r\nab", "* LIST", "* LIST (", "* LIST ()",
		"* LIST () \"", "* LIST () \"/", "* LIST x y z", "* CAPABILITY",
		"* CAPABILITY =", "* CAPABILITY AUTH=  X=Y=Z QUOTA=RES-STORAGE", "+ go on",
		"+ ", "+ [ALERT]", "+ [BADCHARSET ({5}"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_ignored(lines[i]);
}

static void test_out_of_step(void **state)
{
	expect_list("7777 OK x\r\n", BACKEND_CONNECTION_LOST, "", "");
	expect_list("* BYE\r\n", BACKEND_CONNECTION_LOST, "", "");
	expect_list("* BYE [ALERT]\r\n", BACKEND_CONNECTION_LOST, "", "");
	expect_list("* BYE going down\r\n", BACKEND_CONNECTION_LOST, "", "going down");
	expect_list("HTTP/1.1 400 Bad\r\n\r\n", BACKEND_CONNECTION_LOST, "", "understood");
	expect_list("* SEARCH x\r\n\1 OK x\r\n", BACKEND_CONNECTION_LOST, "", "understood");
	expect_list("* 5 EXPUNGED\r\n\1 OK x\r\n", BACKEND_CONNECTION_LOST, "", "understood");
	expect_list("*\r\n\1 OK x\r\n", BACKEND_CONNECTION_LOST, "", "understood");
	expect_list("\r\n", BACKEND_CONNECTION_LOST, "", "");
	expect_list("((((((((((\r\n", BACKEND_CONNECTION_LOST, "", "");
	expect_list("* LIST () \"/\" {5}\r\nab", BACKEND_CONNECTION_LOST, "", "closed it");
}

static struct buf repeat(const char *before, const char *part, size_t count, const char *after)
{
	struct buf buf = BUF_INIT;

	buf_append_str(&buf, before);
	while (count--)
		buf_append_str(&buf, part);
	buf_append_str(&buf, after);
	return buf;
}

/* Within which more memory than the guard allows would show. */
static long peak_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void expect_list_refused(struct buf answer, const char *text)
{
	long before = peak_kb();
	int64_t start = clock_now_ms();

	expect_list(answer.data, BACKEND_REFUSED, "", text);
	assert_in_range(clock_now_ms() - start, 0, 2500);
	/* The sanitizers keep what was freed; so this is generous. */
	assert_in_range(peak_kb() - before, 0, 300 << 10);
	buf_finish(&answer);
}

static void test_nesting(void **state)
{
	static const char head[] = "* 1 FETCH (UID 1 BODYSTRUCTURE ";

	expect_list_refused(repeat(head, "(", 50000, "\r\n"), "deep");
	expect_list_refused(repeat("* FOO ", "(", 50000, "\r\n"), "deep");
	expect_list_refused(repeat("* FOO ", "({0}\r\n", 50000, "\r\n"), "deep");
	expect_list_refused(repeat("* FLAGS ", "(", 50000, "\r\n"), "deep");
	expect_list_refused(repeat("* LIST ", "(", 50000, "\r\n"), "deep");
}

static void test_size(void **state)
{
	expect_list_refused(
		repeat("* OK ", "aaaaaaaaaa", 200000, "\r\n"), "a line of more than");
	expect_list_refused(repeat("", "aaaaaaaaaa", 200000, ""), "a line of more than");
	expect_list_refused(repeat("* LIST () \"/\" \"", "aaaaaaaaaa", 2000000, "\"\r\n"),
		"a line of more");
	expect_list_refused(repeat("* FOO {4294967297}\r\nabc", "", 0, "\r\n"), "announced");
	expect_list_refused(
		repeat("* LIST () \"/\" {4294967295}\r\nabc", "", 0, ""), "announced");
	expect_list_refused(repeat("* LIST () \"/\" {4} abc\r\n", "", 0, ""), "half a literal");
	expect_list_refused(repeat("", "* OK still here\r\n", 1100000, ""), "lines at once");
}

/* Fetching. */

struct bodies {
	struct buf log;
	uint64_t bytes;
};

static bool on_data(void *ctx, const void *data, size_t len)
{
	struct bodies *bodies = ctx;

	bodies->bytes += len;
	return true;
}

static bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct bodies *bodies = ctx;

	buf_printf(&bodies->log, "done %u %llu|", uid, (unsigned long long)size);
	return true;
}

static bool on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct bodies *bodies = ctx;

	buf_printf(&bodies->log, "failed %u|", uid);
	return true;
}

/* A FETCH of UID 5 is answered with answer; then the server is gone. */
static void expect_fetch(const char *answer, size_t len, enum backend_status status,
	const char *log, const char *text)
{
	const struct turn turns[] = {EXAMINE, {"UID FETCH 5", answer, len}, {NULL}};
	const struct backend_want want = {.uid = 5};
	const struct backend_fetch fetch = {
		.raw = "INBOX", .epoch = 7, .wants = &want, .count = 1};
	struct bodies bodies = {BUF_INIT};
	const struct backend_fetch_sink sink = {
		.ctx = &bodies, .data = on_data, .done = on_done, .failed = on_failed};
	struct script script;

	buf_reserve(&bodies.log, 1);
	script_start_as(&script, turns, false);
	script.backend->ops->fetch(script.backend, &fetch, &sink, &script.result);
	if (script.result.status != status || strcmp(bodies.log.data, log) != 0)
		fail_msg("%.100s: %s (%s) %s", answer,
			backend_status_name(script.result.status), script.result.text,
			bodies.log.data);
	assert_text(&script, text);
	buf_finish(&bodies.log);
	script_close(&script);
}

#define GOOD "* 1 FETCH (UID 5 BODY[] {2}\r\nhi)\r\n\1 OK done\r\n"

static void test_fetch_with_odd_company(void **state)
{
	static const char *const lines[] = {"* 2 FETCH (UID 6 PREVIEW \"hi\")",
		"* 2 FETCH (UID 6 EMAILID (M1))", "* 2 FETCH (UID 6 BINARY[1] ~{3}\r\nabc)",
		"* 2 FETCH (UID 6 MODSEQ (12345678901234))", "* 2 FETCH (UID 6 MODSEQ ())",
		"* 2 FETCH (UID 6 RFC822.SIZE 5000000000)",
		"* 2 FETCH (UID 6 INTERNALDATE \"junk\")",
		"* 2 FETCH (UID 6 X-GM-LABELS (\"\\\\Inbox\" {3}\r\na b))",
		"* 2 FETCH (UID 6 X-GM-MSGID 99999999999999999999999999)",
		"* 2 FETCH (UID 6 ENVELOPE (\"d\" \"sub\"ject\" NIL NIL NIL NIL NIL NIL NIL))",
		"* 2 FETCH (UID 6 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" BROKEN))", "* OK [ALERT]",
		"* 2 EXPUNGE", "* 4 FETCH (FLAGS (\\Seen))", "* FOO {3}\r\n\"((\r\n"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct buf answer = BUF_INIT;

		buf_printf(&answer, "%s\r\n" GOOD, lines[i]);
		expect_fetch(answer.data, 0, BACKEND_OK, "done 5 2|", "");
		buf_finish(&answer);
	}
}

static void test_fetch_bodies(void **state)
{
	static const char nul[] = "* 1 FETCH (UID 5 BODY[] {5}\r\na\0b\0c)\r\n\1 OK x\r\n";

	expect_fetch(nul, sizeof(nul) - 1, BACKEND_OK, "done 5 5|", "");
	expect_fetch("* 1 FETCH (UID 5 BODY[] \"hello (\\\"{3}\\\\\")\r\n\1 OK x\r\n", 0,
		BACKEND_OK, "done 5 12|", "");
	expect_fetch("* 1 FETCH (UID 5 BODY[] {3}\r\n((( FLAGS ())\r\n\1 OK x\r\n", 0,
		BACKEND_OK, "done 5 3|", "");
	/* Whatever a mail says, it is not the server. */
	expect_fetch("* 1 FETCH (UID 5 BODY[] {30}\r\n)\r\n1 OK x\r\n* BYE\r\n1234567890ab)\r\n"
		     "\1 OK x\r\n",
		0, BACKEND_OK, "done 5 30|", "");
}

static void test_fetch_literals_that_lie(void **state)
{
	static const struct {
		const char *answer, *text;
	} cases[] = {
		{"* 1 FETCH (UID 5 BODY[] {15}\r\nabcde)\r\n", "closed it"},
		{"* 1 FETCH (UID 5 BODY[HEADER.FIELDS ({4}\r\nFROM \"A\"\"B)] NIL)\r\n\1 OK "
		 "x\r\n",
			"closed it"},
		{"* 1 FETCH (UID 5 BODY[] {4294967295}\r\nabc", "announced"},
		{"* 1 FETCH (UID 5 BODY[] {4294967297}\r\nabc)\r\n\1 OK x\r\n", "announced"},
		{"* 1 FETCH (UID 5 BODY[] {99999999999999999999}\r\nabc)\r\n", "announced"},
		{"* 1 FETCH (UID 5 BODY[] { 5}\r\nabcde)\r\n\1 OK x\r\n", "half a literal"},
		{"* 1 FETCH (UID 5 BODY[] {5} abcde)\r\n\1 OK x\r\n", "half a literal"},
		{"* 1 FETCH (UID 5 BODY[] {100}abc)\r\n\1 OK x\r\n", "half a literal"},
		{"* 1 FETCH (UID 5 BODY[] \"{5}\r\nabcde)\r\n\1 OK x\r\n", "quoted string"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		/* What the guard ends, the message is blamed for: it would be so again. */
		expect_fetch(cases[i].answer, 0, BACKEND_CONNECTION_LOST,
			strcmp(cases[i].text, "closed it") == 0 ? "" : "failed 5|",
			cases[i].text);
}

static void test_catchall_counts_and_stays_in_step(void **state)
{
	static const struct turn turns[] = {
		{"LIST", "* FOO {5}\r\n\r\n1 O\r\n* BAR x\r\n* LIST () NIL a\r\n\1 OK x\r\n"},
		{"LIST", "* LIST () NIL b\r\n\1 OK x\r\n"}, {NULL}};
	struct names names = {BUF_INIT};
	struct script script;
	uint64_t before;

	script_start(&script, turns);
	before = catchall_count();
	list_after(&script, &names);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(catchall_count() - before, 2);
	list_after(&script, &names);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(catchall_count() - before, 2);
	assert_string_equal(names.text.data, "a|b|");
	buf_finish(&names.text);
	script_close(&script);
}

/* A server that goes on for ever, byte by byte. */
static void test_silence_and_drip(void **state)
{
	static const struct turn turns[] = {
		{"LIST", "* LIST () \"/\" a\r\n* LIST () \"/\" {9}\r\n"}, {NULL}};
	struct names names = {BUF_INIT};
	struct script script;
	int64_t start;

	script_init(&script);
	script.conf.timeout_ms = 300;
	script_add(&script, script_login);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_OK);
	start = clock_now_ms();
	list_after(&script, &names);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_text(&script, "no answer");
	assert_in_range(clock_now_ms() - start, 250, 2000);
	buf_finish(&names.text);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_tagged_status_lines),
		cmocka_unit_test(test_responses_nobody_asked_for),
		cmocka_unit_test(test_out_of_step),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_fetch_with_odd_company),
		cmocka_unit_test(test_fetch_bodies),
		cmocka_unit_test(test_fetch_literals_that_lie),
		cmocka_unit_test(test_catchall_counts_and_stays_in_step),
		cmocka_unit_test(test_silence_and_drip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
