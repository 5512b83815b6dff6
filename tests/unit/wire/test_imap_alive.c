/*
 * test_imap_alive.c - a wire process with a server that is slow: the mail process hears that it
 * lives, and gets only what it takes.
 */
#include "child_p.h"
#include "frame_p.h"
#include "imap_script.h"
#include <mountmail/base/clock.h>

struct process {
	int channel; /* the process's end */
	int server;  /* the process's connection */
	struct wire_conf conf;
	pthread_t thread;
};

static void *serve(void *ctx)
{
	struct process *process = ctx;
	struct child *child = child_create(process->channel);
	struct backend *backend =
		imap_create_on_fd(process->server, &process->conf, child_stop_wanted, child);

	child_serve(child, backend);
	backend->ops->close(backend);
	child_destroy(child);
	close(process->channel);
	return NULL;
}

/* A server that lets its folders trickle, one every 50 ms. */
static void *trickle(void *ctx)
{
	struct script *script = ctx;
	char line[65536];
	int64_t end;

	script_send(script, script->greeting, strlen(script->greeting));
	script_play(script);
	if (!script_read_line(script, line, sizeof(line)) || !strstr(line, "LIST")) {
		snprintf(script->wrong, sizeof(script->wrong), "no LIST");
		return NULL;
	}
	snprintf(script->tag, sizeof(script->tag), "%.*s", (int)strspn(line, "0123456789"),
		line);
	end = clock_now_ms() + 2300;
	while (clock_now_ms() < end) {
		script_send(script, "* LIST () \"/\" A\r\n", 17);
		usleep(50000);
	}
	memset(line, 'n', FRAME_NAME_MAX + 1);
	line[FRAME_NAME_MAX + 1] = '\0';
	script_send(script, "* LIST () \"/\" ", 14);
	script_send(script, line, strlen(line));
	script_send(script, "\r\n\1 OK done\r\n", 13);
	while (script_read_line(script, line, sizeof(line)))
		;
	return NULL;
}

static void ask(struct frame_writer *writer, enum frame_type type)
{
	frame_begin(writer, type);
	frame_end(writer);
	assert_int_equal(frame_flush(writer, 1000), 0);
}

static void await_result(struct frame_reader *reader, unsigned counts[256])
{
	struct frame frame;

	memset(counts, 0, 256 * sizeof(counts[0]));
	do {
		assert_int_equal(frame_read(reader, &frame, 1900), 1);
		counts[frame.type]++;
		if (frame.type == FRAME_FOLDER)
			assert_true(frame.len < FRAME_NAME_MAX);
	} while (frame.type != FRAME_RESULT);
	assert_int_equal(frame_get_u8(&frame), BACKEND_OK);
}

static void test_slow_list(void **state)
{
	struct script script;
	struct process process;
	struct frame_writer writer;
	struct frame_reader reader;
	unsigned counts[256];
	int channel[2], server[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server), 0);
	script_init(&script);
	script.fd = server[0];
	script.hold = false;
	script_add(&script, script_login);
	process = (struct process){channel[1], server[1], script.conf};
	pthread_create(&script.thread, NULL, trickle, &script);
	pthread_create(&process.thread, NULL, serve, &process);
	frame_writer_init(&writer, channel[0]);
	frame_reader_init(&reader, channel[0]);

	ask(&writer, FRAME_OPEN);
	await_result(&reader, counts);
	ask(&writer, FRAME_LIST);
	await_result(&reader, counts);
	assert_true(counts[FRAME_ALIVE] >= 1 && counts[FRAME_ALIVE] <= 3);
	assert_true(counts[FRAME_FOLDER] >= 10);

	close(channel[0]);
	pthread_join(process.thread, NULL);
	pthread_join(script.thread, NULL);
	close(script.fd);
	assert_string_equal(script.wrong, "");
	frame_writer_finish(&writer);
	frame_reader_finish(&reader);
	buf_finish(&script.heard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_slow_list)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
