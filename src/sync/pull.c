#include "pull_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A folder that is another at each look: three tries, then later. */
#define PULL_TRIES 3
/* One poll in so many asks for the flags of all messages, though nothing came or went. */
#define PULL_SURVEY_EVERY 10u

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

/*
 * What was stored before the folder was cut off a moment ago is not surveyed at each
 * continuation: a long listing that makes way often would do little else. One survey follows it
 * (LOOK_UNSURVEYED). Nor while it is found out which message connections break over.
 */
static bool pull_wants_survey(const struct pull *pull)
{
	if (pull->scattered)
		return true;
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

static bool pull_know(void *ctx, const struct store_message *message)
{
	struct pull *pull = ctx;

	if (pull->known_count == pull->known_cap) {
		pull->known_cap = pull->known_cap ? pull->known_cap * 2 : 1024;
		pull->known = xreallocarray(pull->known, pull->known_cap, sizeof(*pull->known));
	}
	pull->known[pull->known_count++] = message->mail.uid;
	return true;
}

/* What the scan is to go by where UIDs say nothing of time. 0 or -EIO. */
static int pull_read_known(struct pull *pull)
{
	struct account *account = pull->account;

	pthread_mutex_lock(&account->mutex);
	pull->scattered = account->caps & BACKEND_CAP_SCATTERED;
	pthread_mutex_unlock(&account->mutex);
	pull->known_count = 0;
	if (!pull->scattered)
		return 0;
	return store_messages_walk(
		pull->worker->reader, pull->folder.id, 0, STORE_COLUMNS_NAME, pull_know, pull);
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
	pull->surveyed = false;
	pull->batch_count = 0;
	pull->uidnext = 0;
	pull->last_uid = pull->folder.last_uid;
	pull->scan = (struct backend_scan){
		.raw = pull->folder.raw,
		.epoch = pull->folder.epoch,
		.last_uid = pull->scattered ? 0 : pull->folder.last_uid,
		.survey = !pull->quiet && pull_wants_survey(pull),
		.most = pull->look->narrow.most,
		.stub_first = pull->look->narrow.stub,
		.known = pull->known,
		.known_count = pull->known_count,
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

/* The folder's row, and what is stored of it. 0, -ENOENT, -EIO. */
static int pull_read_folder(struct pull *pull)
{
	int result;

	store_folder_finish(&pull->folder);
	result = store_folder_by_id(pull->worker->reader, pull->look->folder, &pull->folder);
	return result < 0 ? result : pull_read_known(pull);
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

/*
 * The server has messages that the store lacks, though they lie below what was listed: whatever
 * made it so, they are listed again; once, since a server may also name what it does not give.
 */
static void pull_mend(struct pull *pull)
{
	struct account *account = pull->account;
	bool first;

	if (!pull->surveyed)
		return;
	pthread_mutex_lock(&account->mutex);
	if (!pull->missing)
		id_set_remove(&account->lacking, pull->folder.id);
	first = pull->missing && id_set_add(&account->lacking, pull->folder.id);
	pthread_mutex_unlock(&account->mutex);
	if (!first)
		return;
	log_warning("%s: folder %" PRId64 ": messages from uid %" PRIu32
		    " on are missing here; they are listed again",
		account->conf.name, pull->folder.id, pull->missing);
	if (store_folder_rewind(
		    account->store, pull->folder.id, pull->missing - 1, &pull->error) < 0)
		return;
	pthread_mutex_lock(&account->mutex);
	account_look_soon(account, pull->folder.id);
	pthread_mutex_unlock(&account->mutex);
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
	if (end == LOOK_DONE)
		pull_mend(&pull);
	store_folder_finish(&pull.folder);
	free(pull.known);
	look_conclude(worker, look, end, &result, pull.stepped);
}
