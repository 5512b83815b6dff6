#include "waits_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

static struct wait **waits_bucket(struct waits *waits, uint64_t id)
{
	return &waits->buckets[id % WAITS_BUCKETS];
}

uint64_t waits_next_id(struct waits *waits)
{
	return ++waits->last_id;
}

static void waits_time(struct waits *waits, struct wait *wait)
{
	wait->timed_prev = waits->timed_tail;
	if (waits->timed_tail)
		waits->timed_tail->timed_next = wait;
	else
		waits->timed_head = wait;
	waits->timed_tail = wait;
}

static void waits_untime(struct waits *waits, struct wait *wait)
{
	if (!wait->deadline_ms)
		return;
	if (wait->timed_prev)
		wait->timed_prev->timed_next = wait->timed_next;
	else
		waits->timed_head = wait->timed_next;
	if (wait->timed_next)
		wait->timed_next->timed_prev = wait->timed_prev;
	else
		waits->timed_tail = wait->timed_prev;
}

struct wait *waits_add(struct waits *waits, enum wait_kind kind, uint32_t timeout_ms,
	account_done *done, void *ctx)
{
	struct wait *wait = xcalloc(1, sizeof(*wait));
	struct wait **bucket;

	wait->id = waits_next_id(waits);
	wait->kind = kind;
	wait->done = done;
	wait->ctx = ctx;
	bucket = waits_bucket(waits, wait->id);
	wait->bucket_next = *bucket;
	*bucket = wait;
	if (timeout_ms) {
		wait->deadline_ms = clock_now_ms() + timeout_ms;
		waits_time(waits, wait);
	}
	return wait;
}

void waits_extend(struct waits *waits, struct wait_list *list, uint32_t timeout_ms)
{
	int64_t deadline_ms = clock_now_ms() + timeout_ms;

	for (struct wait_link *link = list->head; link; link = link->next) {
		struct wait *wait = link->wait;

		if (!wait->deadline_ms)
			continue;
		/* To the end: the list stays in order. */
		waits_untime(waits, wait);
		wait->deadline_ms = deadline_ms;
		wait->timed_next = NULL;
		waits_time(waits, wait);
	}
}

static void list_append(struct wait_list *list, struct wait_link *link)
{
	link->list = list;
	link->next = NULL;
	link->prev = list->tail;
	if (list->tail)
		list->tail->next = link;
	else
		list->head = link;
	list->tail = link;
}

static void list_remove(struct wait_link *link)
{
	struct wait_list *list = link->list;

	if (link->prev)
		link->prev->next = link->next;
	else
		list->head = link->next;
	if (link->next)
		link->next->prev = link->prev;
	else
		list->tail = link->prev;
}

void waits_attach(struct wait *wait, struct wait_list *list)
{
	struct wait_link *link = xcalloc(1, sizeof(*link));

	link->wait = wait;
	link->of_wait = wait->links;
	wait->links = link;
	wait->pending++;
	list_append(list, link);
}

void waits_move(struct wait_list *from, struct wait_list *to)
{
	while (from->head) {
		struct wait_link *link = from->head;

		list_remove(link);
		list_append(to, link);
	}
}

bool waits_any(const struct wait_list *list, unsigned kinds)
{
	for (const struct wait_link *link = list->head; link; link = link->next)
		if (link->wait->kind & kinds)
			return true;
	return false;
}

/* Out of the table and the timer's list. */
static void waits_forget(struct waits *waits, struct wait *wait)
{
	struct wait **at = waits_bucket(waits, wait->id);

	while (*at != wait)
		at = &(*at)->bucket_next;
	*at = wait->bucket_next;
	wait->bucket_next = NULL;
	waits_untime(waits, wait);
}

/* Out of one list, and the link out of its wait. */
static void link_free(struct wait_link *link)
{
	struct wait_link **at = &link->wait->links;

	while (*at != link)
		at = &(*at)->of_wait;
	*at = link->of_wait;
	list_remove(link);
	link->wait->pending--;
	free(link);
}

static void told_add(struct told *told, struct wait *wait, int result)
{
	wait->result = result;
	wait->bucket_next = told->head;
	told->head = wait;
}

void waits_end(struct waits *waits, struct wait_list *list, unsigned kinds, int result,
	struct told *told)
{
	struct wait_link *link = list->head;

	while (link) {
		struct wait_link *next = link->next;
		struct wait *wait = link->wait;

		if (wait->kind & kinds) {
			if (wait->result == 0 && !(wait->everything && result == -ENOENT))
				wait->result = result;
			link_free(link);
			if (wait->pending == 0) {
				waits_forget(waits, wait);
				told_add(told, wait, wait->result);
			}
		}
		link = next;
	}
}

/* Out of everything it hangs in; whoever has lost the last one that waited hears of it. */
static void waits_withdraw(struct waits *waits, struct wait *wait, bool expired)
{
	waits_forget(waits, wait);
	while (wait->links) {
		struct wait_list *list = wait->links->list;

		link_free(wait->links);
		if (!list->head && list->left)
			list->left(list, expired);
	}
}

bool waits_cancel(struct waits *waits, uint64_t id)
{
	struct wait *wait = *waits_bucket(waits, id);

	while (wait && wait->id != id)
		wait = wait->bucket_next;
	if (!wait)
		return false;
	waits_withdraw(waits, wait, false);
	free(wait);
	return true;
}

void waits_expire(struct waits *waits, int64_t now_ms, struct told *told)
{
	while (waits->timed_head && waits->timed_head->deadline_ms <= now_ms) {
		struct wait *wait = waits->timed_head;

		waits_withdraw(waits, wait, true);
		told_add(told, wait, -ETIMEDOUT);
	}
}

void waits_end_all(struct waits *waits, int result, struct told *told)
{
	for (unsigned i = 0; i < WAITS_BUCKETS; i++) {
		while (waits->buckets[i]) {
			struct wait *wait = waits->buckets[i];

			waits_withdraw(waits, wait, false);
			told_add(told, wait, result);
		}
	}
}

int64_t waits_next_deadline(const struct waits *waits)
{
	return waits->timed_head ? waits->timed_head->deadline_ms : INT64_MAX;
}

void waits_tell(struct told *told)
{
	while (told->head) {
		struct wait *wait = told->head;

		told->head = wait->bucket_next;
		wait->done(wait->ctx, wait->result);
		free(wait);
	}
}
