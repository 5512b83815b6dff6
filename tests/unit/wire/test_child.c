/*
 * test_child.c - child_serve by hand: requests that cannot be, a mail process that goes away,
 * and signs of life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "child_p.h"
#include "fake_backend.h"
#include "frame_p.h"
#include <cmocka.h>
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
	struct fake_account *account;
	struct backend *backend;
	int channel; /* the process's end, closed when it is done */
	int fd;	     /* ours */
	pthread_t thread;
	bool joined;
	struct child *child; /* while it serves */
	struct frame_writer writer;
	struct frame_reader reader;
};

static void *serve(void *ctx)
{
	struct rig *rig = ctx;

	child_serve(rig->child, rig->backend);
	shutdown(rig->channel, SHUT_RDWR);
	return NULL;
}

static struct rig *rig_create(struct backend *backend)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	rig->account = fake_account_create();
	rig->backend = backend ? backend : fake_backend_create(rig->account);
	rig->fd = fds[0];
	rig->channel = fds[1];
	rig->child = child_create(rig->channel);
	frame_writer_init(&rig->writer, rig->fd);
	frame_reader_init(&rig->reader, rig->fd);
	pthread_create(&rig->thread, NULL, serve, rig);
	return rig;
}

static void rig_join(struct rig *rig)
{
	if (!rig->joined)
		pthread_join(rig->thread, NULL);
	rig->joined = true;
}

static void rig_destroy(struct rig *rig)
{
	shutdown(rig->fd, SHUT_RDWR);
	rig_join(rig);
	rig->backend->ops->close(rig->backend);
	child_destroy(rig->child);
	fake_account_destroy(rig->account);
	frame_writer_finish(&rig->writer);
	frame_reader_finish(&rig->reader);
	close(rig->fd);
	close(rig->channel);
	free(rig);
}

