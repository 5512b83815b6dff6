/*
 * test_client_hostile.c - a wire process that was taken over: what it may send, case by case,
 * and that none of it gets past the client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "client_hostile_cases.h"
#include "client_p.h"
#include <cmocka.h>
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/mail/flags.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum request { OPEN, LIST, SCAN, SURVEY, FETCH, STOPPED, VERIFY, FROM, REMOVE, WAIT, WOKEN };

/*
 * SCAN: of INBOX, epoch 7, above UID 10; SURVEY: the same with a survey. FETCH: of the UIDs 3
 * and 5. STOPPED: a SCAN whose sink wants nothing beyond begin. VERIFY: of the UIDs 3 and 5 in
 * epoch 7, all there is to ask; FROM: of those from 8 on, in any epoch. REMOVE: a move of 3.
 * WAIT: for news of INBOX, epoch 7, for a second; WOKEN: for an hour, and woken at once.
 */
struct hostile {
	const char *name;
	enum request request;
	void (*say)(struct frame_writer *writer);
	const char *rule; /* part of what the result says; NULL: nothing is wrong */
	enum backend_status status;
};

struct rig {
	const struct hostile *hostile;
	pthread_t thread;
	int channel;
	unsigned hangups;
	struct backend *client;
	struct backend_result result;
	/* What the sinks saw. */
	unsigned told;
	uint32_t uid;
};

/* The process. */

static void say_end(struct frame_writer *writer, enum frame_type type)
{
	frame_begin(writer, type);
	frame_end(writer);
}

static void say_broke(
	struct frame_writer *writer, uint8_t status, uint8_t broke, const char *text)
{
	frame_begin(writer, FRAME_RESULT);
	frame_put_u8(writer, status);
	frame_put_u32(writer, 0);
	frame_put_u8(writer, broke);
	frame_put_str(writer, text);
	frame_end(writer);
}

static void say_result(struct frame_writer *writer, uint8_t status, const char *text)
{
	say_broke(writer, status, 0, text);
}

static void say_ok(struct frame_writer *writer)
{
	say_result(writer, BACKEND_OK, "");
}

static void say_server(struct frame_writer *writer, uint32_t caps, const char *name)
{
	frame_begin(writer, FRAME_SERVER);
	frame_put_u32(writer, caps);
	frame_put_str(writer, name);
	frame_end(writer);
}

static void *process_run(void *ctx)
{
	struct rig *rig = ctx;
	struct frame_writer writer;
	struct frame_reader reader;
	struct frame frame;

	frame_writer_init(&writer, rig->channel);
	frame_reader_init(&reader, rig->channel);
	if (rig->hostile->request != OPEN && frame_read(&reader, &frame, -1) == 1) {
		say_server(&writer, BACKEND_CAP_IDLE, "host");
		say_ok(&writer);
		frame_flush(&writer, -1);
	}
	if (frame_read(&reader, &frame, -1) == 1) {
		rig->hostile->say(&writer);
		frame_flush(&writer, -1);
	}
	/* It never goes by itself. */
	while (frame_read(&reader, &frame, -1) == 1)
		;
	frame_writer_finish(&writer);
	frame_reader_finish(&reader);
	close(rig->channel);
	return NULL;
}

static int rig_dial(void *ctx, int *pid_out, struct error *err)
{
	struct rig *rig = ctx;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(err, errno, "socketpair");
	rig->channel = fds[1];
	pthread_create(&rig->thread, NULL, process_run, rig);
	*pid_out = 77;
	return fds[0];
}

static void rig_hangup(void *ctx, int pid)
{
	struct rig *rig = ctx;

	assert_int_equal(pid, 77);
	rig->hangups++;
	pthread_join(rig->thread, NULL);
}

/* The sinks insist on what backend.h promises. */

static bool on_folder(void *ctx, const struct mail_folder *folder)
{
	struct rig *rig = ctx;

	assert_true(client_folder_sound(folder));
	rig->told++;
	return true;
}

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->told++, 0);
	return rig->hostile->request != STOPPED;
}

static bool on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->hostile->request, SURVEY);
	assert_true(uid > rig->uid && uid <= 10);
	assert_true(client_flags_sound(flags));
	rig->uid = uid;
	rig->told++;
	return true;
}

static bool on_surveyed(void *ctx)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->hostile->request, SURVEY);
	rig->told++;
	return true;
}

static bool on_message(void *ctx, const struct mail_message *message)
{
	struct rig *rig = ctx;

	assert_int_not_equal(rig->hostile->request, STOPPED);
	assert_true(message->uid > 10 && message->uid > rig->uid);
	assert_true(client_message_sound(message));
	rig->uid = message->uid;
	rig->told++;
	return true;
}

