#include "removal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* Who a Message-ID names it is, if size or date say so too: servers change their mind on both.
 */
bool removal_is_same(const struct journal_row *row, const struct backend_identity *identity)
{
	bool size = row->size == identity->size, date = row->date == identity->date;

	if (!identity->known)
		return false;
	if (row->uidl || identity->uidl)
		return row->uidl && identity->uidl && strcmp(row->uidl, identity->uidl) == 0;
	if (!row->message_id && !identity->message_id)
		return size && date;
	return row->message_id && identity->message_id &&
	       strcmp(row->message_id, identity->message_id) == 0 && (size || date);
}

/*
 * Whether a message that is in the Trash since it was copied there is that copy. Some servers
 * give copies a date of their own.
 */
static bool removal_is_copy(
	const struct journal_row *row, const struct backend_identity *identity)
{
	if (row->message_id || identity->message_id)
		return removal_is_same(row, identity);
	return identity->known && row->size == identity->size;
}

static const char look_still[] =
	"the server said that it removed the message, and still has it";

/* A look at the folder's own messages. */
struct look_here {
	struct removal *removal;
};

static bool here_on_begin(void *ctx, const struct backend_folder_state *state)
{
	const struct look_here *here = ctx;

	return !here->removal->account->stopping;
}

/* Who is there at all: what is left as ITEM_ASKED is not. */
static bool here_on_first(void *ctx, const struct backend_identity *identity)
{
	struct look_here *here = ctx;
	struct removal *removal = here->removal;
	struct removal_item *item = removal_find(removal, identity->uid);

	if (!item || item->step != ITEM_ASKED)
		return true;
	/* It was sent on the connection before, whose end should have been its own. */
	if ((removal->caps & BACKEND_CAP_BRIEF) && item->row.state == JOURNAL_SENT)
		item->step = ITEM_STILL;
	else if (removal_is_same(&item->row, identity))
		item->step = item->row.copied || !removal->trash ? ITEM_EXPUNGE : ITEM_TO_TRASH;
	else
		item->step = identity->known ? ITEM_OTHER : ITEM_UNKNOWN;
	return !removal->account->stopping;
}

static bool removal_verify(struct removal *removal, const struct backend_verify *verify,
	const struct backend_verify_sink *sink)
{
	struct backend *backend = removal->worker->backend;

	backend->ops->verify(backend, verify, sink, &removal->result);
	return removal->result.status == BACKEND_OK;
}

bool removal_look_first(struct removal *removal)
{
	struct look_here here = {.removal = removal};
	struct backend_verify verify = {.raw = removal->place.raw,
		.epoch = removal->place.epoch,
		.uids = removal->uids,
		.count = removal_list(removal, ITEM_ASKED),
		.again = removal->from > 0,
		.writing = true,
		.identify = true};
	struct backend_verify_sink sink = {&here, here_on_begin, here_on_first, NULL};

	if (!removal_verify(removal, &verify, &sink))
		return removal_over(removal);
	worker_prove(removal->worker);
	return removal_confirm(removal, ITEM_ASKED) &&
	       removal_vain(removal, ITEM_STILL, look_still) &&
	       removal_settle(removal, ITEM_OTHER, JOURNAL_PARKED,
		       "the server has another message under this number now; nothing was "
		       "removed") &&
	       removal_vain(removal, ITEM_UNKNOWN,
		       "the server does not say which message it is, so it was not removed");
}

static bool here_on_last(void *ctx, const struct backend_identity *identity)
{
	struct look_here *here = ctx;
	struct removal_item *item = removal_find(here->removal, identity->uid);

	if (item && item->step == ITEM_SENT)
		item->step = ITEM_STILL;
	return !here->removal->account->stopping;
}

bool removal_look_last(struct removal *removal, bool again)
{
	struct look_here here = {.removal = removal};
	struct backend_verify verify = {.raw = removal->place.raw,
		.epoch = removal->place.epoch,
		.uids = removal->uids,
		.count = removal_list(removal, ITEM_SENT),
		.again = again};
	struct backend_verify_sink sink = {&here, here_on_begin, here_on_last, NULL};

	if (!verify.count)
		return true;
	if (!removal_verify(removal, &verify, &sink))
		return removal_over(removal);
	return removal_confirm(removal, ITEM_SENT) &&
	       removal_vain(removal, ITEM_STILL, look_still);
}

/* What carries \Deleted. */
struct look_marks {
	struct removal *removal;
	bool foreign;
};

static bool marks_on_begin(void *ctx, const struct backend_folder_state *state)
{
	return true;
}

static bool marks_on_found(void *ctx, const struct backend_identity *identity)
{
	return true;
}

/* Rows of other chunks may have been marked by us, and by others: so they are not ours here. */
static bool marks_on_deleted(void *ctx, uint32_t uid)
{
	struct look_marks *marks = ctx;
	const struct removal_item *item = removal_find(marks->removal, uid);

	marks->foreign |= !item || item->step != ITEM_EXPUNGE;
	return true;
}

