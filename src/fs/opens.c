#include "fs_p.h"
#include "opens_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

enum { OPENS_SLOTS = 256 };

struct opened {
	struct opened *next;
	uint64_t inode;
	unsigned count;
	bool kept;
	struct stat stat;
	struct buf body; /* as long as stat says, or empty when it is not kept */
};

struct opens {
	pthread_mutex_t mutex;
	struct opened *slots[OPENS_SLOTS];
	size_t bytes; /* of all bodies */
};

struct opens *opens_create(void)
{
	struct opens *opens = xcalloc(1, sizeof(*opens));

	pthread_mutex_init(&opens->mutex, NULL);
	return opens;
}

static void opened_free(struct opens *opens, struct opened *opened)
{
	opens->bytes -= opened->body.len;
	buf_finish(&opened->body);
	free(opened);
}

void opens_destroy(struct opens *opens)
{
	if (!opens)
		return;
	for (size_t i = 0; i < OPENS_SLOTS; i++)
		while (opens->slots[i]) {
			struct opened *opened = opens->slots[i];

			opens->slots[i] = opened->next;
			opened_free(opens, opened);
		}
	pthread_mutex_destroy(&opens->mutex);
	free(opens);
}

/* Under the lock: where the pointer to it is, or would be. */
static struct opened **opens_find(struct opens *opens, uint64_t inode)
{
	struct opened **at = &opens->slots[fs_hash(inode) % OPENS_SLOTS];

	while (*at && (*at)->inode != inode)
		at = &(*at)->next;
	return at;
}

void opens_begin(struct opens *opens, uint64_t inode)
{
	struct opened **at;

	pthread_mutex_lock(&opens->mutex);
	at = opens_find(opens, inode);
	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->inode = inode;
	}
	(*at)->count++;
	pthread_mutex_unlock(&opens->mutex);
}

void opens_end(struct opens *opens, uint64_t inode)
{
	struct opened **at, *opened;

	pthread_mutex_lock(&opens->mutex);
	at = opens_find(opens, inode);
	opened = *at;
	if (opened && --opened->count == 0) {
		*at = opened->next;
		opened_free(opens, opened);
	}
	pthread_mutex_unlock(&opens->mutex);
}

bool opens_wants(struct opens *opens, uint64_t inode)
{
	const struct opened *opened;
	bool wants;

	pthread_mutex_lock(&opens->mutex);
	opened = *opens_find(opens, inode);
	wants = opened && !opened->kept;
	pthread_mutex_unlock(&opens->mutex);
	return wants;
}

void opens_keep(struct opens *opens, uint64_t inode, const struct stat *stat, struct buf *body)
{
	struct opened *opened;

	pthread_mutex_lock(&opens->mutex);
	opened = *opens_find(opens, inode);
	if (opened && !opened->kept) {
		opened->kept = true;
		opened->stat = *stat;
		opened->stat.st_nlink = 0;
		if (body->len == (size_t)stat->st_size &&
			body->len <= OPENS_BYTES_MAX - opens->bytes) {
			opens->bytes += body->len;
			opened->body = *body;
			buf_init(body);
		}
	}
	pthread_mutex_unlock(&opens->mutex);
	buf_finish(body);
}

bool opens_stat(struct opens *opens, uint64_t inode, struct stat *stat_out)
{
	const struct opened *opened;
	bool kept;

	pthread_mutex_lock(&opens->mutex);
	opened = *opens_find(opens, inode);
	kept = opened && opened->kept;
	if (kept)
		*stat_out = opened->stat;
	pthread_mutex_unlock(&opens->mutex);
	return kept;
}

bool opens_read(
	struct opens *opens, uint64_t inode, uint64_t offset, size_t size, struct buf *out)
{
	const struct opened *opened;
	bool kept;

	pthread_mutex_lock(&opens->mutex);
	opened = *opens_find(opens, inode);
	kept = opened && opened->kept && opened->body.len == (size_t)opened->stat.st_size;
	if (kept && offset < opened->body.len) {
		size_t left = opened->body.len - (size_t)offset;

		buf_append(out, opened->body.data + offset, size < left ? size : left);
	}
	pthread_mutex_unlock(&opens->mutex);
	return kept;
}
