/*
 * test_client_known.c - scans of a server whose UIDs are scattered: what is known crosses the
 * channel whole, and of what comes back only what makes sense gets past the client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "child_internal_p.h"
#include <cmocka.h>
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/wire/client.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
	struct backend backend; /* first; what the wire process has */
	void (*tell)(const struct backend_scan *scan, const struct backend_scan_sink *sink);
	uint32_t caps;
	int channel;
	pthread_t thread;
	struct backend *client;
	struct backend_result result;
	struct buf heard;
	size_t existing;
	bool hung_up;
};

/* The wire process. */

static void process_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	*server_out =
		(struct backend_server){.caps = ((struct rig *)backend)->caps, .name = "host"};
	backend_result_ok(result);
}

static void process_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	const struct backend_folder_state state = {.epoch = 1, .exists = 3};

	sink->begin(sink->ctx, &state);
	((struct rig *)backend)->tell(scan, sink);
	backend_result_ok(result);
}

static void process_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result)
{
	const struct backend_folder_state state = {.epoch = 1, .exists = 3};
	const struct backend_identity identity = {
		.uid = verify->uids[0], .known = true, .size = 5, .uidl = "the/uidl"};

	sink->begin(sink->ctx, &state);
	sink->found(sink->ctx, &identity);
	backend_result_ok(result);
}

static const struct backend_ops process_ops = {
	.open = process_open, .scan = process_scan, .verify = process_verify};

static void *process_run(void *ctx)
{
	struct rig *rig = ctx;
	struct child *child = child_create(rig->channel);

	child_serve(child, &rig->backend);
	child_destroy(child);
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

	rig->hung_up = true;
	pthread_join(rig->thread, NULL);
}

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	return true;
}

static bool on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct rig *rig = ctx;

	rig->existing++;
	buf_printf(&rig->heard, "have %u|", uid);
	return true;
}

static bool on_surveyed(void *ctx)
{
	struct rig *rig = ctx;

	buf_append_str(&rig->heard, "all|");
	return true;
}

static bool on_message(void *ctx, const struct mail_message *message)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "new %u %s%s|", message->uid,
		message->uidl ? message->uidl : "-", message->twin ? " twin" : "");
	return true;
}

static bool on_batch(void *ctx, uint32_t through)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "upto %u|", through);
	return true;
}

static void rig_open(struct rig *rig, uint32_t caps)
{
	const struct client_dialer dialer = {rig, rig_dial, rig_hangup};
	struct backend_server server;

	*rig = (struct rig){.backend = {&process_ops}, .caps = caps};
	rig->client = client_create(&dialer, 20000);
	rig->client->ops->open(rig->client, &server, &rig->result);
	assert_int_equal(rig->result.status, BACKEND_OK);
	assert_int_equal(server.caps, caps);
}

static void rig_close(struct rig *rig)
{
	rig->client->ops->close(rig->client);
	assert_true(rig->hung_up);
	buf_finish(&rig->heard);
}

static void rig_scan(struct rig *rig, const uint32_t *known, size_t count, bool survey)
{
	const struct backend_scan scan = {.raw = "INBOX",
		.epoch = 1,
		.survey = survey,
		.known = known,
		.known_count = count};
	const struct backend_scan_sink sink = {
		rig, on_begin, on_existing, on_surveyed, on_message, on_batch};

	buf_clear(&rig->heard);
	buf_reserve(&rig->heard, 1);
	rig->heard.data[0] = '\0';
	rig->client->ops->scan(rig->client, &scan, &sink, &rig->result);
}

static void say(const struct backend_scan_sink *sink, uint32_t uid)
{
	const struct mail_message message = {.uid = uid};

	sink->message(sink->ctx, &message);
}

