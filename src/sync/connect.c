#include "backoff_p.h"
#include "worker_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <stdio.h>
#include <string.h>

/* Connections that end without having done anything: after so many the server is not usable. */
#define CONNECT_DROPS_MAX 6
/* Whoever mounts for the first time waits for so many attempts while others have the mailbox.
 */
#define CONNECT_BUSY_MAX 4
/* The first of them is made up for at once, the next ones after this and its doubles. */
#define CONNECT_DROP_MS 100u

/* Takes the backend from the eyes of others, so that it can be closed without the mutex. */
static void worker_drop(struct worker *worker)
{
	struct account *account = worker->account;
	struct backend *backend = worker->backend;

	account->online -= worker->online;
	worker->online = false;
	worker->backend = NULL;
	pthread_mutex_unlock(&account->mutex);
	backend->ops->close(backend);
	account_status_changed(account);
	pthread_mutex_lock(&account->mutex);
}

void worker_close(struct worker *worker)
{
	worker_drop(worker);
}

/* Once, not at each of many short sessions. */
static void connect_note_caps(const struct account *account, uint32_t caps)
{
	if (caps & ~account->caps & BACKEND_CAP_NO_UIDL)
		log_warning("%s: the server has no UIDL, by which a message could be told from "
			    "others: they can be read, and none can be removed",
			account->conf.name);
}

static void connect_good(struct worker *worker, const struct backend_server *server)
{
	struct account *account = worker->account;

	if (!account->online && account->state != ACCOUNT_ONLINE)
		log_info("%s: connected to %s", account->conf.name, server->name);
	worker->online = true;
	worker->no_move = worker->no_idle = false;
	worker_prove(worker);
	account->online++;
	account->failures = 0;
	account->refused = false;
	account->state = ACCOUNT_ONLINE;
	account->error[0] = '\0';
	connect_note_caps(account, server->caps);
	account->caps = server->caps;
	snprintf(account->server, sizeof(account->server), "%s", server->name);
}

static int connect_errno(enum backend_status status)
{
	switch (status) {
	case BACKEND_AUTH_FAILED:
		return -EACCES;
	case BACKEND_REFUSED:
		return -EPROTO;
	case BACKEND_OK:
	case BACKEND_STOPPED:
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
	case BACKEND_FOLDER_GONE:
	case BACKEND_FOLDER_CHANGED:
	case BACKEND_THROTTLED:
	case BACKEND_CONNECTION_LOST:
		break;
	}
	return -ECONNREFUSED;
}

/* Nobody can be served for now: state and text, and an end for all who wait. */
static void connect_offline(struct account *account, enum account_state state,
	const struct backend_result *result, struct told *told)
{
	int code = connect_errno(result->status);

	if (account->state != state || strcmp(account->error, result->text) != 0)
		log_warning("%s: %s: %s", account->conf.name, account_state_name(state),
			result->text);
	account->state = state;
	snprintf(account->error, sizeof(account->error), "%s", result->text);
	account_first(account, code == -ECONNREFUSED && account->had_folders ? 0 : code,
		result->text);
	queue_fail(&account->queue, &account->waits, -EIO, told);
}

static uint32_t connect_pause(struct account *account, const struct backend_result *result)
{
	uint32_t random = backoff_random();

	account->refused = result->status == BACKEND_REFUSED;
	if (account->refused)
		return backoff_ms(account->failures, BACKOFF_REFUSED_FIRST_MS,
			BACKOFF_REFUSED_MAX_MS, random);
	if (result->status == BACKEND_THROTTLED && result->retry_ms)
		return backoff_told_ms(result->retry_ms, random);
	return backoff_ms(account->failures, account->tuning.backoff_first_ms,
		account->tuning.backoff_max_ms, random);
}

/*
 * Somebody else has the mailbox open, as everybody has now and then: those who wait go on
 * waiting, each for his time.
 */
static void connect_busy(
	struct account *account, const struct backend_result *result, int64_t now)
{
	uint32_t random = backoff_random();

