#include "catchall_p.h"
#include "imap_scan_p.h"
#include <inttypes.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>

struct survey_item {
	uint32_t uid;
	uint32_t flags;
	size_t order; /* the last word on a message counts */
};

struct survey {
	struct survey_item *items; /* owned */
	size_t count, cap;
	uint32_t last;
};

static void survey_add(struct survey *survey, uint32_t uid, uint32_t flags)
{
	if (survey->count == survey->cap) {
		survey->cap = survey->cap ? survey->cap * 2 : 1024;
		survey->items =
			xreallocarray(survey->items, survey->cap, sizeof(*survey->items));
	}
	survey->items[survey->count] =
		(struct survey_item){.uid = uid, .flags = flags, .order = survey->count};
	survey->count++;
}

static void survey_on_att(void *ctx, const struct imap_att *att)
{
	struct survey *survey = ctx;

	if (att->uid && att->uid <= survey->last && att->has_flags)
		survey_add(survey, att->uid, att->flags);
}

/* No bodies are asked for. */
static void survey_on_body(void *ctx, const char *data, size_t len)
{
}

static void survey_on_void(void *ctx)
{
}

static int survey_compare(const void *a, const void *b)
{
	const struct survey_item *left = a, *right = b;

	if (left->uid != right->uid)
		return left->uid < right->uid ? -1 : 1;
	return (left->order > right->order) - (left->order < right->order);
}

/* Ascending, one entry a message; nearly always it is that already. */
static void survey_settle(struct survey *survey)
{
	bool ascending = true;
	size_t kept = 0;

	for (size_t i = 1; i < survey->count && ascending; i++)
		ascending = survey->items[i - 1].uid < survey->items[i].uid;
	if (ascending)
		return;
	qsort(survey->items, survey->count, sizeof(*survey->items), survey_compare);
	for (size_t i = 0; i < survey->count; i++) {
		if (kept && survey->items[kept - 1].uid == survey->items[i].uid)
			kept--;
		survey->items[kept++] = survey->items[i];
	}
	survey->count = kept;
}

static enum imap_reply survey_fetch(struct imap_scan *scan, struct survey *survey)
{
	struct imap_fetch_handler handler = {.imap = scan->imap,
		.ctx = survey,
		.body = survey_on_body,
		.voided = survey_on_void,
		.att = survey_on_att};
	struct guard_limits limits = imap_scan_limits;
	enum imap_reply reply;
	char set[32];

	/* A line for each message, and some news in between. */
	limits.lines = 100000 + 4 * (uint64_t)scan->imap->state.exists;
	snprintf(set, sizeof(set), "1:%" PRIu32, survey->last);
	reply = imap_uid_fetch(&handler, &limits, set, "(UID FLAGS)");
	survey_settle(survey);
	return reply;
}

/*
 * A message that is not named is taken for gone, so a list that may have holes (a line that
 * could not be read, a count that does not fit) is compared with what SEARCH finds.
 */
static bool survey_fill(struct imap_scan *scan, struct survey *survey)
{
	struct imap_uids there = {0};
	size_t named = survey->count, at = 0;
	enum imap_reply reply;
	char set[32];

	snprintf(set, sizeof(set), "1:%" PRIu32, survey->last);
	reply = imap_search(scan->imap, set, &there);
	for (size_t i = 0; i < there.count && there.uids[i] <= survey->last; i++) {
		while (at < named && survey->items[at].uid < there.uids[i])
			at++;
		if (at == named || survey->items[at].uid != there.uids[i])
			survey_add(survey, there.uids[i], 0);
	}
	imap_uids_finish(&there);
	survey_settle(survey);
	return reply == IMAP_OK || imap_scan_fail(scan, reply);
}

static bool survey_report(struct imap_scan *scan, const struct survey *survey)
{
	const struct backend_scan_sink *sink = scan->sink;

	for (size_t i = 0; i < survey->count; i++)
		if (!sink->existing(sink->ctx, survey->items[i].uid, survey->items[i].flags))
			return imap_scan_stop(scan);
	return sink->surveyed(sink->ctx) || imap_scan_stop(scan);
}

static bool survey_collect(struct imap_scan *scan, struct survey *survey)
{
	uint64_t swallowed = catchall_count();
	enum imap_reply reply;

	if (!scan->imap->state.exists || !survey->last)
		return true;
	reply = survey_fetch(scan, survey);
	if (reply == IMAP_LOST || (reply != IMAP_OK && imap_answer_is_busy(scan->imap)))
		return imap_scan_fail(scan, reply);
	if (reply == IMAP_OK && catchall_count() == swallowed &&
		survey->count + scan->fresh.count == scan->imap->state.exists)
		return true;
	return survey_fill(scan, survey);
}

bool imap_survey(struct imap_scan *scan)
{
	struct survey survey = {.last = scan->want->last_uid};
	bool done = survey_collect(scan, &survey) && survey_report(scan, &survey);

	free(survey.items);
	return done;
}