int removal_look_marks(struct removal *removal)
{
	struct look_marks marks = {.removal = removal};
	struct backend_verify verify = {.raw = removal->place.raw,
		.epoch = removal->place.epoch,
		.uids = removal->uids,
		.count = removal_list(removal, ITEM_EXPUNGE),
		.deleted = true};
	struct backend_verify_sink sink = {
		&marks, marks_on_begin, marks_on_found, marks_on_deleted};

	if (!removal_verify(removal, &verify, &sink)) {
		removal_over(removal);
		return -1;
	}
	return !marks.foreign;
}

/* A look into the Trash. */
struct look_trash {
	struct removal *removal;
	enum item_step step; /* items whose copies are looked for ... */
	const char *raw;     /* ... and which are to be in this folder, ... */
	uint64_t epoch;	     /* ... in this epoch, 0: any */
	uint32_t from;
	struct backend_folder_state state;
};

static bool trash_on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct look_trash *look = ctx;

	look->state = *state;
	return !look->removal->account->stopping;
}

/* One message in the Trash is the copy of one item at most. */
static bool trash_on_found(void *ctx, const struct backend_identity *identity)
{
	struct look_trash *look = ctx;
	struct removal *removal = look->removal;

	for (size_t i = removal->from; i < removal->to; i++) {
		struct removal_item *item = &removal->items[i];

		if (item->step == look->step && !item->row.copied &&
			strcmp(item->row.copy_raw, look->raw) == 0 &&
			removal_is_copy(&item->row, identity)) {
			item->row.copied = true;
			break;
		}
	}
	return !removal->account->stopping;
}

/* True: looked at. False: the run is over, but for a Trash that is not there or another. */
static bool trash_look(struct look_trash *look)
{
	struct backend_verify verify = {.raw = look->raw,
		.epoch = look->epoch,
		.from_uid = look->from,
		.identify = true};
	struct backend_verify_sink sink = {look, trash_on_begin, trash_on_found, NULL};

	return removal_verify(look->removal, &verify, &sink);
}

/* The copies that were seen are noted, and what is left to do for them. */
static bool trash_note(struct removal *removal, enum item_step step)
{
	int result;

	removal->listed = 0;
	for (size_t i = removal->from; i < removal->to; i++)
		if (removal->items[i].step == step && removal->items[i].row.copied) {
			removal->uids[removal->listed++] = removal->items[i].row.uid;
			removal->items[i].step = ITEM_EXPUNGE;
		}
	if (!removal->listed)
		return true;
	result = journal_note_copied(
		removal->journal, removal->place.id, removal->uids, removal->listed);
	return result == 0 || removal_journal_failed(removal, result);
}

/* The next item whose copy may have been made, and under way to where. NULL: none. */
static const struct journal_row *copies_next(const struct removal *removal, size_t *at)
{
	for (; *at < removal->to; ++*at) {
		const struct removal_item *item = &removal->items[*at];

		if (item->step == ITEM_TO_TRASH && item->row.copy_raw[0])
			return &item->row;
	}
	return NULL;
}

/*
 * A Trash that went or was numbered anew says nothing of copies: then they are made, perhaps a
 * second time, which costs nobody a message.
 */
bool removal_look_copies(struct removal *removal)
{
	const struct journal_row *row;
	size_t at = removal->from;

	while ((row = copies_next(removal, &at)) != NULL) {
		struct look_trash look = {.removal = removal,
			.step = ITEM_TO_TRASH,
			.raw = row->copy_raw,
			.epoch = row->copy_epoch,
			.from = row->copy_from ? row->copy_from : 1};

		if (!trash_look(&look) && removal->result.status != BACKEND_FOLDER_GONE &&
			removal->result.status != BACKEND_FOLDER_CHANGED)
			return removal_over(removal);
		if (!trash_note(removal, ITEM_TO_TRASH))
			return false;
		/* Rows of one run went to one place; others are looked for by themselves. */
		for (at++; at < removal->to; at++)
			if (strcmp(removal->items[at].row.copy_raw, look.raw) != 0 ||
				removal->items[at].row.copy_epoch != look.epoch ||
				removal->items[at].row.copy_from < look.from)
				break;
	}
	return true;
}

bool removal_look_trash(struct removal *removal)
{
	struct look_trash look = {.removal = removal, .raw = removal->trash};

	if (!trash_look(&look))
		return removal->result.status == BACKEND_FOLDER_GONE || removal_over(removal);
	removal->how.copy_raw = removal->trash;
	removal->how.copy_epoch = look.state.epoch;
	removal->how.copy_from = look.state.uidnext;
	return true;
}

bool removal_look_arrived(struct removal *removal)
{
	const struct journal_row *how = &removal->how;
	struct look_trash look = {.removal = removal,
		.step = ITEM_COPIED,
		.raw = how->copy_raw,
		.epoch = how->copy_epoch,
		.from = how->copy_from ? how->copy_from : 1};

	for (size_t i = removal->from; i < removal->to; i++)
		if (removal->items[i].step == ITEM_COPIED) {
			free(removal->items[i].row.copy_raw);
			removal->items[i].row.copy_raw = xstrdup(how->copy_raw);
		}
	/* From a Trash that went meanwhile nothing is to be learned, and so nothing arrived. */
	if (!trash_look(&look) && removal->result.status != BACKEND_FOLDER_GONE &&
		removal->result.status != BACKEND_FOLDER_CHANGED)
		return removal_over(removal);
	return trash_note(removal, ITEM_COPIED);
}
