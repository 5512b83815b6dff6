#include "queue_p.h"
#include <inttypes.h>
#include <string.h>

void removals_read(struct fs_thread *thread, struct removals *removals_out)
{
	struct fs *fs = thread->fs;
	struct journal_counts *counts = &removals_out->counts;

	account_status(fs->host.account, &removals_out->account);
	/* Not the account's: with "ro" it knows of none. */
	journal_counts(fs->host.journal, counts);
	removals_out->pending = counts->queued + counts->sent + counts->marked;
	removals_out->total =
		removals_out->pending + counts->braked + counts->held + counts->parked;
}

void removals_json(const struct fs *fs, const struct removals *removals, struct json *json,
	const char *key)
{
	const struct journal_counts *counts = &removals->counts;
	const struct account_status *account = &removals->account;

	json_object_begin(json, key);
	json_int(json, "pending", (int64_t)removals->pending);
	json_int(json, "queued", (int64_t)counts->queued);
	json_int(json, "sent", (int64_t)counts->sent);
	json_int(json, "marked", (int64_t)counts->marked);
	json_int(json, "braked", (int64_t)counts->braked);
	json_int(json, "held", (int64_t)counts->held);
	json_int(json, "parked", (int64_t)counts->parked);
	json_string(json, "error", account->removal_error[0] ? account->removal_error : NULL);
	json_string(json, "state", account_state_name(account->state));
	json_bool(json, "readonly", fs->read_only);
	json_object_end(json);
}

/* The reason of the first row in a state. */
struct reason {
	enum journal_state state;
	struct buf *out;
};

static bool reason_met(
	void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	struct reason *reason = ctx;

	if (row->state != reason->state || !row->reason || !row->reason[0])
		return true;
	buf_append_str(reason->out, row->reason);
	return false;
}

static void text_stuck(struct fs_thread *thread, uint64_t count, enum journal_state state,
	const char *what, struct buf *out)
{
	struct buf why = BUF_INIT;
	struct reason reason = {state, &why};

	if (!count)
		return;
	/* When it cannot be read there is no reason to be shown; the queue says so itself. */
	journal_walk(thread->fs->host.journal, reason_met, &reason);
	buf_printf(out, "  %" PRIu64 " %s", count, journal_state_name(state));
	buf_printf(out, ": %s", what);
	if (why.len)
		buf_printf(out, "\n    why: %s", why.data);
	buf_append_char(out, '\n');
	buf_finish(&why);
}

static void text_pending(const struct fs *fs, const struct removals *removals, struct buf *out)
{
	const struct journal_counts *counts = &removals->counts;
	uint64_t going = counts->queued + counts->sent;

	if (!going)
		return;
	buf_printf(out, "  %" PRIu64 " pending: ", going);
	if (fs->read_only)
		buf_append_str(out, "removed before; they are sent when the account is mounted "
				    "without \"ro\"");
	else if (removals->account.state != ACCOUNT_ONLINE)
		buf_append_str(out, "sent when the server can be reached again");
	else
		buf_append_str(out, "on their way to the server");
	buf_append_char(out, '\n');
	if (removals->account.removal_error[0])
		buf_printf(out, "    why: %s\n", removals->account.removal_error);
}

void removals_text(struct fs_thread *thread, const struct removals *removals, struct buf *out)
{
	const struct journal_counts *counts = &removals->counts;
	const char *point = thread->fs->mountpoint;

	if (!removals->total)
		return;
	buf_append_str(out, "removals:\n");
	text_pending(thread->fs, removals, out);
	text_stuck(thread, counts->marked, JOURNAL_MARKED,
		"marked as deleted, but not expunged: others' marks are in the folder", out);
	text_stuck(thread, counts->braked, JOURNAL_BRAKED,
		"the brake holds them, the server has not heard of them; were they meant?",
		out);
	text_stuck(thread, counts->held, JOURNAL_HELD,
		"the server did not carry them out; the messages are shown again", out);
	text_stuck(thread, counts->parked, JOURNAL_PARKED,
		"the server's message is not the one removed; it is left alone and shown", out);
	if (counts->braked || counts->held)
		buf_printf(out, "    send them: mountmail queue %s --release\n", point);
	if (counts->braked)
		buf_printf(out, "    bring them back: mountmail queue %s --undo all\n", point);
	if (counts->held || counts->parked)
		buf_printf(out,
			"    forget that they were removed: mountmail queue %s --discard all\n",
			point);
}
