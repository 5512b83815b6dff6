/*
 * test_setup.c - command line and configuration become one, and refusals come in their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "scratch.h"
#include <cmocka.h>
#include <errno.h>
#include <setup_p.h>

static struct args args;
static struct setup setup;
static struct error err;

/* Loads what the command line says; words are separated by one blank. "%" stands for the
 * scratch directory. */
static enum exit_status load(const char *line)
{
	static char text[2048];
	char *argv[16] = {NULL};
	size_t len = 0;
	int argc = 0;

	setup_finish(&setup);
	args_finish(&args);
	for (; *line; line++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s",
			*line == '%' ? 63 : 1, *line == '%' ? scratch : line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	err.text[0] = '\0';
	if (args_parse(&args, argc, argv, ARGS_FOREGROUND | ARGS_DEBUG | ARGS_OPTIONS, &err) <
		0)
		return STATUS_USAGE;
	return setup_load(&setup, &args, &err);
}

static int begin(void **state)
{
	char *path;

	if (scratch_make(state) < 0)
		return -1;
	setenv("HOME", scratch, 1);
	unsetenv("XDG_CACHE_HOME");
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	free(scratch_file("secret", 0600, "geheim\n"));
	free(scratch_file("other", 0600, "anders\n"));
	path = scratch_path("mail");
	mkdir(path, 0700);
	free(path);
	path = scratch_path(".config");
	mkdir(path, 0700);
	free(path);
	path = scratch_path(".config/mountmail");
	mkdir(path, 0700);
	free(path);
	free(scratch_file(".config/mountmail/config", 0600,
		"[work]\nurl = imaps://alice@example.org\npasscmd = exit 9\npoll = 7\n"));
	return 0;
}

static int end(void **state)
{
	setup_finish(&setup);
	args_finish(&args);
	return scratch_remove(state);
}

static void test_url(void **state)
{
	assert_int_equal(load("m -f -o passfile=%/secret imaps://bob@example.net %/mail"), 0);
	assert_true(setup.foreground);
	assert_string_equal(setup.account, "bob@example.net");
	assert_string_equal(setup.identity, "imaps://bob@example.net:993");
	assert_string_equal(setup.wire.secret, "geheim");
	assert_string_equal(setup.wire.host, "example.net");
	assert_int_equal(setup.wire.port, 993);
	assert_int_equal(setup.wire.tls, WIRE_TLS_IMPLICIT);
	assert_int_equal(setup.wire.timeout_ms, 30000);
	assert_non_null(strstr(setup.cache, "/.cache/mountmail/bob@example.net"));
	assert_non_null(strstr(setup.state, "/.local/state/mountmail/bob@example.net"));
	assert_int_equal(access(setup.cache, W_OK), 0);
}

static void test_options_behind(void **state)
{
	assert_int_equal(load("m imap://bob@h %/mail -o rw,timeout=5 -opassfile=%/secret"), 0);
	assert_int_equal(setup.wire.tls, WIRE_TLS_STARTTLS);
	assert_int_equal(setup.wire.timeout_ms, 5000);
	assert_false(setup.foreground);
}

static void test_config_and_override(void **state)
{
	assert_int_equal(load("m work %/mail -o passfile=%/other"), 0);
	assert_string_equal(setup.account, "work");
	assert_string_equal(setup.wire.user, "alice");
	assert_string_equal(setup.wire.secret, "anders");
	assert_int_equal(setup.options.poll, 7);
	assert_int_equal(load("m work %/mail"), STATUS_FAILED);
	assert_non_null(strstr(err.text, "passcmd"));
}

static void test_debug_stays(void **state)
{
	assert_int_equal(load("m -d work %/mail -o passfile=%/other"), 0);
	assert_true(setup.debug && setup.foreground);
}

static void test_folder_of_url(void **state)
{
	assert_int_equal(load("m imaps://a@h/A*/B %/mail -o passfile=%/other"), 0);
	assert_string_equal(setup.folders, "A\\*/B");
	assert_string_equal(setup.account, "a@h/A*/B");
	assert_non_null(strstr(setup.cache, "/mountmail/a@h%2FA%2A%2FB"));
	assert_string_equal(setup.identity, "imaps://a@h:993");
}

static void refused(const char *line, enum exit_status status, const char *word)
{
	assert_int_equal(load(line), status);
	if (!strstr(err.text, word))
		fail_msg("'%s' is not in '%s'", word, err.text);
}

static void test_refusals(void **state)
{
	refused("m", STATUS_USAGE, "MOUNTPOINT");
	refused("m work", STATUS_USAGE, "MOUNTPOINT");
	refused("m work a b", STATUS_USAGE, "MOUNTPOINT");
	refused("m --hepl work %/mail", STATUS_USAGE, "--help");
	refused("m -x work %/mail", STATUS_USAGE, "-x");
	refused("m work %/mail -o", STATUS_USAGE, "needs a value");
	refused("m -o pasfile=x work %/mail", STATUS_USAGE, "passfile");
	refused("m nowhere %/mail", STATUS_USAGE, "config");
	refused("m pop3://a@h/folder %/mail", STATUS_USAGE, "no folders");
	refused("m imaps://a@h %/mail -o tls=none", STATUS_USAGE, "imap://");
	refused("m imaps://a@h/A %/mail -o folders=B", STATUS_USAGE, "folders=B");
	refused("m -o passfile=%/secret,passcmd=x work %/mail", STATUS_USAGE, "passcmd");
	refused("m work %/mail -o cafile=%/missing", STATUS_USAGE, "cafile");
	refused("m work %/missing", STATUS_MOUNTPOINT, "missing");
	refused("m work %/secret", STATUS_MOUNTPOINT, "directory");
	refused("m work %/.config", STATUS_MOUNTPOINT, "not empty");
	refused("m work %/mail -o cache=%/mail/cache", STATUS_FAILED, "inside");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url),
		cmocka_unit_test(test_options_behind),
		cmocka_unit_test(test_config_and_override),
		cmocka_unit_test(test_debug_stays),
		cmocka_unit_test(test_folder_of_url),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
