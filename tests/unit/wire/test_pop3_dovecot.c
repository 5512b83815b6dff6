/*
 * test_pop3_dovecot.c - the backend against a Dovecot of its own (contrib/private-dovecot):
 * with and without TLS, bytes as they are, removals that come true and such that do not, and
 * the lock.
 *
 * Skipped where no Dovecot is unpacked (contrib/test mount unpacks one); with CI=true that
 * fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "pop3_internal_p.h"
#include <cmocka.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIPPED 77

static char dir[] = "/tmp/mmp3-XXXXXX";
static char cafile[64];
static unsigned long pop3_port, pop3s_port, mail_uid;

struct message {
	const char *stored;
	size_t stored_len;
	const char *sent; /* as RETR has to give it: Dovecot ends all lines with CRLF */
	size_t sent_len;
};

#define MESSAGE(stored, sent)                                                                  \
	{                                                                                      \
		stored, sizeof(stored) - 1, sent, sizeof(sent) - 1                             \
	}

static const struct message messages[] = {
	MESSAGE("Subject: plain\nDate: Fri, 21 Nov 1997 09:55:06 -0600\nMessage-ID: "
		"<1@x>\n\nhello\n",
		"Subject: plain\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: "
		"<1@x>\r\n\r\n"
		"hello\r\n"),
	MESSAGE("Subject: dots\n\n.\n..\n.a\n...\n\n.\n",
		"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n...\r\n\r\n.\r\n"),
	MESSAGE("Subject: nul\n\na\0b\0\n", "Subject: nul\r\n\r\na\0b\0\r\n"),
	MESSAGE("Subject: no end\n\nlast line", "Subject: no end\r\n\r\nlast line\r\n"),
	MESSAGE("Subject: crlf\r\n\r\na\rb\r\n", "Subject: crlf\r\n\r\na\rb\r\n"),
	MESSAGE("Subject: 8bit \xff\n\n\x80\xfe\x1a\n",
		"Subject: 8bit \xff\r\n\r\n\x80\xfe\x1a\r\n"),
};

#define MESSAGES (sizeof(messages) / sizeof(messages[0]))

/* The server. */

static int run(const char *what)
{
	char command[4096];

	snprintf(command, sizeof(command), "%s/contrib/private-dovecot %s %s >/dev/null",
		getenv("MOUNTMAIL_SOURCE"), what, dir);
	return system(command);
}

static bool is_unpacked(void)
{
	const char *unpacked = getenv("MOUNTMAIL_DOVECOT"),
		   *source = getenv("MOUNTMAIL_SOURCE");
	char path[4096];

	if (unpacked)
		snprintf(path, sizeof(path), "%s/usr/sbin/dovecot", unpacked);
	else
		snprintf(path, sizeof(path), "%s/.cache/dovecot/usr/sbin/dovecot",
			source ? source : "");
	return source && access(path, X_OK) == 0;
}

static void read_env(void)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/env", dir);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "POP3_PORT=%lu", &pop3_port);
		sscanf(line, "POP3S_PORT=%lu", &pop3s_port);
		sscanf(line, "MAIL_UID=%lu", &mail_uid);
	}
	fclose(file);
	snprintf(cafile, sizeof(cafile), "%s/ca.pem", dir);
	assert_true(pop3_port && pop3s_port);
}

static void make_dir(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, (uid_t)mail_uid, (gid_t)-1), 0);
}

static void deliver(const char *user)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/mail/%s", dir, user);
	make_dir(path);
	strcat(path, "/Maildir");
	make_dir(path);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"cur", "new", "tmp"};
		char sub[300];

		snprintf(sub, sizeof(sub), "%s/%s", path, names[i]);
		make_dir(sub);
	}
	for (size_t i = 0; i < MESSAGES; i++) {
		char name[300];
		FILE *file;

		snprintf(name, sizeof(name), "%s/new/1700000000.M%zuP1.host", path, i);
		file = fopen(name, "w");
		assert_non_null(file);
		fwrite(messages[i].stored, 1, messages[i].stored_len, file);
		fclose(file);
		if (geteuid() == 0)
			assert_int_equal(chown(name, (uid_t)mail_uid, (gid_t)-1), 0);
	}
}

static int start(void **state)
{
	if (!mkdtemp(dir) || run("start") != 0)
		return -1;
	read_env();
	return 0;
}

static int stop(void **state)
{
	char command[64];

	if (run("stop") != 0)
		return -1;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* A session. */

struct session {
	char secret[16];
	struct wire_conf conf;
	struct backend *backend;
	struct backend_server server;
	struct backend_result result;
	uint32_t uids[16];
	struct backend_want wants[16];
	size_t count;
	bool surveyed;
	struct buf body;
	size_t bodies;
};

static void session_open(struct session *session, const char *user, enum wire_tls tls)
{
	*session = (struct session){
		.conf = {.protocol = WIRE_POP3,
			.tls = tls,
			.host = "localhost",
			.port = (uint16_t)(tls == WIRE_TLS_IMPLICIT ? pop3s_port : pop3_port),
			.user = user,
			.secret = session->secret,
			.cafile = cafile,
			.timeout_ms = 30000}};
	strcpy(session->secret, "secret");
	session->backend = pop3_create(&session->conf, -1, NULL, NULL, NULL);
	session->backend->ops->open(session->backend, &session->server, &session->result);
}

static void session_good(struct session *session, const char *user, enum wire_tls tls)
{
	session_open(session, user, tls);
	assert_string_equal(session->result.text, "");
	assert_int_equal(session->server.caps,
		BACKEND_CAP_BRIEF | BACKEND_CAP_SCATTERED | BACKEND_CAP_UIDPLUS);
}

static void session_close(struct session *session)
{
	session->backend->ops->close(session->backend);
	buf_finish(&session->body);
}

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	return state->epoch == 1;
}

