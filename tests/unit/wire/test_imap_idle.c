/*
 * test_imap_idle.c - waiting for news of a folder: what counts as news, what ends it, and what
 * a server may do meanwhile.
 */
#include "child_p.h"
#include "imap_script.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/wire/client.h>

#define IDLE_CAPS "* CAPABILITY IMAP4rev1 IDLE\r\n\1 OK done\r\n"
#define OPENED(exists)                                                                         \
	"* FLAGS (\\Seen)\r\n* " exists " EXISTS\r\n* 1 RECENT\r\n"                            \
	"* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 10] n\r\n\1 OK [READ-ONLY] done\r\n"
#define EXAMINE                                                                                \
	{                                                                                      \
		"EXAMINE \"INBOX\"\r", OPENED("3")                                             \
	}
#define IDLE(says)                                                                             \
	{                                                                                      \
		"IDLE\r", "+ idling\r\n" says                                                  \
	}
#define DONE(says)                                                                             \
	{                                                                                      \
		"DONE\r", says "\1 OK done\r\n"                                                \
	}

struct test {
	struct script script;
	struct buf told; /* "begin 7 3 10|" */
	bool dislikes;	 /* the state that begin tells */
	bool news;
	atomic_bool stop; /* the mail process wants something */
	int wake[2];
	int64_t took_ms;
};

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct test *test = ctx;

	buf_printf(&test->told, "begin %llu %u %u|", (unsigned long long)state->epoch,
		state->exists, state->uidnext);
	return !test->dislikes;
}

static bool on_stopped(void *ctx)
{
	struct test *test = ctx;

	return test->stop;
}

static void start_with(struct test *test, const char *caps, const struct turn *turns)
{
	const struct turn login[] = {{"CAPABILITY", caps},
		{"LOGIN \"alice\" \"sesame\"", "\1 OK welcome\r\n"}, {"CAPABILITY", caps},
		{NULL}};

	*test = (struct test){.wake = {-1, -1}};
	assert_int_equal(pipe(test->wake), 0);
	script_init(&test->script);
	script_add(&test->script, login);
	script_add(&test->script, turns);
	script_open(&test->script);
	if (test->script.result.status != BACKEND_OK)
		fail_msg("open: %s", test->script.result.text);
	imap_of(test->script.backend)->stopped = on_stopped;
	imap_of(test->script.backend)->ctx = test;
}

static void start(struct test *test, const struct turn *turns)
{
	start_with(test, IDLE_CAPS, turns);
}

static enum backend_status wait_in(
	struct test *test, const char *raw, uint64_t epoch, uint32_t timeout_ms)
{
	const struct backend_wait want = {raw, epoch, timeout_ms, test->wake[0]};
	const struct backend_wait_sink sink = {test, on_begin};
	int64_t begun = clock_now_ms();

	test->news = true;
	buf_clear(&test->told);
	test->script.backend->ops->wait(
		test->script.backend, &want, &sink, &test->news, &test->script.result);
	test->took_ms = clock_now_ms() - begun;
	return test->script.result.status;
}

static void assert_wait(struct test *test, uint32_t timeout_ms, bool news)
{
	wait_in(test, "INBOX", 7, timeout_ms);
	assert_status(&test->script, BACKEND_OK);
	assert_string_equal(test->script.result.text, "");
	assert_string_equal(test->told.data, "begin 7 3 10|");
	assert_int_equal(test->news, news);
}

static void finish(struct test *test)
{
	unsigned turned = test->script.turned, count = (unsigned)test->script.count;

	script_close(&test->script);
	assert_int_equal(turned, count);
	buf_finish(&test->told);
	close(test->wake[0]);
	close(test->wake[1]);
}

/* One wait that ends with news. */
static void expect_news(const char *says)
{
	char idling[256];
	const struct turn turns[] = {EXAMINE, {"IDLE\r", idling}, DONE(""), {NULL}};
	struct test test;

	snprintf(idling, sizeof(idling), "+ idling\r\n%s\r\n", says);
	start(&test, turns);
	assert_wait(&test, 20000, true);
	assert_true(test.took_ms < 5000);
	finish(&test);
}

