/*
 * test_relay.c - what comes in on standard error goes out to syslog, line by line, with its
 * level. syslog is one of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mountmail/base/log.h>
#include <relay_p.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static struct {
	int level;
	char text[4096];
} lines[2048];
static size_t count;

__attribute__((format(printf, 2, 0))) static void note(
	int level, const char *format, va_list args)
{
	assert_in_range(count, 0, 2047);
	lines[count].level = level;
	vsnprintf(lines[count].text, sizeof(lines[count].text), format, args);
	count++;
}

#undef syslog /* with _FORTIFY_SOURCE, clang sees a macro */
void syslog(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(level, format, args);
	va_end(args);
}

/* What syslog is called when it is compiled with _FORTIFY_SOURCE. */
void __syslog_chk(int level, int flag, const char *format, ...);
void __syslog_chk(int level, int flag, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(level, format, args);
	va_end(args);
}

static struct relay relay;
static int stderr_before;

static int begin(void **state)
{
	struct error err;

	count = 0;
	stderr_before = dup(STDERR_FILENO);
	return relay_begin(&relay, &err);
}

static int end(void **state)
{
	relay_finish(&relay);
	dup2(stderr_before, STDERR_FILENO);
	return close(stderr_before);
}

static void say(const char *text)
{
	assert_int_equal(write(STDERR_FILENO, text, strlen(text)), strlen(text));
}

static void test_levels(void **state)
{
	log_setup(LOG_LEVEL_DEBUG, "mail");
	log_error("one");
	log_warning("two");
	log_info("three: error: no");
	log_debug("four");
	say("not ours\n");
	relay_pass(&relay);
	assert_int_equal(count, 5);
	assert_string_equal(lines[0].text, "mail: error: one");
	assert_int_equal(lines[0].level, LOG_ERR);
	assert_int_equal(lines[1].level, LOG_WARNING);
	assert_int_equal(lines[2].level, LOG_INFO);
	assert_int_equal(lines[3].level, LOG_DEBUG);
	assert_string_equal(lines[4].text, "not ours");
	assert_int_equal(lines[4].level, LOG_INFO);
}

static void test_pieces(void **state)
{
	say("first ");
	relay_pass(&relay);
	assert_int_equal(count, 0);
	say("line %s\nsecond\twith\033[2J\nthird");
	relay_pass(&relay);
	assert_int_equal(count, 2);
	assert_string_equal(lines[0].text, "first line %s");
	assert_string_equal(lines[1].text, "second?with?[2J");
}

static void test_endless_line(void **state)
{
	char piece[1000];

	memset(piece, 'x', sizeof(piece) - 1);
	piece[sizeof(piece) - 1] = '\0';
	for (int i = 0; i < 10; i++) {
		say(piece);
		relay_pass(&relay);
	}
	assert_in_range(count, 4, 5);
}

/* Nobody waits for a log that is not read; nobody is kept busy by one that floods. */
static void test_flood(void **state)
{
	char piece[513];
	size_t before;
	ssize_t sent;

	memset(piece, 'y', 511);
	strcpy(piece + 511, "\n");
	do
		sent = write(STDERR_FILENO, piece, 512);
	while (sent > 0);
	assert_int_equal(sent, -1);
	relay_pass(&relay);
	assert_true(count > 0);
	before = count;
	relay_pass(&relay);
	assert_true(count > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, begin, end),
		cmocka_unit_test_setup_teardown(test_pieces, begin, end),
		cmocka_unit_test_setup_teardown(test_endless_line, begin, end),
		cmocka_unit_test_setup_teardown(test_flood, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
