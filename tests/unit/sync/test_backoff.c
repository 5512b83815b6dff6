/*
 * test_backoff.c - pauses and filters: pure functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backoff_p.h"
#include "filter_p.h"
#include <cmocka.h>
#include <string.h>

static void test_doubles_to_the_maximum(void **state)
{
	static const uint32_t whole[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

	for (unsigned i = 0; i < 8; i++) {
		uint32_t least = UINT32_MAX, most = 0;

		for (uint32_t random = 0; random < 70000; random++) {
			uint32_t ms = backoff_ms(i + 1, 1000, 60000, random);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		assert_int_equal(least, whole[i] - whole[i] / 2);
		assert_int_equal(most, whole[i]);
	}
	assert_in_range(backoff_ms(UINT32_MAX, 1000, 60000, UINT32_MAX), 30000, 60000);
	assert_in_range(backoff_ms(0, 1000, 60000, 1), 500, 1000);
}

static void test_told_is_obeyed(void **state)
{
	for (uint32_t random = 0; random < 2000; random++)
		assert_in_range(backoff_told_ms(5000, random), 5000, 5500);
	assert_in_range(backoff_told_ms(1, UINT32_MAX), 1, 1);
	/* A server that says "in a month" is asked before. */
	assert_in_range(backoff_told_ms(UINT32_MAX, UINT32_MAX), BACKOFF_TOLD_MAX_MS,
		BACKOFF_TOLD_MAX_MS + BACKOFF_TOLD_MAX_MS / 10);
}

static bool shows(const char *folders, const char *exclude, const char *path, uint32_t flags)
{
	struct filter filter = {.folders = folders, .exclude = exclude};
	char raw[] = "x", copy[64];
	struct mail_folder folder = {.raw = raw, .path = copy, .flags = flags};

	assert_true(strlen(path) < sizeof(copy));
	strcpy(copy, path);
	return filter_shows(&filter, &folder);
}

static void test_filter(void **state)
{
	assert_true(shows(NULL, NULL, "A\nB", 0));
	assert_true(shows("A/B", NULL, "A\nB", 0));
	assert_false(shows("A/B", NULL, "A", 0));
	assert_false(shows("A/B", NULL, "A\nB\nC", 0));
	assert_true(shows("A/*", NULL, "A\nB\nC", 0));
	assert_false(shows("A/*", NULL, "A", 0));
	assert_false(shows(NULL, "Drop", "Drop", 0));
	assert_true(shows(NULL, "Drop", "Drop it not", 0));
	assert_false(shows(NULL, "Drop", "Drop\nunder", 0));
	assert_false(shows(NULL, "*/Old", "A\nOld\n2023", 0));
	assert_false(shows("A*", "A", "A", 0));
	assert_true(shows("\\[Gmail\\]/Sent", NULL, "[Gmail]\nSent", 0));
	assert_true(shows("inbox", NULL, "INBOX", MAIL_FOLDER_INBOX));
	assert_false(shows("inbox", NULL, "Inbox2", 0));
	assert_false(shows("work", NULL, "Work", 0));
}

static void test_filter_all_mail(void **state)
{
	struct filter filter = {.all_mail = true};
	char raw[] = "x";
	struct mail_folder folder = {.raw = raw, .path = raw, .flags = MAIL_FOLDER_ALL};

	assert_true(filter_shows(&filter, &folder));
	assert_false(shows(NULL, NULL, "[Gmail]\nAll Mail", MAIL_FOLDER_ALL));
	assert_true(shows("*", NULL, "[Gmail]\nAll Mail", MAIL_FOLDER_ALL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles_to_the_maximum),
		cmocka_unit_test(test_told_is_obeyed),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_filter_all_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
