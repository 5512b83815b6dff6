#include "imap_internal_p.h"
#include <inttypes.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void imap_uids_finish(struct imap_uids *uids)
{
	free(uids->uids);
	*uids = (struct imap_uids){0};
}

void imap_uids_add(struct imap_uids *uids, uint32_t uid)
{
	if (uids->count == uids->cap) {
		uids->cap = uids->cap ? uids->cap * 2 : 64;
		uids->uids = xreallocarray(uids->uids, uids->cap, sizeof(*uids->uids));
	}
	uids->uids[uids->count++] = uid;
}

static int imap_uid_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

void imap_uids_settle(struct imap_uids *uids)
{
	bool ascending = true;
	size_t kept = 0;

	for (size_t i = 1; i < uids->count && ascending; i++)
		ascending = uids->uids[i - 1] < uids->uids[i];
	if (ascending)
		return;
	qsort(uids->uids, uids->count, sizeof(*uids->uids), imap_uid_compare);
	for (size_t i = 0; i < uids->count; i++)
		if (i == 0 || uids->uids[i] != uids->uids[kept - 1])
			uids->uids[kept++] = uids->uids[i];
	uids->count = kept;
}

bool imap_uids_has(const struct imap_uids *uids, uint32_t uid)
{
	return uids->count &&
		bsearch(&uid, uids->uids, uids->count, sizeof(uid), imap_uid_compare);
}

/* Up to where a set may grow. Beside it a command holds a folder's name, seldom a long one. */
#define IMAP_SET_MAX 4000u

/* Puts whole ranges as long as fewer than max bytes are out. Returns how many UIDs went. */
static size_t imap_put_ranges(struct buf *out, const uint32_t *uids, size_t count, size_t max)
{
	size_t i = 0;

	while (i < count && out->len < max) {
		size_t last = i;

		while (last + 1 < count && uids[last + 1] == uids[last] + 1)
			last++;
		buf_printf(out, "%s%" PRIu32, i ? "," : "", uids[i]);
		if (last > i)
			buf_printf(out, ":%" PRIu32, uids[last]);
		i = last + 1;
	}
	return i;
}

void imap_put_set(struct buf *out, const uint32_t *uids, size_t count)
{
	(void)imap_put_ranges(out, uids, count, SIZE_MAX);
}

size_t imap_put_some(struct buf *out, const uint32_t *uids, size_t count)
{
	return imap_put_ranges(out, uids, count, out->len + IMAP_SET_MAX);
}

/* One line holds every UID: eleven bytes each, for some five million messages. */
static const struct guard_limits imap_search_limits = {.line = 64u << 20,
	.depth = GUARD_DEPTH_MAX,
	.literal = 4096,
	.response = 128u << 20,
	.lines = 100000};

enum imap_reply imap_search(struct imap *imap, const char *set, struct imap_uids *out)
{
	struct buf command = BUF_INIT;
	enum imap_reply reply;
	clist *found;

	buf_printf(&command, "UID SEARCH UID %s", set);
	reply = imap_command(imap, &imap_search_limits, &command);
	buf_finish(&command);
	if (reply != IMAP_OK)
		return reply;
	found = imap->session->imap_response_info->rsp_search_result;
	for (clistiter *cur = found ? clist_begin(found) : NULL; cur; cur = clist_next(cur)) {
		uint32_t uid = *(uint32_t *)clist_content(cur);

		if (uid)
			imap_uids_add(out, uid);
	}
	imap_uids_settle(out);
	return reply;
}

/* Adds the numbers of a line. False when it holds anything else, or one that is no UID. */
static bool imap_search_numbers(const char *line, size_t len, struct imap_uids *out)
{
	const char *end = line + len;

	while (line < end) {
		uint64_t uid = 0;

		if (*line == ' ') {
			line++;
			continue;
		}
		for (; line < end && *line >= '0' && *line <= '9' && uid <= UINT32_MAX; line++)
			uid = uid * 10 + (uint64_t)(*line - '0');
		if ((line < end && *line != ' ') || uid == 0 || uid > UINT32_MAX)
			return false;
		imap_uids_add(out, (uint32_t)uid);
	}
	return true;
}

enum imap_reply imap_search_strictly(
	struct imap *imap, const char *criteria, struct imap_uids *out, bool *sound_out)
{
	struct buf command = BUF_INIT;
	enum imap_reply reply;
	const char *line;
	size_t len, at = 0, lines = 0;

