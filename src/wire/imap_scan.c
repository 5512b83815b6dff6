#include "header_p.h"
#include "imap_scan_p.h"
#include <inttypes.h>
#include <stdio.h>

/* Of a literal no more than HEADER_SIZE_MAX is kept, so its bound here is one of time. */
const struct guard_limits imap_scan_limits = {
	.line = GUARD_LINE_MAX,
	.depth = GUARD_DEPTH_MAX,
	.literal = 256u << 20,
	.response = 1u << 30,
	.lines = 1u << 20,
};

bool imap_scan_stop(struct imap_scan *scan)
{
	backend_result_set(scan->result, BACKEND_STOPPED, "Stopped on request");
	return false;
}

bool imap_scan_fail(struct imap_scan *scan, enum imap_reply reply)
{
	imap_result_fail(scan->imap, scan->result, reply, BACKEND_THROTTLED,
		"looking through the folder");
	return false;
}

/* More than that is more than SEARCH would name, and rather a server's fancy. */
#define SCAN_DENSE_MAX 4000000u

/*
 * Whether the UIDs are 1 to EXISTS, as in a folder that nothing ever went from. UIDNEXT hints
 * at it; what proves it is that the last message has the UID EXISTS, since so many different
 * ones are below. False also when the answer was no: then the whole list is asked for.
 */
static bool imap_scan_is_dense(struct imap_scan *scan, enum imap_reply *reply_out)
{
	const struct backend_folder_state *state = &scan->imap->state;
	struct imap_uids last = {0};
	char set[32];
	bool dense;

	*reply_out = IMAP_OK;
	if (scan->want->last_uid || !state->uidnext || state->exists != state->uidnext - 1 ||
		state->exists > SCAN_DENSE_MAX)
		return false;
	snprintf(set, sizeof(set), "%" PRIu32 ":*", state->exists);
	*reply_out = imap_search(scan->imap, set, &last);
	dense = *reply_out == IMAP_OK && last.count == 1 && last.uids[0] == state->exists;
	imap_uids_finish(&last);
	return dense;
}

/* Looks for messages above last_uid. */
static bool imap_scan_find(struct imap_scan *scan)
{
	const struct backend_folder_state *state = &scan->imap->state;
	uint32_t last = scan->want->last_uid;
	enum imap_reply reply;
	size_t kept = 0;
	char set[32];

	if (!state->exists || last == UINT32_MAX ||
		(state->uidnext && state->uidnext - 1 <= last))
		return true;
	if (imap_scan_is_dense(scan, &reply)) {
		for (uint32_t uid = 1; uid < state->uidnext; uid++)
			imap_uids_add(&scan->fresh, uid);
		return true;
	}
	if (reply != IMAP_OK)
		return imap_scan_fail(scan, reply);
	snprintf(set, sizeof(set), "%" PRIu32 ":*", last + 1);
	reply = imap_search(scan->imap, set, &scan->fresh);
	if (reply != IMAP_OK)
		return imap_scan_fail(scan, reply);
	/* "n:*" names the last message even when it lies below n. */
	for (size_t i = 0; i < scan->fresh.count; i++)
		if (scan->fresh.uids[i] > last)
			scan->fresh.uids[kept++] = scan->fresh.uids[i];
	scan->fresh.count = kept;
	return true;
}

static void imap_scan_run(struct imap_scan *scan)
{
	const struct backend_folder_state *state = &scan->imap->state;

	if (!imap_examine(scan->imap, scan->want->raw, scan->result))
		return;
	if (!scan->sink->begin(scan->sink->ctx, state)) {
		imap_scan_stop(scan);
		return;
	}
	if (scan->want->epoch &&
		!imap_same_epoch(scan->imap, scan->want->epoch, state->epoch, scan->result))
		return;
	if (imap_scan_find(scan) && (!scan->want->survey || imap_survey(scan)) &&
		imap_batches(scan))
		backend_result_ok(scan->result);
}

void imap_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct imap_scan run = {
		.imap = imap_of(backend), .want = scan, .sink = sink, .result = result};

	if (!imap_is_ready(run.imap, result))
		return;
	imap_scan_run(&run);
	imap_uids_finish(&run.fresh);
}
