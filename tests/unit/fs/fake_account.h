/*
 * fake_account.h - an account whose server is an array, for tests that decide when it answers.
 * Included by the tests of fs; replaces sync's account.c in the link.
 */
#ifndef MOUNTMAIL_TESTS_FAKE_ACCOUNT_H
#define MOUNTMAIL_TESTS_FAKE_ACCOUNT_H

#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/folders.h>
#include <mountmail/sync/account.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum fake_what { FAKE_BODY, FAKE_LISTING, FAKE_REFRESH };

struct fake_wait {
	uintptr_t id;
	enum fake_what what;
	int64_t folder_id;
	uint32_t uid;
	account_done *done;
	void *ctx;
	struct fake_wait *next;
};

struct account {
	struct store *store;
	const struct account_events *events;
	/* The server: makes a body (owned; len_out) or lists a folder. 0 or -errno. */
	int (*body)(
		void *ctx, int64_t folder_id, uint32_t uid, char **data_out, size_t *len_out);
	int (*list)(void *ctx, int64_t folder_id);
	void *ctx;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct fake_wait *waits;
	uintptr_t last_id;
	bool hold;    /* nothing is answered */
	bool offline; /* everything fails at once, inside the call */
	bool stopped;
	unsigned asked[3];
	unsigned answered[3]; /* by the server */
	unsigned cancelled;
	pthread_t worker;
	/* Removals stay in the journal: what becomes of them there is up to the test. */
	struct journal *journal;
	atomic_bool refuse_removal; /* with -ENOSPC */
	atomic_uint flushes;
	enum account_state state; /* set before the mount is asked */
	_Atomic(const char *) removal_error;
};

static inline int fake_store_body(struct account *account, int64_t folder_id, uint32_t uid)
{
	struct body_writer *writer = body_writer_create(account->store);
	uint64_t old = 0;
	char *data = NULL;
	size_t len = 0;
	int result = account->body(account->ctx, folder_id, uid, &data, &len);

	if (result == 0)
		result = body_append(writer, data, len);
	if (result == 0)
		result = body_commit(writer, folder_id, uid, &old, NULL);
	if (result == 0 && old != len)
		account->events->size_corrected(account->events->ctx, folder_id, uid);
	free(data);
	body_writer_destroy(writer);
	return result;
}

/* As the real one: what came a moment ago is not asked for again. */
static inline bool fake_has_body(struct account *account, const struct fake_wait *wait)
{
	struct store_reader *reader;
	bool has;

	if (wait->what != FAKE_BODY || store_reader_create(account->store, &reader, NULL) < 0)
		return false;
	has = body_check(reader, wait->folder_id, wait->uid) == 0;
	store_reader_destroy(reader);
	return has;
}

static inline int fake_serve(struct account *account, const struct fake_wait *wait)
{
	switch (wait->what) {
	case FAKE_BODY:
		return fake_store_body(account, wait->folder_id, wait->uid);
	case FAKE_LISTING:
	case FAKE_REFRESH:
		break;
	}
	return account->list(account->ctx, wait->folder_id);
}

/* Under the lock: takes out the waits for the same thing. */
static inline struct fake_wait *fake_take(struct account *account, const struct fake_wait *like)
{
	struct fake_wait *taken = NULL, **at = &account->waits;

	while (*at) {
		struct fake_wait *wait = *at;

		if (!like || (wait->what == like->what && wait->folder_id == like->folder_id &&
				     wait->uid == like->uid)) {
			*at = wait->next;
			wait->next = taken;
			taken = wait;
		} else {
			at = &wait->next;
		}
	}
	return taken;
}

static inline void fake_tell(struct fake_wait *waits, int result)
{
	while (waits) {
		struct fake_wait *wait = waits;

		waits = wait->next;
		wait->done(wait->ctx, result);
		free(wait);
	}
}

static inline void *fake_run(void *ctx)
{
	struct account *account = ctx;

	pthread_mutex_lock(&account->mutex);
	while (!account->stopped) {
		struct fake_wait like, *waits;
		int result;
		bool has;

		if (!account->waits || account->hold) {
			pthread_cond_wait(&account->wake, &account->mutex);
			continue;
		}
		like = *account->waits;
		pthread_mutex_unlock(&account->mutex);
		has = fake_has_body(account, &like);
		result = has ? 0 : fake_serve(account, &like);
		pthread_mutex_lock(&account->mutex);
		account->answered[like.what] += !has;
		waits = fake_take(account, &like);
		pthread_mutex_unlock(&account->mutex);
		fake_tell(waits, result);
		pthread_mutex_lock(&account->mutex);
	}
	pthread_mutex_unlock(&account->mutex);
	return NULL;
}

static inline struct account *fake_start(struct store *store, struct journal *journal,
	const struct account_events *events, void *ctx)
{
	struct account *account = xcalloc(1, sizeof(*account));

	account->store = store;
	account->journal = journal;
	account->state = ACCOUNT_ONLINE;
	account->events = events;
	account->ctx = ctx;
	pthread_mutex_init(&account->mutex, NULL);
	pthread_cond_init(&account->wake, NULL);
	pthread_create(&account->worker, NULL, fake_run, account);
	return account;
}

static inline void fake_set_hold(struct account *account, bool hold)
{
	pthread_mutex_lock(&account->mutex);
	account->hold = hold;
	pthread_cond_signal(&account->wake);
	pthread_mutex_unlock(&account->mutex);
}

static inline void fake_set_offline(struct account *account, bool offline)
{
	pthread_mutex_lock(&account->mutex);
	account->offline = offline;
	pthread_mutex_unlock(&account->mutex);
}

