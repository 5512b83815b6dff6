#include "catchall_p.h"
#include "imap_verify_p.h"
#include <inttypes.h>
#include <mountmail/mail/flags.h>
#include <stdio.h>
#include <string.h>

/* So many are identified at a time: what is known of them is in memory until it is told. */
#define VERIFY_STEP 250u

const struct guard_limits imap_verify_limits = {
	.line = GUARD_LINE_MAX,
	.depth = GUARD_DEPTH_MAX,
	.literal = 64u << 20,
	.response = 1u << 30,
	.lines = 8u << 20,
};

bool imap_verify_stop(struct imap_verify *verify)
{
	backend_result_set(verify->result, BACKEND_STOPPED, "Stopped on request");
	return false;
}

bool imap_verify_fail(struct imap_verify *verify, enum imap_reply reply)
{
	imap_result_fail(verify->imap, verify->result, reply, BACKEND_THROTTLED,
		"looking for messages that are to be removed");
	return false;
}

/* Asking for flags, where SEARCH gives no clear answer: a message that answers is there. */

struct verify_flags {
	bool deleted;
	size_t answers;
	struct imap_uids *out;
};

static void verify_on_att(void *ctx, const struct imap_att *att)
{
	struct verify_flags *flags = ctx;

	if (!att->uid || !att->has_flags)
		return;
	flags->answers++;
	if (!flags->deleted || (att->flags & MAIL_FLAG_DELETED))
		imap_uids_add(flags->out, att->uid);
}

/* No bodies are asked for. */
static void verify_on_body(void *ctx, const char *data, size_t len)
{
}

static void verify_on_void(void *ctx)
{
}

static bool verify_unclear(struct imap_verify *verify)
{
	backend_result_set(verify->result, BACKEND_THROTTLED,
		"%s does not tell clearly which messages the folder has; nothing is removed "
		"before it does",
		verify->imap->conf->host);
	return false;
}

static bool verify_fetch_flags(
	struct imap_verify *verify, const char *set, bool deleted, struct imap_uids *out)
{
	struct verify_flags flags = {.deleted = deleted, .out = out};
	struct imap_fetch_handler handler = {.imap = verify->imap,
		.ctx = &flags,
		.body = verify_on_body,
		.voided = verify_on_void,
		.att = verify_on_att};
	uint64_t swallowed = catchall_count();
	enum imap_reply reply =
		imap_uid_fetch(&handler, &imap_verify_limits, set, "(UID FLAGS)");

	if (reply != IMAP_OK)
		return imap_verify_fail(verify, reply);
	imap_uids_settle(out);
	/* A mark that was not told may be another's. */
	if (catchall_count() != swallowed ||
		(deleted && flags.answers < verify->imap->state.exists))
		return verify_unclear(verify);
	return true;
}

bool imap_verify_search(
	struct imap_verify *verify, const char *set, bool deleted, struct imap_uids *out)
{
	struct buf criteria = BUF_INIT;
	enum imap_reply reply;
	bool sound;

	if (imap_stop_wanted(verify->imap, verify->result))
		return false;
	buf_printf(&criteria, "%s%s", deleted ? "DELETED" : "UID ", deleted ? "" : set);
	reply = imap_search_strictly(verify->imap, criteria.data, out, &sound);
	buf_finish(&criteria);
	if (reply != IMAP_OK)
		return imap_verify_fail(verify, reply);
	if (sound)
		return true;
	out->count = 0;
	return verify_fetch_flags(verify, set, deleted, out);
}

/* Which of the wanted ones are there. */
static bool verify_find_wanted(struct imap_verify *verify)
{
	const struct backend_verify *want = verify->want;
	struct imap_uids found = {0};
	struct buf set = BUF_INIT;
	size_t at = 0, some;
	bool done = true;

	for (; done && at < want->count; at += some) {
		buf_clear(&set);
		found.count = 0;
		some = imap_put_some(&set, want->uids + at, want->count - at);
		done = imap_verify_search(verify, set.data, false, &found);
		for (size_t i = at; i < at + some; i++)
			if (imap_uids_has(&found, want->uids[i]))
				imap_uids_add(&verify->there, want->uids[i]);
	}
	imap_uids_finish(&found);
	buf_finish(&set);
	return done;
}

static bool verify_find_from(struct imap_verify *verify)
{
	struct imap_uids *there = &verify->there;
	uint32_t from = verify->want->from_uid;
	size_t kept = 0;
	char set[32];

	/* In an empty folder some servers take '*' for a mistake. */
	if (!from || !verify->imap->state.exists)
		return true;
	snprintf(set, sizeof(set), "%" PRIu32 ":*", from);
	if (!imap_verify_search(verify, set, false, there))
		return false;
	/* "n:*" names the last message even when it lies below n. */
	for (size_t i = 0; i < there->count; i++)
		if (there->uids[i] >= from)
			there->uids[kept++] = there->uids[i];
	there->count = kept;
	return true;
}

static bool verify_tell_plainly(struct imap_verify *verify)
{
	for (size_t i = 0; i < verify->there.count; i++) {
		const struct backend_identity identity = {.uid = verify->there.uids[i]};

		if (!verify->sink->found(verify->sink->ctx, &identity))
			return imap_verify_stop(verify);
	}
	return true;
}

static bool verify_tell(struct imap_verify *verify)
{
	const struct imap_uids *there = &verify->there;
	size_t step;

	if (!verify->want->identify)
		return verify_tell_plainly(verify);
	for (size_t at = 0; at < there->count; at += step) {
		step = there->count - at < VERIFY_STEP ? there->count - at : VERIFY_STEP;
		if (!imap_identify(verify, there->uids + at, step))
			return false;
	}
	return true;
}

static bool verify_deleted(struct imap_verify *verify)
{
	struct imap_uids marked = {0};
	bool done =
		!verify->imap->state.exists || imap_verify_search(verify, "1:*", true, &marked);

	for (size_t i = 0; done && i < marked.count; i++)
		if (!verify->sink->deleted(verify->sink->ctx, marked.uids[i]))
			done = imap_verify_stop(verify);
	imap_uids_finish(&marked);
	return done;
}

/* False with result. */
static bool verify_open(struct imap_verify *verify)
{
	const struct backend_verify *want = verify->want;
	struct imap *imap = verify->imap;

	if (want->again && imap->selected && strcmp(imap->selected, want->raw) == 0)
		return true;
	/* A folder that may not be written in can be looked at all the same. */
	if (want->writing && imap_select(imap, want->raw, verify->result))
		return true;
	if (want->writing && verify->result->status != BACKEND_FOLDER_GONE)
		return false;
	return imap_examine(imap, want->raw, verify->result);
}

static void verify_run(struct imap_verify *verify)
{
	const struct backend_verify *want = verify->want;
	struct imap *imap = verify->imap;

	if (!verify_open(verify))
		return;
	if (!verify->sink->begin(verify->sink->ctx, &imap->state)) {
		imap_verify_stop(verify);
		return;
	}
	if (want->epoch &&
		!imap_same_epoch(imap, want->epoch, imap->state.epoch, verify->result))
		return;
	if ((want->count ? verify_find_wanted(verify) : verify_find_from(verify)) &&
		verify_tell(verify) && (!want->deleted || verify_deleted(verify)))
		backend_result_ok(verify->result);
}

void imap_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result)
{
	struct imap_verify run = {
		.imap = imap_of(backend), .want = verify, .sink = sink, .result = result};

	if (!imap_is_ready(run.imap, result))
		return;
	verify_run(&run);
	imap_uids_finish(&run.there);
}
