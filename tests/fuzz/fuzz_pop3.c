/*
 * A POP3 server that says anything: whatever it is, the sinks see only what backend.h promises,
 * every call ends, and QUIT is never sent over marks that nobody asked to come true. The first
 * byte spares the fuzzer some work: 1 logs in for it, 2 lists the maildrop as well, 4 makes the
 * server one that takes many commands at once.
 */
#include "client_p.h"
#include "pop3_internal_p.h"
#include <mountmail/base/buf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	uint32_t uids[4]; /* known, wanted, and to be removed */
	size_t count;
	uint32_t last;	   /* one that exists, or was found */
	uint32_t reported; /* the last message */
	uint64_t size;	   /* of the body under way */
	unsigned ended;
};

static void insist(bool kept)
{
	if (!kept)
		abort();
}

static bool is_known(const struct fuzz *fuzz, uint32_t uid)
{
	for (size_t i = 0; i < fuzz->count; i++)
		if (fuzz->uids[i] == uid)
			return true;
	return false;
}

static bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct fuzz *fuzz = ctx;

	insist(state->epoch == 1);
	fuzz->last = fuzz->reported = 0;
	return state->exists != 666;
}

static bool on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct fuzz *fuzz = ctx;

	insist(uid > fuzz->last && is_known(fuzz, uid) && !flags);
	fuzz->last = uid;
	return true;
}

static bool on_surveyed(void *ctx)
{
	struct fuzz *fuzz = ctx;

	insist(!fuzz->reported);
	return true;
}

static bool on_message(void *ctx, const struct mail_message *message)
{
	struct fuzz *fuzz = ctx;

	insist(client_message_sound(message) && message->uid > fuzz->reported);
	fuzz->reported = message->uid;
	insist(message->uid && (message->uidl || message->twin));
	return message->size != 666;
}

static bool on_batch(void *ctx, uint32_t through)
{
	insist(through);
	return true;
}

static bool on_data(void *ctx, const void *data, size_t len)
{
	struct fuzz *fuzz = ctx;

	insist(len > 0);
	fuzz->size += len;
	return memchr(data, 'S', len) == NULL;
}

static bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct fuzz *fuzz = ctx;

	insist(size == fuzz->size && is_known(fuzz, uid));
	fuzz->size = 0;
	fuzz->ended++;
	return true;
}

static bool on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct fuzz *fuzz = ctx;

	insist(status == BACKEND_MESSAGE_GONE || status == BACKEND_MESSAGE_BAD);
	insist(client_text_sound(text) && is_known(fuzz, uid));
	fuzz->size = 0;
	fuzz->ended++;
	return true;
}

