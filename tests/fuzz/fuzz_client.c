/*
 * A wire process that says anything: whatever it is, the sinks see only what backend.h and the
 * headers of mail promise, and every call ends. An odd first byte spares the fuzzer the work of
 * getting through open(). The client logs each broken rule: -close_fd_mask=2 keeps that quiet.
 */
#include "client_p.h"
#include <mountmail/base/buf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LAST_UID 1000u
#define EPOCH 7u

struct fuzz {
	int fds[2]; /* the client's end, and the process's */
	uint32_t uid;
	uint32_t ended;
	uint64_t size;
};

static void insist(bool kept)
{
	if (!kept)
		abort();
}

static int dial(void *ctx, int *pid_out, struct error *err)
{
	const struct fuzz *fuzz = ctx;

	*pid_out = 1;
	return fuzz->fds[0];
}

static void hangup(void *ctx, int pid)
{
	insist(pid == 1);
}

static bool on_folder(void *ctx, const struct mail_folder *folder)
{
	insist(folder->raw[0] && client_folder_sound(folder));
	return true;
}

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct fuzz *fuzz = ctx;

	fuzz->uid = 0;
	return state->exists != 0xdead;
}

static bool on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct fuzz *fuzz = ctx;

	insist(uid > fuzz->uid && uid <= LAST_UID && client_flags_sound(flags));
	fuzz->uid = uid;
	return uid != 666;
}

static bool on_surveyed(void *ctx)
{
	struct fuzz *fuzz = ctx;

	fuzz->uid = LAST_UID;
	return true;
}

static bool on_message(void *ctx, const struct mail_message *message)
{
	struct fuzz *fuzz = ctx;

	insist(message->uid > LAST_UID && message->uid > fuzz->uid);
	insist(client_message_sound(message));
	fuzz->uid = message->uid;
	return message->flags != 5;
}

static bool on_batch(void *ctx, uint32_t through)
{
	struct fuzz *fuzz = ctx;

	insist(through > LAST_UID && through >= fuzz->uid);
	fuzz->uid = through;
	return true;
}

static bool on_data(void *ctx, const void *data, size_t len)
{
	struct fuzz *fuzz = ctx;

	insist(len > 0);
	fuzz->size += len;
	return memchr(data, 'S', len) == NULL;
}

/* UIDs 1 to 4 are wanted, each once. */
static void end_one(struct fuzz *fuzz, uint32_t uid)
{
	insist(uid >= 1 && uid <= 4 && !(fuzz->ended & 1u << uid));
	fuzz->ended |= 1u << uid;
	fuzz->size = 0;
}

static bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct fuzz *fuzz = ctx;

	insist(size == fuzz->size);
	end_one(fuzz, uid);
	return true;
}

static bool on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	insist(status == BACKEND_MESSAGE_GONE || status == BACKEND_MESSAGE_BAD);
	insist(client_text_sound(text));
	end_one(ctx, uid);
	return true;
}

static bool on_found(void *ctx, const struct backend_identity *identity)
{
	struct fuzz *fuzz = ctx;

	insist(identity->uid > fuzz->uid && identity->uid <= 4 && identity->uid != 3);
	insist(identity->known || (!identity->size && !identity->message_id));
	insist(identity->size <= INT64_MAX && client_date_sound(identity->date));
	insist(client_text_sound(identity->message_id));
	fuzz->uid = identity->uid;
	return identity->size != 666;
}

static bool on_deleted(void *ctx, uint32_t uid)
{
	struct fuzz *fuzz = ctx;

	insist(uid > fuzz->ended);
	fuzz->ended = uid;
	return uid != 666;
}

/* UIDs 1, 2 and 4 are looked at, and removed. */
static void run_removal(struct fuzz *fuzz, struct backend *client)
{
	const uint32_t uids[] = {1, 2, 4};
	const struct backend_verify verify = {.raw = "INBOX",
		.epoch = EPOCH,
		.uids = uids,
		.count = 3,
		.identify = true,
		.deleted = true};
	const struct backend_verify_sink sink = {fuzz, on_begin, on_found, on_deleted};
	const struct backend_removal removal = {.step = BACKEND_STEP_MARK,
		.raw = "INBOX",
		.epoch = EPOCH,
		.uids = uids,
		.count = 3};
	struct backend_result result;

	fuzz->uid = fuzz->ended = 0;
	client->ops->verify(client, &verify, &sink, &result);
	insist(result.status <= BACKEND_REFUSED && client_text_sound(result.text));
	client->ops->remove(client, &removal, &result);
	insist(result.status != BACKEND_STOPPED && client_text_sound(result.text));
}

