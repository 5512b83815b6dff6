#include "pop3_script.h"

static void expect_open_as(const char *greeting, enum wire_tls tls, const struct turn *turns,
	bool hold, enum backend_status status, const char *text)
{
	struct script script;

	script_init(&script);
	script.greeting = greeting;
	script.conf.tls = tls;
	script.hold = hold;
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, status);
	assert_text(&script, text);
	assert_string_equal(script.secret, ""); /* wiped, however it ended */
	script_close(&script);
}

static void expect_open(const char *greeting, enum wire_tls tls, const struct turn *turns,
	enum backend_status status, const char *text)
{
	expect_open_as(greeting, tls, turns, true, status, text);
}

static void test_login(void **state)
{
	struct script script;

	script_init(&script);
	script_begin(&script, CAPS, script_three, script_none);
	assert_int_equal(script.server.caps,
		BACKEND_CAP_BRIEF | BACKEND_CAP_SCATTERED | BACKEND_CAP_UIDPLUS);
	assert_string_equal(script.server.name, "pop.example.org");
	assert_string_equal(script.secret, "");
	script.backend->ops->close(script.backend);
	pthread_join(script.thread, NULL);
	close(script.fd);
	assert_string_equal(script.wrong, "");
	/* A goodbye whose answer nobody waits for. */
	assert_string_equal(strstr(script.heard.data, "LIST"), "LIST\r\nQUIT\r\n");
	buf_finish(&script.heard);
}

static void test_pipelined(void **state)
{
	struct script script;

	script_init(&script);
	script_begin(&script, CAPS_PIPE, script_three, script_none);
	script_close(&script);
}

static bool on_folder(void *ctx, const struct mail_folder *folder)
{
	assert_string_equal(folder->raw, "INBOX");
	assert_string_equal(folder->path, "INBOX");
	assert_int_equal(folder->flags, MAIL_FOLDER_INBOX);
	return (*(int *)ctx)++ == 0;
}

static void test_the_one_folder(void **state)
{
	int count = 0;
	const struct backend_list_sink sink = {&count, on_folder};
	struct script script;

	script_init(&script);
	script_begin(&script, CAPS, script_three, script_none);
	script.backend->ops->list(script.backend, &sink, &script.result);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(count, 1);
	script.backend->ops->list(script.backend, &sink, &script.result);
	assert_status(&script, BACKEND_STOPPED);
	script_close(&script);
}

static void test_greetings(void **state)
{
	expect_open("-ERR go away\r\n", WIRE_TLS_NONE, script_none, BACKEND_CONNECTION_LOST,
		"go away");
	expect_open("-ERR too many connections\r\n", WIRE_TLS_NONE, script_none,
		BACKEND_THROTTLED, "too many");
	expect_open("-ERR [SYS/TEMP] later\r\n", WIRE_TLS_NONE, script_none, BACKEND_THROTTLED,
		"later");
	expect_open("HTTP/1.1 400 Bad\r\n\r\n", WIRE_TLS_NONE, script_none, BACKEND_REFUSED,
		"no POP3 server");
	/* Nothing that a terminal would not like. */
	expect_open("-ERR [\xba\033] \r\n", WIRE_TLS_NONE, script_none, BACKEND_CONNECTION_LOST,
		": ??");
	expect_open("-ERR a\xba\033b\r\n", WIRE_TLS_NONE, script_none, BACKEND_CONNECTION_LOST,
		": a??b");
	expect_open("* OK IMAP4rev1\r\n", WIRE_TLS_NONE, script_none, BACKEND_REFUSED,
		"no POP3 server");
	expect_open("\r\n", WIRE_TLS_NONE, script_none, BACKEND_REFUSED, "no POP3 server");
	expect_open("+ \r\n", WIRE_TLS_NONE, script_none, BACKEND_REFUSED, "no POP3 server");
	expect_open("+OKAY\r\n", WIRE_TLS_NONE, script_none, BACKEND_REFUSED, "no POP3 server");
	expect_open_as(
		NULL, WIRE_TLS_NONE, script_none, false, BACKEND_CONNECTION_LOST, "greeting");
}

static void test_silence(void **state)
{
	struct script script;

	script_init(&script);
	script.greeting = NULL;
	script.conf.timeout_ms = 200;
	script_open(&script);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_text(&script, "no answer");
	assert_false(script.result.broke);
	script_close(&script);
}

static void test_no_capa(void **state)
{
	static const struct turn turns[] = {{"CAPA", "-ERR what?\r\n"},
		{"USER alice", "+OK\r\n"}, {"PASS sesame", "+OK\r\n"},
		{"CAPA", "-ERR what?\r\n"}, THREE, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, turns, BACKEND_OK, "");
}

