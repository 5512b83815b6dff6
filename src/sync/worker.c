#include "watch_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <signal.h>
#include <string.h>

#define WORKER_PREPARE_AGAIN_MS 1000

static void *worker_main(void *ctx);

bool worker_is_proven(const struct worker *worker)
{
	return clock_now_ms() - worker->alive_ms < worker->account->tuning.proven_ms;
}

void worker_prove(struct worker *worker)
{
	worker->alive_ms = clock_now_ms();
}

/* A slot whose thread, if it had one, is gone. */
static struct worker *workers_slot(struct account *account)
{
	for (unsigned i = 0; i < account->conf.connections; i++) {
		struct worker *worker = &account->workers[i];

		if (worker->life == WORKER_ENDED)
			pthread_join(worker->thread, NULL);
		else if (worker->life != WORKER_NONE)
			continue;
		memset(worker, 0, sizeof(*worker));
		worker->account = account;
		return worker;
	}
	return NULL;
}

/* The thread blocks signals: those of the process are for its main thread. */
static int worker_spawn(struct account *account, struct worker *worker)
{
	sigset_t all, old;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (result)
		return -result;
	worker->life = WORKER_RUNNING;
	worker->opening = true;
	account->opening++;
	account->threads++;
	return 0;
}

int workers_start(struct account *account, struct store_reader *reader)
{
	struct worker *worker = workers_slot(account);

	worker->reader = reader;
	return worker_spawn(account, worker);
}

static bool workers_may_grow(const struct account *account, int64_t now)
{
	return account->threads < account->conf.connections && account->online > 0 &&
	       now >= account->extra_at_ms && !account->stopping;
}

void workers_grow(struct account *account)
{
	int64_t now = clock_now_ms();
	struct worker *worker;
	int result;

	if (account->idle || account->opening || !workers_may_grow(account, now) ||
		!queue_has(&account->queue, PRIORITY_BACKGROUND + 1, now))
		return;
	worker = workers_slot(account);
	result = worker ? worker_spawn(account, worker) : 0;
	if (result < 0) {
		log_warning("%s: no thread for another connection: %s", account->conf.name,
			strerror(-result));
		account->extra_at_ms = now + account->tuning.extra_ms;
	}
}

bool worker_should_yield(struct worker *worker, const struct look *look)
{
	struct account *account = worker->account;
	int64_t now = clock_now_ms();
	bool yield;

	pthread_mutex_lock(&account->mutex);
	workers_grow(account);
	yield = look->priority > PRIORITY_OPENED && !account->idle && !account->opening &&
		(queue_has(&account->queue, PRIORITY_ASKED, now) || removals_due(account, now));
	pthread_mutex_unlock(&account->mutex);
	return yield;
}

/* Whether this thread is one too many. */
static bool worker_may_leave(const struct worker *worker, int64_t now)
{
	const struct account *account = worker->account;

	if (account->threads < 2 || worker->opening)
		return false;
	if (!worker->online)
		return true;
	return account->online > 1 && worker->idle &&
	       now - worker->idle_since_ms >= account->tuning.idle_ms;
}

/* Whether a connection is worth having: one that locks the mailbox only when it has work. */
static bool worker_is_needed(const struct account *account, int64_t now)
{
	return !account->conf.brief ||
	       queue_has(&account->queue, PRIORITY_BACKGROUND + 1, now) ||
	       removals_due(account, now);
}

/* When to connect next; due: the first thing to do that is not due yet. */
static int64_t worker_connect_at(const struct account *account, int64_t now, int64_t due)
{
	if (account->state == ACCOUNT_AUTH_FAILED)
		return INT64_MAX;
	if (worker_is_needed(account, now) || due < account->retry_at_ms)
		return account->retry_at_ms;
	return due;
}

/* When to look again without being called; INT64_MAX: only when called. */
static int64_t worker_wake_at(const struct worker *worker, int64_t now)
{
	const struct account *account = worker->account;
	int64_t due, idle_end;

	due = queue_next_due(&account->queue, now);
	if (removals_next_due(account) < due)
		due = removals_next_due(account);
	if (!worker->online)
		return worker_connect_at(account, now, due);
	if (account->conf.brief && worker->idle_since_ms + account->tuning.brief_ms < due)
		return worker->idle_since_ms + account->tuning.brief_ms;
	idle_end = account->threads > 1 ? worker->idle_since_ms + account->tuning.idle_ms
					: INT64_MAX;
	if (idle_end <= now) /* the last connection stays */
		idle_end = INT64_MAX;
	return due < idle_end ? due : idle_end;
}

static void worker_sleep(struct worker *worker, int64_t now)
{
	struct account *account = worker->account;
	int64_t wake, watch = INT64_MAX;
	struct timespec at;

	if (worker->online && !worker->idle) {
		worker->idle = true;
		worker->idle_since_ms = now;
		account->idle++;
	}
	wake = worker_wake_at(worker, now);
	if (worker->online)
		watch = watch_when(worker);
	if (watch <= now) {
		watch_run(worker, wake);
		return;
	}
	if (watch < wake)
		wake = watch;
	at = clock_at_ms(wake);
	if (wake == INT64_MAX)
		pthread_cond_wait(&account->work, &account->mutex);
	else
		pthread_cond_timedwait(&account->work, &account->mutex, &at);
}

static void worker_wake(struct worker *worker)
{
	worker->account->idle -= worker->idle;
	worker->idle = false;
}

