/*
 * test_inode.c - inode numbers lead back to what they were made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mountmail/view/inode.h>

static void test_round_trip(void **state)
{
	static const uint32_t tags[] = {1, 2, 0x1234567, INT32_MAX};
	static const uint32_t uids[] = {1, 2, 0x80000000, UINT32_MAX};
	uint32_t tag, uid;

	for (size_t i = 0; i < 4; i++) {
		uint64_t inode = inode_of_folder(tags[i]);

		assert_int_equal(inode_parse(inode, &tag, &uid), INODE_KIND_FOLDER);
		assert_int_equal(tag, tags[i]);
		assert_int_equal(uid, 0);
		for (size_t j = 0; j < 4; j++) {
			inode = inode_of_message(tags[i], uids[j]);
			assert_true(inode <= INT64_MAX);
			assert_int_equal(inode_parse(inode, &tag, &uid), INODE_KIND_MESSAGE);
			assert_int_equal(tag, tags[i]);
			assert_int_equal(uid, uids[j]);
		}
	}
}

static void test_sorts_by_uid(void **state)
{
	assert_true(inode_of_message(7, 1) < inode_of_message(7, 2));
	assert_true(inode_of_message(7, UINT32_MAX) < inode_of_message(8, 1));
	assert_true(inode_of_folder(7) < inode_of_message(7, 1));
}

static void test_fixed_and_none(void **state)
{
	static const uint64_t fixed[] = {INODE_ROOT, INODE_CONTROL_DIR, INODE_STATUS, INODE_QUEUE};
	static const uint64_t none[] = {
		0, INODE_QUEUE + 1, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};
	uint32_t tag, uid;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(inode_parse(fixed[i], &tag, &uid), INODE_KIND_FIXED);
	for (size_t i = 0; i < 5; i++) {
		tag = uid = 1;
		assert_int_equal(inode_parse(none[i], &tag, &uid), INODE_KIND_NONE);
		assert_int_equal(tag, 0);
		assert_int_equal(uid, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_sorts_by_uid),
		cmocka_unit_test(test_fixed_and_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
