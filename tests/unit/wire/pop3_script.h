/*
 * tests/unit/wire/pop3_script.h - a POP3 server that follows a script.
 * Used by test_pop3_*.c; the server has a thread of its own, the test waits for it.
 *
 * A script is a list of turns: what the client's next line has to hold, and what to answer. A
 * line that does not fit ends the connection and fails the test.
 */
#ifndef MOUNTMAIL_TESTS_POP3_SCRIPT_H
#define MOUNTMAIL_TESTS_POP3_SCRIPT_H

#include "pop3_internal_p.h"
#include <assert.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
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
	struct buf heard; /* all that the client sent */
	char wrong[256];  /* what did not fit, "" when everything did */
	bool hold;	  /* keep the connection open after the last turn */
	bool patient;	  /* the client must wait for an answer before it asks on */
	unsigned drip_ms; /* the last answer comes a byte at a time */
	char secret[64];
	struct wire_conf conf;
	bool (*stopped)(void *ctx);
	struct backend *backend;
	struct backend_server server;
	struct backend_result result;
};

static inline void script_send(struct script *script, const struct turn *turn, bool last)
{
	size_t len = turn->len ? turn->len : strlen(turn->answer);

	for (size_t at = 0; at < len && last && script->drip_ms; at++) {
		usleep(script->drip_ms * 1000);
		if (send(script->fd, turn->answer + at, 1, MSG_NOSIGNAL) < 0)
			return;
	}
	if (!last || !script->drip_ms)
		(void)!send(script->fd, turn->answer, len, MSG_NOSIGNAL);
}

static inline bool script_read_line(struct script *script, char *line, size_t size)
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

/* Whether more came before the answer to the last line. */
static inline bool script_is_pressed(struct script *script)
{
	char c;

	usleep(2000);
	return script->patient && recv(script->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static inline void script_play(struct script *script)
{
	char line[4096];

	for (size_t i = 0; i < script->count; i++) {
		const struct turn *turn = &script->turns[i];

		if (!script_read_line(script, line, sizeof(line)))
			return;
		if (!strstr(line, turn->expect))
			snprintf(script->wrong, sizeof(script->wrong),
				"turn %zu: \"%.100s\" for \"%.60s\"", i, line, turn->expect);
		else if (script_is_pressed(script))
			snprintf(script->wrong, sizeof(script->wrong),
				"turn %zu: more was sent before the answer", i);
		if (script->wrong[0])
			return;
		script_send(script, turn, i + 1 == script->count);
	}
	/* Whatever comes now (QUIT) is not answered. */
	while (script->hold && script_read_line(script, line, sizeof(line)))
		;
}

static inline void *script_thread(void *ctx)
{
	struct script *script = ctx;
	char line[4096];

	if (script->greeting)
		(void)!send(
			script->fd, script->greeting, strlen(script->greeting), MSG_NOSIGNAL);
	script_play(script);
	shutdown(script->fd, SHUT_WR);
	while (script_read_line(script, line, sizeof(line)))
		;
	return NULL;
}

static inline void script_add(struct script *script, const struct turn *turns)
{
	for (; turns->expect; turns++) {
		assert(script->count < SCRIPT_TURNS);
		script->turns[script->count++] = *turns;
	}
}

#define CAPS "+OK\r\nUSER\r\nTOP\r\nUIDL\r\n.\r\n"
#define CAPS_PIPE "+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n"
#define LOGIN(caps)                                                                            \
	{"CAPA", caps}, {"USER alice\r", "+OK\r\n"}, {"PASS sesame\r", "+OK\r\n"},             \
	{                                                                                      \
		"CAPA", caps                                                                   \
	}
/* Three messages: 1 is of 10 bytes and called a, and so on. */
#define THREE                                                                                  \
	{"STAT\r", "+OK 3 60\r\n"}, {"UIDL\r", "+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n"},           \
	{                                                                                      \
		"LIST\r", "+OK\r\n1 10\r\n2 20\r\n3 30\r\n.\r\n"                               \
	}

static inline void script_init(struct script *script)
{
	*script = (struct script){.greeting = "+OK ready\r\n", .hold = true, .patient = true};
	snprintf(script->secret, sizeof(script->secret), "sesame");
	script->conf = (struct wire_conf){.protocol = WIRE_POP3,
		.tls = WIRE_TLS_NONE,
		.host = "pop.example.org",
		.port = 110,
		.user = "alice",
		.secret = script->secret,
		.timeout_ms = 3000};
}

/* Starts the server, connects and opens. */
static inline void script_open(struct script *script)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	script->fd = ends[0];
	assert_int_equal(pthread_create(&script->thread, NULL, script_thread, script), 0);
	script->backend = pop3_create_on_fd(ends[1], &script->conf, script->stopped, script);
	script->backend->ops->open(script->backend, &script->server, &script->result);
}

/* Closes, and checks that the client kept to the script. */
static inline void script_close(struct script *script)
{
	script->backend->ops->close(script->backend);
	pthread_join(script->thread, NULL);
	close(script->fd);
	if (script->wrong[0])
		fail_msg("%s", script->wrong);
	buf_finish(&script->heard);
}

/* Logged in and listed, with turns to come. */
static inline void script_begin(struct script *script, const char *caps,
	const struct turn *list, const struct turn *turns)
{
	const struct turn login[] = {LOGIN(caps), {NULL}};

	script_add(script, login);
	script_add(script, list);
	script_add(script, turns);
	script->patient = !strstr(caps, "PIPELINING");
	script_open(script);
	if (script->result.status != BACKEND_OK)
		fail_msg("open: %s (%s)", script->result.text, script->wrong);
}

static __attribute__((unused)) const struct turn script_three[] = {THREE, {NULL}};
static __attribute__((unused)) const struct turn script_none[] = {{NULL}};

#define assert_status(script, wanted)                                                          \
	do {                                                                                   \
		if ((script)->result.status != (wanted))                                       \
			fail_msg("status %s (%s), not %s; %s",                                 \
				backend_status_name((script)->result.status),                  \
				(script)->result.text, backend_status_name(wanted),            \
				(script)->wrong);                                              \
	} while (0)

#define assert_text(script, part)                                                              \
	do {                                                                                   \
		if (!strstr((script)->result.text, (part)))                                    \
			fail_msg(                                                              \
				"\"%s\" does not tell \"%s\"", (script)->result.text, (part)); \
	} while (0)

#endif
