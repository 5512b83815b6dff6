#include "fs_p.h"
#include "settle_p.h"
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdlib.h>

/* A chained hash set; few are in it at a time. */
enum { SETTLE_BUCKETS = 1024 };

struct settle_one {
	uint64_t inode;
	struct settle_one *next;
};

struct settle {
	pthread_mutex_t mutex;
	struct settle_one *buckets[SETTLE_BUCKETS];
};

struct settle *settle_create(void)
{
	struct settle *settle = xcalloc(1, sizeof(*settle));

	pthread_mutex_init(&settle->mutex, NULL);
	return settle;
}

void settle_destroy(struct settle *settle)
{
	if (!settle)
		return;
	for (size_t i = 0; i < SETTLE_BUCKETS; i++)
		while (settle->buckets[i]) {
			struct settle_one *one = settle->buckets[i];

			settle->buckets[i] = one->next;
			free(one);
		}
	pthread_mutex_destroy(&settle->mutex);
	free(settle);
}

/* Where the pointer to the inode is, or would be. */
static struct settle_one **settle_find(struct settle *settle, uint64_t inode)
{
	struct settle_one **at = &settle->buckets[fs_hash(inode) % SETTLE_BUCKETS];

	while (*at && (*at)->inode != inode)
		at = &(*at)->next;
	return at;
}

void settle_add(struct settle *settle, uint64_t inode)
{
	struct settle_one **at;

	pthread_mutex_lock(&settle->mutex);
	at = settle_find(settle, inode);
	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->inode = inode;
	}
	pthread_mutex_unlock(&settle->mutex);
}

bool settle_has(struct settle *settle, uint64_t inode)
{
	bool has;

	pthread_mutex_lock(&settle->mutex);
	has = *settle_find(settle, inode) != NULL;
	pthread_mutex_unlock(&settle->mutex);
	return has;
}

void settle_remove(struct settle *settle, uint64_t inode)
{
	struct settle_one **at, *one;

	pthread_mutex_lock(&settle->mutex);
	at = settle_find(settle, inode);
	one = *at;
	if (one)
		*at = one->next;
	free(one);
	pthread_mutex_unlock(&settle->mutex);
}
