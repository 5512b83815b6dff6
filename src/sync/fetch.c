#include "worker_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/messages.h>
#include <stdlib.h>
#include <string.h>

/* One call fetches no more than this, so that a new wish does not wait for long. */
#define FETCH_BYTES_MAX (32u << 20)
/* A message that cost so many connections cannot be had. */
#define FETCH_LOSSES_MAX 3

/* A wanted body, from the queue to its end. */
struct item {
	struct want *want;
	struct store_message message; /* as stored */
	bool over;		      /* the want is concluded, and may be freed */
};

/* One call of the backend. */
struct fetch {
	struct worker *worker;
	struct account *account;
	int64_t folder_id;
	struct store_folder folder;
	struct item *items; /* owned; by UID */
	size_t count;
	uint64_t written; /* of the body in progress */
	int error;	  /* -errno of the store, which ended the call */
	bool halted;	  /* a sink said to end it */
	bool stepped;	  /* a body arrived */
	bool gone;	  /* a message was, so the folder is to be looked at */
};

static void item_end(struct fetch *fetch, struct item *item, int result)
{
	struct account *account = fetch->account;
	struct told told = {0};

	item->over = true;
	pthread_mutex_lock(&account->mutex);
	queue_want_end(&account->queue, &account->waits, item->want, result, &told);
	account_unlock_tell(account, &told);
}

static void item_again(struct fetch *fetch, struct item *item, bool front)
{
	struct account *account = fetch->account;

	item->over = true;
	pthread_mutex_lock(&account->mutex);
	queue_want_again(&account->queue, item->want, front);
	pthread_cond_broadcast(&account->work);
	pthread_mutex_unlock(&account->mutex);
}

/* What is known of a message, and whether it is here already. False: concluded. */
static bool item_prepare(struct fetch *fetch, struct item *item)
{
	struct store_reader *reader = fetch->worker->reader;
	uint32_t uid = item->want->uid;
	int result = store_message_get(
		reader, fetch->folder_id, uid, STORE_COLUMNS_ALL, &item->message);

	if (result == 0 && item->message.cached &&
		body_check(reader, fetch->folder_id, uid) == 0) {
		item_end(fetch, item, 0);
		return false;
	}
	if (result < 0)
		item_end(fetch, item, result);
	return result == 0;
}

static int item_compare(const void *a, const void *b)
{
	const struct item *left = a, *right = b;

	return (left->message.mail.uid > right->message.mail.uid) -
	       (left->message.mail.uid < right->message.mail.uid);
}

/* Items in the order of coming, as many as one call may bring; the others go back. */
static void fetch_prepare(struct fetch *fetch, size_t count)
{
	uint64_t bytes = 0;
	size_t taken = 0;

	while (taken < count && (!fetch->count || bytes < FETCH_BYTES_MAX)) {
		struct item *item = &fetch->items[fetch->count];

		*item = (struct item){.want = fetch->worker->wants[taken++]};
		if (!item_prepare(fetch, item)) {
			store_message_finish(&item->message);
			continue;
		}
		bytes += item->message.mail.size;
		fetch->count++;
	}
	/* The last first, so that the oldest is at the front again. */
	while (count > taken) {
		struct item item = {.want = fetch->worker->wants[--count]};

		item_again(fetch, &item, true);
	}
	qsort(fetch->items, fetch->count, sizeof(*fetch->items), item_compare);
}

static struct item *fetch_find(struct fetch *fetch, uint32_t uid)
{
	struct item key = {.message.mail.uid = uid};
	struct item *item =
		bsearch(&key, fetch->items, fetch->count, sizeof(*fetch->items), item_compare);

	return item && !item->over ? item : NULL;
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

static bool fetch_on_data(void *ctx, const void *data, size_t len)
{
	struct fetch *fetch = ctx;

	fetch->halted = fetch->account->stopping || fetch_is_abandoned(fetch);
	if (fetch->halted)
		return false;
	fetch->error = body_append(fetch->worker->writer, data, len);
	fetch->halted = fetch->error < 0;
	fetch->written += len;
	return !fetch->halted;
}

static void fetch_void(struct fetch *fetch)
{
	body_abort(fetch->worker->writer);
	fetch->written = 0;
}

/* The body is in the store, or the reason why not. */
static int fetch_store(struct fetch *fetch, struct item *item)
{
	const struct account_events *events = fetch->account->events;
	uint64_t size = fetch->written, before;
	uint32_t uid = item->message.mail.uid;
	struct error err;
	int result = body_commit(fetch->worker->writer, fetch->folder_id, uid, &before, &err);

	fetch->written = 0;
	if (result < 0 && result != -ENOENT) {
		log_error("%s: %s", fetch->account->conf.name, err.text);
		fetch->error = result;
	}
	if (result == 0 && before != size && events->size_corrected)
		events->size_corrected(events->ctx, fetch->folder_id, uid);
	return result == 0 || result == -ENOENT ? result : -EIO;
}

static bool fetch_on_done(void *ctx, uint32_t uid, uint64_t size)
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
	if (item)
		item_end(fetch, item, result);
	fetch->halted = fetch->error < 0 || fetch->account->stopping;
	return !fetch->halted;
}

