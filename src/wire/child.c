#include "child_internal_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

#define CHILD_FRAME_BYTES (64u << 10) /* many small things are gathered up to here */
#define CHILD_ALIVE_MS 1000	      /* a longer silence is explained to the mail process */

struct child *child_create(int channel)
{
	struct child *child = xcalloc(1, sizeof(*child));

	frame_writer_init(&child->writer, channel);
	frame_reader_init(&child->reader, channel);
	return child;
}

void child_destroy(struct child *child)
{
	frame_writer_finish(&child->writer);
	frame_reader_finish(&child->reader);
	free(child->known);
	free(child);
}

bool child_flush(struct child *child)
{
	/* A mail process that is slow makes the server wait, for as long as it takes. */
	if (!child->gone && frame_flush(&child->writer, -1) < 0)
		child->gone = true;
	child->flushed_ms = clock_now_ms();
	return !child->gone;
}

/* Ends the frame that gathers, if there is one. */
static void child_gathered(struct child *child)
{
	if (!child->open)
		return;
	memcpy(child->writer.out.data + child->open_count_at, &child->open_count,
		sizeof(child->open_count));
	frame_end(&child->writer);
	child->open = 0;
}

void child_gather(struct child *child, enum frame_type type)
{
	if (child->open &&
		(child->open != type || frame_size(&child->writer) > CHILD_FRAME_BYTES))
		child_gathered(child);
	if (!child->open) {
		frame_begin(&child->writer, type);
		child->open = type;
		child->open_count = 0;
		child->open_count_at = child->writer.out.len;
		frame_put_u32(&child->writer, 0);
	}
	child->open_count++;
}

void child_begin(struct child *child, enum frame_type type)
{
	child_gathered(child);
	frame_begin(&child->writer, type);
}

/* The mail process ends a process that it does not hear from. */
static void child_tell_alive(struct child *child)
{
	if (clock_now_ms() - child->flushed_ms < CHILD_ALIVE_MS)
		return;
	child_begin(child, FRAME_ALIVE);
	frame_end(&child->writer);
	child_flush(child);
}

bool child_stop_wanted(void *ctx)
{
	struct child *child = ctx;
	struct frame frame;
	int got;

	if (child->stop || child->gone)
		return true;
	child_tell_alive(child);
	got = frame_read(&child->reader, &frame, 0);
	if (got == 0)
		return false;
	child->stop = got == 1 && frame.type == FRAME_STOP;
	child->gone = !child->stop;
	return true;
}

/* Whether to go on after an addition; what has piled up leaves from time to time. */
bool child_goes_on(struct child *child)
{
	if (child->writer.out.len < CHILD_FRAME_BYTES * 2)
		return !child->gone && !child->stop;
	child_gathered(child);
	return child_flush(child) && !child_stop_wanted(child);
}

static bool child_folder(void *ctx, const struct mail_folder *folder)
{
	struct child *child = ctx;

	child_begin(child, FRAME_FOLDER);
	frame_put_str(&child->writer, folder->raw);
	frame_put_str(&child->writer, folder->path);
	frame_put_u32(&child->writer, folder->flags);
	frame_end(&child->writer);
	return child_goes_on(child);
}

bool child_state(void *ctx, const struct backend_folder_state *state)
{
	struct child *child = ctx;

	child_begin(child, FRAME_STATE);
	frame_put_u64(&child->writer, state->epoch);
	frame_put_u32(&child->writer, state->exists);
	frame_put_u32(&child->writer, state->uidnext);
	frame_put_u64(&child->writer, state->modseq);
	frame_end(&child->writer);
	return child_flush(child) && !child_stop_wanted(child);
}

static bool child_data(void *ctx, const void *data, size_t len)
{
	struct child *child = ctx;

	while (len) {
		size_t piece = len < CHILD_FRAME_BYTES ? len : CHILD_FRAME_BYTES;

		child_begin(child, FRAME_BODY_DATA);
		frame_put_bytes(&child->writer, data, piece);
		frame_end(&child->writer);
		data = (const char *)data + piece;
		len -= piece;
		if (!child_goes_on(child))
			return false;
	}
	return true;
}

static bool child_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct child *child = ctx;

	child_begin(child, FRAME_BODY_DONE);
	frame_put_u32(&child->writer, uid);
	frame_put_u64(&child->writer, size);
	frame_end(&child->writer);
	return child_flush(child) && !child_stop_wanted(child);
}

