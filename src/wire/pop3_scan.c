#include "header_p.h"
#include "pop3_internal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* Messages of a batch; the first is small, so that something can be seen soon. */
#define BATCH_FIRST 500u
#define BATCH_NEXT 2000u

struct scan {
	struct pop3 *pop3;
	const struct backend_scan *want;
	const struct backend_scan_sink *sink;
	struct backend_result *result;
	bool *kept;	 /* owned; in the order of drop.by_uid */
	uint32_t *fresh; /* owned; indices into drop.mails, by UID */
	size_t fresh_count;
	size_t pending; /* messages of the batch under way */
	size_t step;	/* that a batch may have */
};

static bool scan_survey(struct scan *scan)
{
	const struct pop3_drop *drop = &scan->pop3->drop;
	const struct backend_scan_sink *sink = scan->sink;

	for (size_t i = 0; i < drop->count; i++)
		if (scan->kept[i] &&
			!sink->existing(sink->ctx, drop->mails[drop->by_uid[i]].uid, 0))
			return pop3_stop(scan->result);
	/* What is not listed is gone only if the list is all there is. */
	return !drop->whole || sink->surveyed(sink->ctx) || pop3_stop(scan->result);
}

static bool scan_batch(struct scan *scan, uint32_t through)
{
	scan->pending = 0;
	scan->step = BATCH_NEXT;
	return scan->sink->batch(scan->sink->ctx, through);
}

static size_t scan_step(const struct scan *scan)
{
	uint32_t most = scan->want->most;

	return most && most < scan->step ? most : scan->step;
}

/* data NULL: nothing is known of it but that it is there. */
static bool scan_tell(struct scan *scan, uint32_t index, const char *data, size_t len)
{
	const struct pop3_drop *drop = &scan->pop3->drop;
	const struct pop3_mail *mail = &drop->mails[index];
	struct mail_message message = {.uid = mail->uid,
		.size = mail->size,
		.bad = !data,
		.twin = pop3_mail_is_twin(mail)};
	bool going;

	if (mail->has_uidl)
		message.uidl = xstrdup(pop3_mail_name(drop, mail));
	if (data) {
		header_parse(data, len, &message.fields);
		message.date = pop3_date(&message.fields);
	}
	going = scan->sink->message(scan->sink->ctx, &message);
	mail_message_finish(&message);
	if (going && ++scan->pending >= scan_step(scan))
		going = scan_batch(scan, mail->uid);
	return going;
}

static bool scan_take(void *ctx, uint32_t index, const char *data, size_t len)
{
	return scan_tell(ctx, index, data, len);
}

/* One that is not asked for, in a batch of its own. */
static bool scan_stub(struct scan *scan)
{
	uint32_t uid = scan->pop3->drop.mails[scan->fresh[0]].uid;
	bool going = scan_tell(scan, scan->fresh[0], NULL, 0);

	if (going && scan->pending)
		going = scan_batch(scan, uid);
	scan->step = BATCH_FIRST;
	return going || pop3_stop(scan->result);
}

static bool scan_messages(struct scan *scan)
{
	const struct pop3_drop *drop = &scan->pop3->drop;
	size_t at = scan->want->stub_first && scan->fresh_count;

	scan->step = BATCH_FIRST;
	if (at && !scan_stub(scan))
		return false;
	if (!pop3_headers(scan->pop3, scan->fresh + at, scan->fresh_count - at, scan_take, scan,
		    scan->result))
		return false;
	return !scan->pending ||
	       scan_batch(scan, drop->mails[scan->fresh[scan->fresh_count - 1]].uid) ||
	       pop3_stop(scan->result);
}

static void scan_run(struct scan *scan)
{
	const struct pop3_drop *drop = &scan->pop3->drop;
	const struct backend_scan *want = scan->want;

	scan->kept = xcalloc(drop->count + 1, sizeof(*scan->kept));
	scan->fresh = xcalloc(drop->count + 1, sizeof(*scan->fresh));
	pop3_survey(drop, want->known, want->known_count, scan->kept);
	for (size_t i = 0; i < drop->count; i++)
		if (!scan->kept[i])
			scan->fresh[scan->fresh_count++] = drop->by_uid[i];
	if ((!want->survey || scan_survey(scan)) && scan_messages(scan))
		backend_result_ok(scan->result);
	free(scan->kept);
	free(scan->fresh);
}

void pop3_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct scan run = {
		.pop3 = pop3_of(backend), .want = scan, .sink = sink, .result = result};
	struct backend_folder_state state;

	if (!pop3_is_folder(run.pop3, scan->raw, result))
		return;
	pop3_folder_state(run.pop3, &state);
	if (!sink->begin(sink->ctx, &state)) {
		pop3_stop(result);
		return;
	}
	if (pop3_is_epoch(run.pop3, scan->epoch, result) && pop3_identify(run.pop3, result))
		scan_run(&run);
}
