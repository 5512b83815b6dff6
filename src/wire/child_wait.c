#include "child_internal_p.h"
#include <stdlib.h>

static void child_wait_run(struct child *child, struct backend *backend,
	const struct backend_wait *wait, struct backend_result *result)
{
	const struct backend_wait_sink sink = {child, child_state};
	bool news = false;

	if (!backend->ops->wait) {
		backend_result_set(
			result, BACKEND_REFUSED, "The server does not tell of news by itself");
		return;
	}
	backend->ops->wait(backend, wait, &sink, &news, result);
	if (!news || result->status != BACKEND_OK)
		return;
	child_begin(child, FRAME_NEWS);
	frame_end(&child->writer);
}

bool child_wait(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result)
{
	char *raw = frame_get_str(frame, FRAME_PAYLOAD_MAX);
	/* Nothing can come meanwhile but a stop. */
	struct backend_wait wait = {.raw = raw, .wake_fd = child->reader.fd};
	bool sound;

	wait.epoch = frame_get_u64(frame);
	wait.timeout_ms = frame_get_u32(frame);
	sound = raw && frame_at_end(frame);
	if (sound)
		child_wait_run(child, backend, &wait, result);
	free(raw);
	return sound;
}
