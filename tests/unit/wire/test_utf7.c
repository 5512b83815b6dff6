/*
 * test_utf7.c - modified UTF-7 both ways, and what is not it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "utf7_p.h"
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *utf7;
	const char *utf8;
} pairs[] = {
	{"", ""},
	{"INBOX", "INBOX"},
	{"Tom &- Jerry", "Tom & Jerry"},
	{"~peter/mail/&ZeVnLIqe-/&U,BTFw-", "~peter/mail/日本語/台北"},
	{"Entw&APw-rfe", "Entwürfe"},
	{"&2D3eAA-", "😀"},
	{"a&AAkAGw-b", "a\t\x1b"
		       "b"},
};

static void test_pairs(void **state)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct buf out = BUF_INIT;

		assert_int_equal(utf7_decode(pairs[i].utf7, strlen(pairs[i].utf7), &out), 0);
		assert_string_equal(out.data ? out.data : "", pairs[i].utf8);
		buf_clear(&out);
		assert_int_equal(utf7_encode(pairs[i].utf8, strlen(pairs[i].utf8), &out), 0);
		assert_string_equal(out.data ? out.data : "", pairs[i].utf7);
		buf_finish(&out);
	}
}

static void test_not_utf7(void **state)
{
	static const char *const wrong[] = {"&", "&AAA", "&AA-", "&AAA-", "&2D0-", "&3gA-",
		"&2D0AQQ-", "&AEE-", "&A!A-", "\xff", "a\xc3", "&AGEA-"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct buf out = BUF_INIT;

		buf_append_str(&out, "before");
		assert_int_equal(utf7_decode(wrong[i], strlen(wrong[i]), &out), -EILSEQ);
		assert_string_equal(out.data, "before");
		buf_finish(&out);
	}
}

static void test_raw_utf8_passes(void **state)
{
	struct buf out = BUF_INIT;

	assert_int_equal(utf7_decode("\xc3\xbc", 2, &out), 0);
	assert_string_equal(out.data, "\xc3\xbc");
	assert_int_equal(utf7_encode("\xc3", 1, &out), -EILSEQ);
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_not_utf7),
		cmocka_unit_test(test_raw_utf8_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
