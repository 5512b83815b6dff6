/*
 * test_name.c - names of messages and folders: clean, safe, and they lead back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/view/name.h>
#include <name_p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DATE 1714754462 /* 2024-05-03T16:41:02Z */

static void check_message(
	uint32_t uid, int64_t date, const char *sender, const char *subject, const char *want)
{
	char name[NAME_MAX_BYTES + 1];
	size_t len = name_of_message(uid, date, sender, subject, name);
	uint32_t back = 0;

	if (want)
		assert_string_equal(name, want);
	assert_int_equal(len, strlen(name));
	assert_in_range(len, 1, NAME_MAX_BYTES);
	assert_true(name_is_safe(name, len));
	assert_true(name_parse_message(name, &back));
	assert_int_equal(back, uid);
}

static void test_messages(void **state)
{
	check_message(1234, DATE, "alice@example.org", "Budget review",
		"2024-05-03_alice@example.org_Budget-review.1234.eml");
	check_message(1, DATE, NULL, NULL, "2024-05-03.1.eml");
	check_message(1, DATE, "", "", "2024-05-03.1.eml");
	check_message(1, DATE, "a@b", NULL, "2024-05-03_a@b.1.eml");
	check_message(1, DATE, NULL, "x", "2024-05-03_x.1.eml");
	check_message(UINT32_MAX, DATE, "a@b", "x", "2024-05-03_a@b_x.4294967295.eml");
	check_message(7, DATE, "a@b", "../../etc/passwd", "2024-05-03_a@b_etc-passwd.7.eml");
	check_message(7, DATE, "a@b", "-rf", "2024-05-03_a@b_rf.7.eml");
	check_message(7, DATE, "a@b", "What?!  (really)", "2024-05-03_a@b_What-really.7.eml");
	check_message(7, DATE, "a@b", "Entwürfe", "2024-05-03_a@b_Entwürfe.7.eml");
	check_message(7, DATE, "a@b", "Entwu\u0308rfe", "2024-05-03_a@b_Entwürfe.7.eml");
	check_message(7, DATE, "a@b", "日本語 受信", "2024-05-03_a@b_日本語-受信.7.eml");
	check_message(7, DATE, "a@b",
		"\u202e"
		"fdp.exe",
		"2024-05-03_a@b_fdp.exe.7.eml");
	check_message(7, DATE, "a@b", "\x1b[31mred\n\x7f", "2024-05-03_a@b_31mred.7.eml");
	check_message(7, DATE, "a@b", "cut \xff\xfe here", "2024-05-03_a@b_cut-here.7.eml");
}

static void test_message_dates(void **state)
{
	check_message(1, 0, NULL, NULL, "1970-01-01.1.eml");
	check_message(1, -5, NULL, NULL, "1970-01-01.1.eml");
	check_message(1, INT64_MIN, NULL, NULL, "1970-01-01.1.eml");
	check_message(1, NAME_DATE_MAX, NULL, NULL, "9999-12-31.1.eml");
	check_message(1, INT64_MAX, NULL, NULL, "9999-12-31.1.eml");
}

static void test_long_subjects(void **state)
{
	static const char *const units[] = {"x", "ü", "日", "u\u0308\u0301\u0302", "\U00020000",
		"\u0390", "👍", "\xff", "- ", ".", "x ", "日 "};
	char sender[301];

	memset(sender, 's', 300);
	sender[300] = '\0';
	for (size_t i = 0; i < COUNT(units); i++) {
		size_t len = strlen(units[i]);
		char *subject = xcalloc(1, 4097 * len);

		for (size_t at = 0; at < 4096; at++) {
			memcpy(subject + at * len, units[i], len);
			check_message(UINT32_MAX, DATE, at % 2 ? sender : NULL, subject, NULL);
			at += at > 300 ? 997 : 0;
		}
		free(subject);
	}
}

