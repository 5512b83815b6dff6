#include "client_p.h"
#include <assert.h>

void client_put_uids(struct frame_writer *writer, const uint32_t *uids, size_t count)
{
	assert(count <= BACKEND_REMOVE_MAX);
	frame_put_u32(writer, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		assert(uids[i] > (i ? uids[i - 1] : 0));
		frame_put_u32(writer, uids[i]);
	}
}

static bool client_remove_take(struct client_call *call, struct frame *frame)
{
	return client_broken(call, "a removal tells of nothing but its end");
}

void client_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result)
{
	struct client_call call = {
		.take = client_remove_take,
		.statuses = CLIENT_FOLDER_STATUSES | CLIENT_STATUS(BACKEND_FOLDER_CHANGED),
	};
	struct frame_writer *writer = &client_of(backend)->writer;
	bool all = removal->step == BACKEND_STEP_EXPUNGE_ALL;

	assert(all || removal->count);
	if (!client_begin(&call, backend, FRAME_REMOVE, result))
		return;
	frame_put_u8(writer, (uint8_t)removal->step);
	frame_put_str(writer, removal->raw);
	frame_put_u64(writer, removal->epoch);
	frame_put_str(writer, removal->to);
	client_put_uids(writer, removal->uids, all ? 0 : removal->count);
	client_finish(&call);
}