static bool on_batch(void *ctx, uint32_t through)
{
	struct rig *rig = ctx;

	assert_int_not_equal(rig->hostile->request, STOPPED);
	assert_true(through >= rig->uid);
	rig->uid = through;
	rig->told++;
	return true;
}

static bool on_data(void *ctx, const void *data, size_t len)
{
	struct rig *rig = ctx;

	assert_true(len > 0);
	rig->told++;
	return true;
}

static bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct rig *rig = ctx;

	assert_true(uid == 3 || uid == 5);
	rig->told++;
	return true;
}

static bool on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct rig *rig = ctx;

	assert_true(uid == 3 || uid == 5);
	assert_true(status == BACKEND_MESSAGE_GONE || status == BACKEND_MESSAGE_BAD);
	assert_true(client_text_sound(text));
	rig->told++;
	return true;
}

static void run_scan(struct rig *rig)
{
	const struct backend_scan scan = {"INBOX", 7, 10, rig->hostile->request == SURVEY};
	const struct backend_scan_sink sink = {
		rig, on_begin, on_existing, on_surveyed, on_message, on_batch};

	rig->client->ops->scan(rig->client, &scan, &sink, &rig->result);
}

static void run_fetch(struct rig *rig)
{
	const struct backend_want wants[] = {{.uid = 5}, {.uid = 3}};
	const struct backend_fetch fetch = {"INBOX", 7, wants, 2};
	const struct backend_fetch_sink sink = {rig, on_data, on_done, on_failed};

	rig->client->ops->fetch(rig->client, &fetch, &sink, &rig->result);
}

static bool on_found(void *ctx, const struct backend_identity *identity)
{
	struct rig *rig = ctx;
	uint32_t uid = identity->uid;

	assert_true(uid > rig->uid);
	assert_true(rig->hostile->request == FROM ? uid >= 8 : uid == 3 || uid == 5);
	assert_true(rig->hostile->request == VERIFY || !identity->known);
	assert_true(client_text_sound(identity->message_id));
	rig->uid = uid;
	rig->told++;
	return true;
}

static bool on_deleted(void *ctx, uint32_t uid)
{
	struct rig *rig = ctx;

	assert_int_equal(rig->hostile->request, VERIFY);
	assert_true(uid > 0);
	rig->told++;
	return true;
}

static void run_verify(struct rig *rig)
{
	const uint32_t uids[] = {3, 5};
	const struct backend_verify both = {.raw = "INBOX",
		.epoch = 7,
		.uids = uids,
		.count = 2,
		.identify = true,
		.deleted = true};
	const struct backend_verify from = {.raw = "INBOX", .from_uid = 8};
	const struct backend_verify_sink sink = {rig, on_begin, on_found, on_deleted};

	rig->client->ops->verify(rig->client, rig->hostile->request == FROM ? &from : &both,
		&sink, &rig->result);
}

static void run_remove(struct rig *rig)
{
	const uint32_t uids[] = {3};
	const struct backend_removal removal = {.step = BACKEND_STEP_MOVE,
		.raw = "INBOX",
		.epoch = 7,
		.uids = uids,
		.count = 1,
		.to = "Trash"};

	rig->client->ops->remove(rig->client, &removal, &rig->result);
}

static void run_wait(struct rig *rig)
{
	bool woken = rig->hostile->request == WOKEN, news = true;
	struct backend_wait wait = {"INBOX", 7, woken ? 3600000 : 1000, -1};
	const struct backend_wait_sink sink = {rig, on_begin};
	int wake[2];

	assert_int_equal(pipe(wake), 0);
	if (woken)
		wait.wake_fd = wake[0];
	assert_int_equal(write(wake[1], "x", 1), 1);
	rig->client->ops->wait(rig->client, &wait, &sink, &news, &rig->result);
	/* A rule of NULL: there was news. */
	assert_int_equal(news, rig->hostile->rule == NULL);
	close(wake[0]);
	close(wake[1]);
}

static void run_request(struct rig *rig)
{
	const struct backend_list_sink list = {rig, on_folder};

	switch (rig->hostile->request) {
	case OPEN:
		return;
	case LIST:
		rig->client->ops->list(rig->client, &list, &rig->result);
		return;
	case SCAN:
	case SURVEY:
	case STOPPED:
		run_scan(rig);
		return;
	case FETCH:
		run_fetch(rig);
		return;
	case VERIFY:
	case FROM:
		run_verify(rig);
		return;
	case REMOVE:
		run_remove(rig);
		return;
	case WAIT:
	case WOKEN:
		run_wait(rig);
		return;
	}
}

