#include "tree_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

#define TREE_BLOCK 4096

struct view *view_create(struct store_reader *reader, const struct view_conf *conf)
{
	struct view *view = xcalloc(1, sizeof(*view));

	view->reader = reader;
	view->conf = *conf;
	return view;
}

void view_destroy(struct view *view)
{
	free(view);
}

/*
 * st_nlink is 1 for directories too, as on btrfs: "2 + subfolders" would cost a query a stat,
 * and a 2 that is stale makes find leave out what is below.
 */
static void tree_entry(const struct view *view, uint64_t inode, mode_t mode, int64_t time,
	struct view_entry *entry_out)
{
	*entry_out = (struct view_entry){
		.stat.st_ino = inode,
		.stat.st_mode = (mode & S_IFMT) | (mode & 0777 & ~view->conf.umask),
		.stat.st_nlink = 1,
		.stat.st_uid = view->conf.uid,
		.stat.st_gid = view->conf.gid,
		.stat.st_blksize = TREE_BLOCK,
		.stat.st_atim.tv_sec = time,
		.stat.st_mtim.tv_sec = time,
		.stat.st_ctim.tv_sec = time,
	};
}

int tree_fixed_entry(const struct view *view, uint64_t inode, struct view_entry *entry_out)
{
	int64_t mtime = 0;
	int result = 0;

	if (inode == INODE_STATUS || inode == INODE_QUEUE) {
		tree_entry(view, inode, S_IFREG | 0444, view->conf.mounted, entry_out);
		return 0;
	}
	if (inode == INODE_CONTROL_DIR) {
		tree_entry(view, inode, S_IFDIR | 0555, view->conf.mounted, entry_out);
		entry_out->folder_id = TREE_NO_FOLDER;
		return 0;
	}
	result = store_tree_mtime(view->reader, &mtime);
	tree_entry(view, INODE_ROOT, S_IFDIR | 0777, mtime ? mtime : view->conf.mounted,
		entry_out);
	entry_out->folder_id = STORE_ROOT;
	return result;
}

/* What was removed is gone from its directory before the store hears of it. */
int tree_folder_entry(const struct view *view, const struct store_folder *folder,
	struct view_entry *entry_out)
{
	struct store_hidden hidden = {0};
	int result = store_folder_hidden(view->reader, folder, &hidden);

	tree_entry(view, inode_of_folder(folder->dir_tag), S_IFDIR | 0777,
		folder->mtime > hidden.mtime ? folder->mtime : hidden.mtime, entry_out);
	entry_out->folder_id = folder->id;
	return result;
}

void tree_message_entry(const struct view *view, const struct store_folder *folder,
	const struct store_message *message, struct view_entry *entry_out)
{
	uint64_t size = message->mail.size; /* a claim: a server may say anything */

	if (size > INT64_MAX)
		size = INT64_MAX;
	tree_entry(view, inode_of_message(folder->message_tag, message->mail.uid),
		S_IFREG | 0444, message->mail.date, entry_out);
	entry_out->stat.st_size = (off_t)size;
	entry_out->stat.st_blocks = (blkcnt_t)(size / 512 + (size % 512 != 0));
	entry_out->message = true;
	entry_out->verified = message->verified;
	entry_out->folder_id = folder->id;
	entry_out->epoch = folder->epoch;
	entry_out->uid = message->mail.uid;
}

size_t tree_message_name(const struct store_message *message, char name_out[NAME_MAX_BYTES + 1])
{
	return name_of_message(message->mail.uid, message->mail.date,
		message->mail.fields.sender, message->mail.fields.subject, name_out);
}

int tree_directory(struct view *view, uint64_t inode, struct store_folder *folder_out)
{
	uint32_t tag, uid;

	*folder_out = (struct store_folder){0};
	switch (inode_parse(inode, &tag, &uid)) {
	case INODE_KIND_FIXED:
		folder_out->id = inode == INODE_ROOT ? STORE_ROOT : TREE_NO_FOLDER;
		return inode == INODE_STATUS || inode == INODE_QUEUE ? -ENOTDIR : 0;
	case INODE_KIND_FOLDER:
		return store_folder_by_dir_tag(view->reader, tag, folder_out);
	case INODE_KIND_MESSAGE:
		return -ENOTDIR;
	case INODE_KIND_NONE:
		break;
	}
	return -ENOENT;
}

int tree_message(struct view *view, uint64_t inode, enum store_columns columns,
	struct store_folder *folder_out, struct store_message *message_out)
{
	uint32_t tag, uid;
	int result;

	if (inode_parse(inode, &tag, &uid) != INODE_KIND_MESSAGE)
		return -ENOENT;
	result = store_folder_by_message_tag(view->reader, tag, folder_out);
	if (result < 0)
		return result;
	result = store_message_get(view->reader, folder_out->id, uid, columns, message_out);
	if (result < 0)
		store_folder_finish(folder_out);
	return result;
}

/* Looking for the folder whose name ends in a hash: such a name does not lead to its level. */
struct hashed {
	const char *name;
	char *level; /* owned; NULL until found */
};

