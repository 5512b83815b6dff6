#include "removal_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/log.h>
#include <stdio.h>
#include <string.h>

bool removal_over(struct removal *removal)
{
	char reason[sizeof(removal->result.text)];

	removal->end = REMOVAL_FAILED;
	memcpy(reason, removal->result.text, sizeof(reason));
	switch (removal->result.status) {
	case BACKEND_CONNECTION_LOST:
	case BACKEND_AUTH_FAILED:
		/* Alone, it is the one that connections break over. */
		if (removal->result.broke && removal->count == 1)
			removal_vain(removal, ITEM_NONE, reason);
		removal->end = REMOVAL_LOST;
		return false;
	case BACKEND_THROTTLED:
		removal->end = REMOVAL_THROTTLED;
		return false;
	case BACKEND_STOPPED:
		removal->end = REMOVAL_STOPPED;
		return false;
	case BACKEND_FOLDER_CHANGED:
		removal->end = REMOVAL_LATER;
		removal->from = 0;
		removal->to = removal->count;
		removal_settle(removal, ITEM_NONE, JOURNAL_PARKED,
			"the server has numbered the folder's messages anew: which one was "
			"meant cannot be told any more");
		return false;
	case BACKEND_FOLDER_GONE:
	case BACKEND_REFUSED:
		removal->end = REMOVAL_LATER;
		removal_vain(removal, ITEM_NONE, reason);
		return false;
	case BACKEND_OK:
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
		break;
	}
	return false;
}

bool removal_journal_failed(struct removal *removal, int result)
{
	removal->end = REMOVAL_FAILED;
	backend_result_set(&removal->result, BACKEND_STOPPED,
		"the journal of removals cannot be written: %s", strerror(-result));
	return false;
}

/*
 * The cache's folder, if it is still the one that the rows are of. epoch_mutex is held by the
 * caller, so that it stays so.
 */
static int confirm_in_store(struct removal *removal)
{
	struct store_folder folder;
	struct store_hidden hidden = {0};
	struct error err;
	int result = store_folder_by_raw(removal->worker->reader, removal->place.raw, &folder);

	if (result < 0)
		return result == -ENOENT ? 0 : result;
	if (folder.epoch == removal->place.epoch) {
		result = store_folder_hidden(removal->worker->reader, &folder, &hidden);
		if (result == 0)
			result = store_messages_drop(removal->account->store, folder.id,
				removal->uids, removal->listed, hidden.mtime, &err);
	}
	store_folder_finish(&folder);
	return result == -ENOENT ? 0 : result;
}

bool removal_confirm(struct removal *removal, enum item_step step)
{
	struct account *account = removal->account;
	int result;

	if (!removal_list(removal, step))
		return true;
	pthread_mutex_lock(&account->epoch_mutex);
	result = confirm_in_store(removal);
	pthread_mutex_unlock(&account->epoch_mutex);
	if (result < 0) {
		removal->end = REMOVAL_FAILED;
		backend_result_set(&removal->result, BACKEND_STOPPED,
			"the cache cannot be written: %s", strerror(-result));
		return false;
	}
	result = journal_confirm(
		removal->journal, removal->place.id, removal->uids, removal->listed);
	if (result < 0)
		return removal_journal_failed(removal, result);
	log_info("%s: %zu removed message%s seen to be gone from %s", account->conf.name,
		removal->listed, removal->listed == 1 ? "" : "s", removal->place.raw);
	for (size_t i = removal->from; i < removal->to; i++)
		if (removal->items[i].step == step)
			removal->items[i].step = ITEM_NONE;
	removal->stepped = true;
	return true;
}

/* Those in removal->uids. */
static bool settle_listed(
	struct removal *removal, enum journal_state state, uint32_t tries, const char *reason)
{
	int result;

	if (!removal->listed)
		return true;
	result = journal_settle(removal->journal, removal->place.id, removal->uids,
		removal->listed, state, tries, reason);
	if (result < 0)
		return removal_journal_failed(removal, result);
	if (state == JOURNAL_QUEUED || state == JOURNAL_SENT)
		return true;
	removal->stepped = true;
	removal->marked |= state == JOURNAL_MARKED;
	removal->parked |= !journal_state_hides(state);
	log_warning("%s: %zu removal%s in %s: %s: %s", removal->account->conf.name,
		removal->listed, removal->listed == 1 ? "" : "s", removal->place.raw,
		journal_state_name(state), reason);
	return true;
}

/* ITEM_NONE: every item that is not done with. */
static bool settle_takes(const struct removal_item *item, enum item_step step)
{
	return step == ITEM_NONE ? item->step != ITEM_NONE : item->step == step;
}

bool removal_settle(struct removal *removal, enum item_step step, enum journal_state state,
	const char *reason)
{
	removal->listed = 0;
	for (size_t i = removal->from; i < removal->to; i++) {
		if (!settle_takes(&removal->items[i], step))
			continue;
		removal->uids[removal->listed++] = removal->items[i].row.uid;
		removal->items[i].step = ITEM_NONE;
	}
	return settle_listed(removal, state, 0, reason);
}

/* What becomes of a row that was tried in vain once more. */
static enum journal_state vain_state(
	const struct removal *removal, const struct journal_row *row)
{
	if (row->tries + 1 >= REMOVALS_TRIES)
		return JOURNAL_HELD;
	/* Where the look came on another connection, nothing is under way any more. */
	if (row->state == JOURNAL_QUEUED || (removal->caps & BACKEND_CAP_BRIEF))
		return JOURNAL_QUEUED;
	return JOURNAL_SENT;
}

/* The items of a step that get this state. */
static bool vain_some(struct removal *removal, enum item_step step, enum journal_state state,
	const char *reason)
{
	removal->listed = 0;
	for (size_t i = removal->from; i < removal->to; i++) {
		const struct removal_item *item = &removal->items[i];

		if (settle_takes(item, step) && vain_state(removal, &item->row) == state)
			removal->uids[removal->listed++] = item->row.uid;
	}
	if (removal->listed)
		removal->end = REMOVAL_LATER;
	return settle_listed(removal, state, 1, reason);
}

bool removal_vain(struct removal *removal, enum item_step step, const char *reason)
{
	bool noted = vain_some(removal, step, JOURNAL_QUEUED, reason) &&
		     vain_some(removal, step, JOURNAL_SENT, reason) &&
		     vain_some(removal, step, JOURNAL_HELD, reason);

	for (size_t i = removal->from; i < removal->to; i++)
		if (settle_takes(&removal->items[i], step))
			removal->items[i].step = ITEM_NONE;
	return noted;
}

/* The names that a folder shows: with a released row one goes that nobody unlinked just now. */
void removal_tell(struct account *account, const struct journal_place *place, bool shown)
{
	const struct account_events *events = account->events;
	struct store_changes changes = {.added = 1};
	struct store_folder folder;
	int result;

	pthread_mutex_lock(&account->asked_mutex);
	result = store_folder_by_raw(account->asked_reader, place->raw, &folder);
	pthread_mutex_unlock(&account->asked_mutex);
	if (result < 0)
		return;
	if (folder.epoch == place->epoch) {
		if (shown && events->folder_changed)
			events->folder_changed(events->ctx, folder.id, &changes);
		else if (!shown && events->folder_reset)
			events->folder_reset(events->ctx, folder.id);
	}
	store_folder_finish(&folder);
}
