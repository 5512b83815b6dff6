#include "keys_p.h"
#include <assert.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* Open addressing, linear probing, at most half full. */

static size_t key_home(const struct keys *keys, int64_t key)
{
	uint64_t hash = (uint64_t)key * 0x9e3779b97f4a7c15u;

	return (size_t)(hash >> 32) & (keys->cap - 1);
}

/* The slot of key, or the free one where it would go. */
static size_t key_slot(const struct keys *keys, int64_t key)
{
	size_t at = key_home(keys, key);

	while (keys->slots[at] && keys->slots[at] != key)
		at = (at + 1) & (keys->cap - 1);
	return at;
}

static void keys_resize(struct keys *keys, size_t cap)
{
	struct keys next = {.slots = xcalloc(cap, sizeof(*next.slots)), .cap = cap};

	for (size_t i = 0; i < keys->cap; i++)
		if (keys->slots[i])
			next.slots[key_slot(&next, keys->slots[i])] = keys->slots[i];
	next.count = keys->count;
	free(keys->slots);
	*keys = next;
}

void keys_finish(struct keys *keys)
{
	free(keys->slots);
	*keys = (struct keys){0};
}

bool keys_has(const struct keys *keys, int64_t key)
{
	return keys->count && keys->slots[key_slot(keys, key)] == key;
}

void keys_add(struct keys *keys, int64_t key)
{
	size_t at;

	assert(key);
	if (keys->count * 2 >= keys->cap)
		keys_resize(keys, keys->cap ? keys->cap * 2 : 16);
	at = key_slot(keys, key);
	keys->count += keys->slots[at] == 0;
	keys->slots[at] = key;
}

void keys_remove(struct keys *keys, int64_t key)
{
	size_t hole, at;

	if (!keys_has(keys, key))
		return;
	hole = at = key_slot(keys, key);
	keys->count--;
	/* Those behind move up, so that no hole is between a key and its home. */
	for (;;) {
		size_t home;

		at = (at + 1) & (keys->cap - 1);
		if (!keys->slots[at])
			break;
		home = key_home(keys, keys->slots[at]);
		if (((at - home) & (keys->cap - 1)) >= ((at - hole) & (keys->cap - 1))) {
			keys->slots[hole] = keys->slots[at];
			hole = at;
		}
	}
	keys->slots[hole] = 0;
	if (keys->cap > 1024 && keys->count * 8 < keys->cap)
		keys_resize(keys, keys->cap / 2);
}
