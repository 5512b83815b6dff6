/*
 * test_frame.c - frames over a socketpair: what comes in pieces, what cannot be, what is too
 * much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

struct pair {
	int fds[2];
	struct frame_writer writer; /* over fds[0] */
	struct frame_reader reader; /* over fds[1] */
};

static int setup(void **state)
{
	struct pair *pair = xcalloc(1, sizeof(*pair));

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair->fds), 0);
	frame_writer_init(&pair->writer, pair->fds[0]);
	frame_reader_init(&pair->reader, pair->fds[1]);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	frame_writer_finish(&pair->writer);
	frame_reader_finish(&pair->reader);
	close(pair->fds[0]);
	close(pair->fds[1]);
	free(pair);
	return 0;
}

static void test_every_kind(void **state)
{
	struct pair *pair = *state;
	struct frame frame;
	const void *data;
	size_t len;
	char *text;

	frame_begin(&pair->writer, FRAME_SCAN);
	frame_put_u8(&pair->writer, 200);
	frame_put_u32(&pair->writer, 0xfffffffe);
	frame_put_u64(&pair->writer, 0x123456789abcdef0);
	frame_put_str(&pair->writer, "text");
	frame_put_str(&pair->writer, NULL);
	frame_put_str(&pair->writer, "");
	frame_put_bytes(&pair->writer, "a\0b", 3);
	frame_end(&pair->writer);
	frame_begin(&pair->writer, FRAME_LIST);
	frame_end(&pair->writer);
	assert_int_equal(frame_flush(&pair->writer, 1000), 0);

	assert_false(frame_ready(&pair->reader));
	assert_int_equal(frame_read(&pair->reader, &frame, 1000), 1);
	assert_int_equal(frame.type, FRAME_SCAN);
	assert_int_equal(frame_get_u8(&frame), 200);
	assert_int_equal(frame_get_u32(&frame), 0xfffffffe);
	assert_int_equal(frame_get_u64(&frame), 0x123456789abcdef0);
	text = frame_get_str(&frame, 4);
	assert_string_equal(text, "text");
	free(text);
	assert_null(frame_get_str(&frame, 4));
	assert_false(frame.broken);
	text = frame_get_str(&frame, 0);
	assert_string_equal(text, "");
	free(text);
	assert_false(frame_at_end(&frame));
	data = frame_get_bytes(&frame, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 3);
	assert_true(frame_at_end(&frame));

	assert_true(frame_ready(&pair->reader));
	assert_int_equal(frame_read(&pair->reader, &frame, 0), 1);
	assert_int_equal(frame.type, FRAME_LIST);
	assert_true(frame_at_end(&frame));
	assert_int_equal(frame_read(&pair->reader, &frame, 0), 0);
}

/* A get past the end is zero, and so is everything after it. */
static void test_past_the_end(void **state)
{
	const uint8_t data[] = {1, 0, 0, 0, 5, 0};
	struct frame frame = {.data = data, .len = 6};
	size_t len;

	assert_int_equal(frame_get_u32(&frame), 1);
	assert_int_equal(frame_get_u32(&frame), 0);
	assert_true(frame.broken);
	assert_int_equal(frame_get_u8(&frame), 0);
	assert_null(frame_get_str(&frame, 100));
	assert_null(frame_get_bytes(&frame, &len));
	assert_int_equal(len, 0);
	assert_false(frame_at_end(&frame));
}

/* Whether a string with this length and content is taken, of at most 5 bytes. */
static bool str_taken(uint32_t claimed, const char *content, size_t len)
{
	uint8_t data[16];
	struct frame frame = {.data = data, .len = 4 + len};
	char *text;

	memcpy(data, &claimed, 4);
	memcpy(data + 4, content, len);
	text = frame_get_str(&frame, 5);
	free(text);
	assert_true(text || frame.broken);
	return text != NULL;
}

static void test_bad_strings(void **state)
{
	assert_true(str_taken(5, "12345", 5));
	assert_false(str_taken(6, "12345", 5));
	assert_false(str_taken(6, "123456", 6));
	assert_false(str_taken(5, "12\00045", 5));
	assert_false(str_taken(0xfffffffe, "12345", 5));
	assert_false(str_taken(0x80000005, "12345", 5));
}

static void send_raw(struct pair *pair, const void *data, size_t len)
{
	assert_int_equal(send(pair->fds[0], data, len, MSG_NOSIGNAL), len);
}

static void test_byte_by_byte(void **state)
{
	const uint8_t bytes[] = {2, 0, 0, 0, FRAME_BATCH, 'h', 'i', 0, 0, 0, 0, FRAME_RESULT};
	struct pair *pair = *state;
	struct frame frame;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		send_raw(pair, bytes + i, 1);
		if (i == 6) {
			assert_int_equal(frame_read(&pair->reader, &frame, 0), 1);
			assert_int_equal(frame.type, FRAME_BATCH);
			assert_memory_equal(frame.data, "hi", 2);
		} else if (i < sizeof(bytes) - 1) {
			assert_int_equal(frame_read(&pair->reader, &frame, 0), 0);
		}
	}
	assert_int_equal(frame_read(&pair->reader, &frame, 0), 1);
	assert_int_equal(frame.type, FRAME_RESULT);
}