/* Ends everything that waits, as time running out does. */
static inline void fake_fail_all(struct account *account, int result)
{
	struct fake_wait *waits;

	pthread_mutex_lock(&account->mutex);
	waits = fake_take(account, NULL);
	pthread_mutex_unlock(&account->mutex);
	fake_tell(waits, result);
}

static inline unsigned fake_count(struct account *account, const unsigned *what)
{
	unsigned count;

	pthread_mutex_lock(&account->mutex);
	count = *what;
	pthread_mutex_unlock(&account->mutex);
	return count;
}

static inline unsigned fake_waiting(struct account *account)
{
	unsigned count = 0;

	pthread_mutex_lock(&account->mutex);
	for (struct fake_wait *wait = account->waits; wait; wait = wait->next)
		count++;
	pthread_mutex_unlock(&account->mutex);
	return count;
}

static struct account_wait *fake_ask(struct account *account, enum fake_what what,
	int64_t folder_id, uint32_t uid, account_done *done, void *ctx)
{
	struct fake_wait *wait = xcalloc(1, sizeof(*wait)), **at;
	uintptr_t id;
	bool offline;

	pthread_mutex_lock(&account->mutex);
	id = ++account->last_id;
	*wait = (struct fake_wait){id, what, folder_id, uid, done, ctx, NULL};
	account->asked[what]++;
	offline = account->offline;
	for (at = &account->waits; *at;)
		at = &(*at)->next;
	if (!offline)
		*at = wait;
	pthread_cond_signal(&account->wake);
	pthread_mutex_unlock(&account->mutex);
	if (offline)
		fake_tell(wait, -EIO);
	return (struct account_wait *)id;
}

struct account_wait *account_fetch_body(
	struct account *account, int64_t folder_id, uint32_t uid, account_done *done, void *ctx)
{
	return fake_ask(account, FAKE_BODY, folder_id, uid, done, ctx);
}

struct account_wait *account_list_folder(
	struct account *account, int64_t folder_id, account_done *done, void *ctx)
{
	return fake_ask(account, FAKE_LISTING, folder_id, 0, done, ctx);
}

struct account_wait *account_refresh(
	struct account *account, int64_t folder_id, account_done *done, void *ctx)
{
	return fake_ask(account, FAKE_REFRESH, folder_id, 0, done, ctx);
}

bool account_cancel(struct account *account, struct account_wait *id)
{
	struct fake_wait **at, *wait;

	pthread_mutex_lock(&account->mutex);
	for (at = &account->waits; *at && (*at)->id != (uintptr_t)id;)
		at = &(*at)->next;
	wait = *at;
	if (wait) {
		*at = wait->next;
		account->cancelled++;
	}
	pthread_mutex_unlock(&account->mutex);
	free(wait);
	return wait != NULL;
}

void account_stop(struct account *account)
{
	pthread_mutex_lock(&account->mutex);
	account->stopped = true;
	pthread_cond_signal(&account->wake);
	pthread_mutex_unlock(&account->mutex);
	pthread_join(account->worker, NULL);
	fake_fail_all(account, -ESHUTDOWN);
	pthread_cond_destroy(&account->wake);
	pthread_mutex_destroy(&account->mutex);
	free(account);
}

void account_status(struct account *account, struct account_status *status_out)
{
	*status_out = (struct account_status){.state = account->state,
		.server = "imap.example.org",
		.connections = 1,
		.wire_pids = {4711},
		.wire_count = 1};
	if (atomic_load(&account->removal_error))
		snprintf(status_out->removal_error, sizeof(status_out->removal_error), "%s",
			atomic_load(&account->removal_error));
}

int account_remove(struct account *account, struct store_reader *reader, int64_t folder_id,
	uint64_t epoch, uint32_t uid, const char *name)
{
	struct store_folder folder;
	struct store_message message;
	char own_name[256], none[] = "";
	struct journal_row row = {.uid = uid,
		.state = JOURNAL_QUEUED,
		.name = own_name,
		.at = 1714694400,
		.copy_raw = none,
		.reason = none};
	int result = account->refuse_removal ? -ENOSPC
					     : store_folder_by_id(reader, folder_id, &folder);

	if (result < 0)
		return result;
	snprintf(own_name, sizeof(own_name), "%s", name);
	result = folder.epoch == epoch ? store_message_get(reader, folder_id, uid,
						 STORE_COLUMNS_ALL, &message)
				       : -ENOENT;
	if (result == 0) {
		row.size = message.claim;
		row.date = message.mail.date;
		row.message_id = message.mail.fields.message_id;
		result = journal_add(account->journal, folder.raw, folder.epoch, &row, NULL);
		store_message_finish(&message);
	}
	store_folder_finish(&folder);
	return result;
}

void account_flush(struct account *account)
{
	account->flushes++;
}

static inline void fake_told(void *ctx, const struct journal_place *place)
{
	struct account *account = ctx;
	const struct store_changes changes = {.added = 1};
	struct store_reader *reader;
	struct store_folder folder;

	if (store_reader_create(account->store, &reader, NULL) < 0)
		return;
	if (store_folder_by_raw(reader, place->raw, &folder) == 0) {
		account->events->folder_changed(account->events->ctx, folder.id, &changes);
		store_folder_finish(&folder);
	}
	store_reader_destroy(reader);
}

int64_t account_tell(
	struct account *account, enum journal_verb verb, const char *id, struct error *err)
{
	return journal_tell(account->journal, verb, id, fake_told, account, err);
}

const char *account_state_name(enum account_state state)
{
	return state == ACCOUNT_ONLINE ? "online" : "offline";
}

#endif
