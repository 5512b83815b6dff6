/*
 * test_options.c - one table of options, told by -o, by a file, and to people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <options_p.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int set_list(struct options *options, const char *list, struct error *err)
{
	options_init(options);
	return options_set_list(options, list, err);
}

static void test_defaults(void **state)
{
	struct options options;

	options_init(&options);
	assert_int_equal(options.connections, 4);
	assert_int_equal(options.umask, 077);
	assert_int_equal(options.uid, geteuid());
	assert_null(options.passfile);
	assert_null(options.trash);
	assert_int_equal(options.brake, 1000);
	assert_false(options.ro);
	options_finish(&options);
}

static void test_list(void **state)
{
	struct options options;
	struct error err;

	assert_int_equal(
		set_list(&options,
			"passfile=/a/b,cachesize=2G,connections=7,allow_other,umask=022,"
			"tls=none,folders=a\\,b\\\\c",
			&err),
		0);
	assert_string_equal(options.passfile, "/a/b");
	assert_int_equal(options.cachesize, UINT64_C(2) << 30);
	assert_int_equal(options.connections, 7);
	assert_true(options.allow_other);
	assert_int_equal(options.umask, 022);
	assert_int_equal(options.tls, OPTIONS_TLS_NONE);
	assert_string_equal(options.folders, "a,b\\c");
	options_finish(&options);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {{"0", 0}, {"512", 512}, {"3k", 3 << 10}, {"500M", UINT64_C(500) << 20},
		{"2GiB", UINT64_C(2) << 30}, {"2GB", UINT64_C(2) << 30},
		{"1T", UINT64_C(1) << 40}};
	static const char *const wrong[] = {"", "G", "2X", "-1", "1.5G", "99999999T", " 1"};
	struct options options;
	struct error err;

	options_init(&options);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(options_set(&options, "cachesize", sizes[i].text,
					 OPTIONS_FROM_COMMAND_LINE, &err),
			0);
		assert_int_equal(options.cachesize, sizes[i].bytes);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(options_set(&options, "cachesize", wrong[i],
					 OPTIONS_FROM_COMMAND_LINE, &err),
			-EINVAL);
	options_finish(&options);
}

static void test_removals(void **state)
{
	static const char *const wrong[] = {"0", "", "many", "-1", "1.5", "OFF", "99999999999"};
	struct options options;
	struct error err;

	assert_int_equal(set_list(&options, "trash=Papers/Bin,brake=50,ro", &err), 0);
	assert_string_equal(options.trash, "Papers/Bin");
	assert_int_equal(options.brake, 50);
	assert_true(options.ro);
	/* mount(8) adds rw by itself: it must not undo what was asked for. */
	assert_int_equal(options_set_list(&options, "rw", &err), 0);
	assert_true(options.ro);
	assert_int_equal(options_set_list(&options, "ro=no,brake=off", &err), 0);
	assert_false(options.ro);
	assert_int_equal(options.brake, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(options_set(&options, "brake", wrong[i],
					 OPTIONS_FROM_COMMAND_LINE, &err),
			-EINVAL);
		assert_non_null(strstr(err.text, "brake"));
		assert_int_equal(options.brake, 0);
	}
	options_finish(&options);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *list, *word;
		int code;
	} refusals[] = {
		{"pasfile=/x", "passfile", ENOENT},
		{"frobnicate", "--help", ENOENT},
		{"password=hunter2", "passfile", ENOENT},
		{"passfile", "needs a value", EINVAL},
		{"connections=17", "1 to 16", EINVAL},
		{"connections=0", "1 to 16", EINVAL},
		{"tls=maybe", "starttls", EINVAL},
		{"umask=8", "octal", EINVAL},
		{"umask=7777", "octal", EINVAL},
		{"uid=4294967295", "number", EINVAL},
		{"allow_other=perhaps", "yes or no", EINVAL},
	};
	struct options options;
	struct error err;

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		assert_int_equal(set_list(&options, refusals[i].list, &err), -refusals[i].code);
		if (!strstr(err.text, refusals[i].word))
			fail_msg("'%s' is not in '%s'", refusals[i].word, err.text);
		assert_null(strstr(err.text, "hunter2"));
		options_finish(&options);
	}
}

static void test_what_fstab_adds(void **state)
{
	struct options options;
	struct error err;

	assert_int_equal(set_list(&options,
				 "rw,nosuid,nodev,noatime,x-systemd.automount,x-gvfs-hide=1,"
				 "_netdev,,user,noauto",
				 &err),
		0);
	options_finish(&options);
}

static void test_paths(void **state)
{
	struct options options;
	struct error err;

	options_init(&options);
	assert_int_equal(
		options_set(&options, "cafile", "ca.pem", OPTIONS_FROM_CONFIG, &err), -EINVAL);
	assert_int_equal(
		options_set(&options, "cafile", "ca.pem", OPTIONS_FROM_COMMAND_LINE, &err), 0);
	assert_int_equal(options.cafile[0], '/');
	options_finish(&options);
}

/* Every option that --help lists is one. */
static void test_help(void **state)
{
	struct buf buf = BUF_INIT;
	unsigned found = 0;

	options_help(&buf);
	for (char *line = strtok(buf.data, "\n"); line; line = strtok(NULL, "\n")) {
		char name[32];

		if (strncmp(line, "  ", 2) != 0 || line[2] == ' ')
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 2, "= "), line + 2);
		assert_string_equal(options_nearest(name), name);
		found++;
	}
	assert_true(found >= 15);
	buf_finish(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_removals),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_what_fstab_adds),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