static bool on_found(void *ctx, const struct backend_identity *identity)
{
	struct fuzz *fuzz = ctx;

	insist(identity->uid > fuzz->last && is_known(fuzz, identity->uid));
	insist(client_text_sound(identity->message_id) && client_uidl_sound(identity->uidl));
	insist(!identity->known || identity->uidl);
	fuzz->last = identity->uid;
	return true;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void run_scan(struct fuzz *fuzz, struct backend *backend, struct backend_result *result)
{
	const struct backend_scan scan = {.raw = "INBOX",
		.survey = true,
		.most = 2,
		.known = fuzz->uids,
		.known_count = 2};
	const struct backend_scan_sink sink = {
		fuzz, on_begin, on_existing, on_surveyed, on_message, on_batch};

	backend->ops->scan(backend, &scan, &sink, result);
}

static void run_fetch(struct fuzz *fuzz, struct backend *backend, struct backend_result *result)
{
	const struct backend_want wants[] = {{.uid = fuzz->uids[0], .uidl = "a"},
		{.uid = fuzz->uids[1], .message_id = "<1@x>"}, {.uid = fuzz->uids[2]},
		{.uid = fuzz->uids[3]}};
	const struct backend_fetch fetch = {"INBOX", 1, wants, 4};
	const struct backend_fetch_sink sink = {fuzz, on_data, on_done, on_failed, NULL};

	fuzz->ended = 0;
	fuzz->size = 0;
	backend->ops->fetch(backend, &fetch, &sink, result);
	insist(result->status != BACKEND_OK || fuzz->ended == 4);
}

static void run_removal(
	struct fuzz *fuzz, struct backend *backend, struct backend_result *result)
{
	struct backend_removal removal = {.step = BACKEND_STEP_MARK,
		.raw = "INBOX",
		.epoch = 1,
		.uids = fuzz->uids,
		.count = 2};
	const struct backend_verify verify = {
		.raw = "INBOX", .uids = fuzz->uids, .count = 4, .identify = true};
	const struct backend_verify_sink sink = {fuzz, on_begin, on_found, NULL};

	backend->ops->verify(backend, &verify, &sink, result);
	backend->ops->remove(backend, &removal, result);
	/* Those are other ones: they must not come true. */
	removal.uids = fuzz->uids + 2;
	removal.step = BACKEND_STEP_EXPUNGE;
	backend->ops->remove(backend, &removal, result);
}

/* What the client sent: with a DELE that was not taken back there is no QUIT behind it. */
static void check_heard(int fd)
{
	struct buf heard = BUF_INIT;
	const char *dele, *at;
	ssize_t got;

	for (;;) {
		buf_reserve(&heard, 65536);
		got = recv(fd, heard.data + heard.len, 65536, MSG_DONTWAIT);
		if (got <= 0)
			break;
		heard.len += (size_t)got;
	}
	heard.data[heard.len] = '\0';
	dele = strstr(heard.data, "DELE ");
	for (at = dele; at && (at = strstr(at, "QUIT\r\n")); at++)
		insist(strstr(dele, "RSET\r\n") && strstr(dele, "RSET\r\n") < at);
	buf_finish(&heard);
}

static bool say(int fd, const uint8_t *data, size_t size)
{
	static const char *const logins[] = {
		"+OK\r\n+OK\r\nUSER\r\nTOP\r\nUIDL\r\n.\r\n+OK\r\n+OK\r\n"
		"+OK\r\nUSER\r\nTOP\r\nUIDL\r\n.\r\n",
		"+OK\r\n+OK\r\nUSER\r\n.\r\n+OK\r\n+OK\r\n+OK\r\nPIPELINING\r\n.\r\n"};
	static const char lists[] = "+OK 4 60\r\n+OK\r\n1 a\r\n2 b\r\n3 c\r\n4 d\r\n.\r\n"
				    "+OK\r\n1 1\r\n2 2\r\n3 3\r\n4 4\r\n.\r\n";
	struct buf text = BUF_INIT;
	bool said;

	if (data[0] & 3)
		buf_append_str(&text, logins[!!(data[0] & 4)]);
	if ((data[0] & 3) == 3)
		buf_append_str(&text, lists);
	buf_append(&text, data + 1, size - 1);
	said = !text.len || send(fd, text.data, text.len, MSG_DONTWAIT) == (ssize_t)text.len;
	buf_finish(&text);
	return said && shutdown(fd, SHUT_WR) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {.count = 4};
	char secret[] = "sesame";
	const struct wire_conf conf = {.protocol = WIRE_POP3,
		.tls = WIRE_TLS_NONE,
		.host = "pop.example.org",
		.user = "alice",
		.secret = secret,
		.timeout_ms = 1000};
	struct backend_server server;
	struct backend_result result;
	struct backend *backend;
	int fds[2];

	if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	for (uint32_t i = 0; i < 4; i++)
		fuzz.uids[i] = pop3_uid_number((const char[]){(char)('a' + i), '\0'}, 0);
	qsort(fuzz.uids, 4, sizeof(*fuzz.uids), compare);
	if (!say(fds[1], data, size)) {
		close(fds[0]);
		close(fds[1]);
		return 0;
	}
	backend = pop3_create_on_fd(fds[0], &conf, NULL, NULL);
	backend->ops->open(backend, &server, &result);
	insist(client_text_sound(result.text));
	if (result.status == BACKEND_OK) {
		run_scan(&fuzz, backend, &result);
		insist(client_text_sound(result.text));
		run_fetch(&fuzz, backend, &result);
		run_removal(&fuzz, backend, &result);
	}
	backend->ops->close(backend);
	check_heard(fds[1]);
	close(fds[1]);
	return 0;
}
