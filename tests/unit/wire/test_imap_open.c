#include "imap_script.h"

static void expect_open(const char *greeting, enum wire_tls tls, const struct turn *turns,
	enum backend_status status, const char *text)
{
	struct script script;

	script_init(&script);
	script.greeting = greeting;
	script.conf.tls = tls;
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, status);
	assert_text(&script, text);
	assert_string_equal(script.secret, ""); /* wiped, however it ended */
	script_close(&script);
}

static const struct turn none[] = {{NULL}};

static void test_login(void **state)
{
	struct script script;

	script_start(&script, none);
	assert_int_equal(script.server.caps, BACKEND_CAP_UIDPLUS);
	assert_string_equal(script.server.name, "imap.example.org");
	assert_string_equal(script.secret, "");
	script_close(&script);
}

static void test_greetings(void **state)
{
	expect_open("* BYE go away\r\n", WIRE_TLS_NONE, none, BACKEND_CONNECTION_LOST, "go away");
	expect_open("* BYE Too many connections\r\n", WIRE_TLS_NONE, none, BACKEND_THROTTLED,
		"Too many");
	expect_open("* BYE [UNAVAILABLE] later\r\n", WIRE_TLS_NONE, none, BACKEND_THROTTLED,
		"later");
	expect_open("HTTP/1.1 400 Bad\r\n\r\n", WIRE_TLS_NONE, none, BACKEND_REFUSED,
		"no IMAP server");
	expect_open("+OK POP3 ready\r\n", WIRE_TLS_NONE, none, BACKEND_REFUSED, "no IMAP server");
	expect_open("* PREAUTH hello\r\n", WIRE_TLS_STARTTLS, none, BACKEND_REFUSED,
		"Nothing was sent");
}

static void test_greeting_that_never_comes_or_ends(void **state)
{
	struct script script;

	script_init(&script);
	script.greeting = NULL;
	script.hold = false;
	script_open(&script);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	script_close(&script);

	script_init(&script);
	script.greeting = NULL;
	script.conf.timeout_ms = 200;
	script_open(&script);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	script_close(&script);
}

static void test_preauth_without_tls_needs_no_login(void **state)
{
	static const struct turn turns[] = {{"CAPABILITY", SCRIPT_CAPS}, {NULL}};

	expect_open("* PREAUTH hello\r\n", WIRE_TLS_NONE, turns, BACKEND_OK, "");
}

static void test_old_server(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4 IMAP2bis\r\n\1 OK done\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "IMAP4rev1");
}

/* No login, no password, nothing but CAPABILITY and STARTTLS may have been sent. */
static void test_starttls_stripped(void **state)
{
	static const struct turn turns[] = {{"CAPABILITY", SCRIPT_CAPS}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_STARTTLS, turns, BACKEND_REFUSED,
		"The password was not sent");
}

static void test_starttls_refused(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\n\1 OK done\r\n"},
		{"STARTTLS", "\1 NO not today\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_STARTTLS, turns, BACKEND_REFUSED, "not today");
}

static void test_starttls_with_injected_answers(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS\r\n\1 OK done\r\n"},
		{"STARTTLS", "\1 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n3 OK done\r\n"},
		{NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_STARTTLS, turns, BACKEND_REFUSED,
		"password was not sent");
}

static void expect_login(const char *answer, enum backend_status status, const char *text)
{
	const struct turn turns[] = {
		{"CAPABILITY", SCRIPT_CAPS}, {"LOGIN", answer}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, status, text);
}

static void test_login_refused(void **state)
{
	expect_login("\1 NO wrong, dear\r\n", BACKEND_AUTH_FAILED, "wrong, dear");
	expect_login("\1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n",
		BACKEND_AUTH_FAILED, "Invalid credentials (Failure)");
	expect_login("\1 NO\r\n", BACKEND_AUTH_FAILED, "no reason");
	expect_login("\1 BAD syntax\r\n", BACKEND_AUTH_FAILED, "syntax");
	expect_login("\1 NO [ALERT] Application-specific password required\r\n",
		BACKEND_AUTH_FAILED, "Application-specific");
	/* Codes with words that would mean something else. */
	expect_login("\1 NO [AUTHENTICATIONFAILED] temporary password expired\r\n",
		BACKEND_AUTH_FAILED, "temporary password expired");
}

static void test_login_refused_for_now(void **state)
{
	expect_login("\1 NO [UNAVAILABLE] try later\r\n", BACKEND_THROTTLED, "try later");
	expect_login("\1 NO [INUSE] locked\r\n", BACKEND_THROTTLED, "locked");
	expect_login("\1 NO [THROTTLED] slow down\r\n", BACKEND_THROTTLED, "slow down");
	expect_login("\1 NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
		BACKEND_THROTTLED, "simultaneous");
	expect_login("* BYE shutting down\r\n", BACKEND_CONNECTION_LOST, "shutting down");
	expect_login("9999 OK welcome\r\n", BACKEND_CONNECTION_LOST, "ended");
}

static void test_backoff_time(void **state)
{
	static const struct turn turns[] = {{"CAPABILITY", SCRIPT_CAPS},
		{"LOGIN", "\1 BAD Request is throttled. Suggested Backoff Time: 92415 "
			  "milliseconds\r\n"},
		{NULL}};
	struct script script;

	script_init(&script);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_THROTTLED);
	assert_int_equal(script.result.retry_ms, 92415);
	script_close(&script);
}

