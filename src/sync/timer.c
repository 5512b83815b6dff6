#include "account_p.h"
#include <mountmail/base/clock.h>

/* A look at everything, behind all that somebody asked for. */
static void timer_poll(struct account *account, int64_t now)
{
	struct look *look;

	if (!account->conf.poll_s || now < account->poll_at_ms)
		return;
	account->poll_at_ms = now + (int64_t)account->conf.poll_s * 1000;
	account->polls++;
	look = queue_look(&account->queue, STORE_ROOT, PRIORITY_BACKGROUND, false);
	look->whole |= !look->running;
	account_wake(account);
}

static void timer_sleep(struct account *account)
{
	int64_t at_ms = waits_next_deadline(&account->waits);
	struct timespec at;

	if (account->conf.poll_s && account->poll_at_ms < at_ms)
		at_ms = account->poll_at_ms;
	if (account->removals.sync_at_ms && account->removals.sync_at_ms < at_ms)
		at_ms = account->removals.sync_at_ms;
	at = clock_at_ms(at_ms);
	if (at_ms == INT64_MAX)
		pthread_cond_wait(&account->tick, &account->mutex);
	else
		pthread_cond_timedwait(&account->tick, &account->mutex, &at);
}

void *timer_main(void *ctx)
{
	struct account *account = ctx;

	pthread_mutex_lock(&account->mutex);
	while (!account->stopping) {
		int64_t now = clock_now_ms();
		struct told told = {0};

		timer_poll(account, now);
		/* The mutex was open: all may be otherwise, and who said so was not heard. */
		if (removals_sync(account, now))
			continue;
		waits_expire(&account->waits, now, &told);
		if (told.head) {
			account_unlock_tell(account, &told);
			pthread_mutex_lock(&account->mutex);
			continue;
		}
		timer_sleep(account);
	}
	pthread_mutex_unlock(&account->mutex);
	return NULL;
}
