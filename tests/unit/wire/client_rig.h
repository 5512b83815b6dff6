/*
 * client_rig.h - a client in front of a real child_serve with the fake backend, in a thread.
 * Used by test_client*.c.
 */
#ifndef MOUNTMAIL_TESTS_CLIENT_RIG_H
#define MOUNTMAIL_TESTS_CLIENT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "child_p.h"
#include "fake_backend.h"
#include <cmocka.h>
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/wire/client.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIG_PID 4242
#define RIG_TIMEOUT_MS 20000

struct rig {
	struct fake_account *account;
	struct backend *client;
	struct backend_server server;
	struct backend_result result;
	struct buf heard; /* what the sinks were told, in words */
	struct buf body;  /* data since the last done or failed */
	int stop_at;	  /* the callback that returns false; -1 none */
	int told;	  /* callbacks so far */
	bool news;
	unsigned hangups;
	uint32_t most; /* what scans ask for */
	bool stub_first;
	/* The wire process. */
	pthread_t thread;
	struct backend *backend;
	int channel;
};

static inline void *rig_serve(void *ctx)
{
	struct rig *rig = ctx;
	struct child *child = child_create(rig->channel);

	child_serve(child, rig->backend);
	child_destroy(child);
	close(rig->channel);
	return NULL;
}

static inline int rig_dial(void *ctx, int *pid_out, struct error *err)
{
	struct rig *rig = ctx;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(err, errno, "socketpair");
	rig->channel = fds[1];
	rig->backend = fake_backend_create(rig->account);
	pthread_create(&rig->thread, NULL, rig_serve, rig);
	*pid_out = RIG_PID;
	return fds[0];
}

/* As a killed process, it is gone wherever it was. */
static inline void rig_hangup(void *ctx, int pid)
{
	struct rig *rig = ctx;

	assert_int_equal(pid, RIG_PID);
	rig->hangups++;
	rig->backend->ops->cancel(rig->backend);
	pthread_join(rig->thread, NULL);
	rig->backend->ops->close(rig->backend);
}

static inline struct rig *rig_create(void)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));
	const struct client_dialer dialer = {rig, rig_dial, rig_hangup};

	rig->account = fake_account_create();
	rig->client = client_create(&dialer, RIG_TIMEOUT_MS);
	rig->stop_at = -1;
	return rig;
}

static inline void rig_destroy(struct rig *rig)
{
	if (rig->client)
		rig->client->ops->close(rig->client);
	fake_account_destroy(rig->account);
	buf_finish(&rig->heard);
	buf_finish(&rig->body);
	free(rig);
}

/* Whether the callback wants more. */
static inline bool rig_more(struct rig *rig)
{
	return rig->told++ != rig->stop_at;
}

static inline bool rig_on_folder(void *ctx, const struct mail_folder *folder)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "folder %s %s %x\n", folder->raw, folder->path, folder->flags);
	return rig_more(rig);
}

static inline bool rig_on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "begin %llu %u %u\n", (unsigned long long)state->epoch,
		state->exists, state->uidnext);
	return rig_more(rig);
}

static inline bool rig_on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "existing %u %x\n", uid, flags);
	return rig_more(rig);
}

static inline bool rig_on_surveyed(void *ctx)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "surveyed\n");
	return rig_more(rig);
}

static inline bool rig_on_message(void *ctx, const struct mail_message *message)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "message %u %llu %s\n", message->uid,
		(unsigned long long)message->size,
		message->fields.subject ? message->fields.subject : "(null)");
	return rig_more(rig);
}

static inline bool rig_on_batch(void *ctx, uint32_t through)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "batch %u\n", through);
	return rig_more(rig);
}

static inline bool rig_on_data(void *ctx, const void *data, size_t len)
{
	struct rig *rig = ctx;

	buf_append(&rig->body, data, len);
	return rig_more(rig);
}

static inline bool rig_on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct rig *rig = ctx;

	assert_int_equal(size, rig->body.len);
	buf_printf(&rig->heard, "done %u %llu\n", uid, (unsigned long long)size);
	buf_clear(&rig->body);
	return rig_more(rig);
}

static inline bool rig_on_failed(
	void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "failed %u %s\n", uid, text);
	assert_string_equal(text, backend_status_name(status));
	buf_clear(&rig->body);
	return rig_more(rig);
}