/* No credentials, nothing but CAPA and STLS may have been sent. */
static void test_stls_stripped(void **state)
{
	static const struct turn turns[] = {{"CAPA", CAPS}, {NULL}};
	static const struct turn none[] = {{"CAPA", "-ERR\r\n"}, {NULL}};
	static const struct turn no[] = {
		{"CAPA", "+OK\r\nSTLS\r\n.\r\n"}, {"STLS", "-ERR not today\r\n"}, {NULL}};
	static const struct turn injected[] = {{"CAPA", "+OK\r\nSTLS\r\nUSER\r\n.\r\n"},
		{"STLS", "+OK begin\r\n+OK\r\nUSER\r\n.\r\n"}, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_STARTTLS, turns, BACKEND_REFUSED, "was not sent");
	expect_open("+OK\r\n", WIRE_TLS_STARTTLS, none, BACKEND_REFUSED, "was not sent");
	expect_open("+OK\r\n", WIRE_TLS_STARTTLS, no, BACKEND_REFUSED, "not today");
	expect_open("+OK\r\n", WIRE_TLS_STARTTLS, injected, BACKEND_REFUSED, "was not sent");
}

static void expect_pass(const char *answer, enum backend_status status, const char *text)
{
	const struct turn turns[] = {
		{"CAPA", CAPS}, {"USER", "+OK\r\n"}, {"PASS", answer}, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, turns, status, text);
}

static void test_login_refused(void **state)
{
	expect_pass("-ERR wrong, dear\r\n", BACKEND_AUTH_FAILED, "wrong, dear");
	expect_pass("-ERR [AUTH] no\r\n", BACKEND_AUTH_FAILED, "no");
	expect_pass("-ERR [AUTH] try again\r\n", BACKEND_AUTH_FAILED, "try again");
	expect_pass("-ERR [IN-USE] Couldn't lock\r\n", BACKEND_THROTTLED, "lock");
	expect_pass("-ERR [SYS/TEMP] later\r\n", BACKEND_THROTTLED, "later");
	expect_pass("-ERR [SYS/PERM] call us\r\n", BACKEND_REFUSED, "call us");
	expect_pass("-ERR maildrop already locked\r\n", BACKEND_THROTTLED, "locked");
	expect_pass("-ERR\r\n", BACKEND_AUTH_FAILED, "no reason given");
	expect_pass("+ more\r\n", BACKEND_CONNECTION_LOST, "PASS with");
	expect_pass("\r\n", BACKEND_CONNECTION_LOST, "PASS begins neither");
}

static void test_user_refused(void **state)
{
	static const struct turn turns[] = {
		{"CAPA", CAPS}, {"USER", "-ERR nobody here\r\n"}, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, turns, BACKEND_AUTH_FAILED, "nobody here");
}

static void test_login_delay(void **state)
{
	static const struct turn turns[] = {
		{"CAPA", "+OK\r\nUSER\r\nLOGIN-DELAY 90 USER\r\n.\r\n"}, {"USER", "+OK\r\n"},
		{"PASS", "-ERR [LOGIN-DELAY] too soon\r\n"}, {NULL}};
	struct script script;

	script_init(&script);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_THROTTLED);
	assert_int_equal(script.result.retry_ms, 90000);
	script_close(&script);
}

static void test_plain(void **state)
{
	static const struct turn turns[] = {{"CAPA", "+OK\r\nSASL PLAIN LOGIN\r\n.\r\n"},
		{"AUTH PLAIN\r", "+ \r\n"}, {"AGFsaWNlAHNlc2FtZQ==\r", "+OK\r\n"},
		{"CAPA", CAPS}, THREE, {NULL}};
	static const struct turn wrong[] = {{"CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"},
		{"AUTH PLAIN\r", "+\r\n"}, {"AGFsaWNlAHNlc2FtZQ==\r", "-ERR no\r\n"}, {NULL}};
	static const struct turn turning[] = {{"CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"},
		{"AUTH PLAIN\r", "+\r\n"}, {"AGFs", "+ more\r\n"}, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, turns, BACKEND_OK, "");
	expect_open("+OK\r\n", WIRE_TLS_NONE, wrong, BACKEND_AUTH_FAILED, "no");
	expect_open("+OK\r\n", WIRE_TLS_NONE, turning, BACKEND_CONNECTION_LOST, "AUTH with");
}

