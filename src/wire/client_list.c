#include "client_p.h"
#include <string.h>

#define CLIENT_LIST_MAX (128u << 20) /* bytes of all names together */

struct client_list {
	struct client_call call; /* first */
	const struct backend_list_sink *sink;
	size_t count;
	size_t bytes;
};

static bool client_list_folder(struct client_list *list, const struct mail_folder *folder)
{
	if (!client_folder_sound(folder))
		return client_broken(&list->call, "folders have sound names");
	list->bytes += strlen(folder->raw) + strlen(folder->path);
	if (++list->count > FRAME_FOLDERS_MAX || list->bytes > CLIENT_LIST_MAX)
		return client_broken(&list->call, "folders are not without number");
	if (!list->sink->folder(list->sink->ctx, folder))
		list->call.stop = true;
	return true;
}

static bool client_list_take(struct client_call *call, struct frame *frame)
{
	struct client_list *list = (struct client_list *)call;
	struct mail_folder folder = {0};
	bool sound;

	if (frame->type != FRAME_FOLDER)
		return client_broken(call, "a list is made of folders");
	folder.raw = frame_get_str(frame, FRAME_NAME_MAX);
	folder.path = frame_get_str(frame, FRAME_NAME_MAX);
	folder.flags = frame_get_u32(frame);
	sound = frame_at_end(frame) ? client_list_folder(list, &folder)
				    : client_broken(call, "a folder is well-formed");
	mail_folder_finish(&folder);
	return sound;
}

void client_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	struct client_list list = {
		.call = {.take = client_list_take,
			.statuses = CLIENT_STATUS(BACKEND_THROTTLED) |
				    CLIENT_STATUS(BACKEND_REFUSED)},
		.sink = sink,
	};

	if (client_begin(&list.call, backend, FRAME_LIST, result))
		client_finish(&list.call);
}
