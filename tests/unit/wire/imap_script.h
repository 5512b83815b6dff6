/*
 * tests/unit/wire/imap_script.h - an IMAP server that follows a script.
 * Used by test_imap_*.c; the server has a thread of its own, the test waits for it.
 *
 * A script is a list of turns: what the client's next line has to hold, and what to answer. In
 * answers '\1' stands for the tag of the last command. A line that does not fit ends the
 * connection and fails the test.
 */
#ifndef MOUNTMAIL_TESTS_IMAP_SCRIPT_H
#define MOUNTMAIL_TESTS_IMAP_SCRIPT_H

#include "imap_internal_p.h"
#include <assert.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SCRIPT_TURNS 64

struct turn {
	const char *expect; /* part of the line; "" for any; NULL ends the script */
	const char *answer;
	size_t len; /* of answer; 0: up to its NUL */
};

/* An answer that holds NUL bytes. */
#define RAW(text) text, sizeof(text) - 1

struct script {
	int fd; /* the server's end */
	pthread_t thread;
	const char *greeting;
	struct turn turns[SCRIPT_TURNS];
	size_t count;
	atomic_uint turned; /* lines that came and fitted */
	char tag[32];
	struct buf heard;  /* all that the client sent */
	char wrong[256];   /* what did not fit, "" when everything did */
	bool hold;         /* keep the connection open after the last turn */
	char secret[64];
	struct wire_conf conf;
	struct backend *backend;
	struct backend_server server;
	struct backend_result result;
};

static void script_send(struct script *script, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t run = i;

		while (run < len && text[run] != '\1')
			run++;
		if (run > i && send(script->fd, text + i, run - i, MSG_NOSIGNAL) < 0)
			return;
		if (run < len)
			(void)send(script->fd, script->tag, strlen(script->tag), MSG_NOSIGNAL);
		i = run;
	}
}

static bool script_read_line(struct script *script, char *line, size_t size)
{
	size_t len = 0;
	char c;

	while (read(script->fd, &c, 1) == 1) {
		buf_append_char(&script->heard, c);
		if (len + 1 < size)
			line[len++] = c;
		if (c == '\n') {
			line[len] = '\0';
			return true;
		}
	}
	return false;
}

static void script_play(struct script *script)
{
	char line[65536];

	for (size_t i = 0; i < script->count; i++) {
		const struct turn *turn = &script->turns[i];
		size_t tag;

		if (!script_read_line(script, line, sizeof(line)))
			return;
		if (!strstr(line, turn->expect)) {
			snprintf(script->wrong, sizeof(script->wrong), "turn %zu: \"%.150s\" for \"%.60s\"",
				i, line, turn->expect);
			return;
		}
		atomic_fetch_add(&script->turned, 1);
		tag = strspn(line, "0123456789");
		if (tag && line[tag] == ' ' && tag < sizeof(script->tag))
			snprintf(script->tag, sizeof(script->tag), "%.*s", (int)tag, line);
		script_send(script, turn->answer,
			turn->len ? turn->len : strlen(turn->answer));
	}
	/* Whatever comes now (LOGOUT) is not answered. */
	while (script->hold && script_read_line(script, line, sizeof(line)))
		;
}

static void *script_thread(void *ctx)
{
	struct script *script = ctx;
	char line[4096];

	if (script->greeting)
		script_send(script, script->greeting, strlen(script->greeting));
	script_play(script);
	shutdown(script->fd, SHUT_WR);
	while (script_read_line(script, line, sizeof(line)))
		if (!strstr(line, "LOGOUT") && !script->wrong[0] && script->greeting)
			snprintf(script->wrong, sizeof(script->wrong), "unexpected: %.200s", line);
	return NULL;
}

static void script_add(struct script *script, const struct turn *turns)
{
	for (; turns->expect; turns++) {
		assert(script->count < SCRIPT_TURNS);
		script->turns[script->count++] = *turns;
	}
}

#define SCRIPT_CAPS "* CAPABILITY IMAP4rev1 UIDPLUS\r\n\1 OK done\r\n"

static const struct turn script_login[] = {
	{"CAPABILITY", SCRIPT_CAPS},
	{"LOGIN \"alice\" \"sesame\"", "\1 OK welcome\r\n"},
	{"CAPABILITY", SCRIPT_CAPS},
	{NULL},
};

static void script_init(struct script *script)
{
	*script = (struct script){.greeting = "* OK ready\r\n", .tag = "*", .hold = true};
	snprintf(script->secret, sizeof(script->secret), "sesame");
	script->conf = (struct wire_conf){.protocol = WIRE_IMAP,
		.tls = WIRE_TLS_NONE,
		.host = "imap.example.org",
		.port = 143,
		.user = "alice",
		.secret = script->secret,
		.timeout_ms = 3000};
}

/* Starts the server, connects and opens. */
static void script_open(struct script *script)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	script->fd = ends[0];
	assert_int_equal(pthread_create(&script->thread, NULL, script_thread, script), 0);
	script->backend = imap_create_on_fd(ends[1], &script->conf, NULL, NULL);
	script->backend->ops->open(script->backend, &script->server, &script->result);
}

/* Closes, and checks that the client kept to the script. */
static __attribute__((unused)) void script_close(struct script *script)
{
	script->backend->ops->close(script->backend);
	pthread_join(script->thread, NULL);
	close(script->fd);
	if (script->wrong[0])
		fail_msg("%s", script->wrong);
	buf_finish(&script->heard);
}

/* Logged in, with turns to come; after them the server hangs up, or stays. */
static __attribute__((unused)) void script_start_as(struct script *script, const struct turn *turns, bool hold)
{
	script_init(script);
	script->hold = hold;
	script_add(script, script_login);
	script_add(script, turns);
	script_open(script);
	if (script->result.status != BACKEND_OK)
		fail_msg("open: %s", script->result.text);
}

static __attribute__((unused)) void script_start(struct script *script, const struct turn *turns)
{
	script_start_as(script, turns, true);
}

#define assert_status(script, wanted)                                                        \
	do {                                                                                 \
		if ((script)->result.status != (wanted))                                     \
			fail_msg("status %s (%s), not %s",                                   \
				backend_status_name((script)->result.status),                \
				(script)->result.text, backend_status_name(wanted));         \
	} while (0)

#define assert_text(script, part)                                                            \
	do {                                                                                 \
		if (!strstr((script)->result.text, (part)))                                  \
			fail_msg("\"%s\" does not tell \"%s\"", (script)->result.text, part);  \
	} while (0)

#endif
