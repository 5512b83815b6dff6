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

void imap_put_set(struct buf *out, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t last = i;

		while (last + 1 < count && uids[last + 1] == uids[last] + 1)
			last++;
		buf_printf(out, "%s%" PRIu32, i ? "," : "", uids[i]);
		if (last > i)
			buf_printf(out, ":%" PRIu32, uids[last]);
		i = last + 1;
	}
}

enum imap_reply imap_search(struct imap *imap, const char *set, struct imap_uids *out)
{
	/* One line holds every UID: eleven bytes each, for some five million messages. */
	static const struct guard_limits limits = {.line = 64u << 20,
		.depth = GUARD_DEPTH_MAX,
		.literal = 4096,
		.response = 128u << 20,
		.lines = 100000};
	struct buf command = BUF_INIT;
	enum imap_reply reply;
	clist *found;

	buf_printf(&command, "UID SEARCH UID %s", set);
	reply = imap_command(imap, &limits, &command);
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

bool imap_examine(struct imap *imap, const char *raw, struct backend_result *result)
{
	struct buf command = BUF_INIT;
	enum imap_reply reply;

	free(imap->selected);
	imap->selected = NULL;
	buf_append_str(&command, "EXAMINE ");
	if (!imap_put_string(imap, &command, raw)) {
		buf_finish(&command);
		backend_result_set(result, BACKEND_FOLDER_GONE,
			"A folder of %s has a line break in its name and cannot be asked for",
			imap->conf->host);
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
	return true;
}
