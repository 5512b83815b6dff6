/*
 * test_channel.c - messages between supervisor and mail process, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <channel_p.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mail_p.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends[2];
static unsigned closed_in_vain;

/* Ours, to see what is closed that is not open: in a program with threads, that hits another's.
 */
int close(int fd)
{
	int result = (int)syscall(SYS_close, fd);

	closed_in_vain += result < 0;
	return result;
}

static int begin(void **state)
{
	struct error err;
	int result = channel_pair(ends, &err);

	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	return result;
}

static int end(void **state)
{
	close(ends[0]);
	return close(ends[1]);
}

static void test_there_and_back(void **state)
{
	struct channel_message out = {.kind = CHANNEL_DIAL, .serial = 7, .value = -3}, in;
	int passed = -1;

	strcpy(out.text, "hello");
	assert_int_equal(channel_receive(ends[1], &in, NULL), -EAGAIN);
	assert_int_equal(channel_send(ends[0], &out, -1), 0);
	assert_int_equal(channel_receive(ends[1], &in, &passed), 1);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(passed, -1);
}

static void test_descriptor(void **state)
{
	struct channel_message out = {.kind = CHANNEL_ANSWER}, in;
	int pipe_ends[2], passed = -1;
	char byte = 0;

	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	assert_int_equal(channel_send(ends[0], &out, pipe_ends[1]), 0);
	close(pipe_ends[1]);
	assert_int_equal(channel_receive(ends[1], &in, &passed), 1);
	assert_true(passed >= 0);
	assert_true(fcntl(passed, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(passed, "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	close(passed);

	/* Where none is wanted it does not come in: the pipe has no writer left. */
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(channel_send(ends[0], &out, pipe_ends[1]), 0);
	close(pipe_ends[1]);
	assert_int_equal(channel_receive(ends[1], &in, NULL), 1);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 0);
	close(pipe_ends[0]);
}

static void test_what_cannot_be(void **state)
{
	struct channel_message message = {.kind = CHANNEL_READY}, in;
	char larger[sizeof(message) + 1] = {CHANNEL_READY};

	assert_int_equal(send(ends[0], &message, sizeof(message) - 1, 0), sizeof(message) - 1);
	assert_int_equal(channel_receive(ends[1], &in, NULL), -EPROTO);
	assert_int_equal(send(ends[0], larger, sizeof(larger), 0), sizeof(larger));
	assert_int_equal(channel_receive(ends[1], &in, NULL), -EPROTO);
	message.kind = 0;
	channel_send(ends[0], &message, -1);
	assert_int_equal(channel_receive(ends[1], &in, NULL), -EPROTO);
	message.kind = CHANNEL_ANSWER + 1;
	channel_send(ends[0], &message, -1);
	assert_int_equal(channel_receive(ends[1], &in, NULL), -EPROTO);
	message.kind = CHANNEL_READY;
	memset(message.text, 'x', sizeof(message.text));
	channel_send(ends[0], &message, -1);
	assert_int_equal(channel_receive(ends[1], &in, NULL), -EPROTO);
}

static void test_end(void **state)
{
	struct channel_message message;

	shutdown(ends[0], SHUT_RDWR);
	assert_int_equal(channel_receive(ends[1], &message, NULL), 0);
}

/* Its descriptor is closed, and closed once, whatever comes next. */
static void test_answer_too_late(void **state)
{
	const struct channel_message late = {.kind = CHANNEL_ANSWER, .serial = 77, .value = 5};
	struct mail_channel channel;
	int pipe_ends[2], pid = 0;
	struct error err;
	char byte;

	mail_channel_init(&channel, ends[1]);
	channel.timeout_ms = 50;
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(channel_send(ends[0], &late, pipe_ends[1]), 0);
	close(pipe_ends[1]);
	closed_in_vain = 0;
	assert_int_equal(mail_channel_dial(&channel, &pid, &err), -ETIMEDOUT);
	assert_int_equal(closed_in_vain, 0);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 0);
	close(pipe_ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, begin, end),
		cmocka_unit_test_setup_teardown(test_descriptor, begin, end),
		cmocka_unit_test_setup_teardown(test_what_cannot_be, begin, end),
		cmocka_unit_test_setup_teardown(test_end, begin, end),
		cmocka_unit_test_setup_teardown(test_answer_too_late, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