static int setup(void **state)
{
	*state = rig_create(NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

static void ask(struct rig *rig, enum frame_type type)
{
	frame_begin(&rig->writer, type);
	frame_end(&rig->writer);
	assert_int_equal(frame_flush(&rig->writer, 5000), 0);
}

/* The status of the next result; what comes before it is counted. */
static int result(struct rig *rig, enum frame_type type, unsigned *count_out)
{
	struct frame frame;

	*count_out = 0;
	while (frame_read(&rig->reader, &frame, 10000) == 1) {
		if (frame.type == FRAME_RESULT)
			return frame_get_u8(&frame);
		*count_out += frame.type == type;
	}
	return -1;
}

static void open_it(struct rig *rig)
{
	unsigned servers;

	ask(rig, FRAME_OPEN);
	assert_int_equal(result(rig, FRAME_SERVER, &servers), BACKEND_OK);
	assert_int_equal(servers, 1);
}

/* It ends, and says nothing more. */
static void ends(struct rig *rig)
{
	struct frame frame;

	assert_int_equal(frame_read(&rig->reader, &frame, 10000), -EPIPE);
	rig_join(rig);
}

static void test_call_before_open(void **state)
{
	ask(*state, FRAME_LIST);
	ends(*state);
}

static void test_open_twice(void **state)
{
	open_it(*state);
	ask(*state, FRAME_OPEN);
	ends(*state);
}

static void test_answer_as_request(void **state)
{
	open_it(*state);
	ask(*state, FRAME_RESULT);
	ends(*state);
}

static void test_request_too_short(void **state)
{
	open_it(*state);
	ask(*state, FRAME_SCAN);
	ends(*state);
}

static void test_request_too_long(void **state)
{
	struct rig *rig = *state;

	open_it(rig);
	frame_begin(&rig->writer, FRAME_LIST);
	frame_put_u8(&rig->writer, 0);
	frame_end(&rig->writer);
	frame_flush(&rig->writer, 5000);
	ends(rig);
}

static void fetch_count(struct rig *rig, uint32_t count)
{
	open_it(rig);
	frame_begin(&rig->writer, FRAME_FETCH);
	frame_put_str(&rig->writer, "INBOX");
	frame_put_u64(&rig->writer, 1);
	frame_put_u32(&rig->writer, count);
	for (uint32_t i = 0; i < count; i++) {
		frame_put_u32(&rig->writer, i + 1);
		frame_put_str(&rig->writer, NULL);
		frame_put_str(&rig->writer, NULL);
		frame_put_u64(&rig->writer, 0);
	}
	frame_end(&rig->writer);
	frame_flush(&rig->writer, 5000);
}

static void test_fetch_nothing(void **state)
{
	fetch_count(*state, 0);
	ends(*state);
}

static void test_fetch_too_many(void **state)
{
	fetch_count(*state, BACKEND_FETCH_MAX + 1);
	ends(*state);
}

static void test_fetch_most(void **state)
{
	struct rig *rig = *state;
	unsigned failed;

	fake_folder_add(rig->account, "INBOX", NULL, 0, 1);
	fetch_count(rig, BACKEND_FETCH_MAX);
	assert_int_equal(result(rig, FRAME_BODY_FAILED, &failed), BACKEND_OK);
	assert_int_equal(failed, BACKEND_FETCH_MAX);
}

/* A removal of so many UIDs, from first on, or of first again and again. */
static void remove_what(struct rig *rig, uint8_t step, const char *to, uint32_t count,
	uint32_t first, bool ascending)
{
	fake_folder_add(rig->account, "INBOX", NULL, 0, 1);
	fake_folder_add(rig->account, "Trash", NULL, 0, 1);
	open_it(rig);
	frame_begin(&rig->writer, FRAME_REMOVE);
	frame_put_u8(&rig->writer, step);
	frame_put_str(&rig->writer, "INBOX");
	frame_put_u64(&rig->writer, 1);
	frame_put_str(&rig->writer, to);
	frame_put_u32(&rig->writer, count);
	for (uint32_t i = 0; i < count; i++)
		frame_put_u32(&rig->writer, first + (ascending ? i : 0));
	frame_end(&rig->writer);
	frame_flush(&rig->writer, 5000);
}

static void test_remove_most(void **state)
{
	unsigned told;

	remove_what(*state, BACKEND_STEP_MOVE, "Trash", BACKEND_REMOVE_MAX, 1, true);
	assert_int_equal(result(*state, FRAME_ALIVE, &told), BACKEND_OK);
}

static void test_remove_too_many(void **state)
{
	remove_what(*state, BACKEND_STEP_MARK, NULL, BACKEND_REMOVE_MAX + 1, 1, true);
	ends(*state);
}

static void test_remove_nothing(void **state)
{
	remove_what(*state, BACKEND_STEP_MARK, NULL, 0, 1, true);
	ends(*state);
}

static void test_remove_uid_zero(void **state)
{
	remove_what(*state, BACKEND_STEP_MARK, NULL, 1, 0, true);
	ends(*state);
}

static void test_remove_same_twice(void **state)
{
	remove_what(*state, BACKEND_STEP_MARK, NULL, 2, 3, false);
	ends(*state);
}

static void test_remove_without_target(void **state)
{
	remove_what(*state, BACKEND_STEP_MOVE, NULL, 1, 1, true);
	ends(*state);
}

static void test_remove_unwanted_target(void **state)
{
	remove_what(*state, BACKEND_STEP_EXPUNGE, "Trash", 1, 1, true);
	ends(*state);
}

static void test_remove_step_unknown(void **state)
{
	remove_what(*state, BACKEND_STEP_EXPUNGE_ALL + 1, NULL, 1, 1, true);
	ends(*state);
}

static void test_verify_descending(void **state)
{
	struct rig *rig = *state;

	open_it(rig);
	frame_begin(&rig->writer, FRAME_VERIFY);
	frame_put_str(&rig->writer, "INBOX");
	frame_put_u64(&rig->writer, 1);
	frame_put_u32(&rig->writer, 0);
	frame_put_u8(&rig->writer, 0);
	frame_put_u8(&rig->writer, 0);
	frame_put_u8(&rig->writer, 0);
	frame_put_u8(&rig->writer, 0);
	frame_put_u32(&rig->writer, 2);
	frame_put_u32(&rig->writer, 5);
	frame_put_u32(&rig->writer, 3);
	frame_end(&rig->writer);
	frame_flush(&rig->writer, 5000);
	ends(rig);
}

static void wait_for(struct rig *rig, const char *raw, bool more)
{
	open_it(rig);
	frame_begin(&rig->writer, FRAME_WAIT);
	frame_put_str(&rig->writer, raw);
	frame_put_u64(&rig->writer, 1);
	frame_put_u32(&rig->writer, 60000);
	if (more)
		frame_put_u8(&rig->writer, 0);
	frame_end(&rig->writer);
	frame_flush(&rig->writer, 5000);
}

static void test_wait_for_nothing(void **state)
{
	wait_for(*state, NULL, false);
	ends(*state);
}

static void test_wait_too_long(void **state)
{
	wait_for(*state, "INBOX", true);
	ends(*state);
}

/* The wait is over at once, whether the stop came with it or later; then it goes on. */
static void test_wait_stopped(void **state)
{
	struct rig *rig = *state;
	unsigned news;

	fake_set_caps(rig->account, BACKEND_CAP_IDLE);
	fake_folder_add(rig->account, "INBOX", NULL, 0, 1);
	wait_for(rig, "INBOX", false);
	assert_true(fake_wait_idling(rig->account, 1, 10000));
	ask(rig, FRAME_STOP);
	assert_int_equal(result(rig, FRAME_NEWS, &news), BACKEND_OK);
	assert_int_equal(news, 0);
	ask(rig, FRAME_LIST);
	assert_int_equal(result(rig, FRAME_FOLDER, &news), BACKEND_OK);
	assert_int_equal(news, 1);
}

/* A stop that crossed the end of its call concerns no other. */
static void test_stop_between_calls(void **state)
{
	struct rig *rig = *state;
	unsigned folders;

	fake_folder_add(rig->account, "INBOX", NULL, 0, 1);
	open_it(rig);
	ask(rig, FRAME_STOP);
	ask(rig, FRAME_LIST);
	assert_int_equal(result(rig, FRAME_FOLDER, &folders), BACKEND_OK);
	assert_int_equal(folders, 1);
}

static void test_lost_ends(void **state)
{
	struct rig *rig = *state;
	unsigned folders;

	open_it(rig);
	fake_fail(rig->account, FAKE_LIST, BACKEND_CONNECTION_LOST, 0);
	ask(rig, FRAME_LIST);
	assert_int_equal(result(rig, FRAME_FOLDER, &folders), BACKEND_CONNECTION_LOST);
	ends(rig);
}

/* With a body under way that fits no buffer. */
static void test_mail_process_gone(void **state)
{
	struct rig *rig = *state;
	const struct mail_message message = {0};
	char *body = xcalloc(1, 8u << 20);

	fake_folder_add(rig->account, "INBOX", NULL, 0, 1);
	fake_message_put(rig->account, "INBOX", &message, body, 8u << 20);
	free(body);
	fetch_count(rig, 1);
	assert_true(fake_wait_calls(rig->account, FAKE_FETCH, 1, 10000));
	shutdown(rig->fd, SHUT_RDWR);
	rig_join(rig);
	assert_int_equal(fake_message_fetches(rig->account, "INBOX", 1), 0);
}

/* A backend that hears its server for a while without having anything to tell. */

struct slow {
	struct backend backend;
	struct rig *rig;
};

static void slow_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	*server_out = (struct backend_server){.name = "slow"};
	backend_result_ok(result);
}

static void slow_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	struct slow *slow = (struct slow *)backend;
	int64_t end = clock_now_ms() + 2500;
	bool stopped = false;

	while (!stopped && clock_now_ms() < end) {
		usleep(20000);
		stopped = child_stop_wanted(slow->rig->child);
	}
	backend_result_set(result, stopped ? BACKEND_STOPPED : BACKEND_OK, "%s", "");
}