	log_info("%s: %s", account->conf.name, result->text);
	account->state = ACCOUNT_CONNECTING;
	snprintf(account->error, sizeof(account->error), "%s", result->text);
	account->retry_at_ms =
		now + (result->retry_ms ? backoff_told_ms(result->retry_ms, random)
					: backoff_ms(account->failures,
						  account->tuning.backoff_first_ms,
						  account->tuning.busy_max_ms, random));
	if (account->failures >= CONNECT_BUSY_MAX)
		account_first(account, account->had_folders ? 0 : -ECONNREFUSED, result->text);
}

static void connect_bad(
	struct account *account, const struct backend_result *result, struct told *told)
{
	int64_t now = clock_now_ms();

	if (account->stopping)
		return;
	if (account->online) {
		/* Many servers allow few connections and say so by refusing a login. */
		log_info("%s: no further connection: %s", account->conf.name, result->text);
		account->extra_at_ms = now + account->tuning.extra_ms;
		return;
	}
	account->failures++;
	if (account->conf.brief && result->status == BACKEND_THROTTLED) {
		connect_busy(account, result, now);
		return;
	}
	account->retry_at_ms = now + connect_pause(account, result);
	connect_offline(account,
		result->status == BACKEND_AUTH_FAILED ? ACCOUNT_AUTH_FAILED : ACCOUNT_OFFLINE,
		result, told);
}

void worker_connect(struct worker *worker)
{
	struct account *account = worker->account;
	struct backend_server server = {0};
	struct backend_result result;
	struct backend *backend;
	struct told told = {0};

	account->opening += !worker->opening;
	worker->opening = true;
	worker->looked = false;
	worker->opened_ms = clock_now_ms();
	if (!account->online)
		account->tried_ms = clock_now_ms();
	pthread_mutex_unlock(&account->mutex);
	backend = account->conf.backend_create(account->conf.backend_ctx);
	pthread_mutex_lock(&account->mutex);
	worker->backend = backend; /* account_stop can cancel from here on */
	if (account->stopping) {
		backend_result_set(&result, BACKEND_CONNECTION_LOST, "The account stops");
	} else {
		pthread_mutex_unlock(&account->mutex);
		backend->ops->open(backend, &server, &result);
		pthread_mutex_lock(&account->mutex);
	}
	account->opening--;
	worker->opening = false;
	if (result.status == BACKEND_OK) {
		connect_good(worker, &server);
	} else {
		worker_drop(worker);
		connect_bad(account, &result, &told);
	}
	account_wake(account);
	account_unlock_tell(account, &told);
	account_status_changed(account);
	pthread_mutex_lock(&account->mutex);
}

/* How long to leave the server alone after a connection was lost. */
static uint32_t lost_pause(struct account *account)
{
	if (account->drops <= 1)
		return 0;
	if (account->drops <= CONNECT_DROPS_MAX)
		return backoff_ms(account->drops - 1, CONNECT_DROP_MS,
			account->tuning.backoff_max_ms, backoff_random());
	return backoff_ms(account->drops - CONNECT_DROPS_MAX, account->tuning.backoff_first_ms,
		account->tuning.backoff_max_ms, backoff_random());
}

void worker_broke(struct worker *worker, const struct backend_result *result)
{
	struct account *account = worker->account;

	worker_drop(worker);
	if (account->stopping)
		return;
	log_info("%s: connection lost: %s", account->conf.name, result->text);
	if (!account->online && account->state == ACCOUNT_ONLINE)
		account->state = ACCOUNT_CONNECTING;
	account_wake(account);
}

void worker_lost(struct worker *worker, const struct backend_result *result)
{
	struct account *account = worker->account;
	struct told told = {0};
	int64_t again;

	worker_drop(worker);
	if (account->stopping)
		return;
	log_info("%s: connection lost: %s", account->conf.name, result->text);
	account->drops++;
	again = clock_now_ms() + lost_pause(account);
	if (account->online) {
		if (account->extra_at_ms < again)
			account->extra_at_ms = again;
	} else {
		account->retry_at_ms = again;
		if (account->drops >= CONNECT_DROPS_MAX)
			connect_offline(account, ACCOUNT_OFFLINE, result, &told);
		else if (account->state == ACCOUNT_ONLINE)
			account->state = ACCOUNT_CONNECTING;
	}
	account_wake(account);
	account_unlock_tell(account, &told);
	account_status_changed(account);
	pthread_mutex_lock(&account->mutex);
}
