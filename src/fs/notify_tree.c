#include "notify_tree_p.h"
#include "park_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <mountmail/view/inode.h>
#include <mountmail/view/name.h>
#include <stdlib.h>
#include <string.h>

/*
 * A reply that was made before a change may reach the kernel after the notification of it, and
 * then stands for ever. So when a directory was looked into shortly before, all is said a
 * second time.
 */
enum { ECHO_MS = 1000, HELD_MS = 50 };

struct known {
	int64_t id;
	int64_t parent_id;
	uint64_t inode;
	uint64_t parent;
	char *name; /* owned */
};

struct notify_tree {
	struct fs_thread *thread;
	struct known *known; /* the folders as the kernel may know them, by id */
	size_t count;
};

struct gather {
	struct known *known;
	size_t count, cap;
};

static bool gather_folder(void *ctx, const struct store_folder *folder)
{
	struct gather *gather = ctx;
	char name[NAME_MAX_BYTES + 1];

	if (gather->count == gather->cap) {
		gather->cap = gather->cap ? gather->cap * 2 : 32;
		gather->known =
			xreallocarray(gather->known, gather->cap, sizeof(*gather->known));
	}
	name_of_folder(folder->level, name);
	gather->known[gather->count++] = (struct known){
		.id = folder->id,
		.parent_id = folder->parent,
		.inode = inode_of_folder(folder->dir_tag),
		.parent = INODE_ROOT,
		.name = xstrdup(name),
	};
	return true;
}

