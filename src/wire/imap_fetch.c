#include "header_p.h"
#include "imap_internal_p.h"
#include <mountmail/base/clock.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Up to here a body is held back until it has a name and was verified; then it is passed on. */
#define FETCH_HOLD_MAX (4u << 20)
#define FETCH_PIECE (256u << 10)
/* So many bad ones and no good one: not bad mail but a server in trouble. */
#define FETCH_BAD_MAX 8u
/* What was heard from the server within this time need not be asked for. */
#define FETCH_FRESH_MS 1000

/* The second is for a message whose size or date the server cannot put so that it is
 * understood. */
static const char *const fetch_items[] = {
	"(UID INTERNALDATE RFC822.SIZE BODY.PEEK[])", "(UID BODY.PEEK[])"};

static const struct guard_limits fetch_limits = {
	.line = GUARD_LINE_MAX,
	.depth = GUARD_DEPTH_MAX,
	.literal = GUARD_LITERAL_MAX,
	.response = 0,
	.lines = 1u << 20,
};

/* One wanted message. */
struct fetch_item {
	const struct backend_want *want;
	bool ended;   /* done or failed was said */
	bool differs; /* something else came under its number */
};

struct fetch {
	struct imap *imap;
	const struct backend_fetch *fetch;
	const struct backend_fetch_sink *sink;
	struct backend_result *result;
	struct fetch_item *items; /* owned; by UID */
	unsigned good, bad;
	bool stopped; /* the sink wants no more */
	bool torn;    /* data was passed on that belongs to no message */

	/* The body under way. */
	struct buf held; /* all of it, or its head when it is being passed on */
	uint64_t size;
	bool passing;
};

static void fetch_give(struct fetch *fetch, const char *data, size_t len)
{
	while (len && !fetch->stopped) {
		size_t piece = len < FETCH_PIECE ? len : FETCH_PIECE;

		fetch->stopped = !fetch->sink->data(fetch->sink->ctx, data, piece);
		data += piece;
		len -= piece;
	}
}

static void fetch_on_body(void *ctx, const char *data, size_t len)
{
	struct fetch *fetch = ctx;

	if (fetch->stopped)
		return;
	fetch->size += len;
	if (fetch->passing) {
		fetch_give(fetch, data, len);
		return;
	}
	buf_append(&fetch->held, data, len);
	if (fetch->held.len <= FETCH_HOLD_MAX)
		return;
	fetch_give(fetch, fetch->held.data, fetch->held.len);
	fetch->held.len = HEADER_ID_REACH;
	fetch->passing = true;
}

static void fetch_forget_body(struct fetch *fetch)
{
	buf_clear(&fetch->held);
	fetch->size = 0;
	fetch->passing = false;
}

static void fetch_on_void(void *ctx)
{
	struct fetch *fetch = ctx;

	fetch->torn |= fetch->passing;
	fetch_forget_body(fetch);
}

static void fetch_failed(struct fetch *fetch, struct fetch_item *item,
	enum backend_status status, const char *text)
{
	item->ended = true;
	fetch->bad += status == BACKEND_MESSAGE_BAD;
	if (!fetch->stopped)
		fetch->stopped =
			!fetch->sink->failed(fetch->sink->ctx, item->want->uid, status, text);
}

/* Is it the message? */

/* The body's Message-ID against the one that is known. */
static enum header_id fetch_check_id(const struct fetch *fetch, const struct backend_want *want)
{
	return header_check_id(fetch->held.data, fetch->held.len, want->message_id);
}

/*
 * Servers invent something for a message that was removed: NIL, "", a few lines of their own.
 * The date counts only where no Message-ID decides: Dovecot tells another one for mail from
 * before 1970 once it has it in its index.
 */
static bool fetch_differs(
	const struct fetch *fetch, const struct backend_want *want, const struct imap_att *att)
{
	if (att->sections != 1 || att->nil)
		return true;
	if (fetch->size == 0)
		return !att->has_size || att->size != 0;
	switch (fetch_check_id(fetch, want)) {
	case HEADER_ID_SAME:
		return false;
	case HEADER_ID_OTHER:
		return true;
	case HEADER_ID_UNKNOWN:
		break;
	}
	return att->has_date && want->date && att->date != want->date;
}

static int fetch_compare(const void *a, const void *b)
{
	const struct fetch_item *left = a, *right = b;

	return (left->want->uid > right->want->uid) - (left->want->uid < right->want->uid);
}