static void test_news(void **state)
{
	expect_news("* 4 EXISTS");
	expect_news("* 2 EXISTS");
	expect_news("* 2 EXPUNGE");
	expect_news("* VANISHED 405,407");
	expect_news("* 3 FETCH (FLAGS (\\Seen))");
	expect_news("* 2 RECENT");
	expect_news("*  4  EXISTS");
	expect_news("* 4 exists");
	expect_news("* OK Still here\r\n* OK Still here\r\n* 4 EXISTS\r\n* 2 RECENT");
	/* A message came, another went, and it was told. */
	expect_news("* 4 EXISTS\r\n* 1 EXPUNGE\r\n* 3 EXISTS");
}

/* Nothing of it is news, and the time passes. */
static void test_no_news(void **state)
{
	static const struct turn turns[] = {EXAMINE,
		IDLE("* OK Still here\r\n* 3 EXISTS\r\n* 1 RECENT\r\n* 0 RECENT\r\n"
		     "* FLAGS (\\Seen)\r\n* FOO bar\r\n* EXISTS\r\n* 4 EXISTSNOT\r\n"
		     "+ still idling\r\n* NO [ALERT] disk\r\n* OK [ALERT]\r\n"
		     "* SEARCH 1 2\r\n* CAPABILITY IMAP4rev1\r\n"),
		DONE(""), IDLE(""), DONE(""), {NULL}};
	struct test test;

	start(&test, turns);
	assert_wait(&test, 300, false);
	assert_true(test.took_ms >= 300 && test.took_ms < 3000);
	/* It is open still. */
	assert_wait(&test, 0, false);
	finish(&test);
}

/* Before "+", with the answer to EXAMINE, and with the answer to DONE. */
static void test_news_early_and_late(void **state)
{
	static const struct turn early[] = {
		EXAMINE, {"IDLE\r", "* 4 EXISTS\r\n+ idling\r\n"}, DONE(""), {NULL}};
	static const struct turn with_examine[] = {
		{"EXAMINE", OPENED("3") "* 4 EXISTS\r\n"}, IDLE(""), DONE(""), {NULL}};
	static const struct turn before[] = {
		{"EXAMINE", "* 4 EXISTS\r\n" OPENED("3")}, IDLE(""), DONE(""), {NULL}};
	static const struct turn late[] = {EXAMINE, IDLE(""), DONE("* 4 EXISTS\r\n"), {NULL}};
	static const struct turn unasked[] = {
		EXAMINE, {"IDLE\r", "+ i\r\n* 4 EXISTS\r\n\1 OK enough\r\n"}, {NULL}};
	struct test test;

	start(&test, early);
	assert_wait(&test, 20000, true);
	finish(&test);
	start(&test, with_examine);
	assert_wait(&test, 20000, true);
	finish(&test);
	start(&test, before);
	assert_wait(&test, 200, false);
	finish(&test);
	start(&test, late);
	assert_wait(&test, 0, true);
	finish(&test);
	start(&test, unasked);
	assert_wait(&test, 20000, true);
	finish(&test);
}

static bool no_body(void *ctx, const void *data, size_t len)
{
	return true;
}

static bool no_done(void *ctx, uint32_t uid, uint64_t size)
{
	return true;
}

static bool no_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	return true;
}

static void fetch_one(struct test *test)
{
	const struct backend_want want = {.uid = 5};
	const struct backend_fetch fetch = {"INBOX", 7, &want, 1};
	const struct backend_fetch_sink sink = {NULL, no_body, no_done, no_failed};

	test->script.backend->ops->fetch(
		test->script.backend, &fetch, &sink, &test->script.result);
	assert_status(&test->script, BACKEND_OK);
}

#define BODY                                                                                   \
	"* 2 FETCH (UID 5 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 14 "         \
	"BODY[] {14}\r\n* 9 EXISTS\r\n\r\n)\r\n"

