#include "pop3_dot_p.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Bytes of the answer; what follows them is the next one. */
struct answer {
	const char *sent;
	size_t sent_len;
	const char *meant;
	size_t meant_len;
	bool whole; /* it ends */
};

#define ANSWER(sent, meant)                                                                    \
	{                                                                                      \
		sent, sizeof(sent) - 1, meant, sizeof(meant) - 1, true                         \
	}
#define OPEN(sent, meant)                                                                      \
	{                                                                                      \
		sent, sizeof(sent) - 1, meant, sizeof(meant) - 1, false                        \
	}

static const struct answer answers[] = {
	ANSWER(".\r\n", ""),
	ANSWER("\r\n.\r\n", "\r\n"),
	ANSWER("a\r\n.\r\n", "a\r\n"),
	ANSWER("a\r\n..\r\n.\r\n", "a\r\n.\r\n"),
	ANSWER("..\r\n.\r\n", ".\r\n"),
	ANSWER("...\r\n....\r\n.\r\n", "..\r\n...\r\n"),
	ANSWER("..a\r\n.b\r\na.b\r\n.\r\n", ".a\r\nb\r\na.b\r\n"),
	/* NUL, and anything else that is not a line end. */
	ANSWER("a\0b\r\n\0.\r\n.\0\r\n.\r\n", "a\0b\r\n\0.\r\n\0\r\n"),
	ANSWER("\xff\x1a\r\n.\r\n", "\xff\x1a\r\n"),
	/* Bare CR ends nothing. */
	ANSWER("a\r.\r\n.\r\r\n\r\r\n..\r.\r\n.\r\n", "a\r.\r\n\r\r\n\r\r\n.\r.\r\n"),
	ANSWER("a\r\n.\r.\r\n.\r\n", "a\r\n\r.\r\n"),
	ANSWER("a\r\r\n.\r\n", "a\r\r\n"),
	/* Bare LF among CRLF ends no line: what a sender wrote ends no answer. */
	ANSWER("a\r\nb\n.\r\n+OK mine\r\n.\r\n", "a\r\nb\n.\r\n+OK mine\r\n"),
	ANSWER("a\r\nb\n.c\n..\n.\r\n\r\n.\r\n", "a\r\nb\n.c\n..\n.\r\n\r\n"),
	ANSWER("a\r\nb\n\r\n.\r\n", "a\r\nb\n\r\n"),
	/* A server that knows nothing but LF. */
	ANSWER("a\n..b\n.\n", "a\n.b\n"),
	ANSWER("a\n..b\r\n.\r\n", "a\n.b\r\n"),
	ANSWER("\n.\n", "\n"),
	/* A dot behind CRLF is the server's, whatever ends its line. */
	ANSWER("a\r\n.\n", "a\r\n"),
	ANSWER(".\n", ""),
	/* Not at its end yet. */
	OPEN("", ""),
	OPEN("a", "a"),
	OPEN("a\r\n", "a\r\n"),
	OPEN("a\r\n.", "a\r\n"),
	OPEN("a\r\n.\r", "a\r\n"),
	OPEN("a\r\nb\n.\r\n", "a\r\nb\n.\r\n"),
	OPEN("a.\r\n", "a.\r\n"),
};

static void check(
	const struct answer *answer, const struct pop3_dot *dot, const struct buf *out)
{
	assert_int_equal(dot->state == POP3_DOT_DONE, answer->whole);
	assert_int_equal(out->len, answer->meant_len);
	if (out->len)
		assert_memory_equal(out->data, answer->meant, out->len);
}

