#include "catchall_p.h"
#include "stream_p.h"
#include <libetpan/mailimap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A session that has sent a command with the tag 1, and all that the server will ever say. */
struct session {
	int server;
	mailimap *imap;
};

static const struct wire_conf conf = {
	.tls = WIRE_TLS_NONE, .host = "imap.example.org", .port = 143, .timeout_ms = 2000};

static void session_open(struct session *session, const char *says)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	session->server = ends[0];
	assert_int_equal(write(ends[0], says, strlen(says)), strlen(says));
	assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
	session->imap = mailimap_new(0, NULL);
	session->imap->imap_stream =
		stream_mailstream(stream_from_fd(ends[1], &conf, -1), guard_create());
	session->imap->imap_selection_info = mailimap_selection_info_new();
	session->imap->imap_connection_info = mailimap_connection_info_new();
	session->imap->imap_tag = 1;
}

static int session_parse(struct session *session)
{
	struct mailimap_response *response = NULL;
	int r = MAILIMAP_ERROR_STREAM;

	if (mailimap_read_line(session->imap))
		r = mailimap_parse_response(session->imap, &response);
	if (r == MAILIMAP_NO_ERROR)
		mailimap_response_free(response);
	return r;
}

static void session_close(struct session *session)
{
	mailstream_close(session->imap->imap_stream);
	session->imap->imap_stream = NULL;
	mailimap_free(session->imap);
	close(session->server);
}

/* The answer is understood, the number in it too, and count responses of it were swallowed. */
static void expect(const char *odd, uint64_t count)
{
	struct session session;
	char says[512];
	uint64_t before = catchall_count();

	snprintf(says, sizeof(says), "%s* 17 EXISTS\r\n1 OK done\r\n", odd);
	session_open(&session, says);
	if (session_parse(&session) != MAILIMAP_NO_ERROR)
		fail_msg("%s", odd);
	assert_int_equal(session.imap->imap_selection_info->sel_exists, 17);
	assert_int_equal(catchall_count() - before, count);
	session_close(&session);
}

static void test_lines(void **state)
{
	expect("", 0);
	expect("* OK [ALERT] hello\r\n", 0);
	expect("* FOO\r\n", 1);
	expect("* FOO bar \"(\" baz\r\n", 1);
	expect("* FOO\r\n* BAR\r\n* 7 BAZ\r\n", 3);
	expect("* 3 FETCH (UID 3 PREVIEW \"x\")\r\n", 1);
	expect("* OK\r\n* NO [ALERT]\r\n", 0);
}

/* What a literal holds looks like an answer; it is none. */
static void test_literals(void **state)
{
	expect("* FOO {11}\r\n1 OK false\r\n\r\n", 1);
	expect("* FOO {3}\r\nabc {0}\r\n {3}\r\n\r\n)\r\n", 1);
	expect("* FOO {2+}\r\nab\r\n", 1);
	expect("* FOO {-9}\r\nab\r\n", 1);
	expect("* FOO ~{5}\r\n{9}\r\n x\r\n", 1);
	/* The first of them libetpan reads itself, before it gives up. */
	expect("* 3 FETCH (UID 3 BODY[] {11}\r\n1 OK false\r PREVIEW {3}\r\n)\r\n)\r\n", 1);
	/* Of a status line it is but words. */
	expect("* OK {11}\r\n* 3 EXISTS\r\n", 0);
}

static void test_long_literal(void **state)
{
	struct session session;
	char says[20000] = "* FOO {18000}\r\n";
	size_t head = strlen(says);

	memset(says + head, '\n', 18000);
	strcpy(says + head + 18000, ")\r\n1 OK done\r\n");
	session_open(&session, says);
	assert_int_equal(session_parse(&session), MAILIMAP_NO_ERROR);
	session_close(&session);
}

static void expect_lost(const char *says)
{
	struct session session;

	session_open(&session, says);
	assert_int_not_equal(session_parse(&session), MAILIMAP_NO_ERROR);
	session_close(&session);
}

static void test_connection_that_ends_in_between(void **state)
{
	expect_lost("* FOO {5}\r\nab");
	expect_lost("* FOO {5}\r\nabcde");
	expect_lost("* FOO {5}\r\n");
	expect_lost("* FOO\r\n");
	expect_lost("* FOO");
}

static int set_up(void **state)
{
	/* As often as one likes. */
	catchall_register();
	catchall_register();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_long_literal),
		cmocka_unit_test(test_connection_that_ends_in_between),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
