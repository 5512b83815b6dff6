#include "header_p.h"
#include "imap_verify_p.h"
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* So many that cannot be identified, and none that can: a server in trouble. */
#define IDENTIFY_BAD_MAX 16u

#define IDENTIFY_HEADER "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"

/*
 * The second is for a message whose size the server cannot put so that it is understood: none
 * was stored of it either.
 */
static const char *const identify_items[] = {
	"(UID INTERNALDATE RFC822.SIZE " IDENTIFY_HEADER ")",
	"(UID INTERNALDATE " IDENTIFY_HEADER ")",
};

enum identify_state {
	IDENTIFY_OPEN,
	IDENTIFY_KNOWN,
	IDENTIFY_DOUBTFUL, /* the server said two different things */
	IDENTIFY_GONE,	   /* in the meantime */
};

struct identify_item {
	enum identify_state state;
	struct backend_identity identity;
	char *message_id; /* owned */
};

struct identify {
	struct imap_verify *verify;
	struct identify_item *items; /* owned; by UID */
	size_t count;
	size_t known, bad;
	struct buf text; /* the header of the next message */
};

static int identify_compare(const void *a, const void *b)
{
	const struct identify_item *left = a, *right = b;

	return (left->identity.uid > right->identity.uid) -
	       (left->identity.uid < right->identity.uid);
}

static void identify_on_body(void *ctx, const char *data, size_t len)
{
	struct identify *identify = ctx;
	size_t room = HEADER_SIZE_MAX - identify->text.len;

	buf_append(&identify->text, data, len < room ? len : room);
}

static void identify_on_void(void *ctx)
{
	struct identify *identify = ctx;

	buf_clear(&identify->text);
}

static void identify_take(struct identify *identify, struct identify_item *item,
	const struct imap_att *att, char *id)
{
	struct backend_identity *identity = &item->identity;

	if (item->state == IDENTIFY_KNOWN &&
		(identity->size != att->size || identity->date != att->date ||
			!str_equal_or_empty(item->message_id, id)))
		item->state = IDENTIFY_DOUBTFUL;
	if (item->state != IDENTIFY_OPEN) {
		free(id);
		return;
	}
	item->state = IDENTIFY_KNOWN;
	identify->known++;
	item->message_id = id;
	identity->known = true;
	identity->size = att->size;
	identity->date = att->date;
	identity->message_id = id;
}

static void identify_on_att(void *ctx, const struct imap_att *att)
{
	struct identify *identify = ctx;
	const struct identify_item key = {.identity.uid = att->uid};
	struct identify_item *item =
		bsearch(&key, identify->items, identify->count, sizeof(key), identify_compare);
	struct mail_fields fields = {0};
	char *id;

	if (item && att->sections == 1) {
		if (identify->text.len)
			header_parse(identify->text.data, identify->text.len, &fields);
		id = fields.message_id;
		fields.message_id = NULL;
		if (id || att->has_date || att->has_size)
			identify_take(identify, item, att, id);
		mail_fields_finish(&fields);
	}
	buf_clear(&identify->text);
}

static size_t identify_open(
	const struct identify *identify, size_t first, size_t last, struct imap_uids *out)
{
	size_t count = 0;

	for (size_t i = first; i < last; i++) {
		if (identify->items[i].state != IDENTIFY_OPEN)
			continue;
		count++;
		if (out)
			imap_uids_add(out, identify->items[i].identity.uid);
	}
	return count;
}

/* One command for what is open of the items from first to before last. False with result. */
static bool identify_ask(struct identify *identify, size_t first, size_t last,
	const char *items, enum imap_reply *reply_out)
{
	struct imap *imap = identify->verify->imap;
	struct imap_fetch_handler handler = {.imap = imap,
		.ctx = identify,
		.body = identify_on_body,
		.voided = identify_on_void,
		.att = identify_on_att};
	struct imap_uids uids = {0};
	struct buf set = BUF_INIT;

	if (imap_stop_wanted(imap, identify->verify->result))
		return false;
	(void)identify_open(identify, first, last, &uids);
	imap_put_set(&set, uids.uids, uids.count);
	*reply_out = imap_uid_fetch(&handler, &imap_verify_limits, set.data, items);
	buf_clear(&identify->text);
	imap_uids_finish(&uids);
	buf_finish(&set);
	if (*reply_out == IMAP_LOST || (*reply_out != IMAP_OK && imap_answer_is_busy(imap)))
		return imap_verify_fail(identify->verify, *reply_out);
	return true;
}