/* What the server says during other calls is not missed; what it was asked for is no news. */
static void test_news_in_between(void **state)
{
	static const struct turn came[] = {
		EXAMINE, {"UID FETCH 5", BODY "* 4 EXISTS\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn flags[] = {EXAMINE,
		{"UID FETCH 5", BODY "* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n\1 OK x\r\n"},
		{NULL}};
	static const struct turn nothing[] = {
		EXAMINE, {"UID FETCH 5", BODY "\1 OK x\r\n"}, IDLE(""), DONE(""), {NULL}};
	struct test test;

	start(&test, came);
	fetch_one(&test);
	assert_wait(&test, 20000, true);
	finish(&test);
	start(&test, flags);
	fetch_one(&test);
	assert_wait(&test, 20000, true);
	finish(&test);
	start(&test, nothing);
	fetch_one(&test);
	assert_wait(&test, 0, false);
	finish(&test);
}

/* News is told once: then the folder is opened anew, unless that was done meanwhile. */
static void test_opened_anew(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE("* 4 EXISTS\r\n"), DONE(""),
		{"EXAMINE", OPENED("4")}, IDLE(""), DONE(""),
		{"EXAMINE \"Other\"", OPENED("5")}, IDLE(""), DONE(""), EXAMINE, EXAMINE,
		IDLE(""), DONE(""), {NULL}};
	struct test test;

	start(&test, turns);
	assert_wait(&test, 20000, true);
	assert_int_equal(wait_in(&test, "INBOX", 7, 0), BACKEND_OK);
	assert_string_equal(test.told.data, "begin 7 4 10|");
	assert_false(test.news);
	assert_int_equal(wait_in(&test, "Other", 0, 0), BACKEND_OK);
	assert_string_equal(test.told.data, "begin 7 5 10|");
	test.dislikes = true;
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_STOPPED);
	assert_false(test.news);
	test.dislikes = false;
	assert_wait(&test, 0, false);
	finish(&test);
}

static void test_folder(void **state)
{
	static const struct turn gone[] = {{"EXAMINE", "\1 NO no such thing\r\n"}, {NULL}};
	static const struct turn busy[] = {
		{"EXAMINE", "\1 NO [UNAVAILABLE] later\r\n"}, {NULL}};
	static const struct turn other[] = {EXAMINE, {NULL}};
	struct test test;

	start(&test, gone);
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_FOLDER_GONE);
	assert_false(test.news);
	finish(&test);
	start(&test, busy);
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_THROTTLED);
	finish(&test);
	start(&test, other);
	assert_int_equal(wait_in(&test, "INBOX", 8, 20000), BACKEND_FOLDER_CHANGED);
	assert_string_equal(test.told.data, "begin 7 3 10|");
	finish(&test);
}

static void test_refused(void **state)
{
	static const struct turn none[] = {{NULL}};
	static const struct turn no[] = {EXAMINE, {"IDLE", "\1 NO not here\r\n"},
		{"IDLE", "\1 BAD what\r\n"}, {"IDLE", "\1 OK already\r\n"},
		{"IDLE", "+ i\r\n\1 OK enough\r\n"}, {"IDLE", "+ i\r\n\1 BAD enough\r\n"},
		IDLE(""), {"DONE", "\1 BAD what\r\n"}, IDLE(""), DONE(""), {NULL}};
	struct test test;

	start_with(&test, SCRIPT_CAPS, none);
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_REFUSED);
	assert_text(&test.script, "no IDLE");
	assert_int_equal(test.told.len, 0);
	finish(&test);
	start(&test, no);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(
			wait_in(&test, "INBOX", 7, i < 5 ? 20000 : 0), BACKEND_REFUSED);
		assert_false(test.news);
	}
	/* It can be used on. */
	assert_wait(&test, 0, false);
	finish(&test);
}

/* Does something a little later, in a thread. */
struct later {
	struct test *test;
	const char *says; /* the server; NULL: the mail process wants something */
	bool wakes;	  /* by way of wake_fd */
	unsigned left;	  /* turns that are still to come then */
	unsigned wait_ms; /* 0: 100 */
	pthread_t thread;
};