/* What is known: 3, 5, 9. rule NULL: all is well. */
static void expect(void (*tell)(const struct backend_scan *, const struct backend_scan_sink *),
	bool survey, const char *rule, const char *heard)
{
	static const uint32_t known[] = {3, 5, 9};
	struct rig rig;

	rig_open(&rig, BACKEND_CAP_BRIEF | BACKEND_CAP_SCATTERED | BACKEND_CAP_NO_UIDL);
	rig.tell = tell;
	rig_scan(&rig, known, 3, survey);
	if (rule && !strstr(rig.result.text, rule))
		fail_msg("\"%s\" does not tell \"%s\"", rig.result.text, rule);
	assert_int_equal(rig.result.status, rule ? BACKEND_CONNECTION_LOST : BACKEND_OK);
	if (heard)
		assert_string_equal(rig.heard.data, heard);
	rig_close(&rig);
}

static void tell_all(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	char uidl[] = "a b";
	const struct mail_message twin = {.uid = 7, .uidl = uidl, .twin = 1};

	sink->existing(sink->ctx, 3, 0);
	sink->existing(sink->ctx, 9, 0);
	sink->surveyed(sink->ctx);
	say(sink, 1);
	sink->batch(sink->ctx, 1);
	say(sink, 5); /* another one than it was */
	sink->message(sink->ctx, &twin);
	say(sink, 4000000000u);
	sink->batch(sink->ctx, 4000000000u);
}

static void tell_without_end(
	const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	sink->existing(sink->ctx, 5, 0);
	say(sink, 4);
	sink->batch(sink->ctx, 4);
}

static void tell_news(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	say(sink, 3);
	say(sink, 10);
	sink->batch(sink->ctx, 10);
}

static void test_what_may_be_told(void **state)
{
	expect(tell_all, true, NULL,
		"have 3|have 9|all|new 1 -|upto 1|new 5 -|new 7 a b twin|new 4000000000 -|"
		"upto 4000000000|");
	expect(tell_without_end, true, NULL, "have 5|new 4 -|upto 4|");
	expect(tell_news, false, NULL, "new 3 -|new 10 -|upto 10|");
}

static void tell_unknown(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	sink->existing(sink->ctx, 4, 0);
}

static void tell_descending(
	const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	sink->existing(sink->ctx, 5, 0);
	sink->existing(sink->ctx, 3, 0);
}

static void tell_twice(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	sink->existing(sink->ctx, 5, 0);
	sink->surveyed(sink->ctx);
	say(sink, 5);
}

static void tell_late(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	say(sink, 4);
	sink->existing(sink->ctx, 5, 0);
}

static void tell_end_late(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	say(sink, 4);
	sink->batch(sink->ctx, 4);
	sink->surveyed(sink->ctx);
}

static void tell_no_batch(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	say(sink, 4);
}

static void test_what_may_not(void **state)
{
	expect(tell_unknown, true, "names what was known", "");
	expect(tell_descending, true, "a survey ascends", "have 5|");
	expect(tell_twice, true, "were not known", "have 5|all|");
	expect(tell_late, true, "and once", "new 4 -|");
	expect(tell_end_late, true, "and once", "new 4 -|upto 4|");
	expect(tell_no_batch, true, "all of it was told", "new 4 -|");
	expect(tell_all, false, "when asked for", "");
}

/* An empty frame of known UIDs for a survey that is over. */
static void tell_known(const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	for (size_t i = 0; i < scan->known_count; i++)
		if (scan->known[i] != 7 + i * 3 ||
			!sink->existing(sink->ctx, scan->known[i], 0))
			return;
	sink->surveyed(sink->ctx);
}

