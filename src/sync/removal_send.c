#include "removal_p.h"
#include <mountmail/base/xalloc.h>
#include <string.h>

/*
 * Before a command for the items of a step leaves: the journal says so, on disk. Those that
 * were undone a moment ago are left out. False: the run is over; removal->listed 0: nobody is
 * left.
 */
static bool send_note(
	struct removal *removal, enum item_step step, const struct journal_row *how)
{
	size_t count = removal_list(removal, step), at = 0;
	int result = 0;

	if (count)
		result = journal_send(
			removal->journal, removal->place.id, removal->uids, &count, how);
	if (result == 0 && count)
		result = journal_sync(removal->journal);
	if (result < 0)
		return removal_journal_failed(removal, result);
	removal->listed = count;
	for (size_t i = removal->from; i < removal->to; i++) {
		struct removal_item *item = &removal->items[i];

		if (item->step != step)
			continue;
		while (at < count && removal->uids[at] < item->row.uid)
			at++;
		if (at == count || removal->uids[at] != item->row.uid)
			item->step = ITEM_NONE;
		else
			item->row.state = JOURNAL_SENT;
	}
	return true;
}

/* One command for those in removal->uids. True: the server said OK. */
static bool send_step(struct removal *removal, enum backend_step step, const char *to)
{
	struct backend *backend = removal->worker->backend;
	struct backend_removal call = {.step = step,
		.raw = removal->place.raw,
		.epoch = removal->place.epoch,
		.uids = removal->uids,
		.count = removal->listed,
		.to = to};

	backend->ops->remove(backend, &call, &removal->result);
	return removal->result.status == BACKEND_OK;
}

static void send_became(struct removal *removal, enum item_step from, enum item_step to)
{
	for (size_t i = removal->from; i < removal->to; i++)
		if (removal->items[i].step == from)
			removal->items[i].step = to;
}

/* The server said no, or is not to be had: what that means for the items of a step. */
static bool send_failed(struct removal *removal, enum item_step step)
{
	char reason[sizeof(removal->result.text)];

	if (removal->result.status != BACKEND_REFUSED)
		return removal_over(removal);
	memcpy(reason, removal->result.text, sizeof(reason));
	return removal_vain(removal, step, reason);
}

/* What is copied is expunged once the copy was seen. */
static bool send_copy(struct removal *removal)
{
	if (!send_step(removal, BACKEND_STEP_COPY, removal->trash))
		return send_failed(removal, ITEM_TO_TRASH);
	send_became(removal, ITEM_TO_TRASH, ITEM_COPIED);
	return true;
}

bool removal_send_to_trash(struct removal *removal)
{
	if (!removal_list(removal, ITEM_TO_TRASH))
		return true;
	if (!removal->how.copy_raw)
		return removal_vain(removal, ITEM_TO_TRASH,
			"the folder that removed messages go to is not there, or cannot be "
			"opened");
	if (!send_note(removal, ITEM_TO_TRASH, &removal->how))
		return false;
	if (!removal->listed)
		return true;
	if ((removal->caps & BACKEND_CAP_MOVE) && !removal->worker->no_move) {
		if (send_step(removal, BACKEND_STEP_MOVE, removal->trash)) {
			send_became(removal, ITEM_TO_TRASH, ITEM_SENT);
			return true;
		}
		if (removal->result.status != BACKEND_REFUSED)
			return removal_over(removal);
		/* Offered and refused: not once more in this session. */
		removal->worker->no_move = true;
	}
	return send_copy(removal);
}

/* Without UIDPLUS: what others have marked must not go along. */
static bool send_expunge_all(struct removal *removal)
{
	int ours = removal_look_marks(removal);

	if (ours < 0)
		return false;
	if (!ours)
		return removal_settle(removal, ITEM_EXPUNGE, JOURNAL_MARKED,
			"it is marked \\Deleted, and so are messages that another program "
			"marked; "
			"this server can only expunge all of them together, so none is");
	removal_list(removal, ITEM_EXPUNGE);
	if (!send_step(removal, BACKEND_STEP_EXPUNGE_ALL, NULL))
		return send_failed(removal, ITEM_EXPUNGE);
	send_became(removal, ITEM_EXPUNGE, ITEM_SENT);
	return true;
}

bool removal_send_expunge(struct removal *removal)
{
	if (!send_note(removal, ITEM_EXPUNGE, NULL))
		return false;
	if (!removal->listed)
		return true;
	if (!send_step(removal, BACKEND_STEP_MARK, NULL))
		return send_failed(removal, ITEM_EXPUNGE);
	if (!(removal->caps & BACKEND_CAP_UIDPLUS))
		return send_expunge_all(removal);
	removal_list(removal, ITEM_EXPUNGE);
	if (!send_step(removal, BACKEND_STEP_EXPUNGE, NULL))
		return send_failed(removal, ITEM_EXPUNGE);
	send_became(removal, ITEM_EXPUNGE, ITEM_SENT);
	return true;
}
