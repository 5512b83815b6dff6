#include "fetch_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* One call fetches no more than this, so that a new wish does not wait for long. */
#define FETCH_BYTES_MAX (32u << 20)

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

struct item *fetch_find(struct fetch *fetch, uint32_t uid)
{
	struct item key = {.message.mail.uid = uid};
	struct item *item =
		bsearch(&key, fetch->items, fetch->count, sizeof(*fetch->items), item_compare);

	return item && !item->over ? item : NULL;
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
		.alive = fetch_on_alive,
	};

	for (size_t i = 0; i < fetch->count; i++) {
		const struct mail_message *mail = &fetch->items[i].message.mail;

		wants[i] = (struct backend_want){.uid = mail->uid,
			.uidl = mail->uidl,
			.message_id = mail->fields.message_id,
			.date = mail->date};
	}
	fetch->proven = worker_is_proven(fetch->worker);
	backend->ops->fetch(backend, &call, &sink, result);
	fetch_void(fetch);
	free(wants);
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
	int found;

	pthread_mutex_lock(&fetch.account->epoch_mutex);
	fetch.resets = fetch.account->resets;
	pthread_mutex_unlock(&fetch.account->epoch_mutex);
	found = store_folder_by_id(worker->reader, fetch.folder_id, &fetch.folder);
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
		fetch_conclude(&fetch, &result);
		account_status_changed(fetch.account);
	}
	fetch_finish(&fetch);
}
