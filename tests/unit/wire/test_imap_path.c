#include "imap_internal_p.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const char *raw, char delimiter, const char *prefix, const char *wanted)
{
	char *path = imap_path_decode(raw, delimiter, prefix);

	assert_string_equal(path, wanted);
	free(path);
}

static void test_levels(void **state)
{
	check("Archive/2024/May", '/', "", "Archive\n2024\nMay");
	check("Archive.2024", '.', "", "Archive\n2024");
	check("a\\b", '\\', "", "a\nb");
	check("a/b.c", 0, "", "a/b.c");
	check("..", '.', "", "\x01\n\x01");
	check("../..", '/', "", "..\n..");
}

static void test_empty_levels_never_come_out_empty(void **state)
{
	check("a/", '/', "", "a");
	check("a//b", '/', "", "a\n\x01\nb");
	check("/a", '/', "", "\x01\na");
	check("/", '/', "", "\x01");
}

static void test_decoding(void **state)
{
	check("Entw&APw-rfe", '/', "", "Entw\303\274rfe");
	check("&ZeVnLIqe-/Sent", '/', "", "\346\227\245\346\234\254\350\252\236\nSent");
	check("R&-D", '/', "", "R&D");
	check("\303\274ber", '/', "", "\303\274ber");
}

static void test_what_does_not_decode_stays_raw(void **state)
{
	check("bad&AP", '/', "", "\x01" "bad&AP");
	check("latin\374/x", '/', "", "\x01" "latin\374\nx");
	/* Decoded, these would change the path itself, or look like the mark. */
	check("a&AAo-b", '/', "", "\x01" "a&AAo-b");
	check("&AAE-x", '/', "", "\x01" "&AAE-x");
	check("x&AAA-", '/', "", "\x01" "x&AAA-");
}

static void test_inbox_in_any_case(void **state)
{
	check("INBOX", '/', "", "INBOX");
	check("inbox", '/', "", "INBOX");
	check("InBox", 0, "", "INBOX");
	check("Inbox/Old", '/', "", "INBOX\nOld");
	check("a/inbox", '/', "", "a\ninbox");
	check("INBOXES", '/', "", "INBOXES");
}

static void test_personal_prefix(void **state)
{
	check("INBOX.Sent", '.', "INBOX.", "Sent");
	check("inbox.Sent.2024", '.', "INBOX.", "Sent\n2024");
	check("INBOX", '.', "INBOX.", "INBOX");
	check("INBOX.", '.', "INBOX.", "INBOX");
	check("INBOX.INBOX", '.', "INBOX.", "INBOX\nINBOX");
	check("INBOX.inbox.x", '.', "INBOX.", "INBOX\ninbox\nx");
	check("shared.team", '.', "INBOX.", "shared\nteam");
	check("mail/x", '/', "mail/", "x");
	check("Mail/x", '/', "mail/", "Mail\nx");
	check("~/x", '/', "~/", "x");
	check("INB", '.', "INBOX.", "INB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_empty_levels_never_come_out_empty),
		cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_what_does_not_decode_stays_raw),
		cmocka_unit_test(test_inbox_in_any_case),
		cmocka_unit_test(test_personal_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
