/*
 * What others ask of the account: a body, a folder, a look; and taking it back.
 */
#include "worker_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>

static struct account_wait *ask_handle(uint64_t id)
{
	return (struct account_wait *)(uintptr_t)id; /* a number, see account.h */
}

/* An answer that needs no waiting. */
static struct account_wait *ask_answer(
	struct account *account, int result, account_done *done, void *ctx)
{
	uint64_t id;

	pthread_mutex_lock(&account->mutex);
	id = waits_next_id(&account->waits);
	pthread_mutex_unlock(&account->mutex);
	done(ctx, result);
	return ask_handle(id);
}

void account_poke(struct account *account)
{
	int64_t soon = account->tried_ms + (account->refused ? account->tuning.poke_refused_ms
							     : account->tuning.poke_ms);

	if (account->state != ACCOUNT_OFFLINE || account->retry_at_ms <= soon)
		return;
	account->retry_at_ms = soon;
	account_wake(account);
}

/* Why nothing can be had now: 0 when it can. Without the mutex a moment later, it may be
 * otherwise. */
static int ask_obstacle(struct account *account, enum wait_kind kind)
{
	if (account->stopping)
		return -ESHUTDOWN;
	if (account->state == ACCOUNT_AUTH_FAILED)
		return -EIO;
	if (account->state != ACCOUNT_OFFLINE)
		return 0;
	account_poke(account);
	return kind == WAIT_REFRESH ? 0 : -EIO;
}

/* The wait and, with made, a thread to end it. With the mutex held. */
static struct wait *ask_wait(
	struct account *account, enum wait_kind kind, account_done *done, void *ctx)
{
	bool first = !account->waits.timed_head;
	struct wait *wait = waits_add(&account->waits, kind,
		kind == WAIT_DATA ? account->conf.timeout_ms : 0, done, ctx);

	if (first && wait->deadline_ms)
		pthread_cond_signal(&account->tick);
	return wait;
}

static void ask_want(
	struct account *account, int64_t folder_id, uint32_t uid, struct wait *wait)
{
	bool made;
	struct want *want = queue_want(&account->queue, folder_id, uid, &made);

	waits_attach(wait, &want->waits);
	if (!made)
		return;
	workers_grow(account);
	account_wake(account);
}

static void ask_look(struct account *account, int64_t folder_id, struct wait *wait)
{
	struct look *look = queue_look(&account->queue, folder_id,
		wait->kind == WAIT_DATA ? PRIORITY_OPENED : PRIORITY_ASKED, false);

	queue_look_attach(look, wait);
	if (wait->kind == WAIT_REFRESH)
		account->refreshed_ms = clock_now_ms();
	workers_grow(account);
	account_wake(account);
}

/* What the store says of a folder: 1 when its first listing is still to come, 0, -ENOENT, -EIO.
 */
static int ask_unlisted(struct account *account, int64_t folder_id, bool *selectable_out)
{
	struct store_folder folder;
	int result;

	pthread_mutex_lock(&account->asked_mutex);
	result = store_folder_by_id(account->asked_reader, folder_id, &folder);
	pthread_mutex_unlock(&account->asked_mutex);
	if (result < 0)
		return result;
	*selectable_out = !(folder.flags & MAIL_FOLDER_NOSELECT);
	result = *selectable_out && folder.listed != STORE_LISTED_FULLY;
	store_folder_finish(&folder);
	return result;
}

/* uid 0: the folder itself. */
static struct account_wait *ask(struct account *account, enum wait_kind kind, int64_t folder_id,
	uint32_t uid, account_done *done, void *ctx)
{
	struct wait *wait;
	uint64_t id;
	int obstacle;

	pthread_mutex_lock(&account->mutex);
	obstacle = ask_obstacle(account, kind);
	if (obstacle) {
		pthread_mutex_unlock(&account->mutex);
		return ask_answer(account, obstacle, done, ctx);
	}
	wait = ask_wait(account, kind, done, ctx);
	wait->everything = folder_id == STORE_ROOT;
	id = wait->id;
	if (uid)
		ask_want(account, folder_id, uid, wait);
	else
		ask_look(account, folder_id, wait);
	pthread_mutex_unlock(&account->mutex);
	return ask_handle(id);
}

struct account_wait *account_fetch_body(
	struct account *account, int64_t folder_id, uint32_t uid, account_done *done, void *ctx)
{
	int result;

	pthread_mutex_lock(&account->asked_mutex);
	result = body_check(account->asked_reader, folder_id, uid);
	pthread_mutex_unlock(&account->asked_mutex);
	if (result != -ENODATA)
		return ask_answer(account, result, done, ctx);
	return ask(account, WAIT_DATA, folder_id, uid, done, ctx);
}

struct account_wait *account_list_folder(
	struct account *account, int64_t folder_id, account_done *done, void *ctx)
{
	bool selectable;
	int result = ask_unlisted(account, folder_id, &selectable);

	if (result != 1)
		return ask_answer(account, result, done, ctx);
	return ask(account, WAIT_DATA, folder_id, 0, done, ctx);
}

struct account_wait *account_refresh(
	struct account *account, int64_t folder_id, account_done *done, void *ctx)
{
	bool selectable = true;
	int result = 0;

	if (folder_id != STORE_ROOT)
		result = ask_unlisted(account, folder_id, &selectable);
	if (result < 0 || !selectable)
		return ask_answer(account, result, done, ctx);
	return ask(account, WAIT_REFRESH, folder_id, 0, done, ctx);
}

bool account_cancel(struct account *account, struct account_wait *wait)
{
	bool waiting;

	pthread_mutex_lock(&account->mutex);
	waiting = waits_cancel(&account->waits, (uintptr_t)wait);
	pthread_mutex_unlock(&account->mutex);
	return waiting;
}
