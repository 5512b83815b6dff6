#include "child_internal_p.h"
#include <stdlib.h>

static bool child_found(void *ctx, const struct backend_identity *identity)
{
	struct child *child = ctx;

	child_gather(child, FRAME_IDENTITIES);
	frame_put_u32(&child->writer, identity->uid);
	frame_put_u8(&child->writer, identity->known);
	frame_put_u64(&child->writer, identity->size);
	frame_put_u64(&child->writer, (uint64_t)identity->date);
	frame_put_str(&child->writer, identity->message_id);
	frame_put_str(&child->writer, identity->uidl);
	return child_goes_on(child);
}

static bool child_deleted(void *ctx, uint32_t uid)
{
	struct child *child = ctx;

	child_gather(child, FRAME_DELETED);
	frame_put_u32(&child->writer, uid);
	return child_goes_on(child);
}

/* A count and so many UIDs, ascending. False when they are not. */
static bool child_get_uids(
	struct frame *frame, uint32_t uids[BACKEND_REMOVE_MAX], size_t *count_out)
{
	uint32_t count = frame_get_u32(frame);

	if (count > BACKEND_REMOVE_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uids[i] = frame_get_u32(frame);
		if (uids[i] <= (i ? uids[i - 1] : 0))
			return false;
	}
	*count_out = count;
	return true;
}

bool child_verify(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result)
{
	const struct backend_verify_sink sink = {
		child, child_state, child_found, child_deleted};
	uint32_t uids[BACKEND_REMOVE_MAX];
	char *raw = frame_get_str(frame, FRAME_PAYLOAD_MAX);
	struct backend_verify verify = {.raw = raw, .uids = uids};
	bool sound;

	verify.epoch = frame_get_u64(frame);
	verify.from_uid = frame_get_u32(frame);
	verify.again = frame_get_u8(frame) != 0;
	verify.writing = frame_get_u8(frame) != 0;
	verify.identify = frame_get_u8(frame) != 0;
	verify.deleted = frame_get_u8(frame) != 0;
	sound = raw && child_get_uids(frame, uids, &verify.count) && frame_at_end(frame);
	if (sound)
		backend->ops->verify(backend, &verify, &sink, result);
	free(raw);
	return sound;
}

/* What the contract says of a removal; a request of another kind is a mistake of ours. */
static bool child_removal_sound(const struct backend_removal *removal)
{
	switch (removal->step) {
	case BACKEND_STEP_MOVE:
	case BACKEND_STEP_COPY:
		return removal->count && removal->to;
	case BACKEND_STEP_MARK:
	case BACKEND_STEP_EXPUNGE:
		return removal->count && !removal->to;
	case BACKEND_STEP_EXPUNGE_ALL:
		return !removal->count && !removal->to;
	}
	return false;
}

bool child_remove(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result)
{
	uint32_t uids[BACKEND_REMOVE_MAX];
	struct backend_removal removal = {.uids = uids};
	char *raw, *to;
	bool sound;

	removal.step = (enum backend_step)frame_get_u8(frame);
	removal.raw = raw = frame_get_str(frame, FRAME_PAYLOAD_MAX);
	removal.epoch = frame_get_u64(frame);
	removal.to = to = frame_get_str(frame, FRAME_PAYLOAD_MAX);
	sound = raw && child_get_uids(frame, uids, &removal.count) && frame_at_end(frame) &&
		child_removal_sound(&removal);
	if (sound)
		backend->ops->remove(backend, &removal, result);
	free(raw);
	free(to);
	return sound;
}
