/*
 * test_paths.c - where files are, and directories that are nobody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "scratch.h"
#include <cmocka.h>
#include <errno.h>
#include <paths_p.h>

static void test_bases(void **state)
{
	char *path;

	setenv("HOME", "/home/me", 1);
	setenv("XDG_CACHE_HOME", "", 1);
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("XDG_CONFIG_HOME", "/etc/mine", 1);
	path = paths_in(PATHS_CACHE, "a");
	assert_string_equal(path, "/home/me/.cache/mountmail/a");
	free(path);
	path = paths_in(PATHS_STATE, "a");
	assert_string_equal(path, "/home/me/.local/state/mountmail/a");
	free(path);
	path = paths_in(PATHS_CONFIG, "config");
	assert_string_equal(path, "/etc/mine/mountmail/config");
	free(path);
	path = paths_absolute("~/x");
	assert_string_equal(path, "/home/me/x");
	free(path);
}

static void test_account_names(void **state)
{
	char long_name[600], other[600], *name, *name2;

	name = paths_account_name("a/b c@d.example:993");
	assert_string_equal(name, "a%2Fb%20c@d.example:993");
	free(name);
	name = paths_account_name("..");
	assert_int_not_equal(name[0], '.');
	free(name);
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	strcpy(other, long_name);
	other[sizeof(other) - 2] = 'y';
	name = paths_account_name(long_name);
	name2 = paths_account_name(other);
	assert_true(strlen(name) <= 200);
	assert_string_not_equal(name, name2);
	free(name);
	free(name2);
}

static void test_private_dir(void **state)
{
	char *path = scratch_path("a/b/c"), *link = scratch_path("link");
	struct stat found;
	struct error err;

	assert_int_equal(paths_private_dir(path, &err), 0);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 07777, 0700);
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(paths_private_dir(path, &err), -EPERM);
	assert_non_null(strstr(err.text, "chmod 700"));
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(symlink(path, link), 0);
	assert_true(paths_private_dir(link, &err) < 0);
	free(path);
	path = scratch_file("file", 0600, "");
	assert_true(paths_private_dir(path, &err) < 0);
	assert_non_null(strstr(err.text, path));
	free(path);
	free(link);
}

static void test_mountpoint(void **state)
{
	char *missing = scratch_path("missing"), *path = NULL;
	struct error err;

	assert_int_equal(paths_mountpoint(missing, &path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "mkdir"));
	free(path);
	assert_int_equal(paths_mountpoint(scratch, &path, &err), 0);
	assert_int_equal(path[0], '/');
	free(path);
	free(missing);
}

static void test_control(void **state)
{
	char *path = NULL, *other = NULL, deep[200];
	struct error err;

	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(paths_control(scratch, "/mail", &path, &err), 0);
	assert_int_equal(paths_control(scratch, "/mail2", &other, &err), 0);
	assert_string_not_equal(path, other);
	assert_int_equal(strncmp(path, scratch, strlen(scratch)), 0);
	free(path);
	free(other);
	setenv("XDG_RUNTIME_DIR", scratch, 1);
	assert_int_equal(paths_control("/state", "/mail", &path, &err), 0);
	assert_int_equal(strncmp(path, scratch, strlen(scratch)), 0);
	free(path);
	unsetenv("XDG_RUNTIME_DIR");
	memset(deep, 'd', sizeof(deep) - 1);
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(paths_control(deep, "/mail", &path, &err), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bases),
		cmocka_unit_test(test_account_names),
		cmocka_unit_test(test_private_dir),
		cmocka_unit_test(test_mountpoint),
		cmocka_unit_test(test_control),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
