#include "header_p.h"
#include "imap_scan_p.h"
#include <inttypes.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>

/* A small first batch shows something soon; large ones cost fewer round trips. */
#define BATCH_FIRST 500u
#define BATCH_NEXT 2000u
/* So many messages without a header, and none with one: not bad mail but a server in trouble.
 */
#define BATCH_BAD_MAX 16u

#define BATCH_HEADER                                                                           \
	"BODY.PEEK[HEADER.FIELDS (FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES LIST-ID)]"

/*
 * What to ask for, from everything to little. All but the first are for a message that the
 * server does not give the first for: a null size, a broken date, a header it fails on.
 */
static const struct {
	const char *items;
	bool header;
} batch_items[] = {
	{"(UID FLAGS INTERNALDATE RFC822.SIZE " BATCH_HEADER ")", true},
	{"(UID FLAGS INTERNALDATE " BATCH_HEADER ")", true},
	{"(UID FLAGS INTERNALDATE RFC822.SIZE)", false},
	{"(UID FLAGS)", false},
};

#define BATCH_ITEMS (sizeof(batch_items) / sizeof(batch_items[0]))

struct batch {
	struct imap_scan *scan;
	struct mail_message *messages; /* owned, each of them too */
	size_t count, cap;
	struct imap_uids hard; /* there, and not to be had with the others */
	unsigned bad;

	/* The command that was sent last. */
	bool under_way; /* and not answered yet */
	uint32_t low, high;
	bool header;	 /* what comes without one does not count */
	struct buf text; /* the header of the next message */
};

static void batch_add(struct batch *batch, const struct imap_att *att)
{
	struct mail_message *message;

	if (batch->count == batch->cap) {
		batch->cap = batch->cap ? batch->cap * 2 : BATCH_FIRST;
		batch->messages =
			xreallocarray(batch->messages, batch->cap, sizeof(*batch->messages));
	}
	message = &batch->messages[batch->count++];
	*message = (struct mail_message){.uid = att->uid,
		.flags = att->flags,
		.date = att->date,
		.size = att->size,
		.bad = !batch->header};
	if (batch->text.len)
		header_parse(batch->text.data, batch->text.len, &message->fields);
}

static void batch_on_body(void *ctx, const char *data, size_t len)
{
	struct batch *batch = ctx;
	size_t room = HEADER_SIZE_MAX - batch->text.len;

	buf_append(&batch->text, data, len < room ? len : room);
}

static void batch_on_void(void *ctx)
{
	struct batch *batch = ctx;

	buf_clear(&batch->text);
}

static void batch_on_att(void *ctx, const struct imap_att *att)
{
	struct batch *batch = ctx;

	if (att->uid >= batch->low && att->uid <= batch->high &&
		(batch->header ? att->sections == 1 : att->has_flags))
		batch_add(batch, att);
	buf_clear(&batch->text);
}

static int batch_compare(const void *a, const void *b)
{
	const struct mail_message *left = a, *right = b;

	return (left->uid > right->uid) - (left->uid < right->uid);
}

/* Ascending, each once; nearly always it is that already. */
static void batch_settle(struct batch *batch)
{
	bool ascending = true;
	size_t kept = 0;

	for (size_t i = 1; i < batch->count && ascending; i++)
		ascending = batch->messages[i - 1].uid < batch->messages[i].uid;
	if (ascending)
		return;
	qsort(batch->messages, batch->count, sizeof(*batch->messages), batch_compare);
	for (size_t i = 0; i < batch->count; i++) {
		if (kept && batch->messages[kept - 1].uid == batch->messages[i].uid)
			mail_message_finish(&batch->messages[i]);
		else
			batch->messages[kept++] = batch->messages[i];
	}
	batch->count = kept;
}

static void batch_clear(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		mail_message_finish(&batch->messages[i]);
	batch->count = 0;
	batch->hard.count = 0;
	batch->bad = 0;
}

static bool batch_has(const struct batch *batch, uint32_t uid)
{
	const struct mail_message key = {.uid = uid};

	return batch->count &&
	       bsearch(&key, batch->messages, batch->count, sizeof(key), batch_compare);
}

static void batch_send(struct batch *batch, uint32_t low, uint32_t high, size_t items)
{
	char set[32];

	batch->low = low;
	batch->high = high;
	batch->header = batch_items[items].header;
	snprintf(set, sizeof(set), "%" PRIu32 ":%" PRIu32, low, high);
	batch->under_way = imap_uid_fetch_send(
		batch->scan->imap, &imap_scan_limits, set, batch_items[items].items);
}

static enum imap_reply batch_read(struct batch *batch)
{
	struct imap_fetch_handler handler = {.imap = batch->scan->imap,
		.ctx = batch,
		.body = batch_on_body,
		.voided = batch_on_void,
		.att = batch_on_att};
	enum imap_reply reply = imap_uid_fetch_read(&handler);

	batch->under_way = false;
	buf_clear(&batch->text);
	batch_settle(batch);
	return reply;
}

/*
 * One command for the messages from low to high, unless it is under way already; what comes is
 * added to the batch.
 */
static bool batch_ask(struct batch *batch, uint32_t low, uint32_t high, size_t items,
	enum imap_reply *reply_out)
{
	if (!batch->under_way)
		batch_send(batch, low, high, items);
	*reply_out = batch->under_way ? batch_read(batch) : IMAP_LOST;
	if (*reply_out == IMAP_LOST ||
		(*reply_out != IMAP_OK && imap_answer_is_busy(batch->scan->imap)))
		return imap_scan_fail(batch->scan, *reply_out);
	return true;
}

