#include "account_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

static size_t id_set_find(const struct id_set *set, int64_t id)
{
	size_t at = 0;

	while (at < set->count && set->ids[at] != id)
		at++;
	return at;
}

bool id_set_has(const struct id_set *set, int64_t id)
{
	return id_set_find(set, id) < set->count;
}

bool id_set_add(struct id_set *set, int64_t id)
{
	if (id_set_has(set, id))
		return false;
	if (set->count == set->cap) {
		set->cap = set->cap ? set->cap * 2 : 8;
		set->ids = xreallocarray(set->ids, set->cap, sizeof(*set->ids));
	}
	set->ids[set->count++] = id;
	return true;
}

void id_set_remove(struct id_set *set, int64_t id)
{
	size_t at = id_set_find(set, id);

	if (at < set->count)
		set->ids[at] = set->ids[--set->count];
}

void id_set_finish(struct id_set *set)
{
	free(set->ids);
	*set = (struct id_set){0};
}
