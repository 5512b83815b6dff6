/*
 * test_client.c - the client in front of a real child_serve: every operation, every end, stop
 * at every callback, cancel from another thread.
 */
#include "client_rig.h"
#include <mountmail/base/clock.h>
#include <mountmail/mail/flags.h>

static int setup(void **state)
{
	struct rig *rig = rig_create();

	fake_folder_add(rig->account, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	fake_folder_add(rig->account, "Ar.2023", "Ar\n2023", 0, 8);
	fake_message_add(rig->account, "INBOX", "One", "first body\r\n");
	fake_message_add(rig->account, "INBOX", "Two", "");
	fake_message_add(rig->account, "INBOX", "Three", "third");
	*state = rig;
	return 0;
}

static int setup_open(void **state)
{
	setup(state);
	return rig_open(*state) == BACKEND_OK ? 0 : -1;
}

static int teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

static void test_open(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(client_pid(rig->client), 0);
	assert_status(rig, rig_open(rig), BACKEND_OK);
	assert_string_equal(rig->server.name, "fake.example.org");
	assert_string_equal(rig->result.text, "");
	assert_int_equal(client_pid(rig->client), RIG_PID);
}

static void test_open_refused(void **state)
{
	struct rig *rig = *state;

	fake_fail(rig->account, FAKE_OPEN, BACKEND_AUTH_FAILED, 0);
	assert_status(rig, rig_open(rig), BACKEND_AUTH_FAILED);
	assert_string_equal(rig->result.text, "scripted: login refused");
	assert_int_equal(rig->hangups, 1);
	assert_int_equal(client_pid(rig->client), 0);
	/* What is called all the same finds nothing. */
	assert_status(rig, rig_list(rig), BACKEND_CONNECTION_LOST);
}

static int dial_fails(void *ctx, int *pid_out, struct error *err)
{
	return error_set(err, EMFILE, "no descriptors");
}

static void test_no_process(void **state)
{
	const struct client_dialer dialer = {NULL, dial_fails, NULL};
	struct backend *client = client_create(&dialer, 1000);
	struct backend_server server;
	struct backend_result result;

	client->ops->open(client, &server, &result);
	assert_int_equal(result.status, BACKEND_CONNECTION_LOST);
	assert_non_null(strstr(result.text, "no descriptors"));
	client->ops->close(client);
}

static void test_list(void **state)
{
	struct rig *rig = *state;

	assert_status(rig, rig_list(rig), BACKEND_OK);
	assert_string_equal(rig->heard.data, "folder INBOX INBOX 2\n"
					     "folder Ar.2023 Ar\n2023 0\n");
}

static void test_scan(void **state)
{
	struct rig *rig = *state;

	fake_set_batch(rig->account, 2);
	assert_status(rig, rig_scan(rig, "INBOX", 0, 0, false), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n"
					     "message 1 12 One\n"
					     "message 2 0 Two\n"
					     "batch 2\n"
					     "message 3 5 Three\n"
					     "batch 3\n");
}

static void test_scan_narrowed(void **state)
{
	struct rig *rig = *state;
	char *log;

	rig->most = 2;
	rig->stub_first = true;
	assert_status(rig, rig_scan(rig, "INBOX", 7, 0, false), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n"
					     "message 1 0 (null)\n"
					     "batch 1\n"
					     "message 2 0 Two\n"
					     "message 3 5 Three\n"
					     "batch 3\n");
	log = fake_log(rig->account);
	assert_non_null(strstr(log, "scan INBOX 0 most 2 stub\n"));
	free(log);
}

/* What a message broke is told as that, up to the batch before it. */
static void test_scan_broke(void **state)
{
	struct rig *rig = *state;

	rig->most = 1;
	fake_message_set_poison(rig->account, "INBOX", 2, true);
	assert_status(rig, rig_scan(rig, "INBOX", 0, 0, false), BACKEND_CONNECTION_LOST);
	assert_true(rig->result.broke);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n"
					     "message 1 12 One\n"
					     "batch 1\n");
}

