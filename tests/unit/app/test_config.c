/*
 * test_config.c - the configuration file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "scratch.h"
#include <cmocka.h>
#include <config_p.h>
#include <errno.h>

static struct options options;
static struct url url;
static struct error err;

static int load(const char *text, const char *account)
{
	char *path = scratch_file("config", 0600, text);
	int result;

	options_finish(&options);
	url_finish(&url);
	options_init(&options);
	err.text[0] = '\0';
	result = config_load(path, account, &options, &url, &err);
	free(path);
	return result;
}

static int forget(void **state)
{
	options_finish(&options);
	url_finish(&url);
	return scratch_remove(state);
}

static void test_section(void **state)
{
	assert_int_equal(load("# mine\n"
			      "[home]\nurl = imaps://bob@example.net\npoll = 5\n\n"
			      "[work]\nurl = imaps://alice@example.org\n"
			      "passcmd = pass show mail/work\nallow_other = yes\n",
				 "work"),
		0);
	assert_string_equal(url.user, "alice");
	assert_string_equal(options.passcmd, "pass show mail/work");
	assert_true(options.allow_other);
	assert_int_equal(options.poll, 60);
}

static void test_host_and_user(void **state)
{
	assert_int_equal(load("[a]\nhost = h.example\nuser = me@h.example\nport = 1143\n"
			      "tls = starttls\n",
				 "a"),
		0);
	assert_string_equal(url.host, "h.example");
	assert_string_equal(url.user, "me@h.example");
	assert_int_equal(url.port, 1143);
	assert_false(url.implicit);
}

static void refused(const char *text, const char *account, int code, const char *word)
{
	assert_int_equal(load(text, account), -code);
	if (!strstr(err.text, word))
		fail_msg("'%s' is not in '%s'", word, err.text);
}

static void test_refusals(void **state)
{
	char line[1200];

	refused("[work]\nurl=imaps://a@b\n", "wrok", ENOENT, "did you mean 'work'");
	refused("[work]\nurl=imaps://a@b\n", "elsewhere", ENOENT, "no account [elsewhere]");
	refused("[work]\nurl=imaps://a@b\nfoo=1\n", "work", EINVAL, "config:3");
	refused("[work]\nurl=imaps://a@b\npasfile=/x\n", "work", EINVAL, "passfile");
	refused("[work]\nurl=imaps://a:b@c\n", "work", EINVAL, "password");
	refused("[work]\nurl=imaps://a@b\nhost=c\n", "work", EINVAL, "beside");
	refused("[work]\nuser=a\n", "work", EINVAL, "host");
	refused("[work]\nurl=imaps://a@b\nurl=imaps://c@d\n", "work", EINVAL, "twice");
	refused("url=imaps://a@b\n[work]\n", "work", EINVAL, "first section");
	refused("[work]\nurl=imaps://a@b\ncafile=ca.pem\n", "work", EINVAL, "whole path");
	refused("[work]\nnonsense\n", "work", EINVAL, "config:2");
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "[work]\npasscmd=", 15);
	line[sizeof(line) - 1] = '\0';
	refused(line, "work", EINVAL, "");
}

static void test_no_file(void **state)
{
	char *path = scratch_path("missing");

	url_finish(&url);
	assert_int_equal(config_load(path, "work", &options, &url, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section),
		cmocka_unit_test(test_host_and_user),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, scratch_make, forget);
}
