/*
 * store/keys_p.h - a set of numbers in memory.
 * Used by the journal for what is hidden; the caller locks.
 */
#ifndef MOUNTMAIL_STORE_KEYS_P_H
#define MOUNTMAIL_STORE_KEYS_P_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros is the empty set. */
struct keys {
	int64_t *slots; /* owned; 0 is a free one */
	size_t count;
	size_t cap; /* a power of two, or 0 */
};

void keys_finish(struct keys *keys);
bool keys_has(const struct keys *keys, int64_t key);
/* key is not 0. One that is there already stays. */
void keys_add(struct keys *keys, int64_t key);
/* One that is not there is passed over. */
void keys_remove(struct keys *keys, int64_t key);

#endif