static void check(struct rig *rig)
{
	const struct hostile *hostile = rig->hostile;
	const char *rule = hostile->rule ? hostile->rule : "";

	if (rig->result.status != hostile->status || !strstr(rig->result.text, rule) ||
		!client_text_sound(rig->result.text))
		fail_msg("%s: %s: \"%s\"", hostile->name,
			backend_status_name(rig->result.status), rig->result.text);
	/* The process is gone when it broke a rule, and only then. */
	if (hostile->request != OPEN)
		assert_int_equal(rig->hangups, hostile->status == BACKEND_CONNECTION_LOST);
}

static void run(const struct hostile *hostile)
{
	struct rig rig = {.hostile = hostile};
	const struct client_dialer dialer = {&rig, rig_dial, rig_hangup};
	struct backend_server server;

	rig.client = client_create(&dialer, 20000);
	rig.client->ops->open(rig.client, &server, &rig.result);
	if (hostile->request != OPEN)
		assert_int_equal(rig.result.status, BACKEND_OK);
	run_request(&rig);
	check(&rig);
	rig.client->ops->close(rig.client);
	assert_int_equal(rig.hangups, 1);
}

/* Words of the process. */

static void say_folder(
	struct frame_writer *writer, const char *raw, const char *path, uint32_t flags)
{
	frame_begin(writer, FRAME_FOLDER);
	frame_put_str(writer, raw);
	frame_put_str(writer, path);
	frame_put_u32(writer, flags);
	frame_end(writer);
}

static void say_state(struct frame_writer *writer, uint64_t epoch)
{
	frame_begin(writer, FRAME_STATE);
	frame_put_u64(writer, epoch);
	frame_put_u32(writer, 3);
	frame_put_u32(writer, 0);
	frame_put_u64(writer, 0);
	frame_end(writer);
}

static void say_existing(struct frame_writer *writer, uint32_t first, uint32_t second)
{
	frame_begin(writer, FRAME_EXISTING);
	frame_put_u32(writer, 2);
	frame_put_u32(writer, first);
	frame_put_u32(writer, 0);
	frame_put_u32(writer, second);
	frame_put_u32(writer, 0);
	frame_end(writer);
}

static void put_message(struct frame_writer *writer, const struct mail_message *message)
{
	frame_put_u32(writer, message->uid);
	frame_put_u64(writer, message->size);
	frame_put_u64(writer, (uint64_t)message->date);
	frame_put_u32(writer, message->flags);
	frame_put_u8(writer, message->bad);
	frame_put_u8(writer, message->twin);
	frame_put_str(writer, message->uidl);
	for (int i = 0; i < 4; i++)
		frame_put_str(writer, NULL);
	frame_put_str(writer, message->fields.subject);
	for (int i = 0; i < 4; i++)
		frame_put_str(writer, NULL);
}

static void say_message(struct frame_writer *writer, struct mail_message message)
{
	say_state(writer, 7);
	frame_begin(writer, FRAME_MESSAGES);
	frame_put_u32(writer, 1);
	put_message(writer, &message);
	frame_end(writer);
}

static void say_subject(struct frame_writer *writer, const char *subject)
{
	char *copy = xstrdup(subject);

	say_message(writer, (struct mail_message){.uid = 11, .fields.subject = copy});
	free(copy);
}

static void say_uid(struct frame_writer *writer, uint32_t uid)
{
	frame_begin(writer, FRAME_MESSAGES);
	frame_put_u32(writer, 1);
	put_message(writer, &(struct mail_message){.uid = uid});
	frame_end(writer);
}

static void say_batch(struct frame_writer *writer, uint32_t through)
{
	frame_begin(writer, FRAME_BATCH);
	frame_put_u32(writer, through);
	frame_end(writer);
}

static void say_data(struct frame_writer *writer, const char *data)
{
	frame_begin(writer, FRAME_BODY_DATA);
	frame_put_bytes(writer, data, strlen(data));
	frame_end(writer);
}

static void say_done(struct frame_writer *writer, uint32_t uid, uint64_t size)
{
	frame_begin(writer, FRAME_BODY_DONE);
	frame_put_u32(writer, uid);
	frame_put_u64(writer, size);
	frame_end(writer);
}

static void say_failed(
	struct frame_writer *writer, uint32_t uid, uint8_t status, const char *text)
{
	frame_begin(writer, FRAME_BODY_FAILED);
	frame_put_u32(writer, uid);
	frame_put_u8(writer, status);
	frame_put_str(writer, text);
	frame_end(writer);
}

static void say_identity(struct frame_writer *writer, uint32_t uid, uint8_t known,
	uint64_t size, int64_t date, const char *message_id)
{
	frame_begin(writer, FRAME_IDENTITIES);
	frame_put_u32(writer, 1);
	frame_put_u32(writer, uid);
	frame_put_u8(writer, known);
	frame_put_u64(writer, size);
	frame_put_u64(writer, (uint64_t)date);
	frame_put_str(writer, message_id);
	frame_put_str(writer, NULL);
	frame_end(writer);
}

