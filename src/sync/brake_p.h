/*
 * sync/brake_p.h - how many removals there were within the last minute.
 * Called by remove.c under the account's mutex; pure bookkeeping, no I/O.
 *
 * The brake is for what cannot be brought back: a storm of removals into nothing is held until
 * somebody says that it was meant.
 */
#ifndef MOUNTMAIL_SYNC_BRAKE_P_H
#define MOUNTMAIL_SYNC_BRAKE_P_H

#include <stddef.h>
#include <stdint.h>

#define BRAKE_SLOTS 12
#define BRAKE_SLOT_MS 5000
/* The half of a folder counts when it holds more than this. */
#define BRAKE_FOLDER_MIN 100u

/* Removals by the time at which they were made. All zero: none. */
struct brake_window {
	int64_t slot; /* the latest, in slots since the clock began */
	uint32_t counts[BRAKE_SLOTS];
};

void brake_note(struct brake_window *window, int64_t now_ms);
/* How many were noted in the last minute, to five seconds. */
uint32_t brake_recent(struct brake_window *window, int64_t now_ms);

struct brake_folder {
	int64_t id;
	struct brake_window window;
};

/* All zero: nothing was removed. */
struct brake {
	struct brake_window all;
	struct brake_folder *folders; /* owned; those with removals within the last minute */
	size_t count, cap;
};

enum brake_verdict {
	BRAKE_OFF,
	BRAKE_FOLDER, /* more than half of the folder */
	BRAKE_ALL,    /* more than the limit */
};

/*
 * Counts one more final removal, in a folder that shows so many messages still (it among them).
 * limit: within a minute; 0: there is no brake.
 */
enum brake_verdict brake_judge(
	struct brake *brake, int64_t folder, uint64_t shown, unsigned limit, int64_t now_ms);
void brake_finish(struct brake *brake);

#endif
