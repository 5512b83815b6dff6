#include "client_p.h"
#include "guard_p.h"
#include <assert.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* A wanted message. */
struct client_item {
	uint32_t uid;
	bool ended; /* done or failed was said */
};

struct client_fetch {
	struct client_call call; /* first */
	const struct backend_fetch *want;
	const struct backend_fetch_sink *sink;
	struct client_item *items; /* owned; by UID */
	size_t pending;
	uint64_t size; /* bytes since the last done or failed */
};

static int client_item_compare(const void *a, const void *b)
{
	const struct client_item *left = a, *right = b;

	return (left->uid > right->uid) - (left->uid < right->uid);
}

/* Takes a wanted message off the list. */
static bool client_fetch_end(struct client_fetch *fetch, uint32_t uid)
{
	const struct client_item key = {.uid = uid};
	struct client_item *item = bsearch(
		&key, fetch->items, fetch->want->count, sizeof(key), client_item_compare);

	if (!item || item->ended)
		return client_broken(
			&fetch->call, "each wanted message ends once, and no other");
	item->ended = true;
	fetch->pending--;
	fetch->size = 0;
	/* Its folder was the right one. */
	fetch->call.statuses &= ~CLIENT_STATUS(BACKEND_FOLDER_CHANGED);
	return true;
}

static bool client_fetch_data(struct client_fetch *fetch, struct frame *frame)
{
	size_t len;
	const void *data = frame_get_bytes(frame, &len);

	if (!frame_at_end(frame) || len == 0 || !fetch->pending)
		return client_broken(&fetch->call, "data belongs to a wanted message");
	fetch->size += len;
	if (fetch->size > GUARD_LITERAL_MAX)
		return client_broken(&fetch->call, "messages have an end");
	fetch->call.statuses &= ~CLIENT_STATUS(BACKEND_FOLDER_CHANGED);
	if (!fetch->sink->data(fetch->sink->ctx, data, len))
		fetch->call.stop = true;
	return true;
}

static bool client_fetch_done(struct client_fetch *fetch, struct frame *frame)
{
	uint32_t uid = frame_get_u32(frame);
	uint64_t size = frame_get_u64(frame);

	if (!frame_at_end(frame) || size != fetch->size)
		return client_broken(&fetch->call, "a message is as long as its data");
	if (!client_fetch_end(fetch, uid))
		return false;
	if (!fetch->sink->done(fetch->sink->ctx, uid, size))
		fetch->call.stop = true;
	return true;
}

static bool client_fetch_failed(struct client_fetch *fetch, struct frame *frame)
{
	uint32_t uid = frame_get_u32(frame);
	uint8_t status = frame_get_u8(frame);
	char *text = frame_get_str(frame, MAIL_FIELD_MAX);
	bool sound = frame_at_end(frame) && text &&
		     (status == BACKEND_MESSAGE_GONE || status == BACKEND_MESSAGE_BAD);

	if (!sound)
		client_broken(&fetch->call, "a message fails for a reason of its own");
	sound = sound && client_fetch_end(fetch, uid);
	if (sound) {
		client_text_tame(text);
		if (!fetch->sink->failed(fetch->sink->ctx, uid, status, text))
			fetch->call.stop = true;
	}
	free(text);
	return sound;
}

static void client_fetch_alive(struct client_call *call)
{
	const struct backend_fetch_sink *sink = ((struct client_fetch *)call)->sink;

	if (sink->alive)
		sink->alive(sink->ctx);
}

static bool client_fetch_take(struct client_call *call, struct frame *frame)
{
	struct client_fetch *fetch = (struct client_fetch *)call;

	if (frame->type == FRAME_BODY_DATA)
		return client_fetch_data(fetch, frame);
	if (frame->type == FRAME_BODY_DONE)
		return client_fetch_done(fetch, frame);
	if (frame->type == FRAME_BODY_FAILED)
		return client_fetch_failed(fetch, frame);
	return client_broken(call, "a fetch brings messages");
}

static bool client_fetch_complete(struct client_call *call)
{
	struct client_fetch *fetch = (struct client_fetch *)call;

	return (!fetch->pending && !fetch->size) ||
	       client_broken(call, "a fetch is done when each wanted message ended");
}

static void client_fetch_prepare(struct client_fetch *fetch)
{
	size_t count = fetch->want->count;

	assert(count >= 1 && count <= BACKEND_FETCH_MAX);
	fetch->pending = count;
	fetch->items = xcalloc(count, sizeof(*fetch->items));
	for (size_t i = 0; i < count; i++)
		fetch->items[i].uid = fetch->want->wants[i].uid;
	qsort(fetch->items, count, sizeof(*fetch->items), client_item_compare);
	for (size_t i = 1; i < count; i++)
		assert(fetch->items[i - 1].uid != fetch->items[i].uid);
}

/* NULL for what is longer than the process takes: the body is not compared with it then. */
static const char *client_fetch_short(const char *text)
{
	return text && strlen(text) <= FRAME_MESSAGE_ID_MAX ? text : NULL;
}

static void client_fetch_put(struct frame_writer *writer, const struct backend_fetch *want)
{
	frame_put_str(writer, want->raw);
	frame_put_u64(writer, want->epoch);
	frame_put_u32(writer, (uint32_t)want->count);
	for (size_t i = 0; i < want->count; i++) {
		frame_put_u32(writer, want->wants[i].uid);
		frame_put_str(writer, client_fetch_short(want->wants[i].uidl));
		frame_put_str(writer, client_fetch_short(want->wants[i].message_id));
		frame_put_u64(writer, (uint64_t)want->wants[i].date);
	}
}

void client_fetch(struct backend *backend, const struct backend_fetch *want,
	const struct backend_fetch_sink *sink, struct backend_result *result)
{
	struct client_fetch fetch = {
		.call = {.take = client_fetch_take,
			.alive = client_fetch_alive,
			.complete = client_fetch_complete,
			.statuses = CLIENT_STATUS(BACKEND_FOLDER_GONE) |
				    CLIENT_STATUS(BACKEND_FOLDER_CHANGED) |
				    CLIENT_STATUS(BACKEND_THROTTLED) |
				    CLIENT_STATUS(BACKEND_REFUSED)},
		.want = want,
		.sink = sink,
	};

	if (!client_begin(&fetch.call, backend, FRAME_FETCH, result))
		return;
	client_fetch_prepare(&fetch);
	client_fetch_put(&client_of(backend)->writer, want);
	client_finish(&fetch.call);
	free(fetch.items);
}