static void test_not_a_message(void **state)
{
	static const char *const names[] = {"", ".eml", "1.eml", ".1.eml", "x.eml", "x..eml",
		"x.01.eml", "x.0.eml", "x.1.em", "x.1.EML", "x.1.eml ", "x.4294967296.eml",
		"x.99999999999.eml", "x.-1.eml", "x1.eml", "x. 1.eml"};
	uint32_t uid;

	for (size_t i = 0; i < COUNT(names); i++)
		if (name_parse_message(names[i], &uid))
			fail_msg("%s", names[i]);
}

static void check_folder(const char *level, const char *want)
{
	char name[NAME_MAX_BYTES + 1];
	size_t len = name_of_folder(level, name);
	char *back = NULL;
	uint32_t uid;

	if (want)
		assert_string_equal(name, want);
	assert_int_equal(len, strlen(name));
	assert_in_range(len, 1, NAME_MAX_BYTES);
	assert_true(name_is_safe(name, len));
	assert_false(name_parse_message(name, &uid));
	assert_string_not_equal(name, ".mountmail");
	assert_int_equal(name_parse_folder(name, &back), 0);
	assert_string_equal(back, level);
	free(back);
}

static void test_ordinary_folders_stay(void **state)
{
	static const char *const levels[] = {"INBOX", "with space", " ", "Tom & Jerry",
		"Entwürfe & Notizen", "Entwu\u0308rfe", "日本語", "👩‍👩‍👧‍👦",
		"a.b", "a-b", "trailing.", "x.eml", "1.eml", "x.99999999999.eml", "~", "*",
		"$(x)", "a\\b", "\u200c", "\xef\xbb\xbf", "e\u0301\u0301\u0301"};

	for (size_t i = 0; i < COUNT(levels); i++)
		check_folder(levels[i], levels[i]);
}

static void test_escaped_folders(void **state)
{
	static const char *const pairs[][2] = {
		{"", "%00"},
		{".", "%2E"},
		{"..", "%2E."},
		{"...", "%2E.."},
		{".mountmail", "%2Emountmail"},
		{".hidden", "%2Ehidden"},
		{"-rf", "%2Drf"},
		{"--", "%2D-"},
		{"a/b", "a%2Fb"},
		{"/", "%2F"},
		{"percent%41", "percent%2541"},
		{"100%", "100%25"},
		{"%~", "%25~"},
		{"a\nb", "a%0Ab"},
		{"\x01&bad", "%01&bad"},
		{"\x1b[31m", "%1B[31m"},
		{"\x7f", "%7F"},
		{"\xc2\x85", "%C2%85"},
		{"latin\xe9", "latin%E9"},
		{"\xc0\xaf", "%C0%AF"},
		{"\xed\xa0\x80", "%ED%A0%80"},
		{"cut\xe6\x97", "cut%E6%97"},
		{"\u202e"
		 "fdp",
			"%E2%80%AEfdp"},
		{"a\u2066"
		 "b\u200f"
		 "c\u061c",
			"a%E2%81%A6b%E2%80%8Fc%D8%9C"},
		{"\u2028", "%E2%80%A8"},
		{"x.12.eml", "x.12%2Eeml"},
		{"2024-05-03_a@b_x.7.eml", "2024-05-03_a@b_x.7%2Eeml"},
		{"x.12%2Eeml", "x.12%252Eeml"},
		{".12.eml", "%2E12.eml"},
		{"..12.eml", "%2E.12%2Eeml"},
		{"/.4294967295.eml", "%2F.4294967295%2Eeml"},
	};

	for (size_t i = 0; i < COUNT(pairs); i++)
		check_folder(pairs[i][0], pairs[i][1]);
}

