#include "worker_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/log.h>
#include <mountmail/store/messages.h>
#include <stdio.h>
#include <string.h>

/* A folder that is another at each look: three tries, then later. */
#define PULL_TRIES 3
/* One poll in so many asks for the flags of all messages, though nothing came or went. */
#define PULL_SURVEY_EVERY 10u

/* Why a sink ended the scan. */
enum pull_stop {
	PULL_NOT_STOPPED,
	PULL_NEW_EPOCH, /* what is stored is of another folder: begin anew */
	PULL_SURVEY,	/* something came or went: all is to be compared */
	PULL_YIELD,
	PULL_AGAIN, /* something else is to be asked for from here on */
	PULL_STORE, /* the store failed, error says how */
	PULL_GONE,  /* the folder went from the store */
	PULL_SHUTDOWN,
};

/* One look at one folder. */
struct pull {
	struct worker *worker;
	struct account *account;
	struct look *look;
	struct store_folder folder; /* as of the last read of its row */
	struct store_batch *batch;
	struct backend_scan scan;
	bool quiet;	   /* no survey when the folder looks as it did */
	uint32_t uidnext;  /* as told by begin */
	uint32_t exists;   /* likewise */
	uint32_t last_uid; /* the highest that is in the store or was reported */
	enum pull_stop stop;
	bool asking;	      /* headers are being asked for */
	uint32_t batch_count; /* messages of it so far */
	bool stepped;	      /* a batch is in the store */
	struct error error;
};

static bool pull_halt(struct pull *pull, enum pull_stop why)
{
	pull->stop = why;
	return false;
}

static bool pull_store_failed(struct pull *pull, int result)
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

/* After a look, complete or not: whether its UIDNEXT was above what it held. */
static void pull_judge_uidnext(struct pull *pull)
{
	struct account *account = pull->account;

	if (!pull->uidnext || pull->stop == PULL_NEW_EPOCH)
		return;
	pthread_mutex_lock(&account->mutex);
	if (pull->uidnext <= pull->last_uid)
		id_set_add(&account->liars, pull->folder.id);
	else
		id_set_remove(&account->liars, pull->folder.id);
	pthread_mutex_unlock(&account->mutex);
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

static bool pull_on_begin(void *ctx, const struct backend_folder_state *state)
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
	return (!folder->last_uid && !pull->scan.stub_first) || pull_halt(pull, PULL_NEW_EPOCH);
}

static bool pull_on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct pull *pull = ctx;

	store_batch_keep(pull->batch, uid, flags);
	return !pull->account->stopping || pull_halt(pull, PULL_SHUTDOWN);
}

static bool pull_on_surveyed(void *ctx)
{
	struct pull *pull = ctx;

	store_batch_drop_unkept(pull->batch, pull->scan.last_uid);
	pull->asking = true;
	return true;
}

static bool pull_on_message(void *ctx, const struct mail_message *message)
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
	store_batch_add(pull->batch, message);
	return !pull->account->stopping || pull_halt(pull, PULL_SHUTDOWN);
}

