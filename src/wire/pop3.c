/*
 * POP3 by hand, over stream.c: libetpan's mailpop3 is not used at all. See pop3_internal_p.h.
 */
#include "pop3_internal_p.h"
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A word in parting whose answer nobody waits for. QUIT makes DELE come true, so it is never
 * said over marks that nobody asked to be made true, nor behind a DELE that was refused: who
 * knows.
 */
static void pop3_say_goodbye(struct pop3 *pop3)
{
	if (pop3->ready && !pop3->in_flight && !pop3->wrong[0])
		(void)pop3_send(pop3, pop3->tried ? "RSET" : "QUIT");
}

void pop3_hang_up(struct pop3 *pop3)
{
	pop3->ready = false;
	stream_close(pop3->stream);
	pop3->stream = NULL;
	pop3->in_at = pop3->in_len = 0;
}

static void pop3_close(struct backend *backend)
{
	struct pop3 *pop3 = pop3_of(backend);

	pop3_say_goodbye(pop3);
	pop3_hang_up(pop3);
	if (pop3->fd >= 0)
		close(pop3->fd);
	pop3_drop_finish(&pop3->drop);
	buf_finish(&pop3->piece);
	buf_finish(&pop3->out);
	free(pop3->in);
	free(pop3);
}

static void pop3_list_folders(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	char name[] = "INBOX";
	const struct mail_folder inbox = {
		.raw = name, .path = name, .flags = MAIL_FOLDER_INBOX};

	if (!pop3_is_ready(pop3_of(backend), result))
		return;
	if (sink->folder(sink->ctx, &inbox))
		backend_result_ok(result);
	else
		pop3_stop(result);
}

bool pop3_is_epoch(struct pop3 *pop3, uint64_t epoch, struct backend_result *result)
{
	if (epoch <= POP3_EPOCH)
		return true;
	backend_result_set(result, BACKEND_FOLDER_CHANGED,
		"The maildrop at %s is not what was stored of it: that was an IMAP folder",
		pop3->conf->host);
	return false;
}

bool pop3_is_folder(struct pop3 *pop3, const char *raw, struct backend_result *result)
{
	if (!pop3_is_ready(pop3, result))
		return false;
	if (str_equal_nocase(raw, "INBOX"))
		return true;
	backend_result_set(result, BACKEND_FOLDER_GONE,
		"%s is spoken to in POP3, which has no folder but INBOX", pop3->conf->host);
	return false;
}

void pop3_folder_state(const struct pop3 *pop3, struct backend_folder_state *state_out)
{
	*state_out =
		(struct backend_folder_state){.epoch = POP3_EPOCH, .exists = pop3->drop.exists};
}

static const struct backend_ops pop3_ops = {
	.open = pop3_open,
	.list = pop3_list_folders,
	.scan = pop3_scan,
	.fetch = pop3_fetch,
	.verify = pop3_verify,
	.remove = pop3_remove,
	.close = pop3_close,
};

struct backend *pop3_create(const struct wire_conf *conf, int watch_fd,
	int (*enter_sandbox)(void), bool (*stopped)(void *ctx), void *ctx)
{
	struct pop3 *pop3 = xcalloc(1, sizeof(*pop3));

	pop3->backend.ops = &pop3_ops;
	pop3->conf = conf;
	pop3->fd = -1;
	pop3->watch_fd = watch_fd;
	pop3->enter_sandbox = enter_sandbox;
	pop3->stopped = stopped;
	pop3->ctx = ctx;
	return &pop3->backend;
}

struct backend *pop3_create_on_fd(
	int fd, const struct wire_conf *conf, bool (*stopped)(void *ctx), void *ctx)
{
	struct backend *backend = pop3_create(conf, -1, NULL, stopped, ctx);

	pop3_of(backend)->fd = fd;
	return backend;
}