static void say_found(
	struct frame_writer *writer, uint32_t uid, uint8_t known, const char *message_id)
{
	say_identity(writer, uid, known, known ? 100 : 0, known ? 837596665 : 0, message_id);
}

static void say_deleted(struct frame_writer *writer, uint32_t uid)
{
	frame_begin(writer, FRAME_DELETED);
	frame_put_u32(writer, 1);
	frame_put_u32(writer, uid);
	frame_end(writer);
}

/* What comes now is said when the other side has long been waiting. */
static void say_later(struct frame_writer *writer)
{
	frame_flush(writer, -1);
	usleep(50000);
}

static void say_raw(struct frame_writer *writer, const void *bytes, size_t len)
{
	buf_append(&writer->out, bytes, len);
}

/* Cases, each a function of its own and a row of the table. */

#define CASE_FUNCTION(name, request, status, rule, ...)                                        \
	static void case_##name(struct frame_writer *w)                                        \
	{                                                                                      \
		__VA_ARGS__;                                                                   \
	}
#define CASE_ROW(name, request, status, rule, ...)                                             \
	{#name, request, case_##name, rule, BACKEND_##status},

/* clang-format off */
CASES(CASE_FUNCTION)
static const struct hostile hostiles[] = {CASES(CASE_ROW)};
/* clang-format on */

static void test_hostile(void **state)
{
	run(*state);
}

/* Taken over or stuck: it holds the channel open and says nothing. */
static void say_nothing(struct frame_writer *writer)
{
}

static void test_silence(void **state)
{
	const struct hostile silent = {
		"silence", LIST, say_nothing, "said nothing", BACKEND_CONNECTION_LOST};
	struct rig rig = {.hostile = &silent};
	const struct client_dialer dialer = {&rig, rig_dial, rig_hangup};
	struct backend_server server;
	int64_t start;

	rig.client = client_create(&dialer, 100);
	rig.client->ops->open(rig.client, &server, &rig.result);
	start = clock_now_ms();
	run_request(&rig);
	check(&rig);
	assert_false(rig.result.broke);
	assert_true(clock_now_ms() - start >= 100 && clock_now_ms() - start < 15000);
	rig.client->ops->close(rig.client);
}

/* Told to stop, it goes on and on: frames alone do not keep it alive. */
static void say_messages_for_seconds(struct frame_writer *writer)
{
	int64_t end = clock_now_ms() + 20000;
	uint32_t uid = 11;

	say_state(writer, 7);
	while (frame_flush(writer, -1) == 0 && clock_now_ms() < end) {
		say_uid(writer, uid++);
		usleep(2000);
	}
}

static void test_stop_ignored(void **state)
{
	const struct hostile deaf = {"stop ignored", STOPPED, say_messages_for_seconds,
		"told to stop", BACKEND_CONNECTION_LOST};
	struct rig rig = {.hostile = &deaf};
	const struct client_dialer dialer = {&rig, rig_dial, rig_hangup};
	struct backend_server server;
	int64_t start;

	rig.client = client_create(&dialer, 100);
	rig.client->ops->open(rig.client, &server, &rig.result);
	start = clock_now_ms();
	run_request(&rig);
	assert_int_equal(rig.result.status, BACKEND_CONNECTION_LOST);
	assert_true(clock_now_ms() - start < 15000);
	assert_int_equal(rig.told, 1);
	rig.client->ops->close(rig.client);
}

/* Told to stop waiting, it goes on: it is not waited for as long as for news. */
static void say_state_alone(struct frame_writer *writer)
{
	say_state(writer, 7);
}

static void test_wake_ignored(void **state)
{
	const struct hostile deaf = {"wake ignored", WOKEN, say_state_alone, "said nothing",
		BACKEND_CONNECTION_LOST};
	struct rig rig = {.hostile = &deaf};
	const struct client_dialer dialer = {&rig, rig_dial, rig_hangup};
	struct backend_server server;
	int64_t start;

	rig.client = client_create(&dialer, 100);
	rig.client->ops->open(rig.client, &server, &rig.result);
	start = clock_now_ms();
	run_request(&rig);
	check(&rig);
	assert_true(clock_now_ms() - start < 15000);
	rig.client->ops->close(rig.client);
}

#define HOSTILES (sizeof(hostiles) / sizeof(hostiles[0]))

int main(void)
{
	struct CMUnitTest tests[HOSTILES + 3] = {cmocka_unit_test(test_silence),
		cmocka_unit_test(test_stop_ignored), cmocka_unit_test(test_wake_ignored)};

	for (size_t i = 0; i < HOSTILES; i++)
		tests[i + 3] = (struct CMUnitTest){.name = hostiles[i].name,
			.test_func = test_hostile,
			.initial_state = (void *)(uintptr_t)&hostiles[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
