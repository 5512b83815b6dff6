#include "header_p.h"
#include "pop3_internal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many bad ones and no good one: not bad mail but a server in trouble. */
#define FETCH_BAD_MAX 8u

struct fetch_item {
	const struct backend_want *want;
	uint32_t index; /* in drop.mails */
};

struct fetch {
	struct pop3 *pop3;
	const struct backend_fetch_sink *sink;
	struct backend_result *result;
	struct fetch_item *items; /* owned; those that are there, by number */
	size_t count;
	unsigned good, bad;
	bool stopped; /* the sink wants no more */

	/* The body under way. */
	const struct backend_want *want;
	struct buf held; /* its head, until it is seen to be the right one */
	uint64_t size;
	bool passing; /* it is */
	bool other;   /* it is not */
};

static bool fetch_give(struct fetch *fetch, const char *data, size_t len)
{
	if (len && !fetch->stopped)
		fetch->stopped = !fetch->sink->data(fetch->sink->ctx, data, len);
	return !fetch->stopped;
}

/* Whose Message-ID it has, once the header is there, or what is held is all that there will be.
 */
static void fetch_decide(struct fetch *fetch, bool all)
{
	bool whole;

	(void)header_length(fetch->held.data, fetch->held.len, &whole);
	if (!whole && !all && fetch->held.len < HEADER_ID_REACH)
		return;
	fetch->other = header_check_id(fetch->held.data, fetch->held.len,
			       fetch->want->message_id) == HEADER_ID_OTHER;
	fetch->passing = !fetch->other;
	if (fetch->passing)
		fetch_give(fetch, fetch->held.data, fetch->held.len);
}

static void fetch_take(void *ctx, const char *data, size_t len)
{
	struct fetch *fetch = ctx;

	fetch->size += len;
	if (fetch->passing) {
		fetch_give(fetch, data, len);
	} else if (!fetch->other) {
		buf_append(&fetch->held, data, len);
		fetch_decide(fetch, false);
	}
}

static void fetch_failed(struct fetch *fetch, const struct backend_want *want,
	enum backend_status status, const char *text)
{
	if (!fetch->stopped)
		fetch->stopped =
			!fetch->sink->failed(fetch->sink->ctx, want->uid, status, text);
}

static bool fetch_lost(struct fetch *fetch)
{
	pop3_result_fail(fetch->pop3, fetch->result, POP3_LOST, BACKEND_CONNECTION_LOST,
		"reading a message");
	return false;
}

/* The body that follows OK. */
static bool fetch_body(struct fetch *fetch, const struct backend_want *want)
{
	buf_clear(&fetch->held);
	fetch->want = want;
	fetch->size = 0;
	fetch->passing = fetch->other = false;
	if (!pop3_read_mail(fetch->pop3, GUARD_LITERAL_MAX, fetch_take, fetch))
		return fetch_lost(fetch);
	if (!fetch->passing && !fetch->other)
		fetch_decide(fetch, true);
	if (fetch->other) {
		fetch_failed(fetch, want, BACKEND_MESSAGE_GONE,
			"The server has another message in its place now");
		return true;
	}
	fetch->good++;
	if (!fetch->stopped)
		fetch->stopped = !fetch->sink->done(fetch->sink->ctx, want->uid, fetch->size);
	return true;
}

/*
 * A no to RETR: the lock is on and it was listed, so it should be there. Some servers let
 * others remove what they have listed all the same, and say so.
 */
static bool fetch_no(struct fetch *fetch, const struct backend_want *want)
{
	struct pop3 *pop3 = fetch->pop3;
	const char *words = pop3->answer.text;
	char text[400];

	if (strcasestr(words, "expunged") || strcasestr(words, "deleted") ||
		strcasestr(words, "no such message")) {
		fetch_failed(fetch, want, BACKEND_MESSAGE_GONE,
			"The server no longer has the message");
		return true;
	}
	pop3_result_fail(
		pop3, fetch->result, POP3_ERR, BACKEND_MESSAGE_BAD, "reading a message");
	if (fetch->result->status != BACKEND_MESSAGE_BAD)
		return false;
	if (++fetch->bad >= FETCH_BAD_MAX && !fetch->good) {
		pop3_result_fail(
			pop3, fetch->result, POP3_ERR, BACKEND_THROTTLED, "reading messages");
		return false;
	}
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, fetch->result->text);
	fetch_failed(fetch, want, BACKEND_MESSAGE_BAD, text);
	return true;
}

static bool fetch_next(struct fetch *fetch, struct pop3_pipe *pipe)
{
	const struct backend_want *want = fetch->items[pipe->read].want;
	enum pop3_reply reply = pop3_pipe_next(pipe);

	if (reply == POP3_LOST)
		return fetch_lost(fetch);
	if (!(reply == POP3_OK ? fetch_body(fetch, want) : fetch_no(fetch, want)))
		return false;
	if (fetch->stopped)
		return pop3_stop(fetch->result);
	return !pop3_stop_wanted(fetch->pop3, fetch->result);
}

static bool fetch_bodies(struct fetch *fetch)
{
	uint32_t *wanted = xcalloc(fetch->count + 1, sizeof(*wanted));
	struct pop3_pipe pipe = {.pop3 = fetch->pop3,
		.verb = "RETR",
		.tail = "",
		.wanted = wanted,
		.count = fetch->count,
		.mail = true};
	bool going = true;

	for (size_t i = 0; i < fetch->count; i++)
		wanted[i] = fetch->items[i].index;
	while (going && pipe.read < pipe.count)
		going = fetch_next(fetch, &pipe);
	/* What was asked for comes, wanted or not. */
	if (fetch->pop3->ready && !pop3_pipe_drain(&pipe))
		going = fetch_lost(fetch);
	free(wanted);
	return going;
}

static int fetch_compare(const void *a, const void *b)
{
	const struct fetch_item *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

/* Sorts out what is not there (any more). False when nothing more is wanted. */
static bool fetch_find(struct fetch *fetch, const struct backend_fetch *want)
{
	const struct pop3_drop *drop = &fetch->pop3->drop;

	for (size_t i = 0; i < want->count && !fetch->stopped; i++) {
		const struct backend_want *one = &want->wants[i];
		const struct pop3_mail *mail = pop3_uid_find(drop, one->uid);
		bool there = mail && !mail->deleted;

		if (there && one->uidl)
			there = mail->has_uidl &&
				strcmp(one->uidl, pop3_mail_name(drop, mail)) == 0;
		if (there)
			fetch->items[fetch->count++] =
				(struct fetch_item){one, (uint32_t)(mail - drop->mails)};
		else
			fetch_failed(fetch, one, BACKEND_MESSAGE_GONE,
				"The server does not list the message");
	}
	qsort(fetch->items, fetch->count, sizeof(*fetch->items), fetch_compare);
	return !fetch->stopped || pop3_stop(fetch->result);
}

void pop3_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result)
{
	struct fetch run = {.pop3 = pop3_of(backend), .sink = sink, .result = result};

	if (!pop3_is_folder(run.pop3, fetch->raw, result) ||
		!pop3_is_epoch(run.pop3, fetch->epoch, result) ||
		!pop3_identify(run.pop3, result))
		return;
	run.items = xcalloc(fetch->count, sizeof(*run.items));
	buf_reserve(&run.held, 1);
	if (fetch_find(&run, fetch) && fetch_bodies(&run))
		backend_result_ok(result);
	free(run.items);
	buf_finish(&run.held);
}
