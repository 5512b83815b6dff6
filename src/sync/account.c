/*
 * The account: its start and end, its state.
 *
 * Threads. The rules, which every file of this floor keeps:
 *
 * - One mutex, account->mutex, guards the queue, the waits, the state and the list of workers.
 *   It is held for steps in memory only, never across a call of a backend, of an event or of a
 *   done. (One read of the store is short enough: tree_spread.) asked_mutex is for the reader
 *   of those who ask, epoch_mutex keeps bodies from messages that are not theirs; no two are
 *   ever held together.
 * - A running want or look belongs to the worker that took it, but for its waits, which are
 *   the queue's and change under the mutex at any time. At most one worker runs a look at a
 *   folder.
 * - A backend, a store reader and a body writer belong to one worker. Others may only cancel
 *   the backend, with the mutex held; so the worker takes worker->backend away under the mutex
 *   before it closes it.
 * - Whoever ends a wait under the mutex collects it in a struct told, and calls
 *   account_unlock_tell. A wait is in the table or in one struct told, so done is called once,
 *   and account_cancel is true exactly for those in the table.
 * - Stopping: account->stopping is set once; sinks see it and end their call, backends are
 *   cancelled, the threads end by themselves and are joined. After that no lock is needed.
 */
#include "account_p.h"
#include "worker_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct account_tuning account_tuning_default = {
	.backoff_first_ms = 1000,
	.backoff_max_ms = 60000,
	.poke_ms = 3000,
	.poke_refused_ms = 30000,
	.idle_ms = 30000,
	.extra_ms = 60000,
	.proven_ms = 10000,
	.brief_ms = 1000,
	.busy_max_ms = 10000,
	.journal_sync_ms = 1000,
	.quiet_ms = 2000,
	.resume_ms = 1500,
	.marked_ms = 60000,
};

const char *account_state_name(enum account_state state)
{
	switch (state) {
	case ACCOUNT_CONNECTING:
		return "connecting";
	case ACCOUNT_ONLINE:
		return "online";
	case ACCOUNT_OFFLINE:
		return "offline";
	case ACCOUNT_AUTH_FAILED:
		return "auth-failed";
	}
	return "unknown";
}

void account_unlock_tell(struct account *account, struct told *told)
{
	pthread_mutex_unlock(&account->mutex);
	waits_tell(told);
}

void account_status_changed(struct account *account)
{
	if (account->events->status_changed)
		account->events->status_changed(account->events->ctx);
}

void account_wake(struct account *account)
{
	static const uint64_t one = 1;

	pthread_cond_broadcast(&account->work);
	/* Full is as good: it is readable then. */
	if (account->watcher && write(account->wake_fd, &one, sizeof(one)) < 0 &&
		errno != EAGAIN)
		log_error("%s: the connection that waits for news cannot be woken: %s",
			account->conf.name, strerror(errno));
}

void account_first(struct account *account, int result, const char *text)
{
	if (account->first_over)
		return;
	account->first_over = true;
	account->first_result = result;
	snprintf(account->first_text, sizeof(account->first_text), "%s", text);
	pthread_cond_broadcast(&account->first);
}

int account_wait_first(struct account *account, struct error *err)
{
	int result;

	pthread_mutex_lock(&account->mutex);
	while (!account->first_over)
		pthread_cond_wait(&account->first, &account->mutex);
	result = account->first_result;
	if (result < 0)
		error_set(err, -result, "%s", account->first_text);
	pthread_mutex_unlock(&account->mutex);
	return result;
}

void account_status(struct account *account, struct account_status *status_out)
{
	memset(status_out, 0, sizeof(*status_out));
	pthread_mutex_lock(&account->mutex);
	status_out->state = account->state;
	status_out->brief = account->conf.brief;
	status_out->connections = account->online;
	snprintf(status_out->error, sizeof(status_out->error), "%s", account->error);
	snprintf(status_out->server, sizeof(status_out->server), "%s", account->server);
	for (unsigned i = 0; i < ACCOUNT_CONNECTIONS_MAX && account->conf.backend_pid; i++) {
		const struct backend *backend = account->workers[i].backend;
		int pid = backend ? account->conf.backend_pid(backend) : 0;

		if (pid > 0)
			status_out->wire_pids[status_out->wire_count++] = pid;
	}
	snprintf(status_out->removal_error, sizeof(status_out->removal_error), "%s",
		account->removals.error);
	pthread_mutex_unlock(&account->mutex);
	if (account->conf.journal)
		journal_counts(account->conf.journal, &status_out->removals);
}

static bool account_met_folder(void *ctx, const struct store_folder *folder)
{
	*(bool *)ctx = true;
	return false;
}

/* The two readers, and whether there is anything to go on with offline. */
static int account_readers(
	struct account *account, struct store_reader **worker_out, struct error *err)
{
	int result = store_reader_create(account->store, &account->asked_reader, err);