/* No other spelling leads to a level: each has one name. */
static void test_no_second_name(void **state)
{
	static const char *const names[] = {"", "%41", "%2f", "%", "%2", "a%", "%zz", "a%00",
		"%00a", ".", "..", ".hidden", "-rf", "a%2", "x.12.eml", "\xff", "a/b", "%2E%2E",
		"a%2E", "%~", "x%~0123456789abcdef", "%~0123456789abcdef0123456789abcdef",
		"x%~0123456789ABCDEF0123456789abcdef"};

	for (size_t i = 0; i < COUNT(names); i++) {
		char *level = NULL;

		if (name_parse_folder(names[i], &level) != -ENOENT)
			fail_msg("%s", names[i]);
		assert_null(level);
	}
}

static void long_level(char *level, const char *unit, size_t bytes)
{
	*level = '\0';
	while (strlen(level) + strlen(unit) <= bytes)
		strcat(level, unit);
}

static void test_long_folders(void **state)
{
	static const char *const units[] = {"x", "日", "😀", "/", "\xff", "%", "\u202e", "x/"};
	char level[700], other[700], name[NAME_MAX_BYTES + 1], other_name[NAME_MAX_BYTES + 1];
	char *back = NULL;

	for (size_t i = 0; i < COUNT(units); i++) {
		size_t len;

		long_level(level, units[i], 600);
		strcpy(other, level);
		other[strlen(other) - 1] ^= 1;
		len = name_of_folder(level, name);
		assert_int_equal(len, strlen(name));
		assert_in_range(len, 150, NAME_MAX_BYTES);
		assert_true(name_is_safe(name, len));
		assert_int_equal(name_parse_folder(name, &back), -E2BIG);
		name_of_folder(other, other_name);
		assert_string_not_equal(name, other_name);
		/* What a long one is called can be a level too: it is another's name. */
		check_folder("x%~0123456789abcdef0123456789abcdef", NULL);
	}
}

static void test_the_limit(void **state)
{
	char level[NAME_MAX_BYTES + 2], name[NAME_MAX_BYTES + 1];
	char *back = NULL;

	memset(level, 'x', sizeof(level));
	level[NAME_MAX_BYTES] = '\0';
	check_folder(level, level);
	level[NAME_MAX_BYTES] = 'x';
	level[NAME_MAX_BYTES + 1] = '\0';
	assert_int_equal(name_of_folder(level, name), NAME_MAX_BYTES);
	assert_int_equal(name_parse_folder(name, &back), -E2BIG);
	/* One that fits as it is, but not with what takes it from the messages. */
	strcpy(level + NAME_MAX_BYTES - 6, ".1.eml");
	assert_int_equal(strlen(level), NAME_MAX_BYTES);
	assert_int_equal(name_of_folder(level, name), NAME_MAX_BYTES);
	assert_int_equal(name_parse_folder(name, &back), -E2BIG);
	strcpy(level + NAME_MAX_BYTES - 8, ".1.eml");
	check_folder(level, NULL);
}

static void test_safe(void **state)
{
	static const char *const unsafe[] = {"", ".", "..", "a/b", "a\nb", "\x7f", "\xc2\x80",
		"\u202e", "\u2069", "\u200e", "\u061c", "\u2029", "\xff", "\xc0\x80",
		"a\xe6\x97"};
	char long_name[257];

	for (size_t i = 0; i < COUNT(unsafe); i++)
		if (name_is_safe(unsafe[i], strlen(unsafe[i])))
			fail_msg("%s", unsafe[i]);
	assert_false(name_is_safe("a\0b", 3));
	assert_true(name_is_safe("...", 3));
	assert_true(name_is_safe("👩‍👩‍👧", strlen("👩‍👩‍👧")));
	memset(long_name, 'x', sizeof(long_name));
	assert_true(name_is_safe(long_name, 255));
	assert_false(name_is_safe(long_name, 256));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_message_dates),
		cmocka_unit_test(test_long_subjects),
		cmocka_unit_test(test_not_a_message),
		cmocka_unit_test(test_ordinary_folders_stay),
		cmocka_unit_test(test_escaped_folders),
		cmocka_unit_test(test_no_second_name),
		cmocka_unit_test(test_long_folders),
		cmocka_unit_test(test_the_limit),
		cmocka_unit_test(test_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
