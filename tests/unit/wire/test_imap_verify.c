#include "imap_remove_rig.h"
#include <inttypes.h>

static const uint32_t three[] = {3, 5, 9};
static const struct backend_verify look = {
	.raw = "INBOX", .epoch = 7, .uids = three, .count = 3};
static const struct backend_verify who = {
	.raw = "INBOX", .epoch = 7, .uids = three, .count = 3, .identify = true};
static const struct backend_verify later = {.raw = "INBOX", .epoch = 7, .from_uid = 5};
static const struct backend_verify marks = {.raw = "INBOX", .epoch = 7, .deleted = true};

static void expect_stop(const struct turn *turns, const struct backend_verify *want,
	const char *stop_at, enum backend_status status, const char *log)
{
	struct told told = {.stop_at = stop_at};
	struct script script;

	script_start_as(&script, turns, false);
	verify(&script, want, &told);
	assert_status(&script, status);
	assert_string_equal(told.log.data ? told.log.data : "", log);
	assert_int_equal(script.turned, script.count);
	buf_finish(&told.log);
	script_close(&script);
}

static void expect(const struct turn *turns, const struct backend_verify *want,
	enum backend_status status, const char *log)
{
	expect_stop(turns, want, NULL, status, log);
}

static void test_which_are_there(void **state)
{
	static const struct turn turns[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9\r", "* SEARCH 9 4 3 3 77\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn none[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9\r", "* SEARCH\r\n\1 OK x\r\n"}, {NULL}};

	expect(turns, &look, BACKEND_OK, "begin 7 2 10|3|9|");
	expect(none, &look, BACKEND_OK, "begin 7 2 10|");
}

/* What is not named is taken for gone, so an answer that is not clear counts for nothing. */
static void test_search_that_is_unclear(void **state)
{
	static const struct turn silent[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9", "\1 OK x\r\n"},
		{"UID FETCH 3,5,9 (UID FLAGS)",
			"* 1 FETCH (UID 5 FLAGS ())\r\n* 2 FETCH (FLAGS ())\r\n\1 OK x\r\n"},
		{NULL}};
	static const struct turn words[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9", "* SEARCH 3 x9\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn huge[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9", "* SEARCH 3 4294967301\r\n\1 OK x\r\n"},
		{"UID FETCH 3,5,9 (UID FLAGS)", "\1 OK x\r\n"}, {NULL}};
	static const struct turn both[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9", "* SEARCH 3 0\r\n\1 OK x\r\n"},
		{"UID FETCH 3,5,9 (UID FLAGS)",
			"* 1 FETCH (UID 3 FLAGS NONSENSE)\r\n\1 OK x\r\n"},
		{NULL}};
	static const struct turn two_lines[] = {EXAMINE("2", "10"),
		{"UID SEARCH UID 3,5,9",
			"* SEARCH 3\r\n* 2 EXISTS\r\n* search 9\r\n\1 OK x\r\n"},
		{NULL}};

	expect(silent, &look, BACKEND_OK, "begin 7 2 10|5|");
	expect(words, &look, BACKEND_CONNECTION_LOST, "begin 7 2 10|");
	expect(huge, &look, BACKEND_OK, "begin 7 2 10|");
	expect(both, &look, BACKEND_THROTTLED, "begin 7 2 10|");
	expect(two_lines, &look, BACKEND_OK, "begin 7 2 10|3|9|");
}

static void test_no_is_not_gone(void **state)
{
	static const struct turn no[] = {
		EXAMINE("2", "10"), {"UID SEARCH", "\1 NO what\r\n"}, {NULL}};
	static const struct turn bad[] = {
		EXAMINE("2", "10"), {"UID SEARCH", "\1 BAD what\r\n"}, {NULL}};
	static const struct turn lost[] = {
		EXAMINE("2", "10"), {"UID SEARCH", "* SEARCH\r\n"}, {NULL}};
	static const struct turn closed[] = {{"EXAMINE", "\1 NO no such folder\r\n"}, {NULL}};

	expect(no, &look, BACKEND_THROTTLED, "begin 7 2 10|");
	expect(bad, &look, BACKEND_THROTTLED, "begin 7 2 10|");
	expect(lost, &look, BACKEND_CONNECTION_LOST, "begin 7 2 10|");
	expect(closed, &look, BACKEND_FOLDER_GONE, "");
}

static void test_from_a_uid_on(void **state)
{
	static const struct turn turns[] = {EXAMINE("4", "10"),
		{"UID SEARCH UID 5:*\r", "* SEARCH 9 3 5\r\n\1 OK x\r\n"}, {NULL}};
	/* "5:*" names the last one, wherever it lies. */
	static const struct turn below[] = {EXAMINE("4", "5"),
		{"UID SEARCH UID 5:*\r", "* SEARCH 4\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn empty[] = {EXAMINE("0", "5"), {NULL}};

	expect(turns, &later, BACKEND_OK, "begin 7 4 10|5|9|");
	expect(below, &later, BACKEND_OK, "begin 7 4 5|");
	expect(empty, &later, BACKEND_OK, "begin 7 0 5|");
}

static void test_state_alone(void **state)
{
	static const struct turn turns[] = {EXAMINE("4", "10"), {NULL}};
	const struct backend_verify want = {.raw = "INBOX", .identify = true};

	expect(turns, &want, BACKEND_OK, "begin 7 4 10|");
}

static void test_other_epoch(void **state)
{
	static const struct turn turns[] = {EXAMINE("4", "10"), {NULL}};
	const struct backend_verify want = {
		.raw = "INBOX", .epoch = 8, .uids = three, .count = 3, .deleted = true};

	expect(turns, &want, BACKEND_FOLDER_CHANGED, "begin 7 4 10|");
}

static void test_deleted(void **state)
{
	static const struct turn turns[] = {EXAMINE("4", "10"),
		{"UID SEARCH DELETED\r", "* SEARCH 8 2\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn silent[] = {EXAMINE("2", "10"),
		{"UID SEARCH DELETED\r", "\1 OK x\r\n"},
		{"UID FETCH 1:* (UID FLAGS)",
			"* 1 FETCH (UID 5 FLAGS ())\r\n"
			"* 2 FETCH (UID 6 FLAGS (\\Deleted))\r\n\1 OK x\r\n"},
		{NULL}};
	/* One did not say whether it is marked. */
	static const struct turn short_of[] = {EXAMINE("2", "10"),
		{"UID SEARCH DELETED\r", "\1 OK x\r\n"},
		{"UID FETCH 1:* (UID FLAGS)", "* 1 FETCH (UID 5 FLAGS ())\r\n\1 OK x\r\n"},
		{NULL}};
	static const struct turn empty[] = {EXAMINE("0", "10"), {NULL}};

	expect(turns, &marks, BACKEND_OK, "begin 7 4 10|del 2|del 8|");
	expect(silent, &marks, BACKEND_OK, "begin 7 2 10|del 6|");
	expect(short_of, &marks, BACKEND_THROTTLED, "begin 7 2 10|");
	expect(empty, &marks, BACKEND_OK, "begin 7 0 10|");
}

#define FOUND_ALL                                                                              \
	{                                                                                      \
		"UID SEARCH UID 3,5,9\r", "* SEARCH 3 5 9\r\n\1 OK x\r\n"                      \
	}
#define ITEMS " (UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])\r"
#define FEWER " (UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])\r"

static void test_who_they_are(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH 3,5,9" ITEMS,
			WHO("3", "9", "c") "* 1 FETCH (FLAGS ())\r\n" WHO("1", "3", "a")
				WHO("7", "77", "x") "* 2 FETCH (UID 5 FLAGS (\\Seen))\r\n"
						    "* 2 FETCH (" IDS " {2}\r\n\r\n " DATE
						    " UID 5 RFC822.SIZE 4)\r\n\1 OK x\r\n"},
		{NULL}};

	expect(turns, &who, BACKEND_OK,
		"begin 7 3 10|" KNOWN("3", "a") "5 4 837596665 -|" KNOWN("9", "c"));
}

/* As the store has it: decoded, unfolded and cut as header_parse does. */
static void test_message_id_as_stored(void **state)
{
	static const uint32_t one[] = {3};
	const struct backend_verify want = {
		.raw = "INBOX", .epoch = 7, .uids = one, .count = 1, .identify = true};
	struct turn turns[] = {EXAMINE("3", "10"), {"UID SEARCH", "* SEARCH 3\r\n\1 OK x\r\n"},
		{"UID FETCH", NULL}, {NULL}};
	struct buf answer = BUF_INIT, log = BUF_INIT;

	buf_append_str(&answer,
		"* 1 FETCH (UID 3 " DATE " RFC822.SIZE 9 " IDS " {5013}\r\nMessage-Id:\r\n <");
	for (int i = 0; i < 4996; i++)
		buf_append_char(&answer, 'm');
	buf_append_str(&answer, "\r\n)\r\n\1 OK x\r\n");
	turns[2].answer = answer.data;
	buf_append_str(&log, "begin 7 3 10|3 9 837596665 <");
	for (int i = 0; i < MAIL_FIELD_MAX - 1; i++)
		buf_append_char(&log, 'm');
	buf_append_char(&log, '|');
	expect(turns, &want, BACKEND_OK, log.data);
	buf_finish(&answer);
	buf_finish(&log);
}

/* One bad message makes the whole command fail. */
static void test_one_bad_message(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH 3,5,9" ITEMS, "\1 NO cannot\r\n"},
		{"UID FETCH 3" ITEMS, WHO("1", "3", "a") "\1 OK x\r\n"},
		{"UID FETCH 5,9" ITEMS, "\1 NO cannot\r\n"},
		{"UID FETCH 5" ITEMS, "\1 NO cannot\r\n"},
		{"UID FETCH 5" FEWER, "\1 NO cannot\r\n"},
		{"UID FETCH 9" ITEMS, WHO("3", "9", "c") "\1 OK x\r\n"},
		{"NOOP", "\1 OK x\r\n"}, {"UID SEARCH UID 5\r", "* SEARCH 5\r\n\1 OK x\r\n"},
		{NULL}};

	expect(turns, &who, BACKEND_OK, "begin 7 3 10|" KNOWN("3", "a") "5|" KNOWN("9", "c"));
}

/* One whose size the server cannot put: it was stored without one as well. */
static void test_a_message_without_size(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH 3,5,9" ITEMS,
			WHO("1", "3", "a") "* 2 FETCH (UID 5 " DATE " RFC822.SIZE NIL " IDS
					   " \"\")\r\n" WHO("3", "9", "c") "\1 OK x\r\n"},
		{"UID FETCH 5" ITEMS, "* 2 FETCH (UID 5 " DATE " RFC822.SIZE NIL " IDS
				      " \"\")\r\n\1 OK x\r\n"},
		{"UID FETCH 5" FEWER, "* 2 FETCH (UID 5 " DATE " " IDS
				      " {19}\r\nMessage-ID: <b>\r\n\r\n)\r\n\1 OK x\r\n"},
		{NULL}};

	expect(turns, &who, BACKEND_OK,
		"begin 7 3 10|" KNOWN("3", "a") "5 0 837596665 <b>|" KNOWN("9", "c"));
}

/* Somebody else removed it in the meantime. */
static void test_gone_in_the_meantime(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH 3,5,9" ITEMS, WHO("1", "3", "a") WHO("3", "9", "c") "\1 OK x\r\n"},
		{"UID FETCH 5" ITEMS, "\1 OK x\r\n"}, {"UID FETCH 5" FEWER, "\1 OK x\r\n"},
		{"NOOP", "* 2 EXPUNGE\r\n\1 OK x\r\n"},
		{"UID SEARCH UID 5\r", "* SEARCH\r\n\1 OK x\r\n"}, {NULL}};

	expect(turns, &who, BACKEND_OK, "begin 7 3 10|" KNOWN("3", "a") KNOWN("9", "c"));
}

