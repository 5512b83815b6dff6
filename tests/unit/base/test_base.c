/*
 * test_base.c - memory, text, numbers, JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/error.h>
#include <mountmail/base/json.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_buf_grows_and_terminates(void **state)
{
	struct buf buf = BUF_INIT;

	for (int i = 0; i < 1000; i++) {
		buf_printf(&buf, "%d,", i);
		assert_int_equal(buf.data[buf.len], '\0');
	}
	assert_int_equal(strlen(buf.data), buf.len);
	buf_clear(&buf);
	assert_string_equal(buf.data, "");
	buf_append(&buf, "a\0b", 3);
	assert_int_equal(buf.len, 3);
	buf_finish(&buf);
}

static void test_buf_steal_of_nothing_is_empty(void **state)
{
	struct buf buf = BUF_INIT;
	char *text = buf_steal(&buf);

	assert_string_equal(text, "");
	free(text);
	assert_null(buf.data);
}

static void test_buf_printf_longer_than_its_room(void **state)
{
	struct buf buf = BUF_INIT;
	char long_text[5000];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	buf_append_str(&buf, "a");
	buf_printf(&buf, "%s!", long_text);
	assert_int_equal(buf.len, 1 + sizeof(long_text) - 1 + 1);
	assert_int_equal(buf.data[buf.len - 1], '!');
	buf_finish(&buf);
}

static void test_overflowing_allocation_ends_the_process(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		close(STDERR_FILENO);
		xreallocarray(NULL, SIZE_MAX / 2, 3);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 71);
}

static void test_numbers(void **state)
{
	uint64_t value = 7;

	assert_int_equal(str_to_u64("0", 10, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(str_to_u64("18446744073709551615", UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
	value = 7;
	assert_int_equal(str_to_u64("18446744073709551616", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(str_to_u64("11", 10, &value), -ERANGE);
	assert_int_equal(str_to_u64("", 10, &value), -EINVAL);
	assert_int_equal(str_to_u64("+1", 10, &value), -EINVAL);
	assert_int_equal(str_to_u64(" 1", 10, &value), -EINVAL);
	assert_int_equal(str_to_u64("1x", 10, &value), -EINVAL);
	assert_int_equal(value, 7);
}

static void test_utf8(void **state)
{
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\xc3\xbc\xf0\x9f\x98\x80", 7));
	assert_false(utf8_valid("\xff", 1));
	assert_false(utf8_valid("\xc0\x80", 2));         /* overlong NUL */
	assert_false(utf8_valid("\xed\xa0\x80", 3));     /* a surrogate */
	assert_false(utf8_valid("\xf4\x90\x80\x80", 4)); /* above U+10FFFF */
	assert_false(utf8_valid("\xc3", 1));
	assert_false(utf8_valid("a\0b", 3));
}

static void test_distance(void **state)
{
	assert_int_equal(str_distance("passfile", "passfile"), 0);
	assert_int_equal(str_distance("pasfile", "passfile"), 1);
	assert_int_equal(str_distance("", "abc"), 3);
	assert_int_equal(str_distance("abc", "xyz"), 3);
}

static void test_json(void **state)
{
	struct buf buf = BUF_INIT;
	struct json json;

	json_init(&json, &buf);
	json_object_begin(&json, NULL);
	json_string(&json, "a\"b", "x\\\n\x01\xff\xc3\xbc");
	json_array_begin(&json, "list");
	json_int(&json, NULL, -5);
	json_object_begin(&json, NULL);
	json_object_end(&json);
	json_bool(&json, NULL, true);
	json_array_end(&json);
	json_string(&json, "none", NULL);
	json_object_end(&json);
	assert_string_equal(buf.data,
		"{\"a\\\"b\":\"x\\\\\\u000a\\u0001\xef\xbf\xbd\xc3\xbc\","
		"\"list\":[-5,{},true],\"none\":null}");
	buf_finish(&buf);
}

static void test_error_text_is_fit_for_a_terminal(void **state)
{
	struct error err = {0};

	assert_int_equal(error_set(&err, ENOENT, "no %s", "such\x1b[31m\nthing"), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "no such?[31m?thing");
	assert_int_equal(error_set(NULL, EIO, "unheard"), -EIO);
}

static void test_steal(void **state)
{
	_cleanup_free_ char *text = xstrdup("mine");
	char *taken = steal_pointer(&text);
	int fd = 5;

	assert_null(text);
	assert_string_equal(taken, "mine");
	free(taken);
	assert_int_equal(steal_fd(&fd), 5);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_grows_and_terminates),
		cmocka_unit_test(test_buf_steal_of_nothing_is_empty),
		cmocka_unit_test(test_buf_printf_longer_than_its_room),
		cmocka_unit_test(test_overflowing_allocation_ends_the_process),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_error_text_is_fit_for_a_terminal),
		cmocka_unit_test(test_steal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
