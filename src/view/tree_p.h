/*
 * view/tree_p.h - what the files of the tree share.
 * Used by tree*.c; a struct view belongs to one thread.
 *
 * The functions of tree.h each read the store at one moment, between store_reader_begin and
 * store_reader_end; those here are called in between.
 */
#ifndef MOUNTMAIL_VIEW_TREE_P_H
#define MOUNTMAIL_VIEW_TREE_P_H

#include <mountmail/store/folders.h>
#include <mountmail/store/journal.h>
#include <mountmail/store/messages.h>
#include <mountmail/view/inode.h>
#include <mountmail/view/name.h>
#include <mountmail/view/tree.h>

struct view {
	struct store_reader *reader; /* borrowed */
	struct view_conf conf;
};

#define TREE_CONTROL_NAME ".mountmail"
#define TREE_STATUS_NAME "status.json"
#define TREE_QUEUE_NAME "queue.json"

/* The fixed ones: the root, .mountmail and what is in it. 0 or -EIO. */
int tree_fixed_entry(const struct view *view, uint64_t inode, struct view_entry *entry_out);
/* 0 or -EIO. */
int tree_folder_entry(const struct view *view, const struct store_folder *folder,
	struct view_entry *entry_out);
void tree_message_entry(const struct view *view, const struct store_folder *folder,
	const struct store_message *message, struct view_entry *entry_out);

/* Returns the length. */
size_t tree_message_name(
	const struct store_message *message, char name_out[NAME_MAX_BYTES + 1]);

/*
 * The folder of a directory; folder_out is the caller's to finish. For the root and .mountmail,
 * which have no row, one that is empty but for its id: STORE_ROOT, or TREE_NO_FOLDER, which has
 * no children. 0, -ENOENT, -ENOTDIR, -EIO.
 */
int tree_directory(struct view *view, uint64_t inode, struct store_folder *folder_out);
#define TREE_NO_FOLDER (-1)

/* The subfolder with this file name. 0, -ENOENT, -EIO. */
int tree_subfolder(
	struct view *view, int64_t parent, const char *name, struct store_folder *folder_out);

/* A message and its folder; both are the caller's to finish. 0, -ENOENT, -EIO. */
int tree_message(struct view *view, uint64_t inode, enum store_columns columns,
	struct store_folder *folder_out, struct store_message *message_out);

#endif
