/*
 * test_settle.c - the kernel is told of a true size before anybody reads, and once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "settle_p.h"

static void count(void *ctx, uint64_t inode)
{
	++*(int *)ctx;
}

static void test_orders(void **state)
{
	int told = 0;
	struct settle *settle = settle_create(count, &told);

	/* The event, then those who waited. */
	settle_begin(settle, 1);
	settle_corrected(settle, 1);
	settle_fetched(settle, 1);
	settle_fetched(settle, 1);
	settle_found(settle, 1);
	assert_int_equal(told, 1);

	/* No event, since the claim was right: as the store may know another claim than the
	 * kernel, it is told all the same. */
	settle_begin(settle, 2);
	settle_fetched(settle, 2);
	settle_found(settle, 2);
	assert_int_equal(told, 2);

	/* Somebody opens between the commit and the event: told then, and not again under him.
	 */
	settle_begin(settle, 3);
	settle_found(settle, 3);
	settle_found(settle, 3);
	settle_corrected(settle, 3);
	settle_fetched(settle, 3);
	assert_int_equal(told, 3);
	/* One who saw the claim just before all that. */
	settle_begin(settle, 3);
	settle_fetched(settle, 3);
	assert_int_equal(told, 3);
	/* Another body, much later. */
	settle_corrected(settle, 3);
	assert_int_equal(told, 4);

	/* Never asked for here. */
	settle_found(settle, 4);
	settle_fetched(settle, 5);
	assert_int_equal(told, 4);
	settle_corrected(settle, 6);
	assert_int_equal(told, 5);
	settle_destroy(settle);
}

static void test_many(void **state)
{
	int told = 0;
	struct settle *settle = settle_create(count, &told);

	for (uint64_t inode = 1; inode <= 10000; inode++)
		settle_begin(settle, inode << 20);
	for (uint64_t inode = 1; inode <= 10000; inode++)
		settle_found(settle, inode << 20);
	assert_int_equal(told, 10000);
	settle_destroy(settle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