static void test_scan_survey(void **state)
{
	struct rig *rig = *state;

	fake_message_remove(rig->account, "INBOX", 1);
	fake_message_set_flags(rig->account, "INBOX", 2, MAIL_FLAG_SEEN);
	assert_status(rig, rig_scan(rig, "INBOX", 7, 2, true), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 7 2 4\n"
					     "existing 2 1\n"
					     "surveyed\n"
					     "message 3 5 Three\n"
					     "batch 3\n");
	assert_status(rig, rig_scan(rig, "Ar.2023", 8, 0, true), BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 8 0 1\n"
					     "surveyed\n");
}

static void test_scan_many(void **state)
{
	struct rig *rig = *state;
	struct fake_counts counts;

	for (int i = 0; i < 5000; i++)
		fake_message_add(rig->account, "Ar.2023", "A subject of some length", "x");
	fake_set_batch(rig->account, 2000);
	assert_status(rig, rig_scan(rig, "Ar.2023", 0, 0, false), BACKEND_OK);
	assert_int_equal(rig->told, 1 + 5000 + 3);
	assert_status(rig, rig_scan(rig, "Ar.2023", 8, 4999, true), BACKEND_OK);
	assert_int_equal(rig->told, 1 + 4999 + 1 + 1 + 1);
	fake_counts(rig->account, &counts);
	assert_int_equal(counts.calls[FAKE_SCAN], 2);
}

/* Every field crosses, at its longest, and those that are not there stay away. */
static struct mail_message full_message(void)
{
	struct mail_message message = {.uid = 77,
		.size = 5000000000,
		.date = -1,
		.flags = MAIL_FLAG_JUNK | MAIL_FLAG_SEEN,
		.bad = 1};
	char *text = xmalloc(MAIL_FIELD_MAX + 1);

	memset(text, 'x', MAIL_FIELD_MAX);
	text[MAIL_FIELD_MAX] = '\0';
	message.fields.sender = xstrdup("a@b");
	message.fields.from = xstrdup("\xc3\x84 <a@b>");
	message.fields.cc = xstrdup("");
	message.fields.subject = text;
	message.fields.date = xstrdup("date");
	message.fields.message_id = xstrdup("<id>");
	message.fields.references = xstrdup("<r>");
	message.fields.list_id = xstrdup("list");
	return message;
}

static bool check_full(void *ctx, const struct mail_message *message)
{
	struct mail_message want = full_message();

	assert_int_equal(message->uid, want.uid);
	assert_int_equal(message->size, want.size);
	assert_int_equal(message->date, want.date);
	assert_int_equal(message->flags, want.flags);
	assert_int_equal(message->bad, want.bad);
	assert_null(message->uidl);
	assert_string_equal(message->fields.sender, want.fields.sender);
	assert_string_equal(message->fields.from, want.fields.from);
	assert_null(message->fields.to);
	assert_string_equal(message->fields.cc, "");
	assert_string_equal(message->fields.subject, want.fields.subject);
	assert_string_equal(message->fields.date, want.fields.date);
	assert_string_equal(message->fields.message_id, want.fields.message_id);
	assert_string_equal(message->fields.references, want.fields.references);
	assert_string_equal(message->fields.list_id, want.fields.list_id);
	mail_message_finish(&want);
	return true;
}

static void test_scan_fields(void **state)
{
	struct rig *rig = *state;
	struct mail_message message = full_message();
	const struct backend_scan scan = {.raw = "Ar.2023"};
	const struct backend_scan_sink sink = {
		rig, rig_on_begin, rig_on_existing, rig_on_surveyed, check_full, rig_on_batch};

	fake_message_put(rig->account, "Ar.2023", &message, "", 0);
	rig->client->ops->scan(rig->client, &scan, &sink, &rig->result);
	assert_status(rig, rig->result.status, BACKEND_OK);
	assert_string_equal(rig->heard.data, "begin 8 1 78\nbatch 77\n");
	mail_message_finish(&message);
}

