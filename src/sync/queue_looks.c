#include "queue_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <stdlib.h>

/* An opened folder waits no longer than this for bodies of others when only one connection is
 * there. */
#define LOOK_PATIENCE_MS 1000

/* Somebody asks for what failed a moment ago: not more often than this. */
#define LOOK_RETRY_ASKED_MS 3000

static struct look **look_bucket(struct queue *queue, int64_t folder)
{
	return &queue->look_buckets[(uint64_t)folder % QUEUE_BUCKETS];
}

/* In the background the tree comes first, then INBOX, then as they came. */
static int look_rank(const struct look *look)
{
	if (look->priority != PRIORITY_BACKGROUND || look->folder == STORE_ROOT)
		return 0;
	return look->inbox ? 1 : 2;
}

static bool look_before(const struct look *a, const struct look *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	if (look_rank(a) != look_rank(b))
		return look_rank(a) < look_rank(b);
	return a->order < b->order;
}

static void look_insert(struct queue *queue, struct look *look)
{
	struct look *after = queue->look_tail;

	while (after && look_before(look, after))
		after = after->prev;
	look->prev = after;
	look->next = after ? after->next : queue->look_head;
	if (look->next)
		look->next->prev = look;
	else
		queue->look_tail = look;
	if (after)
		after->next = look;
	else
		queue->look_head = look;
}

static void look_unlink(struct queue *queue, struct look *look)
{
	if (look->prev)
		look->prev->next = look->next;
	else
		queue->look_head = look->next;
	if (look->next)
		look->next->prev = look->prev;
	else
		queue->look_tail = look->prev;
}

static void look_raise(struct queue *queue, struct look *look, enum priority priority)
{
	int64_t soon = look->tried_ms + LOOK_RETRY_ASKED_MS;

	if (priority < PRIORITY_BACKGROUND && look->not_before_ms > soon)
		look->not_before_ms = soon;
	if (priority >= look->priority)
		return;
	if (!look->running)
		look_unlink(queue, look);
	look->priority = priority;
	look->order = ++queue->last_order;
	look->asked_ms = clock_now_ms();
	if (!look->running)
		look_insert(queue, look);
}

struct look *queue_look(struct queue *queue, int64_t folder, enum priority priority, bool inbox)
{
	struct look **bucket = look_bucket(queue, folder);
	struct look *look = *bucket;

	while (look && look->folder != folder)
		look = look->bucket_next;
	if (look) {
		look_raise(queue, look, priority);
		return look;
	}
	look = xcalloc(1, sizeof(*look));
	look->folder = folder;
	look->priority = priority;
	look->inbox = inbox;
	look->order = ++queue->last_order;
	look->asked_ms = clock_now_ms();
	look->bucket_next = *bucket;
	*bucket = look;
	look_insert(queue, look);
	return look;
}

void queue_look_attach(struct look *look, struct wait *wait)
{
	bool late = look->running && wait->kind == WAIT_REFRESH;

	look->again |= late;
	waits_attach(wait, late ? &look->next_waits : &look->waits);
}

static bool look_due(const struct look *look, int64_t now_ms)
{
	return look->not_before_ms <= now_ms;
}

static struct look *look_first_due(const struct queue *queue, int64_t now_ms)
{
	struct look *look = queue->look_head;

	if (queue->hold_until_ms > now_ms)
		return NULL;
	while (look && !look_due(look, now_ms))
		look = look->next;
	return look;
}

const struct look *queue_peek_look(const struct queue *queue, int64_t now_ms)
{
	return look_first_due(queue, now_ms);
}

struct look *queue_take_look(struct queue *queue, int64_t now_ms)
{
	struct look *look = look_first_due(queue, now_ms);

	if (!look)
		return NULL;
	look_unlink(queue, look);
	look->running = true;
	look->tried_ms = now_ms;
	queue->body_last = false;
	return look;
}

void queue_look_again(
	struct queue *queue, struct look *look, enum priority priority, int64_t not_before_ms)
{
	look->running = false;
	look->priority = priority;
	look->not_before_ms = not_before_ms;
	look->again = false;
	waits_move(&look->next_waits, &look->waits);
	look_insert(queue, look);
}

static void look_free(struct queue *queue, struct look *look)
{
	struct look **at = look_bucket(queue, look->folder);

	while (*at != look)
		at = &(*at)->bucket_next;
	*at = look->bucket_next;
	free(look);
}

void queue_look_end(struct queue *queue, struct waits *waits, struct look *look, int result,
	struct told *told)
{
	waits_end(waits, &look->waits, WAIT_ANY, result, told);
	if (!look->again) {
		look_free(queue, look);
		return;
	}
	look->failures = 0;
	look->partly = false;
	look->narrow = (struct narrow){0};
	queue_look_again(queue, look, PRIORITY_ASKED, 0);
}

bool queue_bodies_next(const struct queue *queue, int64_t now_ms)
{
	const struct look *look = queue->look_head;

	if (!queue->want_head || queue->hold_until_ms > now_ms)
		return false;
	return !(queue->body_last && look && look->priority == PRIORITY_OPENED &&
		 look_due(look, now_ms) && look->asked_ms + LOOK_PATIENCE_MS < now_ms);
}

bool queue_has(const struct queue *queue, enum priority below, int64_t now_ms)
{
	if (queue->hold_until_ms > now_ms)
		return false;
	if (queue->want_head && below > PRIORITY_BODY)
		return true;
	for (const struct look *look = queue->look_head; look && look->priority < below;
		look = look->next)
		if (look_due(look, now_ms))
			return true;
	return false;
}

int64_t queue_next_due(const struct queue *queue, int64_t now_ms)
{
	int64_t due = INT64_MAX;

	if (queue->hold_until_ms > now_ms)
		return queue->hold_until_ms;
	for (const struct look *look = queue->look_head; look; look = look->next)
		if (look->not_before_ms > now_ms && look->not_before_ms < due)
			due = look->not_before_ms;
	return due;
}

void queue_fail(struct queue *queue, struct waits *waits, int result, struct told *told)
{
	queue_fail_wants(queue, waits, result, told);
	for (struct look *look = queue->look_head; look; look = look->next)
		waits_end(waits, &look->waits, WAIT_ANY, result, told);
}

void queue_extend(struct queue *queue, struct waits *waits, uint32_t timeout_ms)
{
	for (struct want *want = queue->want_head; want; want = want->next)
		waits_extend(waits, &want->waits, timeout_ms);
	for (struct look *look = queue->look_head; look; look = look->next)
		waits_extend(waits, &look->waits, timeout_ms);
}

void queue_finish(struct queue *queue)
{
	while (queue->look_head) {
		struct look *look = queue->look_head;

		look_unlink(queue, look);
		look_free(queue, look);
	}
}