	buf_printf(&command, "UID SEARCH %s", criteria);
	reply = imap_command(imap, &imap_search_limits, &command);
	buf_finish(&command);
	*sound_out = false;
	if (reply != IMAP_OK)
		return reply;
	*sound_out = true;
	for (; imap_answer_line(imap, "* SEARCH", &at, &line, &len); lines++)
		*sound_out = imap_search_numbers(line, len, out) && *sound_out;
	*sound_out = *sound_out && lines;
	imap_uids_settle(out);
	return reply;
}

/* The number behind "[NAME " in an untagged OK, 0 when it was not said. */
static uint64_t imap_code_number(struct imap *imap, const char *name)
{
	const char *line;
	size_t len, at = 0;
	uint64_t number = 0;

	while (imap_answer_line(imap, "* OK [", &at, &line, &len)) {
		size_t name_len = strlen(name);

		if (len > name_len && strncasecmp(line, name, name_len) == 0)
			number = strtoull(line + name_len, NULL, 10);
	}
	return number;
}

static void imap_read_state(struct imap *imap)
{
	const struct mailimap_selection_info *info = imap->session->imap_selection_info;
	uint64_t uidnext = imap_code_number(imap, "UIDNEXT ");

	imap->state = (struct backend_folder_state){
		.epoch = guard_uidvalidity(imap->guard),
		.exists = info->sel_exists,
		.uidnext = uidnext <= UINT32_MAX ? (uint32_t)uidnext : 0,
		.modseq = imap_code_number(imap, "HIGHESTMODSEQ "),
	};
}

/* The command with the folder's name behind it. False, with result, for a name that cannot be. */
static bool imap_put_open(struct imap *imap, const char *verb, const char *raw,
	struct buf *command, struct backend_result *result)
{
	buf_printf(command, "%s ", verb);
	if (imap_put_string(imap, command, raw))
		return true;
	backend_result_set(result, BACKEND_FOLDER_GONE,
		"A folder of %s has a line break in its name and cannot be asked for",
		imap->conf->host);
	return false;
}

static bool imap_open_folder(
	struct imap *imap, const char *verb, const char *raw, struct backend_result *result)
{
	struct buf command = BUF_INIT;
	enum imap_reply reply;

	free(imap->selected);
	imap->selected = NULL;
	imap->writable = false;
	if (!imap_put_open(imap, verb, raw, &command, result)) {
		buf_finish(&command);
		return false;
	}
	if (imap->session->imap_selection_info)
		mailimap_selection_info_free(imap->session->imap_selection_info);
	imap->session->imap_selection_info = mailimap_selection_info_new();
	guard_forget_uidvalidity(imap->guard);
	reply = imap_command(imap, NULL, &command);
	buf_finish(&command);
	if (reply != IMAP_OK) {
		imap_result_fail(imap, result, reply, BACKEND_FOLDER_GONE, "opening the folder");
		return false;
	}
	if (!imap->session->imap_selection_info->sel_has_exists) {
		backend_result_set(result, BACKEND_THROTTLED,
			"%s did not say how many messages the folder has", imap->conf->host);
		return false;
	}
	imap_read_state(imap);
	imap->selected = xstrdup(raw);
	imap_news_begin(imap);
	return true;
}

bool imap_examine(struct imap *imap, const char *raw, struct backend_result *result)
{
	return imap_open_folder(imap, "EXAMINE", raw, result);
}

bool imap_select(struct imap *imap, const char *raw, struct backend_result *result)
{
	const char *line;
	size_t len, at = 0;

	if (!imap_open_folder(imap, "SELECT", raw, result))
		return false;
	imap->writable = strcmp(imap->answer.code, "READ-ONLY") != 0 &&
			 !imap_answer_line(imap, "* OK [READ-ONLY]", &at, &line, &len);
	return true;
}

bool imap_same_epoch(
	struct imap *imap, uint64_t known, uint64_t now, struct backend_result *result)
{
	if (known == now)
		return true;
	backend_result_set(result, BACKEND_FOLDER_CHANGED,
		"%s numbers the messages of the folder anew (UIDVALIDITY %" PRIu64
		", was %" PRIu64 ")",
		imap->conf->host, now, known);
	return false;
}
