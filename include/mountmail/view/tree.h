/*
 * view/tree.h - the account as a tree of directories and files.
 * Called by fs on FUSE threads, one struct view per thread. Reads the store, never the network.
 */
#ifndef MOUNTMAIL_VIEW_TREE_H
#define MOUNTMAIL_VIEW_TREE_H

#include <mountmail/store/store.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* What every entry has in common. */
struct view_conf {
	uid_t uid;
	gid_t gid;
	mode_t umask; /* taken from 0777 for directories and 0444 for files: 077 leaves 0700 and 0400 */
	int64_t mounted; /* wall clock of the mount, for the fixed entries' times */
};

struct view;

/* conf is copied; reader is borrowed. Owned by the caller. */
struct view *view_create(struct store_reader *reader, const struct view_conf *conf);
void view_destroy(struct view *view);

struct view_entry {
	struct stat stat;   /* all but st_dev and st_rdev; the documents' size is fs's to fill in */
	bool message;
	bool verified;      /* message: the size is that of a body that was seen */
	int64_t folder_id;  /* directory: its own row (0 for the root); message: its folder's */
	uint64_t epoch;     /* message only: its folder's, in which uid means this message */
	uint32_t uid;       /* message only */
};

/*
 * A message that was removed (see store/journal.h) has no name any more: view_lookup and view_list do
 * not find it. By its inode, as an open file has it, it is there, with no link, for as long as the
 * store has it.
 */

/* 0, -ENOENT (also for a parent that is no directory: -ENOTDIR), -EIO. */
int view_lookup(struct view *view, uint64_t parent, const char *name,
	struct view_entry *entry_out);
int view_get(struct view *view, uint64_t inode, struct view_entry *entry_out);

/*
 * Whether a directory can be listed now: 0; -EAGAIN when its messages were never listed completely
 * (folder_id_out says which folder to ask account_list_folder for); -ENOENT; -ENOTDIR; -EIO.
 */
int view_list_ready(struct view *view, uint64_t inode, int64_t *folder_id_out);

/*
 * Entries of a directory behind cookie (0: from the start): ".", "..", subfolders, messages by UID.
 * each gets a cookie that leads to what follows the entry, stable across changes, never 0, 63 bits;
 * false stops. .mountmail is not listed in the root. The store is held at one moment meanwhile:
 * each may not call the view. 0, -ENOENT, -ENOTDIR, -EIO; -ESTALE when the folder's messages
 * became others (a new epoch) since the cookie was given.
 */
int view_list(struct view *view, uint64_t inode, uint64_t cookie,
	bool (*each)(void *ctx, const char *name, const struct view_entry *entry,
		uint64_t next_cookie),
	void *ctx);

/*
 * Whether a directory has nothing in it: 0; -ENOTEMPTY, also when it was never listed completely, so
 * that nobody knows; -ENOENT; -ENOTDIR; -EIO.
 */
int view_empty(struct view *view, uint64_t inode);

/*
 * The extended attributes of a message: user.mail.uid, flags, from, to, cc, subject, date,
 * message-id; those it has (flags always, empty for none). value_out is owned; len_out does not
 * count the NUL behind it. What is no message has none. 0, -ENODATA, -ENOENT, -EIO.
 */
int view_xattr_get(struct view *view, uint64_t inode, const char *name, char **value_out,
	size_t *len_out);
/* Names, each with its NUL, one after the other; owned. */
int view_xattr_list(struct view *view, uint64_t inode, char **names_out, size_t *len_out);

/* The folder a path from the mount's root leads to ("" for the root, id STORE_ROOT). 0, -ENOENT, -EIO. */
int view_folder_by_path(struct view *view, const char *path, int64_t *folder_id_out);

/* A folder's path in the mount, as shown in status; owned, NULL when it is gone. */
char *view_folder_path(struct view *view, int64_t folder_id);

#endif
