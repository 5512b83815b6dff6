#include "brake_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* Empties the slots that time has passed over. */
static void window_turn(struct brake_window *window, int64_t now_ms)
{
	int64_t slot = now_ms / BRAKE_SLOT_MS;

	if (slot - window->slot >= BRAKE_SLOTS)
		memset(window->counts, 0, sizeof(window->counts));
	else
		while (window->slot < slot)
			window->counts[++window->slot % BRAKE_SLOTS] = 0;
	window->slot = slot;
}

void brake_note(struct brake_window *window, int64_t now_ms)
{
	window_turn(window, now_ms);
	window->counts[window->slot % BRAKE_SLOTS]++;
}

uint32_t brake_recent(struct brake_window *window, int64_t now_ms)
{
	uint32_t sum = 0;

	window_turn(window, now_ms);
	for (size_t i = 0; i < BRAKE_SLOTS; i++)
		sum += window->counts[i];
	return sum;
}

/* The folder's window; one that is empty by now is used again. */
static struct brake_window *brake_folder(struct brake *brake, int64_t id, int64_t now_ms)
{
	struct brake_folder *unused = NULL;

	for (size_t i = 0; i < brake->count; i++) {
		struct brake_folder *folder = &brake->folders[i];

		if (folder->id == id)
			return &folder->window;
		if (!brake_recent(&folder->window, now_ms))
			unused = folder;
	}
	if (!unused) {
		if (brake->count == brake->cap) {
			brake->cap = brake->cap ? brake->cap * 2 : 8;
			brake->folders = xreallocarray(
				brake->folders, brake->cap, sizeof(*brake->folders));
		}
		unused = &brake->folders[brake->count++];
	}
	*unused = (struct brake_folder){.id = id};
	return &unused->window;
}

enum brake_verdict brake_judge(
	struct brake *brake, int64_t folder, uint64_t shown, unsigned limit, int64_t now_ms)
{
	struct brake_window *window;
	uint64_t recent, before;

	if (!limit)
		return BRAKE_OFF;
	window = brake_folder(brake, folder, now_ms);
	brake_note(&brake->all, now_ms);
	brake_note(window, now_ms);
	if (brake_recent(&brake->all, now_ms) > limit)
		return BRAKE_ALL;
	recent = brake_recent(window, now_ms);
	before = shown + recent - 1;
	return before > BRAKE_FOLDER_MIN && recent * 2 > before ? BRAKE_FOLDER : BRAKE_OFF;
}

void brake_finish(struct brake *brake)
{
	free(brake->folders);
	*brake = (struct brake){0};
}