static bool fetch_on_failed(
	void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct fetch *fetch = ctx;
	struct item *item = fetch_find(fetch, uid);

	fetch_void(fetch);
	if (!item)
		return true;
	log_info("%s: folder %" PRId64 ": uid %" PRIu32 " cannot be had (%s): %s",
		fetch->account->conf.name, fetch->folder_id, uid, backend_status_name(status),
		text);
	fetch->gone |= status == BACKEND_MESSAGE_GONE;
	fetch->stepped = true;
	item_end(fetch, item, status == BACKEND_MESSAGE_GONE ? -ENOENT : -EIO);
	fetch->halted = fetch->account->stopping;
	return !fetch->halted;
}

static void fetch_call(struct fetch *fetch, struct backend_result *result)
{
	struct backend *backend = fetch->worker->backend;
	struct backend_want *wants = xcalloc(fetch->count, sizeof(*wants));
	struct backend_fetch call = {.raw = fetch->folder.raw,
		.epoch = fetch->folder.epoch,
		.wants = wants,
		.count = fetch->count};
	struct backend_fetch_sink sink = {
		.ctx = fetch,
		.data = fetch_on_data,
		.done = fetch_on_done,
		.failed = fetch_on_failed,
	};

	for (size_t i = 0; i < fetch->count; i++) {
		const struct mail_message *mail = &fetch->items[i].message.mail;

		wants[i] = (struct backend_want){.uid = mail->uid,
			.uidl = mail->uidl,
			.message_id = mail->fields.message_id,
			.date = mail->date};
	}
	backend->ops->fetch(backend, &call, &sink, result);
	fetch_void(fetch);
	free(wants);
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
 * so that they need not share its fate.
 */
static void fetch_blame(struct fetch *fetch)
{
	struct item *item = fetch->items;

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
static void fetch_look(struct fetch *fetch, int64_t folder_id)
{
	pthread_mutex_lock(&fetch->account->mutex);
	account_look_soon(fetch->account, folder_id);
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
	fetch_again_all(fetch);
	pthread_mutex_lock(&account->mutex);
	account_hold(account, result->retry_ms);
	pthread_mutex_unlock(&account->mutex);
}

/* What no sink has concluded is concluded by how the call ended. */
static void fetch_conclude(struct fetch *fetch, const struct backend_result *result)
{
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
		fetch_look(fetch, STORE_ROOT);
		break;
	case BACKEND_FOLDER_CHANGED:
		fetch_end_all(fetch, -ENOENT);
		fetch_look(fetch, fetch->folder_id);
		break;
	case BACKEND_OK:
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
	case BACKEND_REFUSED:
		fetch_end_all(fetch, -EIO);
		break;
	}
	if (fetch->gone)
		fetch_look(fetch, fetch->folder_id);
}

static void fetch_note_step(struct fetch *fetch)
{
	if (!fetch->stepped)
		return;
	pthread_mutex_lock(&fetch->account->mutex);
	account_stepped(fetch->account);
	pthread_mutex_unlock(&fetch->account->mutex);
}

static void fetch_finish(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->count; i++)
		store_message_finish(&fetch->items[i].message);
	free(fetch->items);
	store_folder_finish(&fetch->folder);
}

void fetch_run(struct worker *worker, size_t count)
{
	struct fetch fetch = {.worker = worker,
		.account = worker->account,
		.folder_id = worker->wants[0]->folder,
		.items = xcalloc(count, sizeof(*fetch.items))};
	struct backend_result result = {.status = BACKEND_OK};
	int found = store_folder_by_id(worker->reader, fetch.folder_id, &fetch.folder);

	if (found < 0) {
		for (size_t i = 0; i < count; i++) {
			struct item item = {.want = worker->wants[i]};

			item_end(&fetch, &item, found);
		}
	} else {
		fetch_prepare(&fetch, count);
	}
	if (fetch.count) {
		fetch_call(&fetch, &result);
		fetch_note_step(&fetch);
		fetch_conclude(&fetch, &result);
		account_status_changed(fetch.account);
	}
	fetch_finish(&fetch);
}