static void test_no_way_in(void **state)
{
	static const struct turn turns[] = {{"CAPA", "+OK\r\nSASL NTLM\r\n.\r\n"}, {NULL}};
	static const struct turn tls[] = {{"CAPA", "+OK\r\nSTLS\r\nTOP\r\n.\r\n"}, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "no way to log in");
	expect_open("+OK\r\n", WIRE_TLS_NONE, tls, BACKEND_REFUSED, "remove tls=none");
}

/* A server that takes a login without having proven that it knows the password. */
static void test_scram_without_proof(void **state)
{
	static const struct turn turns[] = {
		{"CAPA", "+OK\r\nSASL SCRAM-SHA-256 PLAIN\r\n.\r\n"},
		{"AUTH SCRAM-SHA-256\r", "+ \r\n"}, {"biws", "+OK welcome\r\n"}, {NULL}};
	static const struct turn direct[] = {{"CAPA", "+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n"},
		{"AUTH SCRAM-SHA-256\r", "+OK welcome\r\n"}, {NULL}};
	static const struct turn nonsense[] = {{"CAPA", "+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n"},
		{"AUTH SCRAM-SHA-256\r", "+ \r\n"}, {"biws", "+ r=x!!\r\n"},
		{"*\r", "-ERR cancelled\r\n"}, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, turns, BACKEND_REFUSED, "could not prove");
	expect_open("+OK\r\n", WIRE_TLS_NONE, direct, BACKEND_REFUSED, "could not prove");
	expect_open("+OK\r\n", WIRE_TLS_NONE, nonsense, BACKEND_REFUSED, "could not prove");
}

static void test_scram_refused(void **state)
{
	static const struct turn final[] = {
		{"CAPA", "+OK\r\nSASL SCRAM-SHA-256 PLAIN\r\n.\r\n"},
		{"AUTH SCRAM-SHA-256\r", "-ERR [AUTH] no\r\n"}, {NULL}};
	static const struct turn on[] = {{"CAPA", "+OK\r\nSASL SCRAM-SHA-256 PLAIN\r\n.\r\n"},
		{"AUTH SCRAM-SHA-256\r", "-ERR not for you\r\n"}, {"AUTH PLAIN\r", "+ \r\n"},
		{"AGFs", "+OK\r\n"}, {"CAPA", CAPS}, THREE, {NULL}};

	expect_open("+OK\r\n", WIRE_TLS_NONE, final, BACKEND_AUTH_FAILED, "no");
	expect_open("+OK\r\n", WIRE_TLS_NONE, on, BACKEND_OK, "");
}

static void test_no_secret(void **state)
{
	static const struct turn turns[] = {{"CAPA", CAPS}, {NULL}};
	struct script script;

	script_init(&script);
	strcpy(script.secret, "a\r\nDELE 1");
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_AUTH_FAILED);
	assert_text(&script, "nothing was sent");
	script_close(&script);
}

/* What the maildrop says of itself. */
static void expect_list(const struct turn *turns, enum backend_status status, uint32_t caps)
{
	const struct turn login[] = {LOGIN(CAPS), {NULL}};
	struct script script;

	script_init(&script);
	script_add(&script, login);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, status);
	if (status == BACKEND_OK)
		assert_int_equal(script.server.caps & BACKEND_CAP_NO_UIDL, caps);
	script_close(&script);
}

static void test_lists(void **state)
{
	static const struct turn empty[] = {{"STAT", "+OK 0 0\r\n"}, {"UIDL", "+OK\r\n.\r\n"},
		{"LIST", "+OK\r\n.\r\n"}, {NULL}};
	static const struct turn mute[] = {{"STAT", "+OK 0 0\r\n"},
		{"UIDL", "-ERR no mail\r\n"}, {"LIST", "-ERR no mail\r\n"}, {NULL}};
	static const struct turn no_stat[] = {{"STAT", "-ERR\r\n"},
		{"UIDL", "+OK\r\n1 a\r\n.\r\n"}, {"LIST", "+OK\r\n1 5\r\n.\r\n"}, {NULL}};
	/* It said that it could. */
	static const struct turn no_uidl[] = {
		{"STAT", "+OK 1 5\r\n"}, {"UIDL", "-ERR\r\n"}, {NULL}};
	static const struct turn no_list[] = {{"STAT", "+OK 1 5\r\n"},
		{"UIDL", "+OK\r\n1 a\r\n.\r\n"}, {"LIST", "-ERR\r\n"}, {NULL}};
	static const struct turn busy[] = {{"STAT", "-ERR [SYS/TEMP] no\r\n"}, {NULL}};
	static const struct turn leaving[] = {{"STAT", "-ERR disconnected for inactivity\r\n"},
		{"UIDL", "-ERR disconnected for inactivity\r\n"}, {NULL}};

	expect_list(empty, BACKEND_OK, 0);
	expect_list(mute, BACKEND_OK, 0);
	expect_list(no_stat, BACKEND_OK, 0);
	expect_list(no_uidl, BACKEND_THROTTLED, 0);
	expect_list(no_list, BACKEND_THROTTLED, 0);
	expect_list(busy, BACKEND_THROTTLED, 0);
	expect_list(leaving, BACKEND_CONNECTION_LOST, 0);
}