static bool child_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct child *child = ctx;

	child_begin(child, FRAME_BODY_FAILED);
	frame_put_u32(&child->writer, uid);
	frame_put_u8(&child->writer, (uint8_t)status);
	frame_put_str(&child->writer, text);
	frame_end(&child->writer);
	return child_flush(child) && !child_stop_wanted(child);
}

static void child_open(
	struct child *child, struct backend *backend, struct backend_result *result)
{
	struct backend_server server = {0};

	backend->ops->open(backend, &server, result);
	if (result->status != BACKEND_OK)
		return;
	child_begin(child, FRAME_SERVER);
	frame_put_u32(&child->writer, server.caps);
	frame_put_str(&child->writer, server.name);
	frame_end(&child->writer);
}

static bool child_fetch(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result)
{
	const struct backend_fetch_sink sink = {child, child_data, child_done, child_failed};
	struct backend_want wants[BACKEND_FETCH_MAX] = {{0}};
	char *texts[BACKEND_FETCH_MAX * 2] = {NULL};
	char *raw = frame_get_str(frame, FRAME_PAYLOAD_MAX);
	struct backend_fetch fetch = {.raw = raw, .wants = wants};
	bool sound;

	fetch.epoch = frame_get_u64(frame);
	fetch.count = frame_get_u32(frame);
	sound = raw && fetch.count >= 1 && fetch.count <= BACKEND_FETCH_MAX;
	for (size_t i = 0; sound && i < fetch.count; i++) {
		wants[i].uid = frame_get_u32(frame);
		wants[i].uidl = texts[i * 2] = frame_get_str(frame, MAIL_FIELD_MAX);
		wants[i].message_id = texts[i * 2 + 1] = frame_get_str(frame, MAIL_FIELD_MAX);
		wants[i].date = (int64_t)frame_get_u64(frame);
	}
	sound = sound && frame_at_end(frame);
	if (sound)
		backend->ops->fetch(backend, &fetch, &sink, result);
	for (size_t i = 0; i < BACKEND_FETCH_MAX * 2; i++)
		free(texts[i]);
	free(raw);
	return sound;
}

/* False for a request that cannot be: the process ends then. */
static bool child_call(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result)
{
	const struct backend_list_sink sink = {child, child_folder};

	backend_result_ok(result);
	if ((frame->type == FRAME_OPEN || frame->type == FRAME_LIST) && !frame_at_end(frame))
		return false;
	if (frame->type == FRAME_OPEN)
		child_open(child, backend, result);
	else if (frame->type == FRAME_LIST)
		backend->ops->list(backend, &sink, result);
	else if (frame->type == FRAME_SCAN)
		return child_scan(child, backend, frame, result);
	else if (frame->type == FRAME_FETCH)
		return child_fetch(child, backend, frame, result);
	else if (frame->type == FRAME_VERIFY)
		return child_verify(child, backend, frame, result);
	else if (frame->type == FRAME_REMOVE)
		return child_remove(child, backend, frame, result);
	else if (frame->type == FRAME_WAIT)
		return child_wait(child, backend, frame, result);
	else
		return false;
	return true;
}

static bool child_ends(const struct backend_result *result, bool opening)
{
	return result->status == BACKEND_CONNECTION_LOST ||
	       (opening && result->status != BACKEND_OK);
}

void child_serve(struct child *child, struct backend *backend)
{
	struct backend_result result;
	bool opened = false, over = false;
	struct frame frame;

	while (!over && !child->gone && frame_read(&child->reader, &frame, -1) == 1) {
		bool opening = frame.type == FRAME_OPEN;

		/* A stop that crossed the end of the call it was meant for. */
		if (frame.type == FRAME_STOP && opened)
			continue;
		/* No call of its own, and so without a result. */
		if (frame.type == FRAME_KNOWN && opened && child_known(child, &frame))
			continue;
		child->stop = false;
		child->flushed_ms = clock_now_ms();
		if (opening == opened || !child_call(child, backend, &frame, &result)) {
			log_error("the mail process sent a request that cannot be");
			return;
		}
		opened = true;
		over = child_ends(&result, opening);
		child_begin(child, FRAME_RESULT);
		frame_put_u8(&child->writer, (uint8_t)result.status);
		frame_put_u32(&child->writer, result.retry_ms);
		frame_put_u8(&child->writer, result.broke);
		frame_put_str(&child->writer, result.text);
		frame_end(&child->writer);
		child_flush(child);
	}
}
