#include "fetch_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>

#define FETCH_TELL_MS 250

void fetch_void(struct fetch *fetch)
{
	body_abort(fetch->worker->writer);
	fetch->written = 0;
}

/* Whether every reader of what is left has given up (one whose time was up comes back). */
static bool fetch_is_abandoned(struct fetch *fetch)
{
	bool abandoned = true;

	pthread_mutex_lock(&fetch->account->mutex);
	for (size_t i = 0; i < fetch->count && abandoned; i++) {
		const struct item *item = &fetch->items[i];

		abandoned = item->over || (!item->want->waits.head && !item->want->lingers);
	}
	pthread_mutex_unlock(&fetch->account->mutex);
	return abandoned;
}

/*
 * Those who wait are promised an end of silence, not of a long message on a slow line; nor do
 * those behind them in the queue wait in silence.
 */
static void fetch_is_moving(struct fetch *fetch)
{
	struct account *account = fetch->account;
	int64_t now = clock_now_ms();

	fetch->heard = true;
	if (now - fetch->told_ms < FETCH_TELL_MS && fetch->told_ms)
		return;
	fetch->told_ms = now;
	pthread_mutex_lock(&account->mutex);
	for (size_t i = 0; i < fetch->count; i++)
		if (!fetch->items[i].over)
			waits_extend(&account->waits, &fetch->items[i].want->waits,
				account->conf.timeout_ms);
	queue_extend(&account->queue, &account->waits, account->conf.timeout_ms);
	pthread_mutex_unlock(&account->mutex);
}

void fetch_on_alive(void *ctx)
{
	fetch_is_moving(ctx);
}

bool fetch_on_data(void *ctx, const void *data, size_t len)
{
	struct fetch *fetch = ctx;

	fetch_is_moving(fetch);
	fetch->halted = fetch->account->stopping || fetch_is_abandoned(fetch);
	if (fetch->halted)
		return false;
	fetch->error = body_append(fetch->worker->writer, data, len);
	fetch->halted = fetch->error < 0;
	fetch->written += len;
	return !fetch->halted;
}

/* Unless a folder became another meanwhile, perhaps this one (-ESTALE). */
static int fetch_commit(
	struct fetch *fetch, uint32_t uid, uint64_t *old_size_out, struct error *err)
{
	struct account *account = fetch->account;
	int result = -ESTALE;

	pthread_mutex_lock(&account->epoch_mutex);
	if (account->resets == fetch->resets)
		result = body_commit(
			fetch->worker->writer, fetch->folder_id, uid, old_size_out, err);
	pthread_mutex_unlock(&account->epoch_mutex);
	if (result == -ESTALE)
		fetch_void(fetch);
	return result;
}

/* The body is in the store, or the reason why not. */
static int fetch_store(struct fetch *fetch, struct item *item)
{
	const struct account_events *events = fetch->account->events;
	uint64_t size = fetch->written, before;
	uint32_t uid = item->message.mail.uid;
	struct error err;
	int result = fetch_commit(fetch, uid, &before, &err);

	fetch->written = 0;
	if (result < 0 && result != -ENOENT && result != -ESTALE) {
		log_error("%s: %s", fetch->account->conf.name, err.text);
		fetch->error = result;
	}
	if (result == 0 && before != size && events->size_corrected)
		events->size_corrected(events->ctx, fetch->folder_id, uid);
	return result == 0 || result == -ENOENT || result == -ESTALE ? result : -EIO;
}

bool fetch_on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct fetch *fetch = ctx;
	struct item *item = fetch_find(fetch, uid);
	int result = -EIO;

	if (!item || size != fetch->written) {
		log_warning("%s: folder %" PRId64 ": the body of uid %" PRIu32 " %s",
			fetch->account->conf.name, fetch->folder_id, uid,
			item ? "came with another length than was told; it is not kept"
			     : "came unasked; it is not kept");
		fetch_void(fetch);
	} else {
		result = fetch_store(fetch, item);
		fetch->stepped |= result == 0;
	}
	/* With -ESTALE it waits still, and is asked for once more. */
	if (item && result != -ESTALE)
		item_end(fetch, item, result);
	fetch->heard = true;
	fetch->halted = fetch->error < 0 || result == -ESTALE || fetch->account->stopping;
	return !fetch->halted;
}

bool fetch_on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct fetch *fetch = ctx;
	struct item *item = fetch_find(fetch, uid);

	fetch_void(fetch);
	if (!item)
		return true;
	log_info("%s: folder %" PRId64 ": uid %" PRIu32 " cannot be had (%s): %s",
		fetch->account->conf.name, fetch->folder_id, uid, backend_status_name(status),
		text);
	fetch->heard = true;
	fetch->gone |= status == BACKEND_MESSAGE_GONE;
	fetch->stepped = true;
	item_end(fetch, item, status == BACKEND_MESSAGE_GONE ? -ENOENT : -EIO);
	fetch->halted = fetch->account->stopping;
	return !fetch->halted;
}
