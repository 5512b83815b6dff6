#include "fetch_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/log.h>

/* A message that cost so many connections cannot be had. */
#define FETCH_LOSSES_MAX 3

void item_end(struct fetch *fetch, struct item *item, int result)
{
	struct account *account = fetch->account;
	struct told told = {0};

	item->over = true;
	pthread_mutex_lock(&account->mutex);
	queue_want_end(&account->queue, &account->waits, item->want, result, &told);
	account_unlock_tell(account, &told);
}

void item_again(struct fetch *fetch, struct item *item, bool front)
{
	struct account *account = fetch->account;

	item->over = true;
	pthread_mutex_lock(&account->mutex);
	queue_want_again(&account->queue, item->want, front);
	account_wake(account);
	pthread_mutex_unlock(&account->mutex);
}

static void fetch_end_all(struct fetch *fetch, int result)
{
	for (size_t i = 0; i < fetch->count; i++)
		if (!fetch->items[i].over)
			item_end(fetch, &fetch->items[i], result);
}

/* Those that wait still are asked for once more, before others. */
static void fetch_again_all(struct fetch *fetch)
{
	for (size_t i = fetch->count; i-- > 0;)
		if (!fetch->items[i].over)
			item_again(fetch, &fetch->items[i], true);
}

/*
 * The first that is missing was under way, as far as one can know. It goes behind the others,
 * so that they need not share its fate. A connection that had died long before is nobody's
 * fault.
 */
static void fetch_blame(struct fetch *fetch)
{
	struct item *item = fetch->items;

	if (!fetch->heard && !fetch->proven)
		return;
	while (item < fetch->items + fetch->count && item->over)
		item++;
	if (item == fetch->items + fetch->count)
		return;
	if (++item->want->losses < FETCH_LOSSES_MAX) {
		item_again(fetch, item, false);
		return;
	}
	log_warning("%s: folder %" PRId64 ": uid %" PRIu32
		    " cannot be had: the connection was lost over it %u times",
		fetch->account->conf.name, fetch->folder_id, item->message.mail.uid,
		FETCH_LOSSES_MAX);
	item_end(fetch, item, -EIO);
}

/* The folder is not what the store thinks. */
static void fetch_look(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->account->mutex);
	account_look_soon(fetch->account, fetch->folder_id);
	pthread_mutex_unlock(&fetch->account->mutex);
}

static void fetch_missing(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->account->mutex);
	account_folder_missing(fetch->account, fetch->folder_id);
	pthread_mutex_unlock(&fetch->account->mutex);
}

static void fetch_lost(struct fetch *fetch, const struct backend_result *result)
{
	fetch_blame(fetch);
	fetch_again_all(fetch);
	pthread_mutex_lock(&fetch->account->mutex);
	worker_lost(fetch->worker, result);
	pthread_mutex_unlock(&fetch->account->mutex);
}

static void fetch_throttled(struct fetch *fetch, const struct backend_result *result)
{
	struct account *account = fetch->account;

	log_info("%s: %s", account->conf.name, result->text);
	/* The pause first: others take what is put back. */
	pthread_mutex_lock(&account->mutex);
	account_hold(account, result->retry_ms);
	pthread_mutex_unlock(&account->mutex);
	fetch_again_all(fetch);
}

static void fetch_note_step(struct fetch *fetch, enum backend_status status)
{
	if (fetch->heard || status == BACKEND_OK)
		worker_prove(fetch->worker);
	if (!fetch->stepped)
		return;
	pthread_mutex_lock(&fetch->account->mutex);
	account_stepped(fetch->account);
	pthread_mutex_unlock(&fetch->account->mutex);
}

/* What no sink has concluded is concluded by how the call ended. */
void fetch_conclude(struct fetch *fetch, const struct backend_result *result)
{
	fetch_note_step(fetch, result->status);
	switch (result->status) {
	case BACKEND_CONNECTION_LOST:
	case BACKEND_AUTH_FAILED:
		fetch_lost(fetch, result);
		break;
	case BACKEND_THROTTLED:
		fetch_throttled(fetch, result);
		break;
	case BACKEND_STOPPED:
		if (fetch->error || !fetch->halted)
			fetch_end_all(fetch, -EIO);
		else
			fetch_again_all(fetch); /* drops what nobody waits for */
		break;
	case BACKEND_FOLDER_GONE:
		fetch_end_all(fetch, -ENOENT);
		fetch_missing(fetch);
		break;
	case BACKEND_FOLDER_CHANGED:
		fetch_end_all(fetch, -ENOENT);
		fetch_look(fetch);
		break;
	case BACKEND_OK:
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
	case BACKEND_REFUSED:
		fetch_end_all(fetch, -EIO);
		break;
	}
	if (fetch->gone)
		fetch_look(fetch);
}
