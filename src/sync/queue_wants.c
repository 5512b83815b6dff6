#include "queue_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* Losing a connection twice may be chance; the third time it must not take others down. */
#define WANT_ALONE_AFTER 2

static struct want **want_bucket(struct queue *queue, int64_t folder, uint32_t uid)
{
	uint64_t mixed = ((uint64_t)folder * 0x9e3779b97f4a7c15u) ^ uid;

	return &queue->want_buckets[mixed % QUEUE_BUCKETS];
}

static void want_append(struct queue *queue, struct want *want)
{
	want->next = NULL;
	want->prev = queue->want_tail;
	if (queue->want_tail)
		queue->want_tail->next = want;
	else
		queue->want_head = want;
	queue->want_tail = want;
}

static void want_prepend(struct queue *queue, struct want *want)
{
	want->prev = NULL;
	want->next = queue->want_head;
	if (queue->want_head)
		queue->want_head->prev = want;
	else
		queue->want_tail = want;
	queue->want_head = want;
}

static void want_unlink(struct queue *queue, struct want *want)
{
	if (want->prev)
		want->prev->next = want->next;
	else
		queue->want_head = want->next;
	if (want->next)
		want->next->prev = want->prev;
	else
		queue->want_tail = want->prev;
}

static void want_free(struct queue *queue, struct want *want)
{
	struct want **at = want_bucket(queue, want->folder, want->uid);

	while (*at != want)
		at = &(*at)->bucket_next;
	*at = want->bucket_next;
	free(want);
}

static void want_left(struct wait_list *list, bool expired)
{
	struct want *want = (struct want *)list;

	want->lingers |= expired;
	if (want->running)
		return;
	want_unlink(want->queue, want);
	want_free(want->queue, want);
}

struct want *queue_want(struct queue *queue, int64_t folder, uint32_t uid, bool *made_out)
{
	struct want **bucket = want_bucket(queue, folder, uid);
	struct want *want = *bucket;

	while (want && (want->folder != folder || want->uid != uid))
		want = want->bucket_next;
	*made_out = !want;
	if (want)
		return want;
	want = xcalloc(1, sizeof(*want));
	want->waits.left = want_left;
	want->queue = queue;
	want->folder = folder;
	want->uid = uid;
	want->bucket_next = *bucket;
	*bucket = want;
	want_append(queue, want);
	return want;
}

size_t queue_take_wants(struct queue *queue, struct want **wants_out, size_t max)
{
	struct want *first = queue->want_head, *want = first;
	size_t count = 0;

	if (first && first->losses >= WANT_ALONE_AFTER)
		max = 1;
	while (want && count < max) {
		struct want *next = want->next;

		if (want == first ||
			(want->folder == first->folder && want->losses < WANT_ALONE_AFTER)) {
			want_unlink(queue, want);
			want->running = true;
			want->lingers = false;
			wants_out[count++] = want;
		}
		want = next;
	}
	queue->body_last |= count > 0;
	return count;
}

void queue_want_again(struct queue *queue, struct want *want, bool front)
{
	want->running = false;
	if (!want->waits.head)
		want_free(queue, want);
	else if (front)
		want_prepend(queue, want);
	else
		want_append(queue, want);
}

void queue_want_end(struct queue *queue, struct waits *waits, struct want *want, int result,
	struct told *told)
{
	waits_end(waits, &want->waits, WAIT_ANY, result, told);
	want_free(queue, want);
}

void queue_fail_wants(struct queue *queue, struct waits *waits, int result, struct told *told)
{
	while (queue->want_head) {
		struct want *want = queue->want_head;

		want_unlink(queue, want);
		queue_want_end(queue, waits, want, result, told);
	}
}