/* Which of uids are there and were not reported. False with result. */
static bool batch_missing(
	struct batch *batch, const uint32_t *uids, size_t count, struct imap_uids *missing_out)
{
	struct imap_uids asked = {0}, there = {0};
	enum imap_reply reply = IMAP_OK;
	char set[32];

	for (size_t i = 0; i < count; i++)
		if (!batch_has(batch, uids[i]))
			imap_uids_add(&asked, uids[i]);
	if (asked.count) {
		snprintf(set, sizeof(set), "%" PRIu32 ":%" PRIu32, asked.uids[0],
			asked.uids[asked.count - 1]);
		reply = imap_search(batch->scan->imap, set, &there);
	}
	for (size_t i = 0; reply == IMAP_OK && i < asked.count; i++)
		if (imap_uids_has(&there, asked.uids[i]))
			imap_uids_add(missing_out, asked.uids[i]);
	imap_uids_finish(&asked);
	imap_uids_finish(&there);
	return reply == IMAP_OK || imap_scan_fail(batch->scan, reply);
}

/*
 * Fetches uids. One bad message can make the whole command fail (NO), or take its neighbours'
 * answers with it: then what is missing is asked for by halves.
 */
static bool batch_fetch(struct batch *batch, const uint32_t *uids, size_t count)
{
	struct imap_uids missing = {0};
	enum imap_reply reply;
	size_t half;
	bool done;

	if (!batch->under_way && imap_stop_wanted(batch->scan->imap, batch->scan->result))
		return false;
	done = batch_ask(batch, uids[0], uids[count - 1], 0, &reply) &&
	       batch_missing(batch, uids, count, &missing);
	half = missing.count / 2;
	if (done && missing.count && count == 1)
		imap_uids_add(&batch->hard, uids[0]);
	else if (done && missing.count)
		done = (!half || batch_fetch(batch, missing.uids, half)) &&
		       batch_fetch(batch, missing.uids + half, missing.count - half);
	imap_uids_finish(&missing);
	return done;
}

/* A message that the server has and does not give: with less and less, bad in the end. */
static bool batch_fetch_hard(struct batch *batch, uint32_t uid)
{
	enum imap_reply reply;

	for (size_t items = 1; items < BATCH_ITEMS && !batch_has(batch, uid); items++)
		if (!batch_ask(batch, uid, uid, items, &reply))
			return false;
	if (!batch_has(batch, uid)) /* it is there, and so it is listed */
		batch_add(batch, &(struct imap_att){.uid = uid});
	batch->bad += !batch->header;
	batch_settle(batch);
	if (batch->bad <= BATCH_BAD_MAX || batch->bad < batch->count)
		return true;
	backend_result_set(batch->scan->result, BACKEND_THROTTLED,
		"%s gives no header of any of %u messages; it seems to be in trouble",
		batch->scan->imap->conf->host, batch->bad);
	return false;
}

static bool batch_report(struct batch *batch, uint32_t through)
{
	const struct backend_scan_sink *sink = batch->scan->sink;

	for (size_t i = 0; i < batch->count; i++)
		if (!sink->message(sink->ctx, &batch->messages[i]))
			return imap_scan_stop(batch->scan);
	return sink->batch(sink->ctx, through) || imap_scan_stop(batch->scan);
}

/* Where the batch ends that begins at at. */
static size_t batch_end(const struct imap_scan *scan, size_t at, size_t step)
{
	const struct imap_uids *fresh = &scan->fresh;

	if (scan->want->most && step > scan->want->most)
		step = scan->want->most;
	return fresh->count - at < step ? fresh->count : at + step;
}

static bool batch_collect(struct batch *batch, const uint32_t *uids, size_t count)
{
	batch_clear(batch);
	if (!batch_fetch(batch, uids, count))
		return false;
	for (size_t i = 0; i < batch->hard.count; i++)
		if (!batch_fetch_hard(batch, batch->hard.uids[i]))
			return false;
	return true;
}

/* Nobody wants what was asked for: its answer is read all the same, or the next command would
 * find it. */
static void batch_drop(struct batch *batch)
{
	enum imap_reply reply;

	batch->low = 1;
	batch->high = 0;
	reply = batch_read(batch);
	if (reply == IMAP_LOST)
		imap_scan_fail(batch->scan, reply);
}

/* One that is not asked for. */
static bool batch_stub(struct imap_scan *scan, uint32_t uid)
{
	const struct mail_message stub = {.uid = uid, .bad = true};
	const struct backend_scan_sink *sink = scan->sink;

	return (sink->message(sink->ctx, &stub) && sink->batch(sink->ctx, uid)) ||
	       imap_scan_stop(scan);
}

/*
 * The server works on the next batch while this one is reported: it is asked for when this one
 * is complete, and its answer is read afterwards, so that one batch at a time is in memory.
 */
bool imap_batches(struct imap_scan *scan)
{
	const struct imap_uids *fresh = &scan->fresh;
	struct batch batch = {.scan = scan};
	size_t at = scan->want->stub_first && fresh->count;
	size_t end = batch_end(scan, at, BATCH_FIRST), next;
	bool done = !at || batch_stub(scan, fresh->uids[0]);

	for (; done && at < fresh->count; at = end, end = next) {
		done = batch_collect(&batch, fresh->uids + at, end - at);
		next = batch_end(scan, end, BATCH_NEXT);
		if (done && next > end)
			batch_send(&batch, fresh->uids[end], fresh->uids[next - 1], 0);
		done = done && batch_report(&batch, fresh->uids[end - 1]);
	}
	if (batch.under_way)
		batch_drop(&batch);
	batch_clear(&batch);
	free(batch.messages);
	imap_uids_finish(&batch.hard);
	buf_finish(&batch.text);
	return done;
}
