/*
 * test_flags.c - flags as bits and as words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mountmail/mail/flags.h>

static void test_format(void **state)
{
	struct buf buf = BUF_INIT;

	mail_flags_format(MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN, &buf);
	assert_string_equal(buf.data, "\\Seen \\Flagged");
	buf_finish(&buf);
}

static void test_every_bit_has_a_word_that_leads_back(void **state)
{
	for (uint32_t bit = MAIL_FLAG_SEEN; bit <= MAIL_FLAG_JUNK; bit <<= 1) {
		struct buf buf = BUF_INIT;

		mail_flags_format(bit, &buf);
		assert_int_equal(mail_flag_from_keyword(buf.data), bit);
		buf_finish(&buf);
	}
	assert_int_equal(mail_flag_from_keyword("$JUNK"), MAIL_FLAG_JUNK);
	assert_int_equal(mail_flag_from_keyword("$Phishing"), 0);
	assert_int_equal(mail_flag_from_keyword(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_every_bit_has_a_word_that_leads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
