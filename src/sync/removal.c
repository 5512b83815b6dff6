#include "backoff_p.h"
#include "removal_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After a loss fewer are sent at once: the server may be slow, and each command has its time.
 */
#define REMOVAL_CHUNK_GROWTH 4u
#define REMOVAL_JOURNAL_AGAIN_MS 10000
#define REMOVAL_URGENT_FAILURES 5u
#define REMOVAL_BACKOFF_MAX_MS 300000u

size_t removal_list(struct removal *removal, enum item_step step)
{
	removal->listed = 0;
	for (size_t i = removal->from; i < removal->to; i++)
		if (removal->items[i].step == step)
			removal->uids[removal->listed++] = removal->items[i].row.uid;
	return removal->listed;
}

struct removal_item *removal_find(struct removal *removal, uint32_t uid)
{
	size_t low = 0, high = removal->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (removal->items[middle].row.uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < removal->count && removal->items[low].row.uid == uid ? &removal->items[low]
									  : NULL;
}

/*
 * Rows that cannot go the way they were meant to: whoever removed a message that was to be
 * found in the Trash did not say that it may be lost for good.
 */
static bool removal_sort(struct removal *removal)
{
	if (removal->trash_lost)
		return removal_settle(removal, ITEM_ASKED, JOURNAL_HELD,
			"there is no Trash that it could be moved to; see trash= in "
			"mountmail(1)");
	if (removal->trash)
		return true;
	for (size_t i = removal->from; i < removal->to; i++) {
		struct removal_item *item = &removal->items[i];

		if (!item->row.final && !item->row.released && !item->row.copied)
			item->step = ITEM_OTHER;
	}
	return removal_settle(removal, ITEM_OTHER, JOURNAL_BRAKED,
		"the Trash is not there any more: it would be removed for good");
}

/* The next part of the items; false: there is none. */
static bool removal_next(struct removal *removal)
{
	removal->from = removal->to;
	removal->to = removal->from + removal->chunk;
	if (removal->to > removal->count)
		removal->to = removal->count;
	return removal->from < removal->to;
}

static void removal_whole(struct removal *removal)
{
	removal->from = 0;
	removal->to = removal->count;
}

static void removal_begin_parts(struct removal *removal)
{
	removal->from = removal->to = 0;
}

/* Somebody waits for the server, and no other connection is free. */
static bool removal_gives_way(struct removal *removal)
{
	struct account *account = removal->account;
	bool gives;

	pthread_mutex_lock(&account->mutex);
	workers_grow(account);
	gives = !account->idle && !account->opening &&
		queue_has(&account->queue, PRIORITY_ASKED, clock_now_ms());
	pthread_mutex_unlock(&account->mutex);
	return gives;
}

/* Each part is looked at right before its command. */
static bool removal_send_parts(struct removal *removal)
{
	if (removal->trash && !removal_look_trash(removal))
		return false;
	removal_begin_parts(removal);
	while (removal_next(removal)) {
		removal->reached = removal->to;
		if (!removal_list(removal, ITEM_ASKED))
			continue;
		if (!removal_look_first(removal) || !removal_look_copies(removal) ||
			!removal_send_to_trash(removal) || !removal_send_expunge(removal))
			return false;
		if (removal_gives_way(removal))
			break;
	}
	return true;
}

/*
 * A copy that nobody saw is none: only what arrived is expunged, whatever the server said to
 * the command.
 */
static bool removal_expunge_copied(struct removal *removal)
{
	removal_whole(removal);
	if (!removal_list(removal, ITEM_COPIED))
		return true;
	if (!removal_look_arrived(removal) || !removal_vain(removal, ITEM_COPIED,
						      "the server said that it copied the "
						      "message to the Trash, and it is not "
						      "there"))
		return false;
	removal_begin_parts(removal);
	while (removal_next(removal))
		if (!removal_send_expunge(removal))
			return false;
	return true;
}

static bool removal_look_parts(struct removal *removal)
{
	bool again = false;

	removal_begin_parts(removal);
	while (removal_next(removal)) {
		if (!removal_list(removal, ITEM_SENT))
			continue;
		if (!removal_look_last(removal, again))
			return false;
		again = true;
	}
	return true;
}

static void removal_work(struct removal *removal)
{
	removal_aim(removal);
	removal_whole(removal);
	removal->end = REMOVAL_DONE;
	removal->reached = removal->count;
	if (!removal_sort(removal) || !removal_list(removal, ITEM_ASKED) ||
		!removal_send_parts(removal) || !removal_expunge_copied(removal))
		return;
	if (!(removal->caps & BACKEND_CAP_BRIEF)) {
		removal_look_parts(removal);
		return;
	}
	removal_whole(removal);
	if (removal_list(removal, ITEM_SENT))
		removal->end = REMOVAL_CLOSE;
}

/* How many rows come next: fewer after a loss, and more again step by step. */
static void removal_reckon_chunk(const struct removal *removal, struct removals_place *place)
{
	uint32_t chunk = place->chunk ? place->chunk : BACKEND_REMOVE_MAX;

	if (removal->end == REMOVAL_LOST || removal->end == REMOVAL_THROTTLED) {
		place->chunk = chunk > 1 ? chunk / 2 : 1;
		return;
	}
	place->after = removal->items[removal->reached - 1].row.uid;
	chunk *= REMOVAL_CHUNK_GROWTH;
	place->chunk = chunk < BACKEND_REMOVE_MAX ? chunk : 0;
}

/* How long this place waits for its next turn. */
static uint32_t removal_pause(const struct removal *removal, const struct removals_place *place)
{
	const struct account_tuning *tuning = &removal->account->tuning;
	uint32_t pause = backoff_ms(place->failures, tuning->backoff_first_ms,
		REMOVAL_BACKOFF_MAX_MS, backoff_random());

	switch (removal->end) {
	case REMOVAL_DONE:
		/* What was removed while this ran does not wait for others to change their
		 * marks. */
		return removal->marked && !removal->account->removals.first_ms
			       ? tuning->marked_ms
			       : 0;
	case REMOVAL_LOST:
		return place->failures > 1 ? pause : 0;
	case REMOVAL_CLOSE:
		return 0;
	case REMOVAL_LATER:
	case REMOVAL_FAILED:
	case REMOVAL_THROTTLED:
	case REMOVAL_STOPPED:
		break;
	}
	return pause;
}

/* After a run: when this place comes again. With the mutex held. */
static void removal_reckon(struct removal *removal)
{
	struct removals *removals = &removal->account->removals;
	struct removals_place *place = removals_place(removals, removal->place.id);
	uint32_t pause;

	place->failures = removal->stepped ? 1 : place->failures + 1;
	pause = removal_pause(removal, place);
	/* Somebody waits for the end of it; a while, not for ever. */
	if (removals->urgent && place->failures <= REMOVAL_URGENT_FAILURES &&
		pause > removal->account->tuning.backoff_first_ms)
		pause = removal->account->tuning.backoff_first_ms;
	if (removal->end == REMOVAL_DONE)
		place->failures = 0;
	if (removal->end == REMOVAL_LOST)
		removals->resume_at_ms = clock_now_ms() + removal->account->tuning.resume_ms;
	removal_reckon_chunk(removal, place);
	place->not_before_ms = pause ? clock_now_ms() + pause : 0;
}

static void removal_note_error(struct removal *removal)
{
	struct removals *removals = &removal->account->removals;

	if (removal->end == REMOVAL_STOPPED)
		return;
	if (removal->end == REMOVAL_DONE || removal->result.status == BACKEND_OK) {
		removals->error[0] = '\0';
		return;
	}
	if (strcmp(removals->error, removal->result.text) != 0 && removal->end != REMOVAL_LOST)
		log_info("%s: removals: %s", removal->account->conf.name, removal->result.text);
	snprintf(removals->error, sizeof(removals->error), "%s", removal->result.text);
}

/* The Trash has news, too. Its id; STORE_ROOT: none, or it is not shown. */
static int64_t removal_trash_id(struct removal *removal)
{
	struct store_folder folder;
	int64_t id;

	if (!removal->trash || !removal->stepped ||
		store_folder_by_raw(removal->worker->reader, removal->trash, &folder) < 0)
		return STORE_ROOT;
	id = folder.id;
	store_folder_finish(&folder);
	return id;
}

static void removal_conclude(struct removal *removal)
{
	struct account *account = removal->account;
	int64_t trash = removal_trash_id(removal);

	if (removal->parked)
		removal_tell(account, &removal->place, true);
	pthread_mutex_lock(&account->mutex);
	if (removal->stepped)
		account_stepped(account);
	removal_reckon(removal);
	removal_note_error(removal);
	if (trash != STORE_ROOT)
		account_look_soon(account, trash);
	if (removal->end == REMOVAL_THROTTLED)
		account_hold(account, removal->result.retry_ms);
	else if (removal->end == REMOVAL_LOST)
		worker_lost(removal->worker, &removal->result);
	else if (removal->end == REMOVAL_CLOSE)
		worker_close(removal->worker);
	account->removals.running = false;
	account->removals.due_ms = clock_now_ms();
	account_wake(account);
	pthread_mutex_unlock(&account->mutex);
	account_status_changed(account);
}

/* Nothing could be begun: until wait_until, or until something is removed. */
static void removal_rest(struct account *account, int result, int64_t wait_until)
{
	pthread_mutex_lock(&account->mutex);
	if (result < 0)
		wait_until = clock_now_ms() + REMOVAL_JOURNAL_AGAIN_MS;
	account->removals.running = false;
	account->removals.urgent &= wait_until != INT64_MAX;
	/* What was removed meanwhile has set an earlier time. */
	if (!account->removals.first_ms)
		account->removals.due_ms = wait_until;
	account_wake(account);
	pthread_mutex_unlock(&account->mutex);
}

static void removal_finish(struct removal *removal)
{
	for (size_t i = 0; i < removal->count; i++)
		journal_row_finish(&removal->items[i].row);
	free(removal->items);
	free(removal->uids);
	free(removal->trash);
	journal_place_finish(&removal->place);
}

void removal_run(struct worker *worker)
{
	struct removal removal = {.worker = worker,
		.account = worker->account,
		.journal = worker->account->conf.journal};
	int64_t wait_until;
	int taken = removal_take(&removal, &wait_until);

	if (taken > 0) {
		removal_work(&removal);
		removal_conclude(&removal);
	} else {
		removal_rest(worker->account, taken, wait_until);
	}
	removal_finish(&removal);
}
