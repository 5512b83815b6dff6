#include "child_internal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

static bool child_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct child *child = ctx;

	child_gather(child, FRAME_EXISTING);
	frame_put_u32(&child->writer, uid);
	frame_put_u32(&child->writer, flags);
	return child_goes_on(child);
}

static bool child_surveyed(void *ctx)
{
	struct child *child = ctx;

	child_begin(child, FRAME_SURVEYED);
	frame_end(&child->writer);
	return child_flush(child) && !child_stop_wanted(child);
}

static bool child_message(void *ctx, const struct mail_message *message)
{
	const struct mail_fields *fields = &message->fields;
	const char *texts[] = {message->uidl, fields->sender, fields->from, fields->to,
		fields->cc, fields->subject, fields->date, fields->message_id,
		fields->references, fields->list_id};
	struct child *child = ctx;

	child_gather(child, FRAME_MESSAGES);
	frame_put_u32(&child->writer, message->uid);
	frame_put_u64(&child->writer, message->size);
	frame_put_u64(&child->writer, (uint64_t)message->date);
	frame_put_u32(&child->writer, message->flags);
	frame_put_u8(&child->writer, message->bad);
	frame_put_u8(&child->writer, message->twin);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		frame_put_str(&child->writer, texts[i]);
	return child_goes_on(child);
}

static bool child_batch(void *ctx, uint32_t through)
{
	struct child *child = ctx;

	child_begin(child, FRAME_BATCH);
	frame_put_u32(&child->writer, through);
	frame_end(&child->writer);
	return child_flush(child) && !child_stop_wanted(child);
}

bool child_known(struct child *child, struct frame *frame)
{
	uint32_t count = frame_get_u32(frame);
	size_t at = child->known_count;

	if (!count || count > FRAME_KNOWN_UIDS || count > BACKEND_KNOWN_MAX - at)
		return false;
	child->known = xreallocarray(child->known, at + count, sizeof(*child->known));
	for (; child->known_count < at + count; child->known_count++) {
		uint32_t uid = frame_get_u32(frame);

		if (uid <= (child->known_count ? child->known[child->known_count - 1] : 0))
			return false;
		child->known[child->known_count] = uid;
	}
	return frame_at_end(frame);
}

bool child_scan(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result)
{
	const struct backend_scan_sink sink = {
		child, child_state, child_existing, child_surveyed, child_message, child_batch};
	char *raw = frame_get_str(frame, FRAME_PAYLOAD_MAX);
	struct backend_scan scan = {.raw = raw};
	bool sound;

	scan.epoch = frame_get_u64(frame);
	scan.last_uid = frame_get_u32(frame);
	scan.survey = frame_get_u8(frame) != 0;
	scan.most = frame_get_u32(frame);
	scan.stub_first = frame_get_u8(frame) != 0;
	scan.known = child->known;
	scan.known_count = frame_get_u32(frame);
	sound = raw && frame_at_end(frame) && scan.known_count == child->known_count;
	if (sound)
		backend->ops->scan(backend, &scan, &sink, result);
	free(raw);
	free(child->known);
	child->known = NULL;
	child->known_count = 0;
	return sound;
}