static void test_a_large_maildrop(void **state)
{
	const size_t count = 2 * FRAME_KNOWN_UIDS + 17;
	uint32_t *known = xcalloc(count, sizeof(*known));
	struct rig rig;

	for (size_t i = 0; i < count; i++)
		known[i] = (uint32_t)(7 + i * 3);
	rig_open(&rig, BACKEND_CAP_SCATTERED);
	rig.tell = tell_known;
	rig_scan(&rig, known, count, true);
	assert_string_equal(rig.result.text, "");
	assert_int_equal(rig.existing, count);
	assert_true(rig.heard.len > 4);
	assert_string_equal(rig.heard.data + rig.heard.len - 5, "|all|");
	/* And nothing of it stays behind. */
	rig_scan(&rig, known, 2, true);
	assert_string_equal(rig.heard.data, "have 7|have 10|all|");
	rig_scan(&rig, NULL, 0, true);
	assert_string_equal(rig.heard.data, "all|");
	free(known);
	rig_close(&rig);
}

static bool on_found(void *ctx, const struct backend_identity *identity)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "%u %s", identity->uid, identity->uidl);
	return true;
}

static void test_identity_has_the_uidl(void **state)
{
	static const uint32_t uids[] = {5};
	const struct backend_verify verify = {
		.raw = "INBOX", .epoch = 1, .uids = uids, .count = 1, .identify = true};
	const struct backend_verify_sink sink = {.begin = on_begin, .found = on_found};
	struct backend_verify_sink own = sink;
	struct rig rig;

	rig_open(&rig, BACKEND_CAP_SCATTERED);
	own.ctx = &rig;
	rig.client->ops->verify(rig.client, &verify, &own, &rig.result);
	assert_string_equal(rig.result.text, "");
	assert_string_equal(rig.heard.data, "5 the/uidl");
	rig_close(&rig);
}

/* Requests that cannot be: the process ends. */

static void expect_end(const uint32_t *words, size_t count, uint32_t promised)
{
	struct rig rig = {.backend = {&process_ops}, .tell = tell_known};
	struct frame_writer writer;
	struct frame frame;
	struct frame_reader reader;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	rig.channel = fds[1];
	frame_writer_init(&writer, fds[0]);
	frame_reader_init(&reader, fds[0]);
	frame_begin(&writer, FRAME_OPEN);
	frame_end(&writer);
	frame_begin(&writer, FRAME_KNOWN);
	for (size_t i = 0; i < count; i++)
		frame_put_u32(&writer, words[i]);
	frame_end(&writer);
	frame_begin(&writer, FRAME_SCAN);
	frame_put_str(&writer, "INBOX");
	frame_put_u64(&writer, 1);
	frame_put_u32(&writer, 0);
	frame_put_u8(&writer, true);
	frame_put_u32(&writer, 0);
	frame_put_u8(&writer, false);
	frame_put_u32(&writer, promised);
	frame_end(&writer);
	pthread_create(&rig.thread, NULL, process_run, &rig);
	assert_int_equal(frame_flush(&writer, 5000), 0);
	assert_int_equal(frame_read(&reader, &frame, 5000), 1);
	assert_int_equal(frame.type, FRAME_SERVER);
	assert_int_equal(frame_read(&reader, &frame, 5000), 1);
	assert_int_equal(frame.type, FRAME_RESULT);
	assert_int_equal(frame_read(&reader, &frame, 5000), -EPIPE);
	pthread_join(rig.thread, NULL);
	frame_writer_finish(&writer);
	frame_reader_finish(&reader);
	close(fds[0]);
}

static void test_requests_that_cannot_be(void **state)
{
	static const uint32_t none[] = {0}, zero[] = {1, 0}, down[] = {2, 5, 4},
			      many[] = {3, 1, 2}, few[] = {1, 1, 2}, good[] = {2, 1, 2},
			      huge[] = {UINT32_MAX, 1};

	expect_end(none, 1, 0);
	expect_end(zero, 2, 1);
	expect_end(down, 3, 2);
	expect_end(many, 3, 3);
	expect_end(few, 3, 1);
	expect_end(huge, 2, 1);
	expect_end(good, 3, 1);
	expect_end(good, 3, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_may_be_told),
		cmocka_unit_test(test_what_may_not),
		cmocka_unit_test(test_a_large_maildrop),
		cmocka_unit_test(test_identity_has_the_uidl),
		cmocka_unit_test(test_requests_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