static void *later_run(void *ctx)
{
	struct later *later = ctx;
	struct test *test = later->test;

	while (test->script.turned + later->left < test->script.count)
		usleep(1000);
	usleep((later->wait_ms ? later->wait_ms : 100) * 1000);
	if (later->says) {
		script_send(&test->script, later->says, strlen(later->says));
	} else {
		test->stop = !later->wakes;
		assert_int_equal(write(test->wake[1], "x", 1), 1);
	}
	return NULL;
}

static void later_start(struct later *later)
{
	pthread_create(&later->thread, NULL, later_run, later);
}

/* Somebody has other work for the connection. */
static void test_woken(void **state)
{
	static const struct turn turns[] = {
		EXAMINE, IDLE("* OK hi\r\n"), DONE("* OK bye\r\n"), {NULL}};

	for (int wakes = 0; wakes < 2; wakes++) {
		struct test test;
		struct later later = {.test = &test, .wakes = wakes, .left = 1};

		start(&test, turns);
		later_start(&later);
		assert_wait(&test, 20000, false);
		assert_true(test.took_ms < 2000);
		pthread_join(later.thread, NULL);
		finish(&test);
	}
}

/* The line is not there yet: nobody waits for its end. */
static void test_woken_in_half_a_line(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE("* 4 EX"), DONE("ISTS\r\n"), {NULL}};
	struct test test;
	struct later later = {.test = &test, .wakes = true, .left = 1};

	start(&test, turns);
	later_start(&later);
	assert_wait(&test, 20000, true);
	assert_true(test.took_ms < 2000);
	pthread_join(later.thread, NULL);
	finish(&test);
}

/* A while after "+", and longer than the connection's deadline. */
static void test_news_after_silence(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE(""), DONE(""), {NULL}};
	struct test test;
	struct later later = {.test = &test, .says = "* 4 EXISTS\r\n", .left = 1};

	start(&test, turns);
	test.script.conf.timeout_ms = 50;
	later_start(&later);
	assert_wait(&test, 20000, true);
	assert_true(test.took_ms >= 100);
	pthread_join(later.thread, NULL);
	finish(&test);
}

static void test_renewed(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE(""), DONE(""), IDLE(""), DONE(""),
		IDLE("* 1 EXPUNGE\r\n"), DONE(""), {NULL}};
	static const struct turn news_between[] = {
		EXAMINE, IDLE(""), DONE("* 1 EXPUNGE\r\n"), {NULL}};
	struct test test;

	start(&test, turns);
	imap_of(test.script.backend)->idle_ms = 60;
	assert_wait(&test, 20000, true);
	assert_true(test.took_ms >= 120);
	finish(&test);
	start(&test, news_between);
	imap_of(test.script.backend)->idle_ms = 60;
	assert_wait(&test, 20000, true);
	finish(&test);
}

/* The server ends it when it likes; begun anew at once, it would do so all day. */
static void test_server_ends_it(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE(""), {NULL}};
	static const struct turn patient[] = {
		EXAMINE, IDLE(""), IDLE("* 4 EXISTS\r\n"), DONE(""), {NULL}};
	struct test test;
	struct later later = {.test = &test, .says = "\1 OK enough\r\n"};

	start(&test, turns);
	later_start(&later);
	wait_in(&test, "INBOX", 7, 20000);
	assert_status(&test.script, BACKEND_REFUSED);
	assert_text(&test.script, "at once");
	pthread_join(later.thread, NULL);
	finish(&test);

	start(&test, patient);
	later = (struct later){
		.test = &test, .says = "\1 OK enough\r\n", .left = 2, .wait_ms = 1100};
	later_start(&later);
	assert_wait(&test, 20000, true);
	pthread_join(later.thread, NULL);
	finish(&test);
}

static void expect_lost(const struct turn *turns, const char *text, bool broke)
{
	struct test test;

	start(&test, turns);
	test.script.conf.timeout_ms = 300;
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_CONNECTION_LOST);
	assert_text(&test.script, text);
	if (test.script.result.broke != broke)
		fail_msg("broke: %d: %s", !broke, test.script.result.text);
	assert_false(test.news);
	assert_true(test.took_ms < 3000);
	finish(&test);
}

