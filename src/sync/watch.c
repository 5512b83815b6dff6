#include "watch_p.h"
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <unistd.h>

/* Nobody is kept longer from what else there may be to do. */
#define WATCH_MAX_MS (20 * 60 * 1000)

/* After news, or a failure: a server that makes up either is not asked without end. */
#define WATCH_PAUSE_MS 500

int64_t watch_when(const struct worker *worker)
{
	const struct account *account = worker->account;

	if (!worker->backend->ops->wait || !(account->caps & BACKEND_CAP_IDLE) ||
		account->conf.brief || worker->no_idle || !account->inbox || account->watcher ||
		account->stopping)
		return INT64_MAX;
	return account->watch_at_ms > account->queue.hold_until_ms
		       ? account->watch_at_ms
		       : account->queue.hold_until_ms;
}

/* INBOX as it is stored. False: there is nothing yet that could become another. */
static bool watch_read(struct worker *worker, int64_t id, struct store_folder *folder_out)
{
	if (store_folder_by_id(worker->reader, id, folder_out) < 0)
		return false;
	if (folder_out->listed == STORE_LISTED_FULLY)
		return true;
	store_folder_finish(folder_out);
	return false;
}

struct watch {
	struct worker *worker;
	const struct store_folder *folder;
	bool changed; /* since it was stored */
};

/*
 * What came before the waiting began is no news to the server: it is looked at, and then waited
 * again. A folder that no look makes what the server says it is, is looked at once.
 */
static bool watch_on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct watch *watch = ctx;
	struct worker *worker = watch->worker;
	bool same = state->exists == watch->folder->messages &&
		    state->uidnext == watch->folder->uidnext;

	watch->changed = !same && (state->exists != worker->watched_exists ||
					  state->uidnext != worker->watched_uidnext);
	worker->watched_exists = state->exists;
	worker->watched_uidnext = state->uidnext;
	return !watch->changed && !worker->account->stopping;
}

static void watch_settle(
	struct worker *worker, int64_t inbox, bool news, const struct backend_result *result)
{
	struct account *account = worker->account;

	if (news || result->status != BACKEND_OK)
		account->watch_at_ms = clock_now_ms() + WATCH_PAUSE_MS;
	switch (result->status) {
	case BACKEND_OK:
		worker_prove(worker);
		account_stepped(account);
		if (news)
			account_look_soon(account, inbox);
		break;
	case BACKEND_FOLDER_CHANGED:
		account_look_soon(account, inbox);
		break;
	case BACKEND_FOLDER_GONE:
		account_folder_missing(account, inbox);
		worker->no_idle = true;
		break;
	case BACKEND_CONNECTION_LOST:
	case BACKEND_AUTH_FAILED:
		worker_lost(worker, result);
		break;
	case BACKEND_THROTTLED:
		account_hold(account, result->retry_ms);
		break;
	case BACKEND_STOPPED:
		if (news)
			account_look_soon(account, inbox);
		break;
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
	case BACKEND_REFUSED:
		log_info("%s: new mail is looked for now and then: %s", account->conf.name,
			result->text);
		worker->no_idle = true;
		break;
	}
}

/* The mutex is open. */
static bool watch_wait(struct worker *worker, const struct store_folder *folder,
	int64_t wake_at_ms, struct backend_result *result)
{
	struct watch watch = {.worker = worker, .folder = folder};
	const struct backend_wait_sink sink = {&watch, watch_on_begin};
	int64_t left = wake_at_ms == INT64_MAX ? WATCH_MAX_MS : wake_at_ms - clock_now_ms();
	struct backend_wait wait = {.raw = folder->raw,
		.epoch = folder->epoch,
		.timeout_ms = left < 0		    ? 0
			      : left > WATCH_MAX_MS ? WATCH_MAX_MS
						    : (uint32_t)left,
		.wake_fd = worker->account->wake_fd};
	bool news = false;

	worker->backend->ops->wait(worker->backend, &wait, &sink, &news, result);
	return news || watch.changed;
}

void watch_run(struct worker *worker, int64_t wake_at_ms)
{
	struct account *account = worker->account;
	struct backend_result result = {.status = BACKEND_STOPPED};
	int64_t inbox = account->inbox;
	struct store_folder folder;
	uint64_t wakes;
	bool news = false, known;

	account->watcher = worker;
	pthread_mutex_unlock(&account->mutex);
	known = watch_read(worker, inbox, &folder);
	if (known) {
		news = watch_wait(worker, &folder, wake_at_ms, &result);
		store_folder_finish(&folder);
	}
	pthread_mutex_lock(&account->mutex);
	account->watcher = NULL;
	/* Whatever it was, the caller looks at all there is now. */
	while (read(account->wake_fd, &wakes, sizeof(wakes)) > 0)
		;
	if (known)
		watch_settle(worker, inbox, news, &result);
	else
		account->inbox = 0; /* the next list of folders says */
}