static bool hashed_compare(void *ctx, const struct store_folder *folder)
{
	struct hashed *hashed = ctx;
	char name[NAME_MAX_BYTES + 1];

	name_of_folder(folder->level, name);
	if (strcmp(name, hashed->name) == 0)
		hashed->level = xstrdup(folder->level);
	return !hashed->level;
}

int tree_subfolder(
	struct view *view, int64_t parent, const char *name, struct store_folder *folder_out)
{
	struct hashed hashed = {.name = name};
	_cleanup_free_ char *level = NULL;
	int result = name_parse_folder(name, &level);

	if (result == -E2BIG) {
		result = store_folders_under(view->reader, parent, 0, hashed_compare, &hashed);
		level = hashed.level;
		if (result == 0 && !level)
			result = -ENOENT;
	}
	if (result < 0)
		return result;
	return store_folder_by_level(view->reader, parent, level, folder_out);
}

static int tree_get_message(struct view *view, uint64_t inode, struct view_entry *entry_out)
{
	struct store_folder folder;
	struct store_message message;
	int result = tree_message(view, inode, STORE_COLUMNS_NAME, &folder, &message);

	if (result < 0)
		return result;
	tree_message_entry(view, &folder, &message, entry_out);
	result = store_message_hidden(view->reader, &folder, message.mail.uid);
	if (result == 1)
		entry_out->stat.st_nlink = 0;
	store_message_finish(&message);
	store_folder_finish(&folder);
	return result < 0 ? result : 0;
}

static int tree_get(struct view *view, uint64_t inode, struct view_entry *entry_out)
{
	struct store_folder folder;
	uint32_t tag, uid;
	int result;

	switch (inode_parse(inode, &tag, &uid)) {
	case INODE_KIND_FIXED:
		return tree_fixed_entry(view, inode, entry_out);
	case INODE_KIND_FOLDER:
		result = store_folder_by_dir_tag(view->reader, tag, &folder);
		if (result < 0)
			return result;
		result = tree_folder_entry(view, &folder, entry_out);
		store_folder_finish(&folder);
		return result;
	case INODE_KIND_MESSAGE:
		return tree_get_message(view, inode, entry_out);
	case INODE_KIND_NONE:
		break;
	}
	return -ENOENT;
}

int view_get(struct view *view, uint64_t inode, struct view_entry *entry_out)
{
	int result = store_reader_begin(view->reader);

	if (result < 0)
		return result;
	result = tree_get(view, inode, entry_out);
	store_reader_end(view->reader);
	return result;
}

/* The UID in the name finds the row; the rest of the name must be this message's too. */
static int tree_lookup_message(struct view *view, const struct store_folder *parent,
	uint32_t uid, const char *name, struct view_entry *entry_out)
{
	struct store_message message;
	char real[NAME_MAX_BYTES + 1];
	int result =
		store_message_get(view->reader, parent->id, uid, STORE_COLUMNS_NAME, &message);

	if (result < 0)
		return result;
	tree_message_name(&message, real);
	if (strcmp(name, real) == 0) {
		tree_message_entry(view, parent, &message, entry_out);
		result = store_message_hidden(view->reader, parent, uid);
	} else {
		result = -ENOENT;
	}
	store_message_finish(&message);
	return result == 1 ? -ENOENT : result;
}

static int tree_lookup_folder(
	struct view *view, int64_t parent, const char *name, struct view_entry *entry_out)
{
	struct store_folder folder;
	int result = tree_subfolder(view, parent, name, &folder);

	if (result < 0)
		return result;
	result = tree_folder_entry(view, &folder, entry_out);
	store_folder_finish(&folder);
	return result;
}

static int tree_lookup_document(
	const struct view *view, const char *name, struct view_entry *entry_out)
{
	if (strcmp(name, TREE_STATUS_NAME) == 0)
		return tree_fixed_entry(view, INODE_STATUS, entry_out);
	if (strcmp(name, TREE_QUEUE_NAME) == 0)
		return tree_fixed_entry(view, INODE_QUEUE, entry_out);
	return -ENOENT;
}

static int tree_lookup(
	struct view *view, uint64_t parent, const char *name, struct view_entry *entry_out)
{
	struct store_folder folder;
	uint32_t uid;
	int result;

	if (parent == INODE_ROOT && strcmp(name, TREE_CONTROL_NAME) == 0)
		return tree_fixed_entry(view, INODE_CONTROL_DIR, entry_out);
	if (parent == INODE_CONTROL_DIR)
		return tree_lookup_document(view, name, entry_out);
	result = tree_directory(view, parent, &folder);
	if (result < 0)
		return result;
	if (name_parse_message(name, &uid))
		result = tree_lookup_message(view, &folder, uid, name, entry_out);
	else
		result = tree_lookup_folder(view, folder.id, name, entry_out);
	store_folder_finish(&folder);
	return result;
}

int view_lookup(
	struct view *view, uint64_t parent, const char *name, struct view_entry *entry_out)
{
	int result = store_reader_begin(view->reader);

	if (result < 0)
		return result;
	result = tree_lookup(view, parent, name, entry_out);
	store_reader_end(view->reader);
	return result;
}