/* A message that did not come with the others: by itself, and then with less. */
static bool identify_single(struct identify *identify, size_t at)
{
	const size_t kinds = sizeof(identify_items) / sizeof(identify_items[0]);
	enum imap_reply reply;

	for (size_t i = 0; i < kinds && identify->items[at].state == IDENTIFY_OPEN; i++)
		if (!identify_ask(identify, at, at + 1, identify_items[i], &reply))
			return false;
	identify->bad += identify->items[at].state == IDENTIFY_OPEN;
	if (identify->bad < IDENTIFY_BAD_MAX || identify->known)
		return true;
	backend_result_set(identify->verify->result, BACKEND_THROTTLED,
		"%s tells of none of %zu messages who they are; it seems to be in trouble",
		identify->verify->imap->conf->host, identify->bad);
	return false;
}

/*
 * The items from first to before last. When the server says no, one of them may be to blame, so
 * the rest is asked for by halves; when it says OK, each of the rest is, by itself.
 */
static bool identify_range(struct identify *identify, size_t first, size_t last)
{
	size_t half = first + (last - first) / 2;
	enum imap_reply reply;

	if (!identify_open(identify, first, last, NULL))
		return true;
	if (last - first == 1)
		return identify_single(identify, first);
	if (!identify_ask(identify, first, last, identify_items[0], &reply))
		return false;
	if (reply != IMAP_OK)
		return identify_range(identify, first, half) &&
		       identify_range(identify, half, last);
	for (size_t i = first; i < last; i++)
		if (identify->items[i].state == IDENTIFY_OPEN && !identify_single(identify, i))
			return false;
	return true;
}

/* What did not answer may have gone since it was found. */
static bool identify_sort_out_gone(struct identify *identify)
{
	struct imap_verify *verify = identify->verify;
	struct imap_uids open = {0}, there = {0};
	struct buf set = BUF_INIT;
	enum imap_reply reply;
	bool done = true;

	if (identify_open(identify, 0, identify->count, &open)) {
		/* With it the server may tell of removals. */
		reply = imap_command_text(verify->imap, NULL, "NOOP");
		imap_put_set(&set, open.uids, open.count);
		done = reply == IMAP_OK ? imap_verify_search(verify, set.data, false, &there)
					: imap_verify_fail(verify, reply);
	}
	for (size_t i = 0; done && i < identify->count; i++) {
		struct identify_item *item = &identify->items[i];

		if (item->state == IDENTIFY_OPEN && !imap_uids_has(&there, item->identity.uid))
			item->state = IDENTIFY_GONE;
	}
	imap_uids_finish(&open);
	imap_uids_finish(&there);
	buf_finish(&set);
	return done;
}

static bool identify_tell(struct identify *identify)
{
	const struct backend_verify_sink *sink = identify->verify->sink;

	for (size_t i = 0; i < identify->count; i++) {
		struct identify_item *item = &identify->items[i];

		if (item->state == IDENTIFY_GONE)
			continue;
		if (item->state == IDENTIFY_DOUBTFUL)
			item->identity = (struct backend_identity){.uid = item->identity.uid};
		if (!sink->found(sink->ctx, &item->identity))
			return imap_verify_stop(identify->verify);
	}
	return true;
}

bool imap_identify(struct imap_verify *verify, const uint32_t *uids, size_t count)
{
	struct identify identify = {.verify = verify, .count = count};
	bool done;

	identify.items = xcalloc(count, sizeof(*identify.items));
	for (size_t i = 0; i < count; i++)
		identify.items[i].identity.uid = uids[i];
	done = identify_range(&identify, 0, count) && identify_sort_out_gone(&identify) &&
	       identify_tell(&identify);
	for (size_t i = 0; i < count; i++)
		free(identify.items[i].message_id);
	free(identify.items);
	buf_finish(&identify.text);
	return done;
}
