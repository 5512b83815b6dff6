#include "guard_p.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>

static const struct guard_limits limits = {.line = 1000,
	.depth = 64,
	.literal = 5000000000ull,
	.response = 1u << 20,
	.lines = 100};

/* Pushes text in pieces of every size; each time the same has to come out. NULL: it has to
 * fail. */
static void expect_len(const char *text, size_t len, const char *wanted, size_t wanted_len)
{
	for (size_t piece = 1; piece <= len; piece += piece < 20 ? 1 : len / 3 + 1) {
		struct guard *guard = guard_create();
		char out[70000];
		size_t got = 0;
		int r = 0;

		guard_expect(guard, &limits);
		for (size_t at = 0; at < len && r == 0; at += piece) {
			r = guard_push(guard, text + at, piece < len - at ? piece : len - at);
			got += guard_take(guard, out + got, sizeof(out) - got);
		}
		if (!wanted) {
			assert_int_equal(r, -EPROTO);
			assert_string_not_equal(guard_failure(guard), "");
			assert_int_equal(guard_push(guard, "x", 1), -EPROTO);
		} else {
			assert_int_equal(r, 0);
			assert_string_equal(guard_failure(guard), "");
			assert_int_equal(got, wanted_len);
			assert_memory_equal(out, wanted, got);
			assert_false(guard_holds(guard));
		}
		guard_destroy(guard);
	}
}

static void expect(const char *text, const char *wanted)
{
	expect_len(text, strlen(text), wanted, wanted ? strlen(wanted) : 0);
}

static void expect_same(const char *text)
{
	expect(text, text);
}

static void expect_failure(const char *text)
{
	expect(text, NULL);
}

