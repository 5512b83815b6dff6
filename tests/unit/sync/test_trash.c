/*
 * test_trash.c - which of a server's folders is the Trash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "trash_p.h"
#include <cmocka.h>

static void hear(struct trash *trash, const char *wanted, const char *path, uint32_t flags)
{
	struct mail_folder folder = {
		.raw = (char *)(uintptr_t)path, .path = (char *)(uintptr_t)path, .flags = flags};

	trash_hear(trash, wanted, &folder);
}

static void test_none(void **state)
{
	struct trash trash = {0};

	hear(&trash, NULL, "INBOX", MAIL_FOLDER_INBOX);
	hear(&trash, NULL, "Archive\nTrash", 0);
	hear(&trash, NULL, "Trash", MAIL_FOLDER_NOSELECT);
	assert_null(trash.raw);
}

static void test_flag_beats_name(void **state)
{
	struct trash trash = {0};

	hear(&trash, NULL, "trash", 0);
	assert_string_equal(trash.raw, "trash");
	hear(&trash, NULL, "Papierkorb", MAIL_FOLDER_TRASH);
	assert_string_equal(trash.raw, "Papierkorb");
	hear(&trash, NULL, "Deleted Items", 0);
	hear(&trash, NULL, "Another", MAIL_FOLDER_TRASH);
	assert_string_equal(trash.raw, "Papierkorb");
	trash_finish(&trash);
	assert_null(trash.raw);
}

static void test_wanted(void **state)
{
	struct trash trash = {0};

	hear(&trash, "Old/Removed", "Trash", MAIL_FOLDER_TRASH);
	assert_null(trash.raw);
	hear(&trash, "Old/Removed", "Old\nRemoved", 0);
	assert_string_equal(trash.raw, "Old\nRemoved");
	trash_finish(&trash);
}

static void test_unwanted(void **state)
{
	struct trash trash = {0};

	hear(&trash, "", "Trash", MAIL_FOLDER_TRASH);
	hear(&trash, "", "", 0);
	assert_null(trash.raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_flag_beats_name),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_unwanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
