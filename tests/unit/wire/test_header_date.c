#include "header_p.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, int64_t seconds)
{
	int64_t got = -1;

	if (!header_date(text, &got))
		fail_msg("\"%s\" is no date", text);
	if (got != seconds)
		fail_msg("\"%s\" is %lld, not %lld", text, (long long)got, (long long)seconds);
}

static void expect_none(const char *text)
{
	int64_t got = 4711;

	if (header_date(text, &got))
		fail_msg("\"%s\" is %lld", text, (long long)got);
	assert_int_equal(got, 4711);
}

static void test_as_it_should_be(void **state)
{
	expect("Fri, 21 Nov 1997 09:55:06 -0600", 880127706);
	expect("21 Nov 1997 09:55:06 +0000", 880106106);
	expect("21 Nov 1997 09:55 +0000", 880106100);
	expect("Thu, 1 Jan 1970 00:00:00 +0000", 0);
	expect("Thu, 01 Jan 1970 01:00:00 +0100", 0);
	expect("Wed, 31 Dec 1969 23:59:59 +0000", -1);
	expect("Thu, 29 Feb 2024 12:00:00 +0530", 1709188200);
	expect("Sat, 31 Dec 2016 23:59:60 +0000", 1483228800);
	expect("Fri, 31 Dec 9999 23:59:59 +0000", 253402300799);
}

static void test_as_it_is_written(void **state)
{
	expect("Fri, 21 Nov 97 09:55:06 GMT", 880106106);
	expect("Fri, 21 Nov 03 09:55:06 GMT", 1069408506);
	expect("21 Nov 97 09:55:06 EST", 880124106);
	expect("21 Nov 97 09:55:06 pdt", 880131306);
}

static void test_comments_and_blanks(void **state)
{
	expect("(a) Fri, (b(c)) 21 Nov 1997 09:55:06 (it is \\) late) -0600 (CST)", 880127706);
	expect("Fri,21 Nov 1997  09:55:06\t-0600", 880127706);
	expect("Fri, 21 Nov 1997 09:55:06 \"GMT\"", 880106106);
	expect("Fri, 21-Nov-97 09:55:06 GMT", 880106106);
	expect("Fri Nov 21 09:55:06 1997", 880106106);
	expect("Fri Nov 21 09:55:06 EST 1997", 880124106);
	expect("Friday, 21 November 1997 9:55:06 Z", 880106106);
	expect("21 Nov 1997 09:55:06 +9999", 880106106);
	expect("21 Nov 102 09:55:06 +0000", 1037872506);
}

static void test_what_is_none(void **state)
{
	static const char *const none[] = {"", "x", "Fri", "21 Nov 1997", "09:55:06",
		"30 Feb 2023 00:00:00 +0000", "29 Feb 2023 00:00:00 +0000",
		"29 Feb 1900 00:00:00 +0000", "0 Nov 1997 09:55:06", "21 Nov 1997 24:00:00",
		"21 Nov 1997 09:60:00", "21 Nov 1997 09:00:61", "21 Foo 1997 09:00:00",
		"21 Nov 12345 09:00:00", "99999999999999999999 Nov 1997 09:00:00",
		"1997-11-21T09:55:06Z", "21/11/1997 09:00:00", "(21 Nov 1997 09:55:06", "-",
		"+0", "\xff\xfe", "21 Nov 1997 09:", "21 Nov 1997 :09"};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		expect_none(none[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_it_should_be),
		cmocka_unit_test(test_as_it_is_written),
		cmocka_unit_test(test_comments_and_blanks),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