static bool on_wait(void *ctx, const struct backend_folder_state *state)
{
	struct fuzz *fuzz = ctx;

	insist(!fuzz->ended++);
	fuzz->uid = state->epoch == EPOCH;
	return state->exists != 0xdead;
}

static void run_wait(struct fuzz *fuzz, struct backend *client)
{
	const struct backend_wait wait = {"INBOX", EPOCH, 0, -1};
	const struct backend_wait_sink sink = {fuzz, on_wait};
	struct backend_result result;
	bool news;

	fuzz->uid = fuzz->ended = 0;
	client->ops->wait(client, &wait, &sink, &news, &result);
	insist(result.status <= BACKEND_REFUSED && client_text_sound(result.text));
	insist(result.status != BACKEND_OK || fuzz->uid);
	insist(!news || result.status == BACKEND_OK);
}

static void check_result(const struct backend_result *result, bool complete)
{
	insist(result->status <= BACKEND_REFUSED && client_text_sound(result->text));
	insist(result->status != BACKEND_OK || complete);
}

static void run_calls(struct fuzz *fuzz, struct backend *client)
{
	const struct backend_scan scan = {"INBOX", EPOCH, LAST_UID, true};
	const struct backend_scan_sink scan_sink = {
		fuzz, on_begin, on_existing, on_surveyed, on_message, on_batch};
	const struct backend_want wants[] = {{.uid = 4}, {.uid = 1}, {.uid = 2}, {.uid = 3}};
	const struct backend_fetch fetch = {"INBOX", EPOCH, wants, 4};
	const struct backend_fetch_sink fetch_sink = {fuzz, on_data, on_done, on_failed};
	const struct backend_list_sink list_sink = {fuzz, on_folder};
	struct backend_server server;
	struct backend_result result;

	client->ops->open(client, &server, &result);
	check_result(&result, true);
	insist(client_text_sound(server.name));
	if (result.status != BACKEND_OK)
		return;
	client->ops->scan(client, &scan, &scan_sink, &result);
	check_result(&result, fuzz->uid >= LAST_UID);
	client->ops->fetch(client, &fetch, &fetch_sink, &result);
	check_result(&result, fuzz->ended == 0x1e);
	client->ops->list(client, &list_sink, &result);
	check_result(&result, true);
	run_removal(fuzz, client);
	run_wait(fuzz, client);
}

/* What the process says, all of it at once; then it is gone. False when there is no room. */
static bool say(const struct fuzz *fuzz, const uint8_t *data, size_t size)
{
	struct frame_writer writer;
	bool said;

	frame_writer_init(&writer, fuzz->fds[1]);
	if (size && data[0] & 1) {
		frame_begin(&writer, FRAME_SERVER);
		frame_put_u32(&writer, BACKEND_CAP_IDLE);
		frame_put_str(&writer, "host");
		frame_end(&writer);
		frame_begin(&writer, FRAME_RESULT);
		frame_put_u8(&writer, BACKEND_OK);
		frame_put_u32(&writer, 0);
		frame_put_u8(&writer, false);
		frame_put_str(&writer, "");
		frame_end(&writer);
	}
	if (size)
		buf_append(&writer.out, data + 1, size - 1);
	said = frame_flush(&writer, 0) == 0;
	frame_writer_finish(&writer);
	return said && shutdown(fuzz->fds[1], SHUT_WR) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {.uid = 0};
	const struct client_dialer dialer = {&fuzz, dial, hangup};
	struct backend *client;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fuzz.fds) < 0)
		return 0;
	if (say(&fuzz, data, size)) {
		client = client_create(&dialer, 1000);
		run_calls(&fuzz, client);
		client->ops->close(client);
	} else {
		close(fuzz.fds[0]);
	}
	close(fuzz.fds[1]);
	return 0;
}
