/*
 * test_imap_fault.c - every command is a point at which tests cut the connection, before it is
 * sent and after it was answered. Each run is a process of its own: what is to fail is read
 * once.
 */
#ifdef MOUNTMAIL_FAULTS
#include "imap_remove_rig.h"
#include <sys/wait.h>

static const struct turn turns[] = {EXAMINE("3", "10"),
	{"UID SEARCH UID 3", "* SEARCH 3\r\n\1 OK x\r\n"}, SELECT,
	{"UID STORE 3", "\1 OK x\r\n"}, {"IDLE", "+ idling\r\n"}, {"DONE", "\1 OK x\r\n"},
	{NULL}};

static const char points[] = "1 before CAPABILITY\n2 after CAPABILITY\n"
			     "3 before LOGIN\n4 after LOGIN\n"
			     "5 before CAPABILITY\n6 after CAPABILITY\n"
			     "7 before EXAMINE\n8 after EXAMINE\n"
			     "9 before UID SEARCH\n10 after UID SEARCH\n"
			     "11 before SELECT\n12 after SELECT\n"
			     "13 before UID STORE\n14 after UID STORE\n"
			     "15 before IDLE\n16 after IDLE\n"
			     "17 before LOGOUT\n";
#define POINTS 17
/* Lines that came until then: two points a command, but for DONE. */
#define LINES(point) ((unsigned)(point) / 2 + ((point) >= 16))

static bool is_lost(const struct script *script)
{
	const struct backend_result *result = &script->result;

	/* It is the network's doing, and no poisoned message's. */
	return result->status == BACKEND_CONNECTION_LOST && !result->broke &&
	       strstr(result->text, "a fault that a test asked for");
}

static bool on_open(void *ctx, const struct backend_folder_state *state)
{
	return true;
}

/* Opens, looks, marks and waits for news. Returns how many of the four were done before the
 * connection was lost. */
static int session(struct script *script)
{
	const uint32_t uids[] = {3};
	const struct backend_verify look = {
		.raw = "INBOX", .epoch = 7, .uids = uids, .count = 1};
	const struct backend_removal mark = {.step = BACKEND_STEP_MARK,
		.raw = "INBOX",
		.epoch = 7,
		.uids = uids,
		.count = 1};
	const struct backend_wait wait = {"INBOX", 7, 0, -1};
	const struct backend_wait_sink sink = {NULL, on_open};
	struct told told = {0};
	bool news = true;

	script_init(script);
	script_add(script, script_login);
	script_add(script, turns);
	script_open(script);
	if (script->result.status != BACKEND_OK)
		return is_lost(script) ? 0 : -1;
	verify(script, &look, &told);
	buf_finish(&told.log);
	if (script->result.status != BACKEND_OK)
		return is_lost(script) ? 1 : -1;
	script->backend->ops->remove(script->backend, &mark, &script->result);
	if (script->result.status != BACKEND_OK)
		return is_lost(script) ? 2 : -1;
	imap_of(script->backend)->caps |= BACKEND_CAP_IDLE;
	script->backend->ops->wait(script->backend, &wait, &sink, &news, &script->result);
	if (script->result.status != BACKEND_OK)
		return is_lost(script) && !news ? 3 : -1;
	return 4;
}

/* In a process of its own. 0: as it should be. */
static int run(int point)
{
	static const int done[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4};
	struct script script;
	char what[32];
	int got;

	snprintf(what, sizeof(what), "drop:%d", point);
	setenv("MOUNTMAIL_FAULT", what, 1);
	got = session(&script);
	script.backend->ops->close(script.backend);
	pthread_join(script.thread, NULL);
	close(script.fd);
	buf_finish(&script.heard);
	/* What was cut off before it was sent never came. */
	if (point && script.turned != LINES(point))
		return 1;
	return script.wrong[0] || got != (point ? done[point - 1] : 4);
}

static void run_forked(int point, const char *log)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("MOUNTMAIL_FAULT_LOG", log, 1);
		_exit(run(point));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("point %d: status %x", point, status);
}

static void test_each_command(void **state)
{
	char log[] = "/tmp/mountmail-fault-XXXXXX", text[sizeof(points) + 16];
	int fd = mkstemp(log);
	ssize_t len;

	assert_true(fd >= 0);
	run_forked(0, log);
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len > 0);
	text[len] = '\0';
	assert_string_equal(text, points);
	close(fd);
	unlink(log);
}

static void test_cut_at_each(void **state)
{
	for (int point = 1; point <= POINTS; point++)
		run_forked(point, "/dev/null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_command),
		cmocka_unit_test(test_cut_at_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 77; /* skipped: no fault points are built in */
}

#endif