static void test_lost(void **state)
{
	static const struct turn bye[] = {EXAMINE, IDLE("* BYE going down\r\n"), {NULL}};
	static const struct turn early_bye[] = {
		EXAMINE, {"IDLE", "* BYE going down\r\n"}, {NULL}};
	static const struct turn late_bye[] = {
		EXAMINE, IDLE("* 4 EXISTS\r\n"), {"DONE", "* BYE going down\r\n"}, {NULL}};
	static const struct turn garbage[] = {EXAMINE, IDLE("HTTP/1.1 400\r\n"), {NULL}};
	static const struct turn early_garbage[] = {
		EXAMINE, {"IDLE", "HTTP/1.1 400\r\n"}, {NULL}};
	static const struct turn tag[] = {EXAMINE, IDLE("99 OK done\r\n"), {NULL}};
	static const struct turn no_plus[] = {EXAMINE, {"IDLE", ""}, {NULL}};
	static const struct turn no_answer[] = {
		EXAMINE, IDLE("* 4 EXISTS\r\n"), {"DONE", ""}, {NULL}};
	static const struct turn literal[] = {
		EXAMINE, IDLE("* 1 FETCH (BODY[] {14}\r\n1 OK no such\r\n)\r\n"), {NULL}};
	static const struct turn deep[] = {EXAMINE,
		IDLE("* 1 FETCH (((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
		     "((((((((((((\r\n"),
		{NULL}};

	expect_lost(bye, "going down", true);
	expect_lost(early_bye, "going down", true);
	expect_lost(late_bye, "going down", false);
	expect_lost(garbage, "understood", true);
	expect_lost(early_garbage, "understood", true);
	expect_lost(tag, "understood", true);
	expect_lost(no_plus, "no answer", false);
	expect_lost(no_answer, "no answer", false);
	expect_lost(literal, "14 bytes", true);
	expect_lost(deep, "deep", true);
}

static void test_hung_up(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE("* OK hi\r\n"), {NULL}};
	struct test test;

	start(&test, (const struct turn[]){{NULL}});
	test.script.backend->ops->close(test.script.backend);
	pthread_join(test.script.thread, NULL);
	close(test.script.fd);
	buf_finish(&test.script.heard);
	script_start_as(&test.script, turns, false);
	imap_of(test.script.backend)->caps |= BACKEND_CAP_IDLE;
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_CONNECTION_LOST);
	assert_text(&test.script, "closed");
	assert_int_equal(wait_in(&test, "INBOX", 7, 20000), BACKEND_CONNECTION_LOST);
	finish(&test);
}

/* A server that talks for ever about nothing. */
struct flood {
	int fd;
	pthread_t thread;
	bool obeys; /* it ends with DONE */
	unsigned sent;
};

static void *flood_run(void *ctx)
{
	struct flood *flood = ctx;
	struct script script = {.fd = flood->fd, .tag = "*", .hold = false};
	char line[4096];
	char lines[17 * 100];

	script_add(&script,
		(const struct turn[]){{"CAPABILITY", IDLE_CAPS}, {"LOGIN", "\1 OK welcome\r\n"},
			{"CAPABILITY", IDLE_CAPS}, EXAMINE, IDLE(""), {NULL}});
	script_send(&script, "* OK ready\r\n", 12);
	script_play(&script);
	for (int i = 0; i < 100; i++)
		memcpy(lines + i * 17, "* OK Still here\r\n", 17);
	while (send(flood->fd, lines, sizeof(lines), MSG_NOSIGNAL) > 0) {
		ssize_t got = recv(flood->fd, line, sizeof(line), MSG_DONTWAIT);

		flood->sent += 100;
		if (got == 0 || (got > 0 && flood->obeys))
			break;
	}
	if (flood->obeys)
		script_send(&script, "\1 OK done\r\n", 11);
	buf_finish(&script.heard);
	while (recv(flood->fd, line, sizeof(line), 0) > 0)
		;
	return NULL;
}