static inline bool rig_on_found(void *ctx, const struct backend_identity *identity)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "found %u", identity->uid);
	if (identity->known)
		buf_printf(&rig->heard, " %llu %lld %s", (unsigned long long)identity->size,
			(long long)identity->date,
			identity->message_id ? identity->message_id : "(null)");
	buf_append_char(&rig->heard, '\n');
	return rig_more(rig);
}

static inline bool rig_on_deleted(void *ctx, uint32_t uid)
{
	struct rig *rig = ctx;

	buf_printf(&rig->heard, "deleted %u\n", uid);
	return rig_more(rig);
}

static inline enum backend_status rig_open(struct rig *rig)
{
	rig->client->ops->open(rig->client, &rig->server, &rig->result);
	return rig->result.status;
}

static inline enum backend_status rig_list(struct rig *rig)
{
	const struct backend_list_sink sink = {rig, rig_on_folder};

	buf_clear(&rig->heard);
	rig->told = 0;
	rig->client->ops->list(rig->client, &sink, &rig->result);
	return rig->result.status;
}

static inline enum backend_status rig_scan(
	struct rig *rig, const char *raw, uint64_t epoch, uint32_t last_uid, bool survey)
{
	const struct backend_scan scan = {.raw = raw,
		.epoch = epoch,
		.last_uid = last_uid,
		.survey = survey,
		.most = rig->most,
		.stub_first = rig->stub_first};
	const struct backend_scan_sink sink = {rig, rig_on_begin, rig_on_existing,
		rig_on_surveyed, rig_on_message, rig_on_batch};

	buf_clear(&rig->heard);
	rig->told = 0;
	rig->client->ops->scan(rig->client, &scan, &sink, &rig->result);
	return rig->result.status;
}

/* Of the UIDs first to last. */
static inline enum backend_status rig_fetch(
	struct rig *rig, const char *raw, uint64_t epoch, uint32_t first, uint32_t last)
{
	struct backend_want wants[BACKEND_FETCH_MAX] = {{0}};
	const struct backend_fetch fetch = {raw, epoch, wants, last - first + 1};
	const struct backend_fetch_sink sink = {rig, rig_on_data, rig_on_done, rig_on_failed};

	for (uint32_t i = 0; i < fetch.count; i++)
		wants[i].uid = first + i;
	buf_clear(&rig->heard);
	buf_clear(&rig->body);
	rig->told = 0;
	rig->client->ops->fetch(rig->client, &fetch, &sink, &rig->result);
	return rig->result.status;
}

static inline enum backend_status rig_verify(
	struct rig *rig, const struct backend_verify *verify)
{
	const struct backend_verify_sink sink = {
		rig, rig_on_begin, rig_on_found, rig_on_deleted};

	buf_clear(&rig->heard);
	rig->told = 0;
	rig->client->ops->verify(rig->client, verify, &sink, &rig->result);
	return rig->result.status;
}

/* Of the UIDs first to last of INBOX in epoch 7; to Trash, if the step goes anywhere. */
static inline enum backend_status rig_remove(
	struct rig *rig, enum backend_step step, uint32_t first, uint32_t last)
{
	bool goes = step == BACKEND_STEP_MOVE || step == BACKEND_STEP_COPY;
	uint32_t uids[BACKEND_REMOVE_MAX];
	const struct backend_removal removal = {.step = step,
		.raw = "INBOX",
		.epoch = 7,
		.uids = uids,
		.count = last - first + 1,
		.to = goes ? "Trash" : NULL};

	for (uint32_t i = 0; i < removal.count; i++)
		uids[i] = first + i;
	rig->client->ops->remove(rig->client, &removal, &rig->result);
	return rig->result.status;
}

/* For news of INBOX. */
static inline enum backend_status rig_wait(
	struct rig *rig, uint64_t epoch, uint32_t timeout_ms, int wake_fd)
{
	const struct backend_wait wait = {"INBOX", epoch, timeout_ms, wake_fd};
	const struct backend_wait_sink sink = {rig, rig_on_begin};

	buf_clear(&rig->heard);
	rig->told = 0;
	rig->news = true;
	rig->client->ops->wait(rig->client, &wait, &sink, &rig->news, &rig->result);
	return rig->result.status;
}

/* cmocka's own macro prints no text of the result. */
#define assert_status(rig, call, wanted)                                                       \
	do {                                                                                   \
		if ((call) != (wanted))                                                        \
			fail_msg("%s: %s: %s, not %s", #call,                                  \
				backend_status_name((rig)->result.status), (rig)->result.text, \
				backend_status_name(wanted));                                  \
	} while (0)

#endif
