/*
 * test_args.c - what a command line means, and what is said of one that means nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <args_p.h>
#include <cmocka.h>
#include <commands/flush_p.h>
#include <errno.h>
#include <mountmail/base/buf.h>
#include <string.h>

static int parse(struct args *args, unsigned known, const char *line, struct error *err)
{
	static char words[256];
	static char *argv[16];
	char *save = NULL;
	int argc = 0;

	strcpy(words, line);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return args_parse(args, argc, argv, known, err);
}

static void test_values(void **state)
{
	const unsigned queue = ARGS_JSON | ARGS_UNDO | ARGS_RELEASE | ARGS_DISCARD;
	struct args args;
	struct error err;

	assert_int_equal(parse(&args, queue, "queue /mnt --undo 1.2", &err), 0);
	assert_string_equal(args.undo, "1.2");
	assert_null(args.discard);
	assert_int_equal(args.operand_count, 1);
	assert_string_equal(args.operands[0], "/mnt");
	args_finish(&args);
	assert_int_equal(parse(&args, queue, "queue --discard=all /mnt --release", &err), 0);
	assert_string_equal(args.discard, "all");
	assert_true(args.release);
	args_finish(&args);
	assert_int_equal(parse(&args, ARGS_TIMEOUT, "flush --timeout 7 /mnt", &err), 0);
	assert_string_equal(args.timeout, "7");
	args_finish(&args);
}

static void test_refusals(void **state)
{
	static const struct {
		unsigned known;
		const char *line, *word;
	} wrong[] = {
		{ARGS_TIMEOUT, "flush /mnt --timeout", "--timeout needs a value: SECONDS"},
		{ARGS_UNDO, "queue /mnt --undo", "--undo needs a value: ID, or all"},
		{ARGS_UNDO, "queue /mnt --release", "no option '--release'"},
		{ARGS_FORCE, "umount --forse /mnt", "did you mean '--force'"},
		{ARGS_FORCE, "umount --force=yes /mnt", "--force takes no value"},
		{ARGS_OPTIONS, "mount -o", "-o needs a value"},
		{0, "status -x", "no option '-x'"},
	};
	struct args args;
	struct error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(&args, wrong[i].known, wrong[i].line, &err), -EINVAL);
		assert_non_null(strstr(err.text, wrong[i].word));
		args_finish(&args);
	}
}

static void test_limit(void **state)
{
	static const char *const wrong[] = {"", "soon", "-1", "1.5", "99999999999"};
	struct error err;
	int64_t limit;

	assert_int_equal(flush_limit(NULL, -1, &limit, &err), 0);
	assert_int_equal(limit, -1);
	assert_int_equal(flush_limit("90", -1, &limit, &err), 0);
	assert_int_equal(limit, 90000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(flush_limit(wrong[i], -1, &limit, &err), -EINVAL);
		assert_non_null(strstr(err.text, "--timeout"));
	}
}

static void test_explained(void **state)
{
	struct flush_state one = {.pending = 1}, many = {.pending = 3, .error = "no room"};
	const struct flush_state rest = {.braked = 60, .held = 1, .parked = 2};
	struct buf out = BUF_INIT;

	flush_explain(FLUSH_AWAY, &one, &out);
	assert_non_null(
		strstr(out.data, "1 removal is not on the server: it cannot be reached"));
	buf_clear(&out);
	flush_explain(FLUSH_TIME, &many, &out);
	assert_string_equal(
		out.data, "3 removals are not on the server: the time is up (no room)");
	flush_explain_rest("/mnt", &rest, &out);
	assert_non_null(strstr(out.data,
		"(no room); removals that were not carried out: 60 held back by the brake, 1 "
		"that the server did not do, 2 of what is another"));
	assert_non_null(strstr(out.data, "\"mountmail queue /mnt\""));
	buf_clear(&out);
	flush_explain_rest("/mnt", &one, &out);
	assert_int_equal(out.len, 0);
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