static struct fetch_item *fetch_find(struct fetch *fetch, uint32_t uid)
{
	const struct backend_want want = {.uid = uid};
	const struct fetch_item key = {.want = &want};
	struct fetch_item *item =
		bsearch(&key, fetch->items, fetch->fetch->count, sizeof(key), fetch_compare);

	return item && !item->ended ? item : NULL;
}

static void fetch_on_att(void *ctx, const struct imap_att *att)
{
	struct fetch *fetch = ctx;
	struct fetch_item *item = fetch_find(fetch, att->uid);

	if (!item || (att->sections == 0 && fetch->size == 0)) {
		fetch_on_void(fetch); /* a change of flags, or mail that nobody asked for */
		return;
	}
	if (!fetch_differs(fetch, item->want, att)) {
		if (!fetch->passing)
			fetch_give(fetch, fetch->held.data, fetch->held.len);
		item->ended = !fetch->stopped;
		fetch->good++;
		if (!fetch->stopped)
			fetch->stopped = !fetch->sink->done(
				fetch->sink->ctx, item->want->uid, fetch->size);
	} else if (fetch->passing) {
		fetch_failed(fetch, item, BACKEND_MESSAGE_BAD,
			"the server sent another message under its number");
	} else {
		item->differs = true;
	}
	fetch_forget_body(fetch);
}

/* Asking. */

static bool fetch_fail(struct fetch *fetch, enum imap_reply reply)
{
	imap_result_fail(
		fetch->imap, fetch->result, reply, BACKEND_THROTTLED, "fetching messages");
	return false;
}

static size_t fetch_pending(
	const struct fetch *fetch, size_t first, size_t last, struct imap_uids *uids_out)
{
	size_t before = uids_out->count;

	for (size_t i = first; i < last; i++)
		if (!fetch->items[i].ended)
			imap_uids_add(uids_out, fetch->items[i].want->uid);
	imap_uids_settle(uids_out);
	return uids_out->count - before;
}

/* False, with the result, when no more can or shall be asked for. */
static bool fetch_may_go_on(struct fetch *fetch, enum imap_reply reply)
{
	const char *host = fetch->imap->conf->host;

	if (fetch->stopped) {
		backend_result_set(fetch->result, BACKEND_STOPPED, "Stopped on request");
		return false;
	}
	if (reply == IMAP_LOST || (reply != IMAP_OK && imap_answer_is_busy(fetch->imap)))
		return fetch_fail(fetch, reply);
	if (fetch->torn) {
		fetch->imap->ready = false;
		backend_result_set(fetch->result, BACKEND_CONNECTION_LOST,
			"%s sent a large message without saying which", host);
		return false;
	}
	if (fetch->bad >= FETCH_BAD_MAX && fetch->good == 0) {
		backend_result_set(fetch->result, BACKEND_THROTTLED,
			"%s gives none of %u messages; it seems to be in trouble", host,
			fetch->bad);
		return false;
	}
	return !imap_stop_wanted(fetch->imap, fetch->result);
}

/* One command for what is pending of the items from first to before last. */
static bool fetch_ask(struct fetch *fetch, size_t first, size_t last, const char *items,
	enum imap_reply *reply_out)
{
	struct imap_fetch_handler handler = {.imap = fetch->imap,
		.ctx = fetch,
		.whole = true,
		.body = fetch_on_body,
		.voided = fetch_on_void,
		.att = fetch_on_att};
	struct imap_uids uids = {0};
	struct buf set = BUF_INIT;

	fetch_pending(fetch, first, last, &uids);
	imap_put_set(&set, uids.uids, uids.count);
	*reply_out = imap_uid_fetch(&handler, &fetch_limits, set.data, items);
	fetch_forget_body(fetch);
	imap_uids_finish(&uids);
	buf_finish(&set);
	/* The only one, and its answer broke the session: a new one would fare no better. */
	if (*reply_out == IMAP_LOST && fetch->fetch->count == 1 && !fetch->items[0].ended &&
		imap_answer_broke(fetch->imap))
		fetch_failed(fetch, &fetch->items[0], BACKEND_MESSAGE_BAD,
			imap_lost_reason(fetch->imap));
	return fetch_may_go_on(fetch, *reply_out);
}

