/*
 * wrapped_backend.h - the fake backend with a hand in between, and without cancel().
 * A test sets the hooks before it starts the account.
 */
#ifndef MOUNTMAIL_TESTS_WRAPPED_BACKEND_H
#define MOUNTMAIL_TESTS_WRAPPED_BACKEND_H

#include "fake_backend.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

struct wrapped {
	struct backend backend; /* first */
	struct backend *inner;
};

/* Instead of inner's fetch; NULL: inner's. */
static void (*wrapped_fetch_hook)(struct backend *inner, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result);
/* Changes what a folder says of itself; NULL: nothing. */
static void (*wrapped_state_hook)(struct backend_folder_state *state);

/* Further capabilities. */
static uint32_t wrapped_caps;

static inline struct backend *wrapped_inner(struct backend *backend)
{
	return ((struct wrapped *)backend)->inner;
}

static void wrapped_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	struct backend *inner = wrapped_inner(backend);

	inner->ops->open(inner, server_out, result);
	server_out->caps |= wrapped_caps;
}

static void wrapped_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	struct backend *inner = wrapped_inner(backend);

	inner->ops->list(inner, sink, result);
}

/* The sink of a scan, but for begin. */
static bool wrapped_begin(void *ctx, const struct backend_folder_state *state)
{
	const struct backend_scan_sink *sink = ctx;
	struct backend_folder_state other = *state;

	if (wrapped_state_hook)
		wrapped_state_hook(&other);
	return sink->begin(sink->ctx, &other);
}

static bool wrapped_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	const struct backend_scan_sink *sink = ctx;

	return sink->existing(sink->ctx, uid, flags);
}

static bool wrapped_surveyed(void *ctx)
{
	const struct backend_scan_sink *sink = ctx;

	return sink->surveyed(sink->ctx);
}

static bool wrapped_message(void *ctx, const struct mail_message *message)
{
	const struct backend_scan_sink *sink = ctx;

	return sink->message(sink->ctx, message);
}

static bool wrapped_batch(void *ctx, uint32_t through)
{
	const struct backend_scan_sink *sink = ctx;

	return sink->batch(sink->ctx, through);
}

static void wrapped_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct backend_scan_sink own = {.ctx = (void *)(uintptr_t)sink,
		.begin = wrapped_begin,
		.existing = wrapped_existing,
		.surveyed = wrapped_surveyed,
		.message = wrapped_message,
		.batch = wrapped_batch};
	struct backend *inner = wrapped_inner(backend);

	inner->ops->scan(inner, scan, &own, result);
}

static void wrapped_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result)
{
	struct backend *inner = wrapped_inner(backend);

	if (wrapped_fetch_hook)
		wrapped_fetch_hook(inner, fetch, sink, result);
	else
		inner->ops->fetch(inner, fetch, sink, result);
}

static void wrapped_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result)
{
	struct backend *inner = wrapped_inner(backend);

	inner->ops->verify(inner, verify, sink, result);
}

static void wrapped_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result)
{
	struct backend *inner = wrapped_inner(backend);

	inner->ops->remove(inner, removal, result);
}

static void wrapped_wait(struct backend *backend, const struct backend_wait *wait,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result)
{
	struct backend *inner = wrapped_inner(backend);

	inner->ops->wait(inner, wait, sink, news_out, result);
}

static void wrapped_close(struct backend *backend)
{
	struct backend *inner = wrapped_inner(backend);

	inner->ops->close(inner);
	free(backend);
}

static inline struct backend *wrapped_create(void *ctx)
{
	static const struct backend_ops ops = {.open = wrapped_open,
		.list = wrapped_list,
		.scan = wrapped_scan,
		.fetch = wrapped_fetch,
		.verify = wrapped_verify,
		.remove = wrapped_remove,
		.wait = wrapped_wait,
		.close = wrapped_close};
	struct wrapped *wrapped = xcalloc(1, sizeof(*wrapped));

	wrapped->backend.ops = &ops;
	wrapped->inner = fake_backend_create(ctx);
	return &wrapped->backend;
}

#endif
