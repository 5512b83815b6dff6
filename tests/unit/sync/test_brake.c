/*
 * test_brake.c - when the brake takes hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "brake_p.h"
#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define NEVER 0u

static enum brake_verdict remove_some(struct brake *brake, int64_t folder, unsigned count,
	uint64_t shown, unsigned limit, int64_t now)
{
	enum brake_verdict verdict = BRAKE_OFF;

	for (unsigned i = 0; i < count && verdict == BRAKE_OFF; i++)
		verdict = brake_judge(brake, folder, shown - i, limit, now);
	return verdict;
}

static void test_limit(void **state)
{
	struct brake brake = {0};

	assert_int_equal(remove_some(&brake, 1, 1000, 100000, 1000, 5), BRAKE_OFF);
	assert_int_equal(remove_some(&brake, 1, 1, 99000, 1000, 6), BRAKE_ALL);
	brake_finish(&brake);
}

static void test_limit_counts_all_folders(void **state)
{
	struct brake brake = {0};

	for (int64_t folder = 1; folder <= 10; folder++)
		assert_int_equal(remove_some(&brake, folder, 10, 1000, 100, 5), BRAKE_OFF);
	assert_int_equal(remove_some(&brake, 11, 1, 1000, 100, 5), BRAKE_ALL);
	brake_finish(&brake);
}

static void test_minute(void **state)
{
	struct brake brake = {0};

	/* For ever, at a thousand a minute. */
	for (int64_t now = 0; now < 20 * MINUTE; now += MINUTE + BRAKE_SLOT_MS)
		assert_int_equal(remove_some(&brake, 1, 1000, 1000000, 1000, now), BRAKE_OFF);
	assert_int_equal(brake_recent(&brake.all, 100 * MINUTE), 0);
	/* A pause of less than a minute changes nothing. */
	assert_int_equal(
		remove_some(&brake, 1, 600, 1000000, 1000, 200 * MINUTE), BRAKE_OFF);
	assert_int_equal(remove_some(&brake, 1, 600, 1000000, 1000, 200 * MINUTE + 50000),
		BRAKE_ALL);
	brake_finish(&brake);
}

static void test_half_of_a_folder(void **state)
{
	struct brake brake = {0};

	/* 101 messages: the 51st is more than half. */
	assert_int_equal(remove_some(&brake, 1, 50, 101, 1000, 5), BRAKE_OFF);
	assert_int_equal(brake_judge(&brake, 1, 51, 1000, 6), BRAKE_FOLDER);
	/* One that holds a hundred may be emptied. */
	assert_int_equal(remove_some(&brake, 2, 100, 100, 1000, 5), BRAKE_OFF);
	brake_finish(&brake);
}

static void test_off(void **state)
{
	struct brake brake = {0};

	assert_int_equal(remove_some(&brake, 1, 5000, 5000, NEVER, 5), BRAKE_OFF);
	assert_int_equal(brake.count, 0);
	brake_finish(&brake);
}

static void test_folders_are_forgotten(void **state)
{
	struct brake brake = {0};

	for (int64_t i = 0; i < 1000; i++)
		brake_judge(&brake, i, 10, 1000, i * 2 * MINUTE);
	assert_in_range(brake.count, 1, 8);
	brake_finish(&brake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_counts_all_folders),
		cmocka_unit_test(test_minute),
		cmocka_unit_test(test_half_of_a_folder),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_folders_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