static void slow_close(struct backend *backend)
{
}

static const struct backend_ops slow_ops = {
	.open = slow_open, .list = slow_list, .close = slow_close};

static void test_alive(void **state)
{
	struct slow slow = {.backend = {&slow_ops}};
	struct rig *rig = rig_create(&slow.backend);
	unsigned alive;

	slow.rig = rig;
	open_it(rig);
	ask(rig, FRAME_LIST);
	assert_int_equal(result(rig, FRAME_ALIVE, &alive), BACKEND_OK);
	assert_true(alive >= 1 && alive <= 2);
	/* A stop is heard meanwhile. */
	ask(rig, FRAME_LIST);
	ask(rig, FRAME_STOP);
	assert_int_equal(result(rig, FRAME_ALIVE, &alive), BACKEND_STOPPED);
	assert_int_equal(alive, 0);
	rig_destroy(rig);
}

/* A backend that has no wait at all. */
static void test_wait_unknown(void **state)
{
	struct slow slow = {.backend = {&slow_ops}};
	struct rig *rig = rig_create(&slow.backend);
	unsigned news;

	slow.rig = rig;
	wait_for(rig, "INBOX", false);
	assert_int_equal(result(rig, FRAME_NEWS, &news), BACKEND_REFUSED);
	assert_int_equal(news, 0);
	rig_destroy(rig);
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(test_call_before_open),
		with_rig(test_open_twice),
		with_rig(test_answer_as_request),
		with_rig(test_request_too_short),
		with_rig(test_request_too_long),
		with_rig(test_fetch_nothing),
		with_rig(test_fetch_too_many),
		with_rig(test_fetch_most),
		with_rig(test_remove_most),
		with_rig(test_remove_too_many),
		with_rig(test_remove_nothing),
		with_rig(test_remove_uid_zero),
		with_rig(test_remove_same_twice),
		with_rig(test_remove_without_target),
		with_rig(test_remove_unwanted_target),
		with_rig(test_remove_step_unknown),
		with_rig(test_verify_descending),
		with_rig(test_wait_for_nothing),
		with_rig(test_wait_too_long),
		with_rig(test_wait_stopped),
		with_rig(test_stop_between_calls),
		with_rig(test_lost_ends),
		with_rig(test_mail_process_gone),
		cmocka_unit_test(test_alive),
		cmocka_unit_test(test_wait_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