/* The pieces' ends; what is behind the answer must not be taken. */
static void feed(const struct answer *answer, size_t first, size_t second)
{
	const size_t ends[] = {first, second, answer->sent_len};
	struct pop3_dot dot = {0};
	struct buf out = BUF_INIT;
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		/* Memory of its own: the sanitizer sees a look beyond it. */
		size_t len = ends[i] - at;
		char *piece = malloc(len + 1);

		memcpy(piece, answer->sent + at, len);
		assert_int_equal(pop3_dot_feed(&dot, piece, len, &out), len);
		free(piece);
		at = ends[i];
	}
	if (answer->whole)
		assert_int_equal(pop3_dot_feed(&dot, "+OK\r\n", 5, &out), 0);
	check(answer, &dot, &out);
	buf_finish(&out);
}

static void test_every_split(void **state)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (size_t first = 0; first <= answers[i].sent_len; first++)
			for (size_t second = first; second <= answers[i].sent_len; second++)
				feed(&answers[i], first, second);
}

static void test_byte_by_byte(void **state)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct pop3_dot dot = {0};
		struct buf out = BUF_INIT;

		for (size_t at = 0; at < answers[i].sent_len; at++)
			assert_int_equal(pop3_dot_feed(&dot, answers[i].sent + at, 1, &out), 1);
		check(&answers[i], &dot, &out);
		buf_finish(&out);
	}
}

static void test_what_follows_is_left(void **state)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct pop3_dot dot = {0};
		struct buf in = BUF_INIT, out = BUF_INIT;

		if (!answers[i].whole)
			continue;
		buf_append(&in, answers[i].sent, answers[i].sent_len);
		buf_append_str(&in, "+OK next\r\n.\r\n");
		assert_int_equal(
			pop3_dot_feed(&dot, in.data, in.len, &out), answers[i].sent_len);
		check(&answers[i], &dot, &out);
		buf_finish(&in);
		buf_finish(&out);
	}
}

/* As a good server sends it: whatever the message, it comes out as it went in. */
static void stuff(const char *data, size_t len, struct buf *out)
{
	bool start = true;

	for (size_t i = 0; i < len; i++) {
		if (start && data[i] == '.')
			buf_append_char(out, '.');
		buf_append_char(out, data[i]);
		start = data[i] == '\n' && i && data[i - 1] == '\r';
	}
	buf_append_str(out, start ? ".\r\n" : "\r\n.\r\n");
}

/* All messages of up to seven bytes of these, behind a line that ends as all lines do. */
static void test_every_message(void **state)
{
	static const char bytes[] = {'.', '\r', '\n', 'x', '\0'};
	char message[16] = "h\r\n";

	for (size_t len = 0; len <= 7; len++) {
		size_t count = 1;

		for (size_t i = 0; i < len; i++)
			count *= sizeof(bytes);
		for (size_t n = 0; n < count; n++) {
			struct pop3_dot dot = {0};
			struct buf in = BUF_INIT, out = BUF_INIT;

			for (size_t i = 0, left = n; i < len; i++, left /= sizeof(bytes))
				message[3 + i] = bytes[left % sizeof(bytes)];
			stuff(message, 3 + len, &in);
			assert_int_equal(pop3_dot_feed(&dot, in.data, in.len, &out), in.len);
			assert_int_equal(dot.state, POP3_DOT_DONE);
			assert_true(out.len == 3 + len || out.len == 3 + len + 2);
			assert_memory_equal(out.data, message, 3 + len);
			buf_finish(&in);
			buf_finish(&out);
		}
	}
}

static void test_long_lines(void **state)
{
	const size_t len = 5u << 20;
	struct pop3_dot dot = {0};
	struct buf in = BUF_INIT, out = BUF_INIT;

	buf_reserve(&in, len);
	memset(in.data, '.', len);
	in.len = len;
	for (size_t at = 0; at < len; at += 4096)
		assert_int_equal(pop3_dot_feed(&dot, in.data + at, 4096, &out), 4096);
	assert_int_equal(pop3_dot_feed(&dot, "\r\n.\r\n", 5, &out), 5);
	assert_int_equal(dot.state, POP3_DOT_DONE);
	assert_int_equal(out.len, len - 1 + 2);
	buf_finish(&in);
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_what_follows_is_left),
		cmocka_unit_test(test_every_message),
		cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