/* Looks which pending ones are there at all; the others are gone. */
static bool fetch_sort_out_gone(struct fetch *fetch, size_t first, size_t last)
{
	struct imap_uids uids = {0}, there = {0};
	struct buf set = BUF_INIT;
	enum imap_reply reply = imap_command_text(fetch->imap, NULL, "NOOP");

	fetch_pending(fetch, first, last, &uids);
	imap_put_set(&set, uids.uids, uids.count);
	if (reply != IMAP_LOST)
		reply = imap_search(fetch->imap, set.data, &there);
	for (size_t i = first; i < last && reply == IMAP_OK; i++)
		if (!fetch->items[i].ended && !imap_uids_has(&there, fetch->items[i].want->uid))
			fetch_failed(fetch, &fetch->items[i], BACKEND_MESSAGE_GONE,
				"the message is no longer on the server");
	imap_uids_finish(&uids);
	imap_uids_finish(&there);
	buf_finish(&set);
	if (reply != IMAP_OK && reply != IMAP_LOST)
		return fetch_fail(fetch, reply);
	return fetch_may_go_on(fetch, reply);
}

static size_t fetch_count_pending(const struct fetch *fetch, size_t first, size_t last)
{
	size_t count = 0;

	for (size_t i = first; i < last; i++)
		count += !fetch->items[i].ended;
	return count;
}

/* A message that is there and did not come with the others: once more, then it is bad. */
static bool fetch_single(struct fetch *fetch, struct fetch_item *item)
{
	size_t at = (size_t)(item - fetch->items);
	enum imap_reply reply;

	if (!fetch_ask(fetch, at, at + 1, fetch_items[!item->differs], &reply))
		return false;
	if (item->ended)
		return true;
	fetch_failed(fetch, item, BACKEND_MESSAGE_BAD,
		item->differs ? "the server sends another message under its number"
			      : "the server has the message and does not give it");
	return fetch_may_go_on(fetch, IMAP_OK);
}

/*
 * The items from first to before last. When the server says no, one of them may be to blame, so
 * the rest is asked for by halves; when it says OK, each of the rest is, by itself.
 */
static bool fetch_range(struct fetch *fetch, size_t first, size_t last)
{
	size_t half = first + (last - first) / 2;
	enum imap_reply reply;

	if (fetch_count_pending(fetch, first, last) == 0)
		return true;
	if (!fetch_ask(fetch, first, last, fetch_items[0], &reply))
		return false;
	if (fetch_count_pending(fetch, first, last) == 0)
		return true;
	if (!fetch_sort_out_gone(fetch, first, last))
		return false;
	if (reply != IMAP_OK && fetch_count_pending(fetch, first, last) > 1)
		return fetch_range(fetch, first, half) && fetch_range(fetch, half, last);
	for (size_t i = first; i < last; i++)
		if (!fetch->items[i].ended && !fetch_single(fetch, &fetch->items[i]))
			return false;
	return true;
}

/*
 * Makes the folder the selected one. When it is that already, a NOOP lets the server tell of
 * removals; what it said a moment ago is good enough.
 */
static bool fetch_select(struct fetch *fetch)
{
	struct imap *imap = fetch->imap;
	enum imap_reply reply = IMAP_OK;

	if (!imap->selected || strcmp(imap->selected, fetch->fetch->raw) != 0) {
		if (!imap_examine(imap, fetch->fetch->raw, fetch->result))
			return false;
	} else if (clock_now_ms() - imap->heard_ms > FETCH_FRESH_MS) {
		reply = imap_command_text(imap, NULL, "NOOP");
	}
	if (reply != IMAP_OK)
		return fetch_fail(fetch, reply);
	return imap_same_epoch(
		imap, fetch->fetch->epoch, guard_uidvalidity(imap->guard), fetch->result);
}

static void fetch_prepare(struct fetch *fetch)
{
	size_t count = fetch->fetch->count;

	fetch->items = xcalloc(count, sizeof(*fetch->items));
	for (size_t i = 0; i < count; i++)
		fetch->items[i].want = &fetch->fetch->wants[i];
	qsort(fetch->items, count, sizeof(*fetch->items), fetch_compare);
}

void imap_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result)
{
	struct fetch run = {
		.imap = imap_of(backend), .fetch = fetch, .sink = sink, .result = result};

	if (!imap_is_ready(run.imap, result))
		return;
	fetch_prepare(&run);
	if (fetch_select(&run) && fetch_range(&run, 0, fetch->count))
		backend_result_ok(result);
	free(run.items);
	buf_finish(&run.held);
}