static void test_no_uidl(void **state)
{
	static const struct turn turns[] = {{"CAPA", "-ERR\r\n"}, {"USER", "+OK\r\n"},
		{"PASS", "+OK\r\n"}, {"CAPA", "-ERR\r\n"}, {"STAT", "+OK 1 5\r\n"},
		{"UIDL", "-ERR unknown command\r\n"}, {"LIST", "+OK\r\n1 5\r\n.\r\n"}, {NULL}};
	struct script script;

	script_init(&script);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(script.server.caps,
		BACKEND_CAP_BRIEF | BACKEND_CAP_SCATTERED | BACKEND_CAP_NO_UIDL);
	script_close(&script);
}

/* Answers that have no end, or are none. */

static char *repeat(const char *head, const char *piece, size_t times)
{
	struct buf text = BUF_INIT;

	buf_append_str(&text, head);
	for (size_t i = 0; i < times; i++)
		buf_append_str(&text, piece);
	return buf_steal(&text);
}

static void expect_hostile(const char *capa, const char *text)
{
	const struct turn turns[] = {{"CAPA", capa}, {NULL}};
	struct script script;

	script_init(&script);
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_text(&script, text);
	assert_true(script.result.broke);
	script_close(&script);
}

static void test_hostile_answers(void **state)
{
	char *line = repeat("+OK ", "xxxxxxxxxxxxxxxx", 600);
	char *lines = repeat("+OK\r\n", "X\r\n", POP3_LIST_LINES_MAX + 10);
	char *list_line = repeat("+OK\r\n", "xxxxxxxxxxxxxxxx", 600);

	expect_hostile(line, "too long");
	expect_hostile(lines, "without end");
	expect_hostile(list_line, "too long");
	expect_hostile("OK\r\n", "begins neither");
	expect_hostile("\n", "begins neither");
	expect_hostile("\r\n", "begins neither");
	expect_hostile(".\r\n", "begins neither");
	free(line);
	free(lines);
	free(list_line);
}

/* A byte now and then is no answer. */
static void test_drip(void **state)
{
	static const struct turn turns[] = {
		{"CAPA", "+OK 012345678901234567890123456789012345678"
			 "9012345678901234567890123456789\r\n"},
		{NULL}};
	struct script script;

	script_init(&script);
	script.conf.timeout_ms = 300;
	script.drip_ms = 100;
	script_add(&script, turns);
	script_open(&script);
	assert_status(&script, BACKEND_CONNECTION_LOST);
	assert_false(script.result.broke);
	script_close(&script);
}

static void test_hang_up_anywhere(void **state)
{
	static const struct turn all[] = {LOGIN(CAPS), THREE, {NULL}};

	for (size_t turns = 0; turns < 7; turns++) {
		for (size_t cut = 0; cut < 2; cut++) {
			struct turn some[9] = {{NULL}};
			struct script script;

			memcpy(some, all, turns * sizeof(*some));
			/* Half of an answer, or none. */
			if (cut)
				some[turns] = (struct turn){"", "+OK", 3};
			script_init(&script);
			script.hold = false;
			script_add(&script, some);
			script_open(&script);
			assert_status(&script, BACKEND_CONNECTION_LOST);
			assert_true(script.result.broke);
			script_close(&script);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_the_one_folder),
		cmocka_unit_test(test_greetings),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_no_capa),
		cmocka_unit_test(test_stls_stripped),
		cmocka_unit_test(test_login_refused),
		cmocka_unit_test(test_user_refused),
		cmocka_unit_test(test_login_delay),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_no_way_in),
		cmocka_unit_test(test_scram_without_proof),
		cmocka_unit_test(test_scram_refused),
		cmocka_unit_test(test_no_secret),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_no_uidl),
		cmocka_unit_test(test_hostile_answers),
		cmocka_unit_test(test_drip),
		cmocka_unit_test(test_hang_up_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