static void test_flood(void **state)
{
	for (int obeys = 0; obeys < 2; obeys++) {
		struct test test = {.wake = {-1, -1}};
		struct flood flood = {.obeys = obeys};
		int ends[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		flood.fd = ends[0];
		script_init(&test.script);
		pthread_create(&flood.thread, NULL, flood_run, &flood);
		test.script.backend = imap_create_on_fd(ends[1], &test.script.conf, NULL, NULL);
		test.script.backend->ops->open(
			test.script.backend, &test.script.server, &test.script.result);
		assert_status(&test.script, BACKEND_OK);
		wait_in(&test, "INBOX", 7, 20000);
		assert_status(&test.script, obeys ? BACKEND_OK : BACKEND_CONNECTION_LOST);
		if (!obeys)
			assert_text(&test.script, "more than 100000 lines");
		assert_int_equal(test.news, obeys);
		test.script.backend->ops->close(test.script.backend);
		pthread_join(flood.thread, NULL);
		close(flood.fd);
		buf_finish(&test.told);
	}
}

/* A wire process, and a client in front of it. */
struct process {
	struct test test;
	int channel;
	pthread_t thread;
	int server; /* its connection */
};

static void *process_run(void *ctx)
{
	struct process *process = ctx;
	struct child *child = child_create(process->channel);
	struct backend *backend = imap_create_on_fd(
		process->server, &process->test.script.conf, child_stop_wanted, child);

	imap_of(backend)->watch_fd = process->channel;
	child_serve(child, backend);
	backend->ops->close(backend);
	child_destroy(child);
	close(process->channel);
	return NULL;
}

static int process_dial(void *ctx, int *pid_out, struct error *err)
{
	struct process *process = ctx;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(err, errno, "socketpair");
	process->channel = fds[1];
	pthread_create(&process->thread, NULL, process_run, process);
	*pid_out = 1;
	return fds[0];
}

static void process_hangup(void *ctx, int pid)
{
	struct process *process = ctx;

	pthread_join(process->thread, NULL);
}

static void process_start(struct process *process, const struct turn *turns)
{
	const struct client_dialer dialer = {process, process_dial, process_hangup};
	struct script *script = &process->test.script;
	const struct turn login[] = {{"CAPABILITY", IDLE_CAPS},
		{"LOGIN \"alice\" \"sesame\"", "\1 OK welcome\r\n"}, {"CAPABILITY", IDLE_CAPS},
		{NULL}};
	int ends[2];

	*process = (struct process){.test.wake = {-1, -1}};
	assert_int_equal(pipe(process->test.wake), 0);
	script_init(script);
	script_add(script, login);
	script_add(script, turns);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	script->fd = ends[0];
	process->server = ends[1];
	pthread_create(&script->thread, NULL, script_thread, script);
	script->backend = client_create(&dialer, script->conf.timeout_ms);
	script->backend->ops->open(script->backend, &script->server, &script->result);
	assert_status(script, BACKEND_OK);
}

/* All the way: news, other work, and news that comes with the answer to DONE. */
static void test_process(void **state)
{
	static const struct turn turns[] = {EXAMINE, IDLE("* 4 EXISTS\r\n"), DONE(""), EXAMINE,
		IDLE("* OK hi\r\n"), DONE("* 4 EXISTS\r\n"), {NULL}};
	struct process process;
	struct test *test = &process.test;
	struct later later = {.test = test, .wakes = true, .left = 1};

	process_start(&process, turns);
	assert_wait(test, 20000, true);
	later_start(&later);
	assert_wait(test, 20000, true);
	assert_true(test->took_ms < 2000);
	pthread_join(later.thread, NULL);
	finish(test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_no_news),
		cmocka_unit_test(test_news_early_and_late),
		cmocka_unit_test(test_news_in_between),
		cmocka_unit_test(test_opened_anew),
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_woken),
		cmocka_unit_test(test_woken_in_half_a_line),
		cmocka_unit_test(test_news_after_silence),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_server_ends_it),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_hung_up),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
