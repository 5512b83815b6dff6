#include "fake_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* A folder as it was when the scan began. */
struct fake_snapshot {
	struct backend_folder_state state;
	struct mail_message *messages; /* owned, each of them too */
	size_t count;
	unsigned batch;
};

static bool fake_snapshot_take(
	struct fake_account *account, const char *raw, struct fake_snapshot *out)
{
	struct fake_folder *folder;

	*out = (struct fake_snapshot){0};
	fake_lock(account);
	folder = fake_find(account, raw);
	if (folder && !(folder->mail.flags & MAIL_FOLDER_NOSELECT)) {
		out->messages = xcalloc(folder->count + 1, sizeof(*out->messages));
		for (; out->count < folder->count; out->count++)
			fake_mail_copy(
				&out->messages[out->count], &folder->messages[out->count].mail);
		out->state.epoch = folder->epoch;
		out->state.exists = (uint32_t)folder->count;
		out->state.uidnext = folder->uidnext;
		out->batch = account->batch;
	}
	fake_unlock(account);
	return out->messages != NULL;
}

static void fake_snapshot_finish(struct fake_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		mail_message_finish(&snapshot->messages[i]);
	free(snapshot->messages);
}

static bool fake_survey(struct fake_run *run, const struct fake_snapshot *snapshot,
	uint32_t last_uid, const struct backend_scan_sink *sink)
{
	for (size_t i = 0; i < snapshot->count && snapshot->messages[i].uid <= last_uid; i++)
		if (!sink->existing(
			    sink->ctx, snapshot->messages[i].uid, snapshot->messages[i].flags))
			return fake_stopped(run);
	return sink->surveyed(sink->ctx) || fake_stopped(run);
}

static bool fake_messages(struct fake_run *run, const struct fake_snapshot *snapshot,
	uint32_t last_uid, const struct backend_scan_sink *sink)
{
	uint32_t through = 0;
	uint64_t delivered = 0;

	for (size_t i = 0; i < snapshot->count; i++) {
		const struct mail_message *message = &snapshot->messages[i];

		if (message->uid <= last_uid)
			continue;
		if (!fake_at(run, delivered))
			return false;
		if (!sink->message(sink->ctx, message))
			return fake_stopped(run);
		through = message->uid;
		if (++delivered % snapshot->batch)
			continue;
		if (!sink->batch(sink->ctx, through))
			return fake_stopped(run);
		through = 0;
	}
	if (!fake_at(run, delivered))
		return false;
	return !through || sink->batch(sink->ctx, through) || fake_stopped(run);
}

static void fake_scan_run(struct fake_run *run, const struct backend_scan *scan,
	const struct fake_snapshot *snapshot, const struct backend_scan_sink *sink)
{
	if (!sink->begin(sink->ctx, &snapshot->state)) {
		fake_stopped(run);
		return;
	}
	if (scan->epoch && scan->epoch != snapshot->state.epoch) {
		fake_new_epoch(run, scan->raw);
		return;
	}
	if (!scan->survey || fake_survey(run, snapshot, scan->last_uid, sink))
		fake_messages(run, snapshot, scan->last_uid, sink);
}

void fake_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct fake_snapshot snapshot;
	struct fake_run run;

	fake_note(fake_of(backend)->account, "scan %s %u%s", scan->raw, scan->last_uid,
		scan->survey ? " survey" : "");
	if (fake_begin(&run, backend, FAKE_SCAN, scan->raw, result) &&
		(!run.armed || run.fault.after || fake_at(&run, 0))) {
		if (fake_snapshot_take(run.account, scan->raw, &snapshot))
			fake_scan_run(&run, scan, &snapshot, sink);
		else
			fake_no_folder(&run, scan->raw);
		fake_snapshot_finish(&snapshot);
	}
	fake_end(&run, false);
}