static void test_folder_statuses(void **state)
{
	struct rig *rig = *state;

	assert_status(rig, rig_scan(rig, "Nowhere", 0, 0, false), BACKEND_FOLDER_GONE);
	assert_status(rig, rig_fetch(rig, "Nowhere", 1, 1, 1), BACKEND_FOLDER_GONE);
	assert_status(rig, rig_scan(rig, "INBOX", 6, 3, true), BACKEND_FOLDER_CHANGED);
	assert_string_equal(rig->heard.data, "begin 7 3 4\n");
	assert_status(rig, rig_fetch(rig, "INBOX", 6, 1, 1), BACKEND_FOLDER_CHANGED);
	fake_fail(rig->account, FAKE_SCAN, BACKEND_THROTTLED, 1234);
	assert_status(rig, rig_scan(rig, "INBOX", 0, 0, false), BACKEND_THROTTLED);
	assert_int_equal(rig->result.retry_ms, 1234);
	fake_fail(rig->account, FAKE_LIST, BACKEND_REFUSED, 0);
	assert_status(rig, rig_list(rig), BACKEND_REFUSED);
	assert_status(rig, rig_list(rig), BACKEND_OK);
	assert_int_equal(rig->hangups, 0);
}

static void test_fetch(void **state)
{
	struct rig *rig = *state;

	fake_message_set_status(rig->account, "INBOX", 3, BACKEND_MESSAGE_BAD);
	assert_status(rig, rig_fetch(rig, "INBOX", 7, 1, 4), BACKEND_OK);
	assert_string_equal(rig->heard.data, "done 1 12\n"
					     "done 2 0\n"
					     "failed 3 message bad\n"
					     "failed 4 message gone\n");
}

struct body_check {
	const char *body;
	size_t at, len;
};

static bool check_body(void *ctx, const void *data, size_t len)
{
	struct body_check *check = ctx;

	assert_true(len <= check->len - check->at);
	assert_memory_equal(data, check->body + check->at, len);
	check->at += len;
	return true;
}

static bool check_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct body_check *check = ctx;

	assert_int_equal(uid, 1);
	assert_int_equal(size, check->len);
	assert_int_equal(check->at, check->len);
	return true;
}

