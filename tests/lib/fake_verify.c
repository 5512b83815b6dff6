#include "fake_p.h"
#include <inttypes.h>
#include <mountmail/mail/flags.h>

void fake_put_uids(struct buf *out, const uint32_t *uids, size_t count, size_t max)
{
	if (count < 1 || count > max)
		fake_die("%zu messages meant at once", count);
	for (size_t i = 0; i < count; i++) {
		if (uids[i] <= (i ? uids[i - 1] : 0))
			fake_die("UIDs that do not ascend");
		buf_printf(out, "%s%" PRIu32, i ? "," : "", uids[i]);
	}
}

static void fake_note_verify(struct fake_account *account, const struct backend_verify *verify,
	const struct backend_verify_sink *sink)
{
	struct buf line = BUF_INIT;

	if (verify->deleted && !sink->deleted)
		fake_die("nobody wants to know of deleted messages");
	buf_printf(&line, "verify %s", verify->raw);
	if (verify->count) {
		buf_append_char(&line, ' ');
		fake_put_uids(&line, verify->uids, verify->count, BACKEND_REMOVE_MAX);
	} else if (verify->from_uid) {
		buf_printf(&line, " from %" PRIu32, verify->from_uid);
	}
	fake_note(account, "%s%s%s", line.data, verify->identify ? " identify" : "",
		verify->deleted ? " deleted" : "");
	buf_finish(&line);
}

static bool fake_is_meant(const struct backend_verify *verify, uint32_t uid)
{
	if (!verify->count)
		return verify->from_uid && uid >= verify->from_uid;
	for (size_t i = 0; i < verify->count; i++)
		if (verify->uids[i] == uid)
			return true;
	return false;
}

static bool fake_found(const struct backend_verify *verify, const struct mail_message *mail,
	const struct backend_verify_sink *sink)
{
	struct backend_identity identity = {.uid = mail->uid};

	if (verify->identify && !mail->bad) {
		identity.known = true;
		identity.size = mail->size;
		identity.date = mail->date;
		identity.message_id = mail->fields.message_id;
		identity.uidl = mail->uidl;
	}
	return sink->found(sink->ctx, &identity);
}

static bool fake_verify_found(struct fake_run *run, const struct backend_verify *verify,
	const struct fake_snapshot *snapshot, const struct backend_verify_sink *sink)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		if (!fake_is_meant(verify, snapshot->messages[i].uid))
			continue;
		if (!fake_at(run, run->delivered) ||
			(verify->identify && !fake_ask(run, snapshot, i, i + 1)))
			return false;
		run->delivered++;
		if (!fake_found(verify, &snapshot->messages[i], sink))
			return fake_stopped(run);
	}
	return fake_at(run, run->delivered);
}

static bool fake_verify_deleted(struct fake_run *run, const struct fake_snapshot *snapshot,
	const struct backend_verify_sink *sink)
{
	for (size_t i = 0; i < snapshot->count; i++)
		if ((snapshot->messages[i].flags & MAIL_FLAG_DELETED) &&
			!sink->deleted(sink->ctx, snapshot->messages[i].uid))
			return fake_stopped(run);
	return true;
}

static void fake_verify_run(struct fake_run *run, const struct backend_verify *verify,
	const struct fake_snapshot *snapshot, const struct backend_verify_sink *sink)
{
	if (!sink->begin(sink->ctx, &snapshot->state))
		fake_stopped(run);
	else if (verify->epoch && verify->epoch != snapshot->state.epoch)
		fake_new_epoch(run, verify->raw);
	else if (fake_verify_found(run, verify, snapshot, sink) &&
		 (!verify->deleted || fake_verify_deleted(run, snapshot, sink)))
		(void)fake_late(run);
}

void fake_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result)
{
	struct fake_snapshot snapshot;
	struct fake_run run;

	fake_note_verify(fake_of(backend)->account, verify, sink);
	if (fake_begin(&run, backend, FAKE_VERIFY, verify->raw, result) &&
		(!run.armed || run.fault.after || fake_at(&run, 0))) {
		if (fake_snapshot_take(run.account, verify->raw, &snapshot))
			fake_verify_run(&run, verify, &snapshot, sink);
		else
			fake_no_folder(&run, verify->raw);
		fake_snapshot_finish(&snapshot);
	}
	fake_end(&run, false);
}
