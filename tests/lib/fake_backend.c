#include "fake_p.h"
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* Calls: what all have in common. */

static bool fake_begin_any(struct fake_run *run, struct backend *backend, enum fake_call call,
	const char *raw, unsigned steps, struct backend_result *result)
{
	struct fake_backend *fake = fake_of(backend);
	bool cancelled;

	*run = (struct fake_run){.fake = fake, .account = fake->account, .result = result};
	fake_lock(run->account);
	if (fake->busy)
		fake_die("two calls at once in one backend");
	if (fake->lost)
		fake_die("a call after the connection was lost");
	if (fake->used == (call == FAKE_OPEN))
		fake_die(fake->used ? "open called twice" : "a call before open");
	fake->busy = true;
	fake->used = true;
	if (raw)
		fake_opened_note(fake, call, raw);
	cancelled = fake->cancelled;
	run->armed = fake_take_fault(run->account, call, raw, steps, &run->fault);
	run->account->counts.calls[call]++;
	pthread_cond_broadcast(&run->account->changed);
	fake_unlock(run->account);
	backend_result_ok(result);
	if (cancelled)
		backend_result_set(result, BACKEND_CONNECTION_LOST, "cancelled");
	return !cancelled;
}

bool fake_begin(struct fake_run *run, struct backend *backend, enum fake_call call,
	const char *raw, struct backend_result *result)
{
	return fake_begin_any(run, backend, call, raw, 0, result);
}

bool fake_begin_step(struct fake_run *run, struct backend *backend, enum backend_step step,
	const char *raw, struct backend_result *result)
{
	return fake_begin_any(run, backend, FAKE_REMOVE, raw, 1u << step, result);
}

void fake_end(struct fake_run *run, bool opening)
{
	enum backend_status status = run->result->status;
	bool fatal = status == BACKEND_CONNECTION_LOST || (opening && status != BACKEND_OK);
	struct fake_backend *fake = run->fake;

	fake_lock(run->account);
	fake->busy = false;
	if (opening && !fatal) {
		fake->ready = true;
		run->account->counts.logged_in++;
	} else if (fatal) {
		run->account->counts.logged_in -= fake->ready;
		fake->ready = false;
		/* Who calls a cancelled one again may not know yet. */
		fake->lost = !fake->cancelled;
	}
	fake_unlock(run->account);
}

/* The fault's delay and block. The account is locked. */
static void fake_suffer(struct fake_run *run)
{
	struct fake_account *account = run->account;
	int64_t end_ms = clock_now_ms() + run->fault.delay_ms;
	unsigned releases = account->releases;

	while (!run->fake->cancelled && run->fault.delay_ms && clock_now_ms() < end_ms)
		(void)fake_wait_until(account, end_ms);
	if (!run->fault.block)
		return;
	account->blocked++;
	pthread_cond_broadcast(&account->changed);
	while (!run->fake->cancelled && account->releases == releases)
		pthread_cond_wait(&account->changed, &account->lock);
	account->blocked--;
}

bool fake_at(struct fake_run *run, uint64_t delivered)
{
	bool strikes = run->armed && !run->fault.late && delivered >= run->fault.after;
	bool cancelled;

	fake_lock(run->account);
	if (strikes)
		fake_suffer(run);
	cancelled = run->fake->cancelled;
	fake_unlock(run->account);
	if (strikes)
		run->armed = false;
	if (cancelled) {
		backend_result_set(run->result, BACKEND_CONNECTION_LOST, "cancelled");
		return false;
	}
	if (!strikes || run->fault.status == BACKEND_OK)
		return true;
	backend_result_set(run->result, run->fault.status, "scripted: %s",
		backend_status_name(run->fault.status));
	run->result->retry_ms = run->fault.retry_ms;
	run->result->broke = run->fault.broke;
	return false;
}

bool fake_late(struct fake_run *run)
{
	run->fault.late = false;
	return fake_at(run, UINT64_MAX);
}

bool fake_stopped(struct fake_run *run)
{
	backend_result_set(run->result, BACKEND_STOPPED, "Stopped on request");
	return false;
}

void fake_no_folder(struct fake_run *run, const char *raw)
{
	backend_result_set(run->result, BACKEND_FOLDER_GONE, "There is no folder %s", raw);
}

void fake_new_epoch(struct fake_run *run, const char *raw)
{
	backend_result_set(
		run->result, BACKEND_FOLDER_CHANGED, "%s numbers its messages anew", raw);
}

/* Calls: each of them. */

static void fake_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	struct fake_run run;

	fake_note(fake_of(backend)->account, "open");
	*server_out = (struct backend_server){.name = "fake.example.org"};
	if (fake_begin(&run, backend, FAKE_OPEN, NULL, result) && fake_at(&run, 0)) {
		fake_lock(run.account);
		server_out->caps = run.account->caps;
		fake_unlock(run.account);
	}
	fake_end(&run, true);
}

/* Copies of what the account has now. Owned. */
static struct mail_folder *fake_copy_folders(struct fake_account *account, size_t *count_out)
{
	struct mail_folder *copies;

	fake_lock(account);
	*count_out = account->count;
	copies = xcalloc(account->count + 1, sizeof(*copies));
	for (size_t i = 0; i < account->count; i++) {
		copies[i] = account->folders[i]->mail;
		copies[i].raw = xstrdup(copies[i].raw);
		copies[i].path = xstrdup(copies[i].path);
	}
	fake_unlock(account);
	return copies;
}

static void fake_list_run(struct fake_run *run, const struct backend_list_sink *sink)
{
	size_t count;
	struct mail_folder *folders = fake_copy_folders(run->account, &count);
	bool more = true;

	for (size_t i = 0; i < count && more; i++) {
		more = fake_at(run, i);
		if (more && !sink->folder(sink->ctx, &folders[i]))
			more = fake_stopped(run);
	}
	if (more)
		fake_at(run, count);
	for (size_t i = 0; i < count; i++)
		mail_folder_finish(&folders[i]);
	free(folders);
}

static void fake_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	struct fake_run run;

	fake_note(fake_of(backend)->account, "list");
	if (fake_begin(&run, backend, FAKE_LIST, NULL, result))
		fake_list_run(&run, sink);
	fake_end(&run, false);
}

static void fake_cancel(struct backend *backend)
{
	struct fake_backend *fake = fake_of(backend);

	fake_lock(fake->account);
	fake->cancelled = true;
	pthread_cond_broadcast(&fake->account->changed);
	fake_unlock(fake->account);
}

static void fake_close(struct backend *backend)
{
	struct fake_backend *fake = fake_of(backend);
	struct fake_account *account = fake->account;

	fake_lock(account);
	if (fake->busy)
		fake_die("close during a call");
	account->counts.alive--;
	account->counts.logged_in -= fake->ready;
	fake_opened_forget(fake);
	pthread_cond_broadcast(&account->changed);
	fake_unlock(account);
	free(fake);
}

static const struct backend_ops fake_ops = {
	.open = fake_open,
	.list = fake_list,
	.scan = fake_scan,
	.fetch = fake_fetch,
	.verify = fake_verify,
	.remove = fake_remove,
	.wait = fake_wait,
	.cancel = fake_cancel,
	.close = fake_close,
};

struct backend *fake_backend_create(void *ctx)
{
	struct fake_account *account = ctx;
	struct fake_backend *fake = xcalloc(1, sizeof(*fake));

	fake->backend.ops = &fake_ops;
	fake->account = account;
	fake_lock(account);
	account->counts.created++;
	account->counts.alive++;
	fake_unlock(account);
	return &fake->backend;
}