static int known_compare(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct known *known_find(struct known *known, size_t count, int64_t id)
{
	struct known key = {.id = id};

	return count ? bsearch(&key, known, count, sizeof(*known), known_compare) : NULL;
}

static void known_free(struct known *known, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(known[i].name);
	free(known);
}

/* 0 or -EIO. */
static int known_read(struct fs_thread *thread, struct known **known_out, size_t *count_out)
{
	struct gather gather = {0};
	int result = store_folders_all(thread->reader, gather_folder, &gather);

	for (size_t i = 0; i < gather.count; i++) {
		struct known *one = &gather.known[i];
		struct known *parent = known_find(gather.known, gather.count, one->parent_id);

		if (parent)
			one->parent = parent->inode;
	}
	*known_out = gather.known;
	*count_out = gather.count;
	return result;
}

struct notify_tree *notify_tree_create(struct fs_thread *thread)
{
	struct notify_tree *tree = xcalloc(1, sizeof(*tree));

	tree->thread = thread;
	if (known_read(thread, &tree->known, &tree->count) < 0)
		log_error("the folders cannot be read from the cache");
	return tree;
}

void notify_tree_destroy(struct notify_tree *tree)
{
	if (!tree)
		return;
	known_free(tree->known, tree->count);
	free(tree);
}

static struct fuse_session *tree_session(struct notify_tree *tree)
{
	return tree->thread->fs->session;
}

/* -ENOENT is what the kernel says of what it does not know: nothing to be told then. */
static void tell_directory(struct notify_tree *tree, uint64_t inode)
{
	fuse_lowlevel_notify_inval_inode(tree_session(tree), inode, 0, 0);
}

static void tell_name_gone(struct notify_tree *tree, uint64_t parent, const char *name)
{
	fuse_lowlevel_notify_inval_entry(tree_session(tree), parent, name, strlen(name));
}

static int64_t echo_of(struct notify_tree *tree, struct notice *notice, uint64_t directory)
{
	_Atomic int64_t *slot =
		&tree->thread->fs->activity[fs_hash(directory) % FS_ACTIVITY_SLOTS];
	int64_t last = atomic_load_explicit(slot, memory_order_relaxed);

	if (notice->echo || !last || clock_now_ms() - last > ECHO_MS)
		return 0;
	notice->echo = true;
	return ECHO_MS;
}

static bool known_is(const struct known *one, const struct known *other)
{
	return one->inode == other->inode && one->parent == other->parent &&
	       strcmp(one->name, other->name) == 0;
}

/*
 * A folder that went takes the names in it along: the entry is made invalid, not deleted, since
 * a deleted directory's inode would stay dead in the kernel when the folder comes back under
 * its old number.
 */
static void tell_known_gone(struct notify_tree *tree, struct known *now, size_t count)
{
	for (size_t i = 0; i < tree->count; i++) {
		const struct known *one = &tree->known[i];
		const struct known *same = known_find(now, count, one->id);
		bool there = same && known_is(one, same);

		/* One that came back has another id: look at all, which is rare. */
		for (size_t j = 0; j < count && !there; j++)
			there = known_is(one, &now[j]);
		if (there)
			continue;
		tell_name_gone(tree, one->parent, one->name);
		tell_directory(tree, one->inode);
	}
}

static int64_t tell_tree(struct notify_tree *tree, struct notice *notice)
{
	struct known *now;
	size_t count;
	int64_t again = 0;

	if (known_read(tree->thread, &now, &count) < 0) {
		log_error("the folders cannot be read from the cache");
		known_free(now, count);
		return ECHO_MS;
	}
	tell_known_gone(tree, now, count);
	known_free(tree->known, tree->count);
	tree->known = now;
	tree->count = count;
	tell_directory(tree, INODE_ROOT);
	again = echo_of(tree, notice, INODE_ROOT);
	for (size_t i = 0; i < count; i++) {
		tell_directory(tree, now[i].inode);
		if (!again)
			again = echo_of(tree, notice, now[i].inode);
	}
	return again;
}

/*
 * What takes the lock of a directory waits until no request is parked inside: else one folder's
 * silent server would keep all others' news back.
 */
static bool held(struct notify_tree *tree, uint64_t directory)
{
	return park_holds(tree->thread->fs->park, directory);
}

static int64_t tell_folder(
	struct notify_tree *tree, struct notice *notice, const struct store_folder *folder)
{
	uint64_t directory = inode_of_folder(folder->dir_tag);

	if (notice->gone_count && held(tree, directory))
		return HELD_MS;
	for (size_t i = 0; i < notice->gone_count; i++) {
		const struct notice_gone *gone = &notice->gone[i];

		fuse_lowlevel_notify_delete(tree_session(tree), directory,
			inode_of_message(folder->message_tag, gone->uid), gone->name,
			strlen(gone->name));
	}
	tell_directory(tree, directory);
	return echo_of(tree, notice, directory);
}

/*
 * The names that went are in no table any more. Making the directory's own entry invalid drops
 * all that the kernel keeps below it but what is in use; those are asked again when opened
 * (ESTALE, see ops_p.h).
 */
static int64_t tell_reset(
	struct notify_tree *tree, struct notice *notice, const struct store_folder *folder)
{
	const struct known *known = known_find(tree->known, tree->count, folder->id);
	uint64_t directory = inode_of_folder(folder->dir_tag);

	if (known && held(tree, known->parent))
		return HELD_MS;
	if (known)
		tell_name_gone(tree, known->parent, known->name);
	tell_directory(tree, directory);
	return echo_of(tree, notice, directory);
}

int64_t notify_tree_tell(struct notify_tree *tree, struct notice *notice)
{
	struct store_folder folder;
	int64_t again = 0;

	switch (notice->kind) {
	case NOTICE_TREE:
		return tell_tree(tree, notice);
	case NOTICE_CONTENTS:
		tell_directory(tree, (uint64_t)notice->id);
		return 0;
	case NOTICE_ATTRIBUTES:
		fuse_lowlevel_notify_inval_inode(
			tree_session(tree), (uint64_t)notice->id, -1, 0);
		return 0;
	case NOTICE_FOLDER:
	case NOTICE_RESET:
		break;
	}
	/* When the folder itself is gone, a notice of the tree has told or will tell. */
	if (store_folder_by_id(tree->thread->reader, notice->id, &folder) < 0)
		return 0;
	if (notice->kind == NOTICE_FOLDER)
		again = tell_folder(tree, notice, &folder);
	else
		again = tell_reset(tree, notice, &folder);
	store_folder_finish(&folder);
	return again;
}