static void test_login_ok_but_not_connected(void **state)
{
	static const struct turn turns[] = {{"CAPABILITY", SCRIPT_CAPS},
		{"LOGIN", "\1 OK LOGIN completed.\r\n"},
		{"CAPABILITY", "\1 BAD User is authenticated but not connected.\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "not connected");
}

static void test_login_disabled(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n\1 OK done\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "LOGIN is disabled");
}

static void test_plain(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN LOGINDISABLED\r\n\1 OK x\r\n"},
		{"AUTHENTICATE PLAIN", "+ \r\n"},
		{"AGFsaWNlAHNlc2FtZQ==", "\1 OK in\r\n"}, {"CAPABILITY", SCRIPT_CAPS}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_OK, "");
}

static void test_plain_that_the_server_does_not_know_after_all(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n\1 OK x\r\n"},
		{"AUTHENTICATE PLAIN", "\1 BAD what\r\n"}, {"LOGIN", "\1 OK in\r\n"},
		{"CAPABILITY", SCRIPT_CAPS}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_OK, "");
}

static void test_plain_refused_is_not_tried_otherwise(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n\1 OK x\r\n"},
		{"AUTHENTICATE PLAIN", "+ \r\n"}, {"", "\1 NO no\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_AUTH_FAILED, "alice");
}

static void test_scram_server_that_knows_nothing(void **state)
{
	/* "r=x,s=AAAA,i=1": a nonce that is not ours. The password must not follow as PLAIN. */
	static const struct turn turns[] = {
		{"CAPABILITY",
			"* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN\r\n\1 OK x\r\n"},
		{"AUTHENTICATE SCRAM-SHA-256", "+ \r\n"}, {"", "+ cj14LHM9QUFBQSxpPTE=\r\n"},
		{"*", "\1 BAD cancelled\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "could not prove");
}

static void test_scram_answered_ok_at_once(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", "* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256\r\n\1 OK x\r\n"},
		{"AUTHENTICATE SCRAM-SHA-256", "+ \r\n"}, {"", "\1 OK welcome\r\n"}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "could not prove");
}

static void test_scram_then_plain(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY",
			"* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN\r\n\1 OK x\r\n"},
		{"AUTHENTICATE SCRAM-SHA-256", "\1 NO not for you\r\n"},
		{"AUTHENTICATE PLAIN", "+ \r\n"}, {"", "\1 OK in\r\n"},
		{"CAPABILITY", SCRIPT_CAPS}, {NULL}};

	expect_open("* OK hi\r\n", WIRE_TLS_NONE, turns, BACKEND_OK, "");
}

static void expect_secret(const char *secret, const struct turn *turns, enum backend_status status)
{
	struct script script;

	script_init(&script);
	snprintf(script.secret, sizeof(script.secret), "%s", secret);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, status);
	script_close(&script);
}

static void test_odd_passwords(void **state)
{
	static const struct turn quoted[] = {{"CAPABILITY", SCRIPT_CAPS},
		{"LOGIN \"alice\" \"a\\\"b\\\\c d\"", "\1 OK in\r\n"},
		{"CAPABILITY", SCRIPT_CAPS}, {NULL}};
	static const struct turn literal[] = {{"CAPABILITY", SCRIPT_CAPS},
		{"LOGIN \"alice\" {3}", "* OK news\r\n+ go on\r\n"}, {"\303\274x", "\1 OK in\r\n"},
		{"CAPABILITY", SCRIPT_CAPS}, {NULL}};
	static const struct turn refused[] = {{"CAPABILITY", SCRIPT_CAPS},
		{"LOGIN \"alice\" {3}", "\1 BAD no literals\r\n"}, {NULL}};
	static const struct turn only_caps[] = {{"CAPABILITY", SCRIPT_CAPS}, {NULL}};

	expect_secret("a\"b\\c d", quoted, BACKEND_OK);
	expect_secret("\303\274x", literal, BACKEND_OK);
	expect_secret("\303\274x", refused, BACKEND_AUTH_FAILED);
	expect_secret("a\r\n9 DELETE x", only_caps, BACKEND_AUTH_FAILED);
}

static void test_nothing_goes_on_after_a_failed_open(void **state)
{
	static const struct turn turns[] = {
		{"CAPABILITY", SCRIPT_CAPS}, {"LOGIN", "\1 NO no\r\n"}, {NULL}};
	const struct backend_list_sink sink = {0};
	struct script script;

	script_init(&script);
	script_add(&script, turns);
	script_open(&script);
	script.backend->ops->list(script.backend, &sink, &script.result);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_greetings),
		cmocka_unit_test(test_greeting_that_never_comes_or_ends),
		cmocka_unit_test(test_preauth_without_tls_needs_no_login),
		cmocka_unit_test(test_old_server),
		cmocka_unit_test(test_starttls_stripped),
		cmocka_unit_test(test_starttls_refused),
		cmocka_unit_test(test_starttls_with_injected_answers),
		cmocka_unit_test(test_login_refused),
		cmocka_unit_test(test_login_refused_for_now),
		cmocka_unit_test(test_backoff_time),
		cmocka_unit_test(test_login_ok_but_not_connected),
		cmocka_unit_test(test_login_disabled),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_that_the_server_does_not_know_after_all),
		cmocka_unit_test(test_plain_refused_is_not_tried_otherwise),
		cmocka_unit_test(test_scram_server_that_knows_nothing),
		cmocka_unit_test(test_scram_answered_ok_at_once),
		cmocka_unit_test(test_scram_then_plain),
		cmocka_unit_test(test_odd_passwords),
		cmocka_unit_test(test_nothing_goes_on_after_a_failed_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