static bool on_surveyed(void *ctx)
{
	((struct session *)ctx)->surveyed = true;
	return true;
}

static bool on_message(void *ctx, const struct mail_message *message)
{
	struct session *session = ctx;

	assert_non_null(message->uidl);
	assert_non_null(message->fields.subject);
	assert_false(message->bad || message->twin);
	if (strcmp(message->fields.subject, "plain") == 0) {
		assert_int_equal(message->date, 880127706);
		assert_string_equal(message->fields.message_id, "<1@x>");
	}
	session->wants[session->count].uid = message->uid;
	session->uids[session->count++] = message->uid;
	return true;
}

static bool on_batch(void *ctx, uint32_t through)
{
	return true;
}

static void session_scan(struct session *session)
{
	const struct backend_scan scan = {.raw = "INBOX", .survey = true};
	const struct backend_scan_sink sink = {
		session, on_begin, NULL, on_surveyed, on_message, on_batch};

	session->count = 0;
	session->backend->ops->scan(session->backend, &scan, &sink, &session->result);
	assert_string_equal(session->result.text, "");
	assert_true(session->surveyed);
}

static bool on_data(void *ctx, const void *data, size_t len)
{
	buf_append(&((struct session *)ctx)->body, data, len);
	return true;
}

static bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct session *session = ctx;
	bool found = false;

	for (size_t i = 0; i < MESSAGES; i++)
		found |=
			session->body.len == messages[i].sent_len &&
			memcmp(session->body.data, messages[i].sent, messages[i].sent_len) == 0;
	assert_true(found);
	buf_clear(&session->body);
	session->bodies++;
	return true;
}

static bool on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	fail_msg("%s", text);
	return false;
}

static void test_byte_for_byte(void **state)
{
	static const enum wire_tls kinds[] = {
		WIRE_TLS_NONE, WIRE_TLS_STARTTLS, WIRE_TLS_IMPLICIT};
	struct session session;

	deliver("bytes");
	for (size_t i = 0; i < 3; i++) {
		struct backend_fetch fetch = {"INBOX", 1, session.wants, MESSAGES};
		const struct backend_fetch_sink sink = {
			&session, on_data, on_done, on_failed, NULL};

		session_good(&session, "bytes", kinds[i]);
		session_scan(&session);
		assert_int_equal(session.count, MESSAGES);
		session.backend->ops->fetch(session.backend, &fetch, &sink, &session.result);
		assert_string_equal(session.result.text, "");
		assert_int_equal(session.bodies, MESSAGES);
		session_close(&session);
	}
}

static void remove_first(struct session *session, enum backend_step step)
{
	const struct backend_removal removal = {
		.step = step, .raw = "INBOX", .epoch = 1, .uids = session->uids, .count = 2};

	session->backend->ops->remove(session->backend, &removal, &session->result);
	assert_string_equal(session->result.text, "");
}

static size_t count_now(const char *user)
{
	struct session session;
	size_t count;

	session_good(&session, user, WIRE_TLS_NONE);
	session_scan(&session);
	count = session.count;
	session_close(&session);
	return count;
}

static void test_removal(void **state)
{
	struct session session;

	deliver("rm");
	/* Marked, and left alone. */
	session_good(&session, "rm", WIRE_TLS_NONE);
	session_scan(&session);
	remove_first(&session, BACKEND_STEP_MARK);
	session_close(&session);
	assert_int_equal(count_now("rm"), MESSAGES);
	/* In earnest. */
	session_good(&session, "rm", WIRE_TLS_NONE);
	session_scan(&session);
	remove_first(&session, BACKEND_STEP_MARK);
	remove_first(&session, BACKEND_STEP_EXPUNGE);
	session_close(&session);
	assert_int_equal(count_now("rm"), MESSAGES - 2);
}

static void test_lock(void **state)
{
	struct session first, second;

	deliver("lock");
	session_good(&first, "lock", WIRE_TLS_NONE);
	session_open(&second, "lock", WIRE_TLS_NONE);
	assert_int_equal(second.result.status, BACKEND_THROTTLED);
	session_close(&second);
	session_close(&first);
	assert_int_equal(count_now("lock"), MESSAGES);
}

static void test_wrong_password(void **state)
{
	struct session session = {.count = 0};

	session.conf = (struct wire_conf){.protocol = WIRE_POP3,
		.tls = WIRE_TLS_IMPLICIT,
		.host = "localhost",
		.port = (uint16_t)pop3s_port,
		.user = "nobody",
		.secret = session.secret,
		.cafile = cafile,
		.timeout_ms = 30000};
	strcpy(session.secret, "wrong");
	session.backend = pop3_create(&session.conf, -1, NULL, NULL, NULL);
	session.backend->ops->open(session.backend, &session.server, &session.result);
	assert_int_equal(session.result.status, BACKEND_AUTH_FAILED);
	session_close(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_for_byte),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_wrong_password),
	};
	const char *ci = getenv("CI");

	if (!is_unpacked() && !(ci && strcmp(ci, "true") == 0)) {
		puts("no Dovecot is unpacked here: skipped");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, start, stop);
}