/* Two answers for one message: neither counts. */
static void test_two_identities(void **state)
{
	static const struct turn turns[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH 3,5,9" ITEMS,
			WHO("1", "3", "a") WHO("2", "5", "b") WHO("3", "5", "c")
				WHO("3", "9", "c") WHO("3", "9", "c") "\1 OK x\r\n"},
		{NULL}};

	expect(turns, &who, BACKEND_OK, "begin 7 3 10|" KNOWN("3", "a") "5|" KNOWN("9", "c"));
}

static void test_trouble_in_the_middle(void **state)
{
	static const struct turn busy[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH", WHO("1", "3", "a") "\1 NO [UNAVAILABLE] x\r\n"}, {NULL}};
	static const struct turn lost[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH", WHO("1", "3", "a") "* 2 FETCH (UID 5 "}, {NULL}};
	static const struct turn no_noop[] = {EXAMINE("3", "10"), FOUND_ALL,
		{"UID FETCH", WHO("1", "3", "a") WHO("1", "5", "b") "\1 OK x\r\n"},
		{"UID FETCH 9", "\1 NO x\r\n"}, {"UID FETCH 9", "\1 NO x\r\n"},
		{"NOOP", "\1 NO x\r\n"}, {NULL}};

	expect(busy, &who, BACKEND_THROTTLED, "begin 7 3 10|");
	expect(lost, &who, BACKEND_CONNECTION_LOST, "begin 7 3 10|");
	expect(no_noop, &who, BACKEND_THROTTLED, "begin 7 3 10|");
}

static void test_stop(void **state)
{
	static const struct turn at_once[] = {EXAMINE("3", "10"), {NULL}};
	static const struct turn found[] = {EXAMINE("3", "10"), FOUND_ALL, {NULL}};
	static const struct turn deleted[] = {EXAMINE("3", "10"),
		{"UID SEARCH DELETED\r", "* SEARCH 8 2\r\n\1 OK x\r\n"}, {NULL}};

	expect_stop(at_once, &look, "begin", BACKEND_STOPPED, "begin 7 3 10|");
	expect_stop(found, &look, "found", BACKEND_STOPPED, "begin 7 3 10|3|");
	expect_stop(deleted, &marks, "del", BACKEND_STOPPED, "begin 7 3 10|del 2|");
}

/* A server of its own: every message is there; notes the longest line it got. */
struct crowd {
	int fd;
	size_t longest;
	unsigned commands;
};

static void crowd_answer(struct crowd *crowd, const char *line)
{
	unsigned tag = (unsigned)strtoul(line, NULL, 10);
	const char *set = strstr(line, " UID ");
	struct buf out = BUF_INIT;

	if (strstr(line, "EXAMINE"))
		buf_append_str(&out, "* 1000 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n");
	else if (set && strstr(line, "UID SEARCH UID "))
		buf_printf(&out, "* SEARCH");
	for (const char *at = set ? strpbrk(set, "0123456789") : NULL; at && *at;) {
		unsigned long uid = strtoul(at, (char **)(uintptr_t)&at, 10);

		if (strstr(line, "SEARCH"))
			buf_printf(&out, " %lu", uid);
		else
			buf_printf(&out,
				"* 1 FETCH (UID %lu " DATE " RFC822.SIZE 1 " IDS " \"\")\r\n",
				uid);
		if (*at != ',')
			break;
		at++;
	}
	buf_printf(&out, "%s%u OK done\r\n", strstr(line, "SEARCH") ? "\r\n" : "", tag);
	/* To LOGOUT nobody waits for an answer. */
	(void)!send(crowd->fd, out.data, out.len, MSG_NOSIGNAL);
	buf_finish(&out);
}

static void *crowd_serve(void *ctx)
{
	struct crowd *crowd = ctx;
	FILE *in = fdopen(dup(crowd->fd), "r");
	char line[65536];

	(void)!write(crowd->fd, "* PREAUTH ready\r\n", 17);
	while (fgets(line, sizeof(line), in)) {
		if (strlen(line) > crowd->longest)
			crowd->longest = strlen(line);
		crowd->commands++;
		if (strstr(line, "CAPABILITY"))
			(void)!write(crowd->fd, "* CAPABILITY IMAP4rev1\r\n1 OK x\r\n", 32);
		else if (!strstr(line, "LOGOUT")) /* nobody may be there for the answer */
			crowd_answer(crowd, line);
	}
	fclose(in);
	return NULL;
}

static bool crowd_found(void *ctx, const struct backend_identity *identity)
{
	uint32_t *count = ctx;

	assert_true(identity->known);
	assert_int_equal(identity->uid, 4000000000u + 2 * (*count)++);
	return true;
}

static bool crowd_begin(void *ctx, const struct backend_folder_state *state)
{
	return true;
}

/* Lines that no server chokes on, however many messages. */
static void test_a_thousand_scattered(void **state)
{
	const struct wire_conf conf = {.tls = WIRE_TLS_NONE,
		.host = "imap.example.org",
		.user = "alice",
		.timeout_ms = 5000};
	uint32_t uids[BACKEND_REMOVE_MAX], count = 0;
	const struct backend_verify want = {.raw = "INBOX",
		.epoch = 7,
		.uids = uids,
		.count = BACKEND_REMOVE_MAX,
		.identify = true};
	const struct backend_verify_sink sink = {&count, crowd_begin, crowd_found, NULL};
	struct backend_server server;
	struct backend_result result;
	struct backend *backend;
	struct crowd crowd = {0};
	pthread_t thread;
	int ends[2];

	for (uint32_t i = 0; i < BACKEND_REMOVE_MAX; i++)
		uids[i] = 4000000000u + 2 * i;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	crowd.fd = ends[0];
	pthread_create(&thread, NULL, crowd_serve, &crowd);
	backend = imap_create_on_fd(ends[1], &conf, NULL, NULL);
	backend->ops->open(backend, &server, &result);
	assert_string_equal(result.text, "");
	backend->ops->verify(backend, &want, &sink, &result);
	assert_string_equal(result.text, "");
	assert_int_equal(count, BACKEND_REMOVE_MAX);
	backend->ops->close(backend);
	pthread_join(thread, NULL);
	close(crowd.fd);
	assert_true(crowd.longest > 2000 && crowd.longest < 8000);
	assert_true(crowd.commands < 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_are_there),
		cmocka_unit_test(test_search_that_is_unclear),
		cmocka_unit_test(test_no_is_not_gone),
		cmocka_unit_test(test_from_a_uid_on),
		cmocka_unit_test(test_state_alone),
		cmocka_unit_test(test_other_epoch),
		cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_who_they_are),
		cmocka_unit_test(test_message_id_as_stored),
		cmocka_unit_test(test_one_bad_message),
		cmocka_unit_test(test_a_message_without_size),
		cmocka_unit_test(test_gone_in_the_meantime),
		cmocka_unit_test(test_two_identities),
		cmocka_unit_test(test_trouble_in_the_middle),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_a_thousand_scattered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
