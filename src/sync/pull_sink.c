#include "pull_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <stdlib.h>

bool pull_halt(struct pull *pull, enum pull_stop why)
{
	pull->stop = why;
	return false;
}

bool pull_store_failed(struct pull *pull, int result)
{
	return pull_halt(pull, result == -ENOENT ? PULL_GONE : PULL_STORE);
}

/* The folder's messages are others than those in the store. False: not stored. */
static bool pull_begin_epoch(struct pull *pull, uint64_t epoch)
{
	struct account *account = pull->account;
	bool shown = pull->folder.listed != STORE_LISTED_NEVER || pull->folder.messages;
	int result;

	pthread_mutex_lock(&account->epoch_mutex);
	result = store_folder_new_epoch(account->store, pull->folder.id, epoch, &pull->error);
	account->resets += shown;
	pthread_mutex_unlock(&account->epoch_mutex);
	if (result < 0)
		return pull_store_failed(pull, result);
	if (!shown)
		return true;
	log_info("%s: folder %" PRId64 " is numbered anew (UIDVALIDITY %" PRIu64
		 ", was %" PRIu64 "); it is listed again",
		account->conf.name, pull->folder.id, epoch, pull->folder.epoch);
	if (account->events->folder_reset)
		account->events->folder_reset(account->events->ctx, pull->folder.id);
	return true;
}

/*
 * A server without UIDVALIDITY promises nothing from one session to the next: what an earlier
 * one left in the store is not believed.
 */
static bool pull_is_unsure(struct pull *pull)
{
	struct account *account = pull->account;
	bool first;

	if (pull->folder.epoch)
		return false;
	pthread_mutex_lock(&account->mutex);
	first = id_set_add(&account->relisted, pull->folder.id);
	pthread_mutex_unlock(&account->mutex);
	return first && pull->folder.messages;
}

/*
 * UIDNEXT never goes down, unless the folder was deleted and made again under the same
 * UIDVALIDITY; or the server's UIDNEXT is none, and then it would look so each time.
 */
static bool pull_is_lower(struct pull *pull, uint32_t uidnext)
{
	const struct store_folder *folder = &pull->folder;
	struct account *account = pull->account;
	bool liar;

	if (!uidnext || !folder->last_uid ||
		(uidnext > folder->last_uid && uidnext >= folder->uidnext))
		return false;
	pthread_mutex_lock(&account->mutex);
	liar = id_set_has(&account->liars, folder->id);
	pthread_mutex_unlock(&account->mutex);
	return !liar;
}

/* What was to be passed over may have gone meanwhile; the next one is not to blame for it. */
static bool pull_may_stub(struct pull *pull)
{
	struct narrow *narrow = &pull->look->narrow;

	if (!pull->scan.stub_first || narrow_stub_stands(narrow, pull->exists))
		return true;
	narrow->stub = false;
	return pull_halt(pull, PULL_AGAIN);
}

/*
 * Whether nothing came or went, by two numbers: what comes raises UIDNEXT, and what goes
 * without anything coming makes fewer.
 */
static bool pull_is_same(const struct pull *pull, const struct backend_folder_state *state)
{
	return state->exists == pull->folder.messages && state->uidnext == pull->folder.uidnext;
}

bool pull_on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct pull *pull = ctx;
	const struct store_folder *folder = &pull->folder;
	bool renumbered = state->epoch != folder->epoch;
	bool unsure = pull_is_unsure(pull);
	bool lower = pull_is_lower(pull, state->uidnext);

	if (pull->account->stopping)
		return pull_halt(pull, PULL_SHUTDOWN);
	pull->uidnext = state->uidnext;
	pull->exists = state->exists;
	pull->asking = !pull->scan.survey;
	if (!renumbered && !unsure && !lower) {
		if (pull->quiet && !pull_is_same(pull, state))
			return pull_halt(pull, PULL_SURVEY);
		return pull_may_stub(pull);
	}
	pull->last_uid = 0;
	if (!pull_begin_epoch(pull, state->epoch))
		return false;
	pull->look->narrow = (struct narrow){0};
	/* Where nothing was stored the scan goes on, from the first message. */
	return (!folder->last_uid && !pull->known_count && !pull->scan.stub_first) ||
	       pull_halt(pull, PULL_NEW_EPOCH);
}