static void test_passes_what_is_sound(void **state)
{
	expect_same("* OK ready\r\n");
	expect_same("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready (really)\r\n");
	expect_same("* OK [UIDVALIDITY 3857529045] UIDs valid\r\n");
	expect_same("* OK [PERMANENTFLAGS (\\Answered $Label1 \\*)] Limited\r\n");
	expect_same("* OK [PERMANENTFLAGS ()] none\r\n");
	expect("* OK [COPYUID 1 2:3 4:5] done\r\n", "* OK done\r\n");
	expect_same("1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n");
	expect_same("* PREAUTH hello\r\n* BYE bye\r\n12 BAD what\r\n");
	expect_same("* LIST (\\HasNoChildren) \"/\" \"a {5} b\"\r\n* LIST () NIL \"(((\"\r\n");
	expect_same("* 1 FETCH (UID 1 BODY[] \"\\\"{3}\\\\\" FLAGS ())\r\n");
	expect_same("* SEARCH 1 2 3\r\n* SEARCH\r\n* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	expect_same("*\r\n* \r\n\r\n* (\r\n");
	expect_same("+ \r\n+ bm9uY2U=\r\n+\r\n+ idling\r\n");
	expect_same("* FLAGS (a{b} {c} {})\r\n");
}

static void test_literals(void **state)
{
	static const char nul[] = "* 1 FETCH (BODY[] {7}\r\na\0(\"{\n\0 UID 1)\r\n1 OK x\r\n";

	expect_same("* 1 FETCH (BODY[] {12}\r\n((((\"\r\n1 {9} UID 3)\r\n1 OK x\r\n");
	expect_same("* 1 FETCH (A {1}\r\n( B {1}\n\" C {0}\r\n D {3+}\r\nabc)\r\n");
	expect_same("* LIST () \"/\" {3}\r\na\"b\r\n* LIST () \"/\" x\r\n");
	expect_same("* LSUB {-5}\r\n x\r\n");
	expect_same("* LIST {{3}\r\nabc\r\n* OK y\r\n");
	/* A status line has none, whatever its end looks like. */
	expect_same("* OK hello {3}\r\n* NO {5}\r\n1 OK {7}\r\n");
	expect_len(nul, sizeof(nul) - 1, nul, sizeof(nul) - 1);
}

/* Everything that libetpan could read as a literal and that is not written as one. */
static void test_half_literals(void **state)
{
	expect_failure("* 1 FETCH (BODY[] {5} abc)\r\n");
	expect_failure("* 1 FETCH (BODY[] {5}abc)\r\n");
	expect_failure("* 1 FETCH (BODY[] {5} \r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] { 5}\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {--5}\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {- 5}\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {5 }\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {5\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {5}\r\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {5++}\r\nabcde)\r\n");
	/* Is it one? That depends on who reads the quotes. */
	expect_failure("* 1 FETCH (BODY[] \"{5}\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] \"\\{5}\r\nabcde)\r\n");
}

static void test_literal_size(void **state)
{
	expect_failure("* 1 FETCH (BODY[] {4294967295}\r\n");
	expect_failure("* 1 FETCH (BODY[] {4294967297}\r\nabc)\r\n");
	expect_failure("* 1 FETCH (BODY[] {18446744073709551621}\r\nabcde)\r\n");
	expect_failure("* 1 FETCH (BODY[] {99999999999999999999999999999999999999}\r\n");
}

static char *repeat(const char *before, const char *part, size_t count, const char *after)
{
	struct buf buf = BUF_INIT;

	buf_append_str(&buf, before);
	while (count--)
		buf_append_str(&buf, part);
	buf_append_str(&buf, after);
	return buf_steal(&buf);
}

static void expect_repeat(
	bool fails, const char *before, const char *part, size_t count, const char *after)
{
	char *text = repeat(before, part, count, after);

	expect(text, fails ? NULL : text);
	free(text);
}

static void test_depth(void **state)
{
	expect_repeat(false, "* LIST ", "(", 64, "\r\n");
	expect_repeat(true, "* LIST ", "(", 65, "\r\n");
	expect_repeat(false, "* LIST ", "()", 300, "\r\n");
	expect_repeat(false, "* LIST \"", "(", 300, "\"\r\n");
	/* Literals do not make it start anew, also empty ones. */
	expect_repeat(true, "* LIST ", "((({1}\r\na", 22, "\r\n");
	expect_repeat(true, "* LIST ", "((({0}\r\n", 22, "\r\n");
	expect_repeat(true, "* LIST ", "((({-9}\r\n", 22, "\r\n");
	expect_repeat(false, "* LIST ", "(\r\n* LIST ", 70, "\r\n");
}

static void test_line_and_lines(void **state)
{
	expect_repeat(false, "* SEARCH", " 1", 494, "\r\n");
	expect_repeat(true, "* SEARCH", " 1", 496, "\r\n");
	expect_repeat(true, "* OK ", "abcdefghij", 100, "\r\n");
	expect_repeat(true, "", "abcdefghij", 101, "");
	expect_repeat(true, "* 1 FETCH (X {3}\r\nabc", " 1", 500, "\r\n");
	expect_repeat(false, "", "* 5 EXISTS\r\n", 100, "");
	expect_repeat(true, "", "* 5 EXISTS\r\n", 101, "");
	expect_repeat(true, "", "* OK still here\r\n", 101, "");
	/* A tagged line starts the count anew. */
	expect_repeat(false, "", "* 5 EXISTS\r\n1 OK x\r\n", 150, "");
	expect_repeat(true, "*", " ", 100, "OK\r\n");
}

static void test_response_bytes(void **state)
{
	char *mail = repeat("", "x", 1u << 19, "");
	struct guard *guard = guard_create();
	static const char head[] = "* 1 FETCH (BODY[] {4000000}\r\n";

	guard_expect(guard, &limits);
	assert_int_equal(guard_push(guard, head, sizeof(head) - 1), 0);
	assert_int_equal(guard_push(guard, mail, 1u << 19), 0);
	assert_int_equal(guard_push(guard, mail, 1u << 19), -EPROTO);
	assert_non_null(strstr(guard_failure(guard), "longer than 1048576 bytes"));
	guard_destroy(guard);
	free(mail);
}

/* What libetpan 1.9.4 dies of, or gives the session up for. */
static void test_mends(void **state)
{
	expect("* OK [ALERT]\r\n", "* OK [ALERT] .\r\n");
	expect("* OK [ALERT] \r\n", "* OK [ALERT] .\r\n");
	expect("* NO [ALERT]\r\n", "* NO [ALERT] .\r\n");
	expect("* BAD [PARSE]\n", "* BAD [PARSE] .\r\n");
	expect("* BYE [ALERT]\r\n", "* BYE [ALERT] .\r\n");
	expect("* PREAUTH [ALERT]\r\n", "* PREAUTH [ALERT] .\r\n");
	expect("17 NO [ALERT]\r\n", "17 NO [ALERT] .\r\n");
	expect("* OK\r\n", "* OK .\r\n");
	expect("1 OK \r\n", "1 OK .\r\n");
	expect("* BYE\r\n", "* BYE .\r\n");
	expect("*  ok\thi\r\n", "* ok hi\r\n");
	expect("*OK hi\r\n", "* OK hi\r\n");
	expect("* OK [PERMANENTFLAGS ((\\Seen] x\r\n", "* OK x\r\n");
	expect("* OK [PERMANENTFLAGS (\\Seen] x\r\n", "* OK x\r\n");
	expect("* OK [PERMANENTFLAGS] x\r\n", "* OK x\r\n");
	expect("* OK [PERMANENTFLAGS \\Seen] x\r\n", "* OK x\r\n");
	expect("* OK [PERMANENTFLAGS (\\Seen  a)] x\r\n", "* OK x\r\n");
	expect("1 OK [UIDNEXT abc] x\r\n", "1 OK x\r\n");
	expect("1 OK [UIDNEXT] x\r\n", "1 OK x\r\n");
	expect("* NO [BADCHARSET ({3}] x\r\n", "* NO x\r\n");
	expect("* OK [FOO ((((((] x\r\n", "* OK x\r\n");
	expect("* OK [FOO bar\r\n", "* OK ?FOO bar\r\n");
	expect("* OK [FOO (] [ALERT]\r\n", "* OK ?ALERT]\r\n");
	expect("* OK []\r\n", "* OK .\r\n");
	expect("* OK a\x01z\x1b[1m\r\n", "* OK a?z?[1m\r\n");
}

/* libetpan would crash on the first; none of them was asked for. */
static void test_hides_what_was_not_asked_for(void **state)
{
	expect("* ANNOTATION TATION {0}\r\nab- )\r\n", "* ?NNOTATION TATION {0}\r\nab- )\r\n");
	expect("*  annotation x\r\n", "*  ?nnotation x\r\n");
	expect("* STATUS \"RUU\" ()\r\n", "* ?TATUS \"RUU\" ()\r\n");
	expect("* QUOTA \"\" ()\r\n* Q\r\n", "* ?UOTA \"\" ()\r\n* ?\r\n");
	expect("* X-GM-SOMETHING {3}\r\nabc\r\n", "* ?-GM-SOMETHING {3}\r\nabc\r\n");
	expect("* ABCDEFGHIJKLMNOPQRST\r\n", "* ?BCDEFGHIJKLMNOPQRST\r\n");
	expect_same("* list () NIL x\r\n* capability IMAP4rev1\r\n* Flags ()\r\n");
}

static void test_what_is_no_imap(void **state)
{
	expect_same("HTTP/1.1 400 Bad\r\n");
	expect("220 mail ESMTP (\"Debian\") {5}\r\n", "220 mail ESMTP ??Debian?) ?5}\r\n");
	expect_repeat(false, "x", "x", 900, "\r\n");
	expect("((((\r\n", "????\r\n");
	expect("+ [BADCHARSET ({3}\r\n", "+ [BADCHARSET ??3}\r\n");
	expect("+OK POP3 ready\r\n", "+OK POP3 ready\r\n");
	expect_failure(" * 1 FETCH (BODY[] {5}\r\n");
	expect_failure("\t* OK x\r\n");
}

static void test_uidvalidity_has_64_bits(void **state)
{
	struct guard *guard = guard_create();
	static const struct {
		const char *line;
		uint64_t value;
	} cases[] = {
		{"* OK [UIDVALIDITY 1700000000123] x\r\n", 1700000000123ull},
		{"* OK [uidvalidity 7]\r\n", 7},
		{"* OK [UIDNEXT 9] x\r\n", 7},
		{"* OK [UIDVALIDITY 99999999999999999999] x\r\n", 7},
		{"* OK text about [UIDVALIDITY 8] x\r\n", 7},
		{"* 1 FETCH (BODY[] {26}\r\n* OK [UIDVALIDITY 9] x yz\r\n)\r\n", 7},
		{"* OK [UIDVALIDITY 0] x\r\n", 0},
		{"* OK [UIDVALIDITY 18446744073709551615] x\r\n", UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(guard_push(guard, cases[i].line, strlen(cases[i].line)), 0);
		if (guard_uidvalidity(guard) != cases[i].value)
			fail_msg("%s", cases[i].line);
	}
	guard_forget_uidvalidity(guard);
	assert_int_equal(guard_uidvalidity(guard), 0);
	guard_destroy(guard);
}

static void test_backoff(void **state)
{
	static const char line[] =
		"3 BAD Request is throttled. suggested backoff time: 92415 milliseconds\r\n";
	static const char huge[] = "3 BAD Suggested Backoff Time: 99999999999999999999 ms\r\n";
	struct guard *guard = guard_create();

	assert_int_equal(guard_push(guard, line, sizeof(line) - 1), 0);
	assert_int_equal(guard_backoff_ms(guard), 92415);
	guard_expect(guard, &limits);
	assert_int_equal(guard_backoff_ms(guard), 0);
	assert_int_equal(guard_push(guard, huge, sizeof(huge) - 1), 0);
	assert_int_equal(guard_backoff_ms(guard), UINT32_MAX);
	guard_destroy(guard);
}

static void test_holds(void **state)
{
	struct guard *guard = guard_create();
	char byte[64];

	assert_false(guard_holds(guard));
	assert_int_equal(guard_push(guard, "2 O", 3), 0);
	assert_true(guard_holds(guard));
	assert_int_equal(guard_take(guard, byte, sizeof(byte)), 0);
	assert_int_equal(guard_push(guard, "K x\r\n", 5), 0);
	assert_true(guard_holds(guard));
	assert_int_equal(guard_take(guard, byte, 3), 3);
	assert_true(guard_holds(guard));
	assert_int_equal(guard_take(guard, byte, sizeof(byte)), 5);
	assert_false(guard_holds(guard));
	guard_destroy(guard);
}

static void expect_literal(const char *line, bool is, uint64_t size)
{
	uint64_t literal = 99;

	assert_int_equal(guard_line_literal(line, strlen(line), &literal), is);
	assert_int_equal(literal, size);
}

static void test_line_literal(void **state)
{
	expect_literal("FOO {5}", true, 5);
	expect_literal("FOO {5+}", true, 5);
	expect_literal("FOO {0}", true, 0);
	expect_literal("FOO {-5}", true, 0);
	expect_literal("FOO ~{5}", true, 5);
	expect_literal("{5}", true, 5);
	expect_literal("OK {5}", false, 0);
	expect_literal("FOO {5", false, 0);
	expect_literal("FOO 5}", false, 0);
	expect_literal("FOO {}", false, 0);
	expect_literal("FOO {+}", false, 0);
	expect_literal("5}", false, 0);
	expect_literal("}", false, 0);
	expect_literal("", false, 0);
}

/* Not a timed test: the figures are there to be read. */
static void test_speed(void **state)
{
	static const struct guard_limits wide = {
		.line = 1u << 20, .depth = 64, .literal = 1u << 30};
	char *lines = repeat("",
		"* 12345 FETCH (UID 67890 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 "
		"-0700\" RFC822.SIZE 4286)\r\n",
		100000, "");
	struct guard *guard = guard_create();
	size_t len = strlen(lines);
	int64_t start = clock_now_ms();
	size_t got = 0;
	char *out = xmalloc(len);

	guard_expect(guard, &wide);
	for (size_t at = 0; at < len; at += 65536) {
		assert_int_equal(
			guard_push(guard, lines + at, len - at < 65536 ? len - at : 65536), 0);
		got += guard_take(guard, out + got, len - got);
	}
	print_message(
		"100000 lines, %zu bytes: %lld ms\n", len, (long long)(clock_now_ms() - start));
	assert_int_equal(got, len);
	assert_memory_equal(out, lines, len);
	guard_destroy(guard);
	free(out);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes_what_is_sound),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_half_literals),
		cmocka_unit_test(test_literal_size),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_line_and_lines),
		cmocka_unit_test(test_response_bytes),
		cmocka_unit_test(test_mends),
		cmocka_unit_test(test_hides_what_was_not_asked_for),
		cmocka_unit_test(test_what_is_no_imap),
		cmocka_unit_test(test_uidvalidity_has_64_bits),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_line_literal),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