static void head_is(void **state, uint32_t length, uint8_t type, int wanted)
{
	struct pair *pair = *state;
	struct frame frame;

	send_raw(pair, &length, sizeof(length));
	send_raw(pair, &type, 1);
	assert_int_equal(frame_read(&pair->reader, &frame, 0), wanted);
	/* And for good: nothing is read on from the middle. */
	assert_int_equal(frame_read(&pair->reader, &frame, 0), wanted);
	assert_true(pair->reader.in.cap < 2 * FRAME_PAYLOAD_MAX);
}

static void test_too_long(void **state)
{
	head_is(state, FRAME_PAYLOAD_MAX + 1, FRAME_RESULT, -EPROTO);
}

static void test_much_too_long(void **state)
{
	head_is(state, UINT32_MAX, FRAME_RESULT, -EPROTO);
}

static void test_longest_waits(void **state)
{
	head_is(state, FRAME_PAYLOAD_MAX, FRAME_RESULT, 0);
}

static void test_type_zero(void **state)
{
	head_is(state, 0, 0, -EPROTO);
}

static void test_type_unknown(void **state)
{
	head_is(state, 0, FRAME_RESULT + 1, -EPROTO);
}

static void test_type_between(void **state)
{
	head_is(state, 0, FRAME_STOP + 1, -EPROTO);
}

static void test_end_of_file(void **state)
{
	const uint8_t half[] = {9, 0, 0, 0, FRAME_BATCH, 1, 2};
	struct pair *pair = *state;
	struct frame frame;

	send_raw(pair, half, sizeof(half));
	shutdown(pair->fds[0], SHUT_WR);
	assert_int_equal(frame_read(&pair->reader, &frame, 1000), -EPIPE);
}

static void test_time_out(void **state)
{
	struct pair *pair = *state;
	struct frame frame;
	int64_t start = clock_now_ms();

	assert_int_equal(frame_read(&pair->reader, &frame, 60), 0);
	assert_true(clock_now_ms() - start >= 60);
}

/* Nobody reads: the socket's buffer fills, and the time is up. */
static void test_flush_time_out(void **state)
{
	struct pair *pair = *state;
	char *data = xcalloc(1, FRAME_PAYLOAD_MAX - 4);

	for (int i = 0; i < 8; i++) {
		frame_begin(&pair->writer, FRAME_BODY_DATA);
		frame_put_bytes(&pair->writer, data, FRAME_PAYLOAD_MAX - 4);
		frame_end(&pair->writer);
	}
	assert_int_equal(frame_flush(&pair->writer, 50), -ETIMEDOUT);
	free(data);
}

/* No SIGPIPE either. */
static void test_flush_nobody_there(void **state)
{
	struct pair *pair = *state;

	shutdown(pair->fds[1], SHUT_RDWR);
	frame_begin(&pair->writer, FRAME_LIST);
	frame_end(&pair->writer);
	assert_int_equal(frame_flush(&pair->writer, -1), -EPIPE);
}

static void *read_all(void *ctx)
{
	struct pair *pair = ctx;
	struct frame frame;
	uint32_t next = 0;

	while (frame_read(&pair->reader, &frame, 10000) == 1 && frame.type != FRAME_RESULT) {
		size_t len;
		const uint8_t *data = frame_get_bytes(&frame, &len);

		if (len != next % 70000 + 1 || data[0] != (uint8_t)next ||
			data[len - 1] != (uint8_t)next || !frame_at_end(&frame))
			return NULL;
		next++;
	}
	return (void *)(uintptr_t)next;
}

/* More than any buffer, in frames of many sizes. */
static void test_stream(void **state)
{
	struct pair *pair = *state;
	uint8_t *data = xmalloc(70001);
	pthread_t thread;
	void *count;

	pthread_create(&thread, NULL, read_all, pair);
	for (uint32_t i = 0; i < 1000; i++) {
		memset(data, (int)i, 70001);
		frame_begin(&pair->writer, FRAME_BODY_DATA);
		frame_put_bytes(&pair->writer, data, i % 70000 + 1);
		frame_end(&pair->writer);
		if (i % 7 == 0)
			assert_int_equal(frame_flush(&pair->writer, -1), 0);
	}
	frame_begin(&pair->writer, FRAME_RESULT);
	frame_end(&pair->writer);
	assert_int_equal(frame_flush(&pair->writer, -1), 0);
	pthread_join(thread, &count);
	assert_int_equal((uintptr_t)count, 1000);
	free(data);
}

#define with_pair(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_pair(test_every_kind),
		cmocka_unit_test(test_past_the_end),
		cmocka_unit_test(test_bad_strings),
		with_pair(test_byte_by_byte),
		with_pair(test_too_long),
		with_pair(test_much_too_long),
		with_pair(test_longest_waits),
		with_pair(test_type_zero),
		with_pair(test_type_unknown),
		with_pair(test_type_between),
		with_pair(test_end_of_file),
		with_pair(test_time_out),
		with_pair(test_flush_time_out),
		with_pair(test_flush_nobody_there),
		with_pair(test_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