bool pull_on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct pull *pull = ctx;

	store_batch_keep(pull->batch, uid, flags);
	return !pull->account->stopping || pull_halt(pull, PULL_SHUTDOWN);
}

bool pull_on_surveyed(void *ctx)
{
	struct pull *pull = ctx;

	store_batch_drop_unkept(
		pull->batch, pull->scattered ? UINT32_MAX : pull->scan.last_uid);
	pull->surveyed = true;
	pull->asking = true;
	return true;
}

static int pull_compare_uids(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/*
 * Another message has the number of one that is stored. Where the survey was complete, that one
 * is dropped along with the others that went; else here, so that its body is not taken for this
 * one's.
 */
static bool pull_replace(struct pull *pull, uint32_t uid)
{
	struct account *account = pull->account;
	int result;

	if (pull->surveyed || !pull->known_count ||
		!bsearch(&uid, pull->known, pull->known_count, sizeof(uid), pull_compare_uids))
		return true;
	pthread_mutex_lock(&account->epoch_mutex);
	result = store_messages_drop(
		account->store, pull->folder.id, &uid, 1, clock_wall_s(), &pull->error);
	account->resets++;
	pthread_mutex_unlock(&account->epoch_mutex);
	if (result < 0)
		return pull_store_failed(pull, result);
	if (account->events->folder_reset)
		account->events->folder_reset(account->events->ctx, pull->folder.id);
	return true;
}

bool pull_on_message(void *ctx, const struct mail_message *message)
{
	struct pull *pull = ctx;

	if (pull->look->narrow.stub)
		log_warning(
			"%s: folder %" PRId64 ": uid %" PRIu32
			" is listed without its header: the connection broke %u times in a row "
			"when it was asked for",
			pull->account->conf.name, pull->folder.id, message->uid,
			pull->look->narrow.losses);
	pull->batch_count++;
	/*
	 * A date of 0 stays: when the message was first seen is known to the cache alone, and
	 * its name and times are to be the same without one.
	 */
	if (pull->scattered && !pull_replace(pull, message->uid))
		return false;
	store_batch_add(pull->batch, message);
	return !pull->account->stopping || pull_halt(pull, PULL_SHUTDOWN);
}

bool pull_commit(struct pull *pull, uint32_t through, bool complete)
{
	const struct account_events *events = pull->account->events;
	struct store_batch_end end = {
		.last_uid = through, .uidnext = pull->uidnext, .complete = complete};
	struct store_changes changes;
	int result = store_batch_commit(pull->batch, &end, &changes, &pull->error);

	if (result < 0)
		return pull_store_failed(pull, result);
	if (changes.missing)
		pull->missing = changes.missing;
	if ((changes.added || changes.gone_count || changes.reflagged) &&
		events->folder_changed)
		events->folder_changed(events->ctx, pull->folder.id, &changes);
	store_changes_finish(&changes);
	return true;
}

/* A long listing is no silence: not for who waits for its end, nor for those behind it. */
static void pull_is_moving(struct pull *pull)
{
	struct account *account = pull->account;

	pthread_mutex_lock(&account->mutex);
	waits_extend(&account->waits, &pull->look->waits, account->conf.timeout_ms);
	queue_extend(&account->queue, &account->waits, account->conf.timeout_ms);
	pthread_mutex_unlock(&account->mutex);
}

bool pull_on_batch(void *ctx, uint32_t through)
{
	struct pull *pull = ctx;
	bool widen;

	if (!pull_commit(pull, pull->scattered ? 0 : through, false))
		return false;
	pull->last_uid = through;
	pull->stepped = true;
	pull_is_moving(pull);
	widen = narrow_came(&pull->look->narrow, pull->batch_count);
	pull->batch_count = 0;
	account_status_changed(pull->account);
	if (pull->account->stopping)
		return pull_halt(pull, PULL_SHUTDOWN);
	if (worker_should_yield(pull->worker, pull->look))
		return pull_halt(pull, PULL_YIELD);
	return !widen || pull_halt(pull, PULL_AGAIN);
}
