#include "fs_p.h"
#include "settle_p.h"
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdlib.h>

enum settle_state {
	SETTLE_ABSENT,
	SETTLE_PENDING, /* the kernel may have a claim */
	SETTLE_EARLY,	/* it was told, the event is to come */
	SETTLE_DONE,
};

/* Open addressing; nothing is ever removed. */
struct settle {
	void (*tell)(void *ctx, uint64_t inode);
	void *ctx;
	pthread_mutex_t mutex;
	uint64_t *inodes; /* 0: free */
	uint8_t *states;
	size_t cap; /* a power of two */
	size_t count;
};

struct settle *settle_create(void (*tell)(void *ctx, uint64_t inode), void *ctx)
{
	struct settle *settle = xcalloc(1, sizeof(*settle));

	settle->tell = tell;
	settle->ctx = ctx;
	settle->cap = 256;
	settle->inodes = xcalloc(settle->cap, sizeof(*settle->inodes));
	settle->states = xcalloc(settle->cap, 1);
	pthread_mutex_init(&settle->mutex, NULL);
	return settle;
}

void settle_destroy(struct settle *settle)
{
	if (!settle)
		return;
	pthread_mutex_destroy(&settle->mutex);
	free(settle->inodes);
	free(settle->states);
	free(settle);
}

/* Where inode is, or the free place where it would be. */
static size_t settle_find(const struct settle *settle, uint64_t inode)
{
	size_t at = fs_hash(inode) & (settle->cap - 1);

	while (settle->inodes[at] && settle->inodes[at] != inode)
		at = (at + 1) & (settle->cap - 1);
	return at;
}

static void settle_grow(struct settle *settle)
{
	struct settle old = *settle;

	settle->cap *= 2;
	settle->inodes = xcalloc(settle->cap, sizeof(*settle->inodes));
	settle->states = xcalloc(settle->cap, 1);
	for (size_t i = 0; i < old.cap; i++) {
		size_t at;

		if (!old.inodes[i])
			continue;
		at = settle_find(settle, old.inodes[i]);
		settle->inodes[at] = old.inodes[i];
		settle->states[at] = old.states[i];
	}
	free(old.inodes);
	free(old.states);
}

void settle_begin(struct settle *settle, uint64_t inode)
{
	size_t at;

	pthread_mutex_lock(&settle->mutex);
	if (settle->count * 4 >= settle->cap * 3)
		settle_grow(settle);
	at = settle_find(settle, inode);
	if (!settle->inodes[at]) {
		settle->inodes[at] = inode;
		settle->states[at] = SETTLE_PENDING;
		settle->count++;
	}
	pthread_mutex_unlock(&settle->mutex);
}

void settle_found(struct settle *settle, uint64_t inode)
{
	size_t at;

	pthread_mutex_lock(&settle->mutex);
	at = settle_find(settle, inode);
	if (settle->states[at] == SETTLE_PENDING) {
		settle->tell(settle->ctx, inode);
		settle->states[at] = SETTLE_EARLY;
	}
	pthread_mutex_unlock(&settle->mutex);
}

void settle_fetched(struct settle *settle, uint64_t inode)
{
	size_t at;

	pthread_mutex_lock(&settle->mutex);
	at = settle_find(settle, inode);
	if (settle->states[at] == SETTLE_PENDING)
		settle->tell(settle->ctx, inode);
	if (settle->inodes[at])
		settle->states[at] = SETTLE_DONE;
	pthread_mutex_unlock(&settle->mutex);
}

void settle_corrected(struct settle *settle, uint64_t inode)
{
	size_t at;

	pthread_mutex_lock(&settle->mutex);
	at = settle_find(settle, inode);
	if (settle->states[at] != SETTLE_EARLY)
		settle->tell(settle->ctx, inode);
	if (settle->inodes[at])
		settle->states[at] = SETTLE_DONE;
	pthread_mutex_unlock(&settle->mutex);
}
