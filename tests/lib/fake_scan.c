#include "fake_p.h"
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>

bool fake_snapshot_take(
	struct fake_account *account, const char *raw, struct fake_snapshot *out)
{
	struct fake_folder *folder;

	*out = (struct fake_snapshot){0};
	fake_lock(account);
	folder = fake_find(account, raw);
	if (folder && !(folder->mail.flags & MAIL_FOLDER_NOSELECT)) {
		out->messages = xcalloc(folder->count + 1, sizeof(*out->messages));
		out->poison = xcalloc(folder->count + 1, sizeof(*out->poison));
		for (; out->count < folder->count; out->count++) {
			fake_mail_copy(
				&out->messages[out->count], &folder->messages[out->count].mail);
			out->poison[out->count] = folder->messages[out->count].poison;
		}
		out->state.epoch = folder->epoch;
		out->state.exists = (uint32_t)folder->count;
		out->state.uidnext = folder->uidnext;
		out->batch = account->batch;
	}
	fake_unlock(account);
	return out->messages != NULL;
}

void fake_snapshot_finish(struct fake_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		mail_message_finish(&snapshot->messages[i]);
	free(snapshot->messages);
	free(snapshot->poison);
}

static bool fake_is_known(const struct backend_scan *scan, uint32_t uid)
{
	for (size_t i = 0; i < scan->known_count; i++)
		if (scan->known[i] == uid)
			return true;
	return false;
}

/* Where UIDs do not ascend with time: what is known and there; the others are left. */
static bool fake_survey_known(struct fake_run *run, struct fake_snapshot *snapshot,
	const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	size_t kept = 0;

	for (size_t i = 0; i < snapshot->count; i++) {
		struct mail_message *message = &snapshot->messages[i];

		if (!fake_is_known(scan, message->uid)) {
			snapshot->messages[kept++] = *message;
			continue;
		}
		if (!sink->existing(sink->ctx, message->uid, message->flags))
			fake_stopped(run);
		mail_message_finish(message);
	}
	snapshot->count = kept;
	return run->account->partial || sink->surveyed(sink->ctx) || fake_stopped(run);
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

bool fake_ask(struct fake_run *run, const struct fake_snapshot *snapshot, size_t at, size_t end)
{
	for (; at < end; at++) {
		if (!snapshot->poison[at])
			continue;
		backend_result_set(run->result, BACKEND_CONNECTION_LOST, "poison: uid %u",
			snapshot->messages[at].uid);
		run->result->broke = true;
		return false;
	}
	return true;
}

static bool fake_batch(struct fake_run *run, const struct fake_snapshot *snapshot, size_t at,
	size_t end, size_t step, const struct backend_scan_sink *sink)
{
	if (!fake_ask(run, snapshot, at, end))
		return false;
	for (size_t i = at; i < end; i++) {
		if (!fake_at(run, run->delivered++))
			return false;
		if (!sink->message(sink->ctx, &snapshot->messages[i]))
			return fake_stopped(run);
	}
	if (end - at < step && !fake_at(run, run->delivered))
		return false;
	return sink->batch(sink->ctx, snapshot->messages[end - 1].uid) || fake_stopped(run);
}

static bool fake_stub(struct fake_run *run, uint32_t uid, const struct backend_scan_sink *sink)
{
	const struct mail_message stub = {.uid = uid, .bad = true};

	return (sink->message(sink->ctx, &stub) && sink->batch(sink->ctx, uid)) ||
	       fake_stopped(run);
}

static bool fake_messages(struct fake_run *run, const struct fake_snapshot *snapshot,
	const struct backend_scan *scan, const struct backend_scan_sink *sink)
{
	size_t step = snapshot->batch, at = 0, end;

	if (scan->most && step > scan->most)
		step = scan->most;
	while (at < snapshot->count && snapshot->messages[at].uid <= scan->last_uid)
		at++;
	if (scan->stub_first && at < snapshot->count &&
		!fake_stub(run, snapshot->messages[at++].uid, sink))
		return false;
	for (; at < snapshot->count; at = end) {
		end = snapshot->count - at < step ? snapshot->count : at + step;
		if (!fake_batch(run, snapshot, at, end, step, sink))
			return false;
	}
	return fake_at(run, run->delivered);
}

static void fake_scan_run(struct fake_run *run, const struct backend_scan *scan,
	struct fake_snapshot *snapshot, const struct backend_scan_sink *sink)
{
	if (!sink->begin(sink->ctx, &snapshot->state)) {
		fake_stopped(run);
		return;
	}
	if (scan->epoch && scan->epoch != snapshot->state.epoch) {
		fake_new_epoch(run, scan->raw);
		return;
	}
	if (run->account->caps & BACKEND_CAP_SCATTERED) {
		if (fake_survey_known(run, snapshot, scan, sink))
			fake_messages(run, snapshot, scan, sink);
		return;
	}
	if (!scan->survey || fake_survey(run, snapshot, scan->last_uid, sink))
		fake_messages(run, snapshot, scan, sink);
}

void fake_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct fake_snapshot snapshot;
	struct fake_run run;

	char most[32] = "";

	if (scan->most)
		snprintf(most, sizeof(most), " most %u", scan->most);
	fake_note(fake_of(backend)->account, "scan %s %u%s%s%s", scan->raw, scan->last_uid,
		scan->survey ? " survey" : "", most, scan->stub_first ? " stub" : "");
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
