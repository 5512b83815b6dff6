#include "imap_internal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <unistd.h>

/* RFC 2177: to be renewed at least every 29 minutes. */
#define IMAP_IDLE_MS (25 * 60 * 1000)

/* A LOGOUT whose answer nobody waits for: it spares the server a line in its log. */
static void imap_say_goodbye(struct imap *imap)
{
	static const char logout[] = "LOGOUT\r\n";

	if (imap->ready && imap_send_tag(imap, NULL, logout))
		(void)imap_send(imap, logout, sizeof(logout) - 1);
}

static void imap_close(struct backend *backend)
{
	struct imap *imap = imap_of(backend);

	imap_say_goodbye(imap);
	imap_hang_up(imap);
	if (imap->session)
		mailimap_free(imap->session);
	if (imap->fd >= 0)
		close(imap->fd);
	free(imap->selected);
	free(imap);
}

static const struct backend_ops imap_ops = {
	.open = imap_open,
	.list = imap_list,
	.scan = imap_scan,
	.fetch = imap_fetch,
	.verify = imap_verify,
	.remove = imap_remove,
	.wait = imap_wait,
	.close = imap_close,
};

struct backend *imap_create(const struct wire_conf *conf, int watch_fd,
	int (*enter_sandbox)(void), bool (*stopped)(void *ctx), void *ctx)
{
	struct imap *imap = xcalloc(1, sizeof(*imap));

	imap->backend.ops = &imap_ops;
	imap->conf = conf;
	imap->fd = -1;
	imap->watch_fd = watch_fd;
	imap->idle_ms = IMAP_IDLE_MS;
	imap->enter_sandbox = enter_sandbox;
	imap->stopped = stopped;
	imap->ctx = ctx;
	return &imap->backend;
}

struct backend *imap_create_on_fd(
	int fd, const struct wire_conf *conf, bool (*stopped)(void *ctx), void *ctx)
{
	struct backend *backend = imap_create(conf, -1, NULL, stopped, ctx);

	imap_of(backend)->fd = fd;
	return backend;
}

void imap_hang_up(struct imap *imap)
{
	imap->ready = false;
	if (imap->session)
		imap->session->imap_stream = NULL; /* else mailimap_free() would send LOGOUT */
	if (imap->mailstream)
		mailstream_close(imap->mailstream);
	imap->mailstream = NULL;
	imap->stream = NULL;
	imap->guard = NULL;
}
