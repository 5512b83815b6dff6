/*
 * test_secret.c - passwords from files and commands, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "scratch.h"
#include <cmocka.h>
#include <errno.h>
#include <secret_p.h>
#include <stdbool.h>
#include <time.h>

static struct secret secret;
static struct error err;

static int begin(void **state)
{
	return secret_init(&secret, &err);
}

static int end(void **state)
{
	secret_finish(&secret);
	return 0;
}

/* Whether nothing but the password is in the page. */
static bool clean(void)
{
	for (size_t i = strlen(secret.text); i < secret.size; i++)
		if (secret.text[i])
			return false;
	return true;
}

static int from_file(mode_t mode, const char *text)
{
	char *path = scratch_file("secret", mode, text);
	int result = secret_from_file(&secret, path, &err);

	free(path);
	return result;
}

static void test_file(void **state)
{
	assert_int_equal(from_file(0600, "tr0ub4dor & 3\r\nsecond line\n"), 0);
	assert_string_equal(secret.text, "tr0ub4dor & 3");
	assert_true(clean());
}

static void test_file_without_line_break(void **state)
{
	assert_int_equal(from_file(0400, "geheim"), 0);
	assert_string_equal(secret.text, "geheim");
}

static void test_file_refused(void **state)
{
	char *path, *link;

	assert_int_equal(from_file(0644, "x\n"), -EPERM);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(from_file(0600, "\n"), -EINVAL);
	assert_int_equal(from_file(0600, ""), -EINVAL);
	path = scratch_path("missing");
	assert_int_equal(secret_from_file(&secret, path, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(secret_from_file(&secret, scratch, &err), -EINVAL);
	free(path);
	path = scratch_path("fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(secret_from_file(&secret, path, &err), -EINVAL);
	free(path);
	path = scratch_file("real", 0600, "yes\n");
	link = scratch_path("link");
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(secret_from_file(&secret, link, &err), 0);
	free(path);
	free(link);
}

static void test_too_long(void **state)
{
	static char line[SECRET_MAX + 2];

	memset(line, 'x', SECRET_MAX + 1);
	assert_int_equal(from_file(0600, line), -EINVAL);
	line[SECRET_MAX] = '\0';
	assert_int_equal(from_file(0600, line), 0);
	assert_int_equal(strlen(secret.text), SECRET_MAX);
}

static void test_command(void **state)
{
	assert_int_equal(
		secret_from_command(&secret, "echo geheim; seq 20000", 30000, &err), 0);
	assert_string_equal(secret.text, "geheim");
	assert_true(clean());
}

static void test_command_fails(void **state)
{
	time_t start = time(NULL);

	assert_int_equal(secret_from_command(&secret, "echo x; exit 3", 30000, &err), -EINVAL);
	assert_non_null(strstr(err.text, "passcmd"));
	assert_non_null(strstr(err.text, "3"));
	assert_int_equal(
		secret_from_command(&secret, "no-such-command-here 2>/dev/null", 30000, &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "not found"));
	assert_int_equal(secret_from_command(&secret, "true", 30000, &err), -EINVAL);
	assert_int_equal(secret_from_command(&secret, "kill -9 $$", 30000, &err), -EINVAL);
	assert_int_equal(secret_from_command(&secret, "sleep 60", 300, &err), -ETIMEDOUT);
	assert_true(time(NULL) - start < 30);
}

/* Somebody it left behind holds its output: that is no reason to wait. */
static void test_command_leaves_a_child(void **state)
{
	time_t start = time(NULL);

	assert_int_equal(
		secret_from_command(&secret, "sleep 8 2>/dev/null & echo geheim", 30000, &err),
		0);
	assert_string_equal(secret.text, "geheim");
	assert_true(time(NULL) - start < 7);
}

static void test_finish(void **state)
{
	struct secret other;

	assert_int_equal(secret_init(&other, &err), 0);
	secret_finish(&other);
	assert_null(other.text);
	secret_finish(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, begin, end),
		cmocka_unit_test_setup_teardown(test_file_without_line_break, begin, end),
		cmocka_unit_test_setup_teardown(test_file_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_too_long, begin, end),
		cmocka_unit_test_setup_teardown(test_command, begin, end),
		cmocka_unit_test_setup_teardown(test_command_fails, begin, end),
		cmocka_unit_test_setup_teardown(test_command_leaves_a_child, begin, end),
		cmocka_unit_test(test_finish),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