/* What comes next: removals, bodies, or a look. */
struct turn {
	bool removals;
	size_t bodies; /* in worker->wants */
	struct look *look;
};

static bool worker_turn(struct worker *worker, int64_t now, struct turn *turn)
{
	struct account *account = worker->account;
	struct queue *queue = &account->queue;

	*turn = (struct turn){.removals = removals_take(account, now)};
	if (turn->removals)
		return true;
	if (queue_bodies_next(queue, now))
		turn->bodies = queue_take_wants(queue, worker->wants, BACKEND_FETCH_MAX);
	else
		turn->look = queue_take_look(queue, now);
	return turn->bodies || turn->look;
}

/* Does the most urgent thing. False: there is none. */
static bool worker_work(struct worker *worker, int64_t now)
{
	struct account *account = worker->account;
	struct turn turn;

	if (!worker_turn(worker, now, &turn))
		return false;
	worker_wake(worker);
	workers_grow(account);
	pthread_mutex_unlock(&account->mutex);
	if (turn.removals)
		removal_run(worker);
	else if (turn.bodies)
		fetch_run(worker, turn.bodies);
	else if (turn.look->folder == STORE_ROOT)
		tree_run(worker, turn.look);
	else
		pull_run(worker, turn.look);
	pthread_mutex_lock(&account->mutex);
	return true;
}

/* Others may want the mailbox, and there is nothing to do. */
static bool worker_is_over(const struct worker *worker, int64_t now)
{
	const struct account *account = worker->account;

	return account->conf.brief && worker->idle &&
	       now - worker->idle_since_ms >= account->tuning.brief_ms;
}

/*
 * A maildrop is read when it is connected to, so that what comes next, a look, would see it as
 * it was: it was looked at before on this connection, or is asked for by one who came later.
 */
static bool worker_is_stale(const struct worker *worker, int64_t now)
{
	const struct account *account = worker->account;
	const struct look *look;

	if (!account->conf.brief || removals_due(account, now) ||
		queue_bodies_next(&account->queue, now))
		return false;
	look = queue_peek_look(&account->queue, now);
	if (!look || look->folder == STORE_ROOT)
		return false;
	return worker->looked || (waits_any(&look->waits, WAIT_REFRESH) &&
					 account->refreshed_ms > worker->opened_ms);
}

static void worker_step(struct worker *worker, int64_t now)
{
	struct account *account = worker->account;

	if (worker->online && worker_is_stale(worker, now)) {
		worker_wake(worker);
		worker_close(worker);
		return;
	}
	if (worker->online) {
		if (worker_work(worker, now))
			return;
		if (worker_is_over(worker, now)) {
			worker_wake(worker);
			worker_close(worker);
		} else {
			worker_sleep(worker, now);
		}
		return;
	}
	/* One that is not the only one has left, so nobody else is connected or connecting. */
	if (worker->opening ||
		(account->state != ACCOUNT_AUTH_FAILED && now >= account->retry_at_ms &&
			worker_is_needed(account, now)))
		worker_connect(worker);
	else
		worker_sleep(worker, now);
}

/*
 * What the thread needs of the store. False: it cannot work; it is not missed unless it is the
 * only one, and then it tries again. With the mutex held, which is opened meanwhile.
 */
static bool worker_prepare(struct worker *worker)
{
	struct account *account = worker->account;
	struct error err;
	int result = 0;

	pthread_mutex_unlock(&account->mutex);
	if (!worker->reader)
		result = store_reader_create(account->store, &worker->reader, &err);
	if (result == 0)
		worker->writer = body_writer_create(account->store);
	else
		log_warning("%s: a connection to the server is not used: %s",
			account->conf.name, err.text);
	pthread_mutex_lock(&account->mutex);
	if (result == 0)
		return true;
	account->extra_at_ms = clock_now_ms() + account->tuning.extra_ms;
	if (account->threads == 1 && !account->stopping) {
		struct timespec at = clock_at_ms(clock_now_ms() + WORKER_PREPARE_AGAIN_MS);

		pthread_cond_timedwait(&account->work, &account->mutex, &at);
	}
	return false;
}

static void worker_loop(struct worker *worker)
{
	struct account *account = worker->account;

	while (!account->stopping) {
		int64_t now = clock_now_ms();

		if (!worker->writer && !worker_prepare(worker)) {
			if (account->threads > 1)
				return;
			continue;
		}
		if (worker_may_leave(worker, now))
			return;
		worker_step(worker, now);
	}
}

static void *worker_main(void *ctx)
{
	struct worker *worker = ctx;
	struct account *account = worker->account;

	pthread_mutex_lock(&account->mutex);
	worker_loop(worker);
	worker_wake(worker);
	account->opening -= worker->opening;
	worker->opening = false;
	account->threads--;
	if (worker->online)
		worker_close(worker);
	pthread_mutex_unlock(&account->mutex);
	body_writer_destroy(worker->writer);
	store_reader_destroy(worker->reader);
	pthread_mutex_lock(&account->mutex);
	workers_grow(account);
	worker->life = WORKER_ENDED; /* its last words: whoever sees them may join it */
	pthread_mutex_unlock(&account->mutex);
	return NULL;
}

void workers_join(struct account *account)
{
	for (unsigned i = 0; i < ACCOUNT_CONNECTIONS_MAX; i++) {
		bool started;

		pthread_mutex_lock(&account->mutex);
		started = account->workers[i].life != WORKER_NONE;
		pthread_mutex_unlock(&account->mutex);
		if (started)
			pthread_join(account->workers[i].thread, NULL);
	}
}