/* Byte for byte, whatever the bytes and whatever the pieces. */
static void test_fetch_large(void **state)
{
	struct rig *rig = *state;
	const size_t len = (5u << 20) + 12345;
	char *body = xmalloc(len);
	const struct mail_message message = {.size = 1};
	struct body_check check = {.body = body, .len = len};
	/* A message's id may be longer than what is compared. */
	char *id = xmalloc(4097);
	struct backend_want want = {.uid = 1, .message_id = id};
	const struct backend_fetch fetch = {"Ar.2023", 8, &want, 1};
	const struct backend_fetch_sink sink = {&check, check_body, check_done, NULL};

	memset(id, 'i', 4096);
	id[4096] = '\0';
	for (size_t i = 0; i < len; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	fake_message_put(rig->account, "Ar.2023", &message, body, len);
	for (size_t piece = 100001; piece < (3u << 20); piece *= 5) {
		check.at = 0;
		fake_set_piece(rig->account, piece);
		rig->client->ops->fetch(rig->client, &fetch, &sink, &rig->result);
		assert_status(rig, rig->result.status, BACKEND_OK);
		assert_int_equal(check.at, len);
	}
	free(body);
	free(id);
}

static void test_lost_in_body(void **state)
{
	struct rig *rig = *state;

	fake_script(rig->account,
		&(struct fake_fault){
			.call = FAKE_FETCH, .after = 5, .status = BACKEND_CONNECTION_LOST});
	assert_status(rig, rig_fetch(rig, "INBOX", 7, 1, 3), BACKEND_CONNECTION_LOST);
	assert_int_equal(rig->body.len, 5);
	assert_int_equal(rig->hangups, 1);
	assert_int_equal(client_pid(rig->client), 0);
}

/* Stops. */

static void test_stop_everywhere(void **state)
{
	struct rig *rig = *state;

	fake_set_batch(rig->account, 1);
	fake_message_set_status(rig->account, "INBOX", 3, BACKEND_MESSAGE_BAD);
	for (rig->stop_at = 0; rig->stop_at < 2; rig->stop_at++) {
		assert_status(rig, rig_list(rig), BACKEND_STOPPED);
		assert_int_equal(rig->told, rig->stop_at + 1);
	}
	/* begin, existing 1, surveyed, message 2, batch 2, message 3, batch 3 */
	for (rig->stop_at = 0; rig->stop_at < 7; rig->stop_at++) {
		assert_status(rig, rig_scan(rig, "INBOX", 7, 1, true), BACKEND_STOPPED);
		assert_int_equal(rig->told, rig->stop_at + 1);
	}
	/* data, done 1, done 2, data, failed 3, failed 4 */
	for (rig->stop_at = 0; rig->stop_at < 6; rig->stop_at++) {
		assert_status(rig, rig_fetch(rig, "INBOX", 7, 1, 4), BACKEND_STOPPED);
		assert_int_equal(rig->told, rig->stop_at + 1);
	}
	/* One that crossed the end of its call stops no other. */
	rig->stop_at = -1;
	assert_status(rig, rig_scan(rig, "INBOX", 7, 1, true), BACKEND_OK);
	assert_int_equal(rig->told, 7);
	assert_int_equal(rig->hangups, 0);
}

/* The other side hears of it long before it has told everything. */
static void test_stop_large(void **state)
{
	struct rig *rig = *state;
	struct mail_message message = {0};
	const size_t len = 64u << 20;
	char *body = xcalloc(1, len);

	fake_message_put(rig->account, "Ar.2023", &message, body, len);
	free(body);
	rig->stop_at = 0;
	assert_status(rig, rig_fetch(rig, "Ar.2023", 8, 1, 1), BACKEND_STOPPED);
	assert_int_equal(fake_message_fetches(rig->account, "Ar.2023", 1), 0);
	for (int i = 0; i < 20000; i++)
		fake_message_add(rig->account, "Ar.2023", "Subject", "");
	assert_status(rig, rig_scan(rig, "Ar.2023", 8, 0, false), BACKEND_STOPPED);
	assert_int_equal(rig->told, 1);
	rig->stop_at = -1;
	assert_status(rig, rig_list(rig), BACKEND_OK);
}

/* Cancelling. */

static void *cancel_when_blocked(void *ctx)
{
	struct rig *rig = ctx;

	assert_true(fake_wait_blocked(rig->account, 1, 10000));
	rig->client->ops->cancel(rig->client);
	return NULL;
}

static enum backend_status call(struct rig *rig, enum fake_call kind)
{
	switch (kind) {
	case FAKE_OPEN:
		return rig_open(rig);
	case FAKE_LIST:
		return rig_list(rig);
	case FAKE_SCAN:
		return rig_scan(rig, "INBOX", 7, 1, true);
	case FAKE_FETCH:
		return rig_fetch(rig, "INBOX", 7, 1, 3);
	case FAKE_VERIFY:
		return rig_verify(rig, &(struct backend_verify){.raw = "INBOX", .from_uid = 1});
	case FAKE_REMOVE:
		return rig_remove(rig, BACKEND_STEP_MARK, 1, 3);
	case FAKE_WAIT:
		return rig_wait(rig, 7, RIG_TIMEOUT_MS, -1);
	case FAKE_CALLS:
		break;
	}
	abort();
}

static void cancel_in(enum fake_call kind, uint64_t after)
{
	void *state;
	struct rig *rig;
	pthread_t thread;
	int64_t start;

	assert_int_equal(setup(&state), 0);
	rig = state;
	fake_set_caps(rig->account, BACKEND_CAP_IDLE);
	if (kind != FAKE_OPEN)
		assert_status(rig, rig_open(rig), BACKEND_OK);
	fake_script(rig->account,
		&(struct fake_fault){.call = kind, .after = after, .block = true});
	pthread_create(&thread, NULL, cancel_when_blocked, rig);
	start = clock_now_ms();
	assert_status(rig, call(rig, kind), BACKEND_CONNECTION_LOST);
	assert_false(rig->result.broke);
	assert_string_equal(rig->result.text, "The connection was no longer wanted");
	assert_true(clock_now_ms() - start < RIG_TIMEOUT_MS / 2);
	pthread_join(thread, NULL);
	assert_int_equal(rig->hangups, 1);
	/* And every later one. */
	assert_status(rig, rig_list(rig), BACKEND_CONNECTION_LOST);
	rig->client->ops->cancel(rig->client);
	teardown(&state);
}

static void test_cancel_while_waiting(void **state)
{
	cancel_in(FAKE_OPEN, 0);
	cancel_in(FAKE_LIST, 0);
	cancel_in(FAKE_LIST, 1);
	cancel_in(FAKE_SCAN, 0);
	cancel_in(FAKE_SCAN, 1);
	cancel_in(FAKE_FETCH, 0);
	cancel_in(FAKE_FETCH, 3);
	cancel_in(FAKE_VERIFY, 0);
	cancel_in(FAKE_VERIFY, 1);
	cancel_in(FAKE_REMOVE, 0);
	cancel_in(FAKE_REMOVE, 2);
	cancel_in(FAKE_WAIT, 0);
}

static void test_cancel_before_open(void **state)
{
	struct rig *rig = *state;
	struct fake_counts counts;

	rig->client->ops->cancel(rig->client);
	assert_status(rig, rig_open(rig), BACKEND_CONNECTION_LOST);
	fake_counts(rig->account, &counts);
	assert_int_equal(counts.created, 0);
}

static void test_cancel_between_calls(void **state)
{
	struct rig *rig = *state;

	rig->client->ops->cancel(rig->client);
	assert_status(rig, rig_list(rig), BACKEND_CONNECTION_LOST);
	assert_int_equal(rig->hangups, 1);
}

static void *cancel_now(void *ctx)
{
	struct rig *rig = ctx;

	rig->client->ops->cancel(rig->client);
	return NULL;
}

/* At any moment of a call, and of the hanging up after it. */
static void test_cancel_races(void **unused)
{
	for (int i = 0; i < 60; i++) {
		void *state;
		pthread_t thread;
		struct rig *rig;

		setup(&state);
		rig = state;
		pthread_create(&thread, NULL, cancel_now, rig);
		usleep((unsigned)(i * 7));
		if (rig_open(rig) == BACKEND_OK)
			rig_scan(rig, "INBOX", 0, 0, false);
		pthread_join(thread, NULL);
		assert_status(rig, rig_list(rig), BACKEND_CONNECTION_LOST);
		teardown(&state);
	}
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define with_open(test) cmocka_unit_test_setup_teardown(test, setup_open, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(test_open),
		with_rig(test_open_refused),
		cmocka_unit_test(test_no_process),
		with_open(test_list),
		with_open(test_scan),
		with_open(test_scan_narrowed),
		with_open(test_scan_broke),
		with_open(test_scan_survey),
		with_open(test_scan_many),
		with_open(test_scan_fields),
		with_open(test_folder_statuses),
		with_open(test_fetch),
		with_open(test_fetch_large),
		with_open(test_lost_in_body),
		with_open(test_stop_everywhere),
		with_open(test_stop_large),
		cmocka_unit_test(test_cancel_while_waiting),
		with_rig(test_cancel_before_open),
		with_open(test_cancel_between_calls),
		cmocka_unit_test(test_cancel_races),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
