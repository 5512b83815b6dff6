/*
 * test_keys.c - a set of numbers is the same as a plain list of what was put in and taken out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "keys_p.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define RANGE 5000

static int64_t key_of(size_t i)
{
	/* As rows are numbered: few places, UIDs beside each other. */
	return (int64_t)(1 + i % 3) << 32 | (int64_t)(i / 3 + 1);
}

static void check(const struct keys *keys, const bool *wanted)
{
	size_t count = 0;

	for (size_t i = 0; i < RANGE; i++) {
		assert_int_equal(keys_has(keys, key_of(i)), wanted[i]);
		count += wanted[i];
	}
	assert_int_equal(keys->count, count);
}

static void test_like_a_list(void **state)
{
	static bool wanted[RANGE];
	struct keys keys = {0};

	srand(1);
	assert_false(keys_has(&keys, 1));
	keys_remove(&keys, 1);
	/* More come than go, then more go than come, until nothing is left. */
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 2000; i++) {
			size_t at = (size_t)rand() % RANGE;
			bool comes = rand() % 20 > round / 2;

			if (comes)
				keys_add(&keys, key_of(at));
			else
				keys_remove(&keys, key_of(at));
			wanted[at] = comes;
		}
		check(&keys, wanted);
	}
	for (size_t i = 0; i < RANGE; i++)
		keys_remove(&keys, key_of(i));
	memset(wanted, 0, sizeof(wanted));
	check(&keys, wanted);
	assert_true(keys.cap <= 1024);
	keys_finish(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_like_a_list)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
