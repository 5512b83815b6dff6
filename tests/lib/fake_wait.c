#include "fake_p.h"
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* How soon wake_fd is noticed. */
#define FAKE_WAKE_MS 2

void fake_folder_stir(struct fake_account *account, struct fake_folder *folder)
{
	folder->stirred++;
	pthread_cond_broadcast(&account->changed);
}

void fake_opened_forget(struct fake_backend *fake)
{
	free(fake->opened.raw);
	fake->opened = (struct fake_opened){0};
}

void fake_opened_note(struct fake_backend *fake, enum fake_call call, const char *raw)
{
	struct fake_opened *opened = &fake->opened;
	bool open = opened->raw && strcmp(opened->raw, raw) == 0;
	struct fake_folder *folder = fake_find(fake->account, raw);

	if (open && call != FAKE_SCAN && call != FAKE_VERIFY &&
		(call != FAKE_WAIT || !opened->stale))
		return;
	fake_opened_forget(fake);
	if (!folder)
		return;
	opened->raw = xstrdup(raw);
	opened->stirred = folder->stirred;
	opened->state = (struct backend_folder_state){.epoch = folder->epoch,
		.exists = (uint32_t)folder->count,
		.uidnext = folder->uidnext};
}

static bool fake_is_woken(int wake_fd)
{
	struct pollfd wake = {.fd = wake_fd, .events = POLLIN};

	return poll(&wake, 1, 0) > 0;
}

/* Whether something came, went or changed. The account is locked. */
static bool fake_has_news(struct fake_run *run, const char *raw)
{
	const struct fake_folder *folder = fake_find(run->account, raw);

	return !folder || folder->stirred != run->fake->opened.stirred;
}

/* Waits; the account is locked. */
static bool fake_idle(struct fake_run *run, const struct backend_wait *wait)
{
	int64_t now = clock_now_ms(), end_ms = now + wait->timeout_ms;
	struct fake_account *account = run->account;
	bool news;

	account->counts.idling++;
	pthread_cond_broadcast(&account->changed);
	while (!(news = fake_has_news(run, wait->raw)) && !run->fake->cancelled &&
		now < end_ms && !fake_is_woken(wait->wake_fd)) {
		(void)fake_wait_until(account, wait->wake_fd >= 0 && now + FAKE_WAKE_MS < end_ms
						       ? now + FAKE_WAKE_MS
						       : end_ms);
		now = clock_now_ms();
	}
	account->counts.idling--;
	return news;
}

/* False with result. */
static bool fake_wait_begin(struct fake_run *run, const struct backend_wait *wait,
	const struct backend_wait_sink *sink)
{
	const struct backend_folder_state state = run->fake->opened.state;

	if (!run->fake->opened.raw) {
		fake_no_folder(run, wait->raw);
		return false;
	}
	if (!sink->begin(sink->ctx, &state)) {
		run->fake->opened.stale = true;
		return fake_stopped(run);
	}
	if (!wait->epoch || wait->epoch == state.epoch)
		return true;
	fake_new_epoch(run, wait->raw);
	return false;
}

static void fake_wait_run(struct fake_run *run, const struct backend_wait *wait,
	const struct backend_wait_sink *sink, bool *news_out)
{
	struct fake_account *account = run->account;
	bool news;

	if (!fake_wait_begin(run, wait, sink))
		return;
	fake_lock(account);
	news = fake_idle(run, wait);
	run->fake->opened.stale = news;
	fake_unlock(account);
	/* It may have been cancelled. */
	*news_out = fake_at(run, 0) && news;
}

void fake_wait(struct backend *backend, const struct backend_wait *wait,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result)
{
	struct fake_account *account = fake_of(backend)->account;
	struct fake_run run;
	uint32_t caps;

	*news_out = false;
	fake_note(account, "wait %s", wait->raw);
	fake_lock(account);
	caps = account->caps;
	fake_unlock(account);
	if (fake_begin(&run, backend, FAKE_WAIT, wait->raw, result) && fake_at(&run, 0)) {
		if (caps & BACKEND_CAP_IDLE)
			fake_wait_run(&run, wait, sink, news_out);
		else
			backend_result_set(result, BACKEND_REFUSED, "There is no IDLE");
	}
	fake_end(&run, false);
}

void fake_news(struct fake_account *account, const char *raw)
{
	struct fake_folder *folder;

	fake_lock(account);
	folder = fake_find(account, raw);
	if (!folder)
		fake_die("no folder %s", raw);
	fake_folder_stir(account, folder);
	fake_unlock(account);
}

bool fake_wait_idling(struct fake_account *account, unsigned calls, uint32_t timeout_ms)
{
	int64_t end_ms = clock_now_ms() + timeout_ms;
	bool reached;

	fake_lock(account);
	while (account->counts.idling != calls && fake_wait_until(account, end_ms))
		;
	reached = account->counts.idling == calls;
	fake_unlock(account);
	return reached;
}