static bool pull_commit(struct pull *pull, uint32_t through, bool complete)
{
	const struct account_events *events = pull->account->events;
	struct store_batch_end end = {
		.last_uid = through, .uidnext = pull->uidnext, .complete = complete};
	struct store_changes changes;
	int result = store_batch_commit(pull->batch, &end, &changes, &pull->error);

	if (result < 0)
		return pull_store_failed(pull, result);
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

static bool pull_on_batch(void *ctx, uint32_t through)
{
	struct pull *pull = ctx;
	bool widen;

	if (!pull_commit(pull, through, false))
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

/*
 * What was stored before the folder was cut off a moment ago is not surveyed at each
 * continuation: a long listing that makes way often would do little else. One survey follows it
 * (LOOK_UNSURVEYED). Nor while it is found out which message connections break over.
 */
static bool pull_wants_survey(const struct pull *pull)
{
	return pull->folder.last_uid && !pull->look->narrow.most &&
	       (pull->folder.listed == STORE_LISTED_FULLY || !pull->look->partly);
}

/*
 * A poll that nobody waits for: the survey of a large folder every minute would be most of what
 * goes over the line. Flags, which are only in extended attributes, may be some polls old.
 */
static bool pull_may_be_quiet(const struct pull *pull)
{
	struct account *account = pull->account;
	const struct look *look = pull->look;
	bool quiet;

	pthread_mutex_lock(&account->mutex);
	quiet = account->polls % PULL_SURVEY_EVERY && look->priority == PRIORITY_BACKGROUND &&
		!look->waits.head && !look->next_waits.head;
	pthread_mutex_unlock(&account->mutex);
	return quiet && pull->stop != PULL_SURVEY && pull->folder.epoch &&
	       pull->folder.uidnext && pull->folder.listed == STORE_LISTED_FULLY &&
	       !look->partly;
}

static void pull_scan(struct pull *pull, struct backend_result *result)
{
	struct worker *worker = pull->worker;
	struct backend_scan_sink sink = {
		.ctx = pull,
		.begin = pull_on_begin,
		.existing = pull_on_existing,
		.surveyed = pull_on_surveyed,
		.message = pull_on_message,
		.batch = pull_on_batch,
	};

	pull->quiet = pull_may_be_quiet(pull);
	pull->stop = PULL_NOT_STOPPED;
	pull->asking = false;
	pull->batch_count = 0;
	pull->uidnext = 0;
	pull->last_uid = pull->folder.last_uid;
	pull->scan = (struct backend_scan){
		.raw = pull->folder.raw,
		.epoch = pull->folder.epoch,
		.last_uid = pull->folder.last_uid,
		.survey = !pull->quiet && pull_wants_survey(pull),
		.most = pull->look->narrow.most,
		.stub_first = pull->look->narrow.stub,
	};
	pull->batch = store_batch_create(pull->account->store, pull->folder.id);
	worker->backend->ops->scan(worker->backend, &pull->scan, &sink, result);
	if (result->status == BACKEND_OK)
		pull_commit(pull, 0, true);
	pull_judge_uidnext(pull);
	store_batch_destroy(pull->batch);
}

static enum look_end pull_stop_end(struct pull *pull, struct backend_result *result)
{
	switch (pull->stop) {
	case PULL_STORE:
		backend_result_set(result, BACKEND_STOPPED, "%s", pull->error.text);
		return LOOK_FAILED;
	case PULL_GONE:
		backend_result_set(
			result, BACKEND_FOLDER_GONE, "The folder went while it was looked at");
		return LOOK_GONE;
	case PULL_YIELD:
	case PULL_SHUTDOWN:
		return LOOK_YIELDED;
	case PULL_NOT_STOPPED:
	case PULL_NEW_EPOCH:
	case PULL_SURVEY:
	case PULL_AGAIN:
		break;
	}
	return LOOK_FAILED;
}

/* Lost, and perhaps over a message. */
static enum look_end pull_lost(struct pull *pull, const struct backend_result *result)
{
	struct narrow *narrow = &pull->look->narrow;

	if (!result->broke || !pull->asking || pull->account->stopping ||
		!narrow_lost(narrow, pull->exists))
		return LOOK_LOST;
	log_info("%s: folder %" PRId64
		 ": the connection breaks over a message behind uid %" PRIu32 "; %s",
		pull->account->conf.name, pull->folder.id, pull->last_uid,
		narrow->stub ? "the next one is passed over" : "fewer are asked for at once");
	return LOOK_BROKE;
}

static enum look_end pull_end(struct pull *pull, struct backend_result *result)
{
	bool early = pull->scan.last_uid && !pull->scan.survey && !pull->quiet;

	if (pull->stop == PULL_STORE || pull->stop == PULL_GONE)
		return pull_stop_end(pull, result);
	switch (result->status) {
	case BACKEND_OK:
		return early ? LOOK_UNSURVEYED : LOOK_DONE;
	case BACKEND_STOPPED:
		return pull_stop_end(pull, result);
	case BACKEND_FOLDER_GONE:
		return LOOK_GONE;
	case BACKEND_THROTTLED:
		return LOOK_THROTTLED;
	case BACKEND_CONNECTION_LOST:
	case BACKEND_AUTH_FAILED:
		return pull_lost(pull, result);
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
	case BACKEND_FOLDER_CHANGED:
	case BACKEND_REFUSED:
		break;
	}
	return LOOK_FAILED;
}

/* The folder's row. 0, -ENOENT, -EIO. */
static int pull_read_folder(struct pull *pull)
{
	store_folder_finish(&pull->folder);
	return store_folder_by_id(pull->worker->reader, pull->look->folder, &pull->folder);
}

/* Whether the folder is to be scanned once more, at once. */
static bool pull_goes_on(struct pull *pull, const struct backend_result *result)
{
	if (result->status == BACKEND_FOLDER_CHANGED || pull->stop == PULL_NEW_EPOCH ||
		pull->stop == PULL_SURVEY)
		return true;
	if (result->status != BACKEND_STOPPED || pull->stop != PULL_AGAIN)
		return false;
	pull->look->partly = true;
	return true;
}

void pull_run(struct worker *worker, struct look *look)
{
	struct pull pull = {.worker = worker, .account = worker->account, .look = look};
	struct backend_result result = {.status = BACKEND_FOLDER_CHANGED};
	enum look_end end = LOOK_FAILED;

	snprintf(result.text, sizeof(result.text), "The folder is another at each look");
	for (int tries = 0; tries < PULL_TRIES; tries += pull.stop != PULL_AGAIN) {
		int found = pull_read_folder(&pull);

		if (found < 0) {
			pull.stop = found == -ENOENT ? PULL_GONE : PULL_STORE;
			error_set(&pull.error, -found, "The cache cannot be read: %s",
				strerror(-found));
			end = pull_stop_end(&pull, &result);
			break;
		}
		if (pull.folder.flags & MAIL_FOLDER_NOSELECT) {
			end = LOOK_DONE;
			break;
		}
		pull_scan(&pull, &result);
		end = pull_end(&pull, &result);
		if (!pull_goes_on(&pull, &result))
			break;
	}
	store_folder_finish(&pull.folder);
	look_conclude(worker, look, end, &result, pull.stepped);
}