	if (result < 0)
		return result;
	result = store_folders_all(
		account->asked_reader, account_met_folder, &account->had_folders);
	if (result < 0)
		error_set(err, -result, "the folders cannot be read from the cache");
	else
		result = store_reader_create(account->store, worker_out, err);
	if (result < 0)
		store_reader_destroy(account->asked_reader);
	return result;
}

static void account_locks_init(struct account *account)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&account->mutex, NULL);
	pthread_mutex_init(&account->asked_mutex, NULL);
	pthread_mutex_init(&account->epoch_mutex, NULL);
	pthread_cond_init(&account->work, &monotonic);
	pthread_cond_init(&account->tick, &monotonic);
	pthread_cond_init(&account->first, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void account_free(struct account *account)
{
	if (account->wake_fd >= 0)
		close(account->wake_fd);
	queue_finish(&account->queue);
	removals_finish(&account->removals);
	store_reader_destroy(account->asked_reader);
	id_set_finish(&account->failing);
	id_set_finish(&account->missing);
	id_set_finish(&account->liars);
	id_set_finish(&account->lacking);
	id_set_finish(&account->relisted);
	pthread_cond_destroy(&account->first);
	pthread_cond_destroy(&account->tick);
	pthread_cond_destroy(&account->work);
	pthread_mutex_destroy(&account->epoch_mutex);
	pthread_mutex_destroy(&account->asked_mutex);
	pthread_mutex_destroy(&account->mutex);
	free(account);
}

/* The timer and the first worker; signals are for the process's main thread. */
static int account_threads(
	struct account *account, struct store_reader *reader, struct error *err)
{
	sigset_t all, old;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = -pthread_create(&account->timer, NULL, timer_main, account);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (result < 0) {
		store_reader_destroy(reader);
		return error_set(
			err, -result, "a thread cannot be started: %s", strerror(-result));
	}
	pthread_mutex_lock(&account->mutex);
	result = workers_start(account, reader);
	if (result < 0)
		account->stopping = true;
	pthread_cond_broadcast(&account->tick);
	pthread_mutex_unlock(&account->mutex);
	if (result == 0)
		return 0;
	pthread_join(account->timer, NULL);
	store_reader_destroy(reader);
	return error_set(err, -result, "a thread cannot be started: %s", strerror(-result));
}

static int account_prepare(struct account *account, struct error *err)
{
	int result = removals_init(account, account->asked_reader);

	if (result < 0)
		return error_set(err, -result, "the journal of removals cannot be read");
	account->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (account->wake_fd < 0)
		return error_set(err, errno, "no eventfd: %s", strerror(errno));
	return 0;
}

int account_start_tuned(const struct account_conf *conf, const struct account_tuning *tuning,
	struct store *store, const struct account_events *events, struct account **account_out,
	struct error *err)
{
	struct account *account = xcalloc(1, sizeof(*account));
	struct store_reader *reader;
	int result;

	account->conf = *conf;
	account->tuning = *tuning;
	account->store = store;
	account->events = events;
	if (account->conf.connections < 1)
		account->conf.connections = 1;
	if (conf->brief)
		account->conf.connections = 1;
	if (account->conf.connections > ACCOUNT_CONNECTIONS_MAX)
		account->conf.connections = ACCOUNT_CONNECTIONS_MAX;
	account->wake_fd = -1;
	account->poll_at_ms = clock_now_ms() + (int64_t)conf->poll_s * 1000;
	result = account_readers(account, &reader, err);
	if (result < 0) {
		free(account);
		return result;
	}
	account_locks_init(account);
	result = account_prepare(account, err);
	if (result < 0) {
		store_reader_destroy(reader);
		account_free(account);
		return result;
	}
	queue_look(&account->queue, STORE_ROOT, PRIORITY_BACKGROUND, false)->whole = true;
	result = account_threads(account, reader, err);
	if (result < 0)
		account_free(account);
	else
		*account_out = account;
	return result;
}

int account_start(const struct account_conf *conf, struct store *store,
	const struct account_events *events, struct account **account_out, struct error *err)
{
	return account_start_tuned(
		conf, &account_tuning_default, store, events, account_out, err);
}

static void account_cancel_backends(struct account *account)
{
	for (unsigned i = 0; i < ACCOUNT_CONNECTIONS_MAX; i++) {
		struct backend *backend = account->workers[i].backend;

		if (backend && backend->ops->cancel)
			backend->ops->cancel(backend);
	}
}

void account_stop(struct account *account)
{
	struct told told = {0};

	if (!account)
		return;
	pthread_mutex_lock(&account->mutex);
	account->stopping = true;
	account_first(account, -ESHUTDOWN, "The account stops");
	waits_end_all(&account->waits, -ESHUTDOWN, &told);
	account_cancel_backends(account);
	account_wake(account);
	pthread_cond_broadcast(&account->tick);
	account_unlock_tell(account, &told);
	workers_join(account);
	pthread_join(account->timer, NULL);
	account_free(account);
}
