#include "backoff_p.h"
#include "worker_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>

/* After so many failures in a row nobody is kept waiting for a folder. */
#define LOOK_FAILURES_MAX 3
#define LOOK_BACKOFF_MAX_MS 300000u

int64_t account_hold(struct account *account, uint32_t retry_ms)
{
	uint32_t random = backoff_random();
	uint32_t pause;

	account->throttles++;
	pause = retry_ms ? backoff_told_ms(retry_ms, random)
			 : backoff_ms(account->throttles, account->tuning.backoff_first_ms,
				   account->tuning.backoff_max_ms, random);
	account->queue.hold_until_ms = clock_now_ms() + pause;
	return account->queue.hold_until_ms;
}

void account_stepped(struct account *account)
{
	account->drops = 0;
	account->throttles = 0;
}

void account_look_soon(struct account *account, int64_t folder_id)
{
	struct look *look = queue_look(&account->queue, folder_id, PRIORITY_ASKED, false);

	look->again |= look->running;
	account_wake(account);
}

void account_folder_missing(struct account *account, int64_t folder_id)
{
	if (id_set_add(&account->missing, folder_id))
		account_look_soon(account, STORE_ROOT);
}

/* Logs a folder's trouble when it is news. */
static void look_log(
	struct account *account, const struct look *look, const struct backend_result *result)
{
	if (account->stopping)
		return;
	if (!id_set_add(&account->failing, look->folder)) {
		log_debug("%s: folder %" PRId64 " again: %s", account->conf.name, look->folder,
			result->text);
		return;
	}
	if (look->folder == STORE_ROOT)
		log_warning("%s: the folders cannot be listed (%s): %s", account->conf.name,
			backend_status_name(result->status), result->text);
	else
		log_warning("%s: folder %" PRId64 " cannot be looked at (%s), tried again "
			    "later: %s",
			account->conf.name, look->folder, backend_status_name(result->status),
			result->text);
}

/* Once more later, and nobody waits for it meanwhile. */
static void look_postpone(struct account *account, struct look *look, struct told *told)
{
	uint32_t pause = backoff_ms(look->failures, account->tuning.backoff_first_ms,
		LOOK_BACKOFF_MAX_MS, backoff_random());

	waits_end(&account->waits, &look->waits, WAIT_ANY, -EIO, told);
	waits_end(&account->waits, &look->next_waits, WAIT_ANY, -EIO, told);
	queue_look_again(&account->queue, look, PRIORITY_BACKGROUND, clock_now_ms() + pause);
}

/* The folder was not to blame, or not yet. */
static void look_retry(
	struct account *account, struct look *look, int64_t not_before_ms, struct told *told)
{
	if (look->failures >= LOOK_FAILURES_MAX)
		look_postpone(account, look, told);
	else
		queue_look_again(&account->queue, look, look->priority, not_before_ms);
}

static void look_unsurveyed(struct account *account, struct look *look, struct told *told)
{
	waits_end(&account->waits, &look->waits, WAIT_DATA, 0, told);
	look->partly = false;
	look->narrow = (struct narrow){0};
	queue_look_again(&account->queue, look,
		look->waits.head || look->next_waits.head ? PRIORITY_ASKED
							  : PRIORITY_BACKGROUND,
		0);
}

/* With the mutex held. */
static void look_settle(struct worker *worker, struct look *look, enum look_end end,
	const struct backend_result *result, struct told *told)
{
	struct account *account = worker->account;
	bool proven = worker_is_proven(worker);
	switch (end) {
	case LOOK_DONE:
		id_set_remove(&account->failing, look->folder);
		id_set_remove(&account->missing, look->folder);
		if (look->inbox)
			account->inbox = look->folder;
		queue_look_end(&account->queue, &account->waits, look, 0, told);
		break;
	case LOOK_UNSURVEYED:
		look_unsurveyed(account, look, told);
		break;
	case LOOK_YIELDED:
		look->partly = true;
		queue_look_again(&account->queue, look, look->priority, 0);
		break;
	case LOOK_LOST:
		look->partly = true;
		look->failures += proven;
		look_retry(account, look, 0, told);
		break;
	case LOOK_BROKE:
		look->partly = true;
		queue_look_again(&account->queue, look, look->priority,
			clock_now_ms() + narrow_pause_ms(&look->narrow, backoff_random()));
		break;
	case LOOK_THROTTLED:
		look->partly = true;
		look->failures++;
		look_log(account, look, result);
		look_retry(account, look, account_hold(account, result->retry_ms), told);
		break;
	case LOOK_GONE:
		look_log(account, look, result);
		look->again = false;
		waits_end(&account->waits, &look->next_waits, WAIT_ANY, -ENOENT, told);
		account_folder_missing(account, look->folder);
		queue_look_end(&account->queue, &account->waits, look, -ENOENT, told);
		break;
	case LOOK_FAILED:
		look->failures++;
		look_log(account, look, result);
		look_postpone(account, look, told);
		break;
	}
}

void look_conclude(struct worker *worker, struct look *look, enum look_end end,
	const struct backend_result *result, bool stepped)
{
	struct account *account = worker->account;
	struct told told = {0};

	if ((end != LOOK_LOST && end != LOOK_BROKE) || stepped)
		worker_prove(worker);
	pthread_mutex_lock(&account->mutex);
	if (stepped || end == LOOK_DONE || end == LOOK_UNSURVEYED) {
		account_stepped(account);
		look->failures = 0;
	}
	worker->looked |= end == LOOK_DONE && look->folder != STORE_ROOT;
	look_settle(worker, look, end, result, &told);
	if (end == LOOK_LOST)
		worker_lost(worker, result);
	else if (end == LOOK_BROKE)
		worker_broke(worker, result);
	account_wake(account);
	account_unlock_tell(account, &told);
	account_status_changed(account);
}
