/*
 * notify_tree_p.h - what one notice means for names, inodes and listings in the kernel.
 * Called by notify.c on its thread.
 */
#ifndef MOUNTMAIL_FS_NOTIFY_TREE_P_H
#define MOUNTMAIL_FS_NOTIFY_TREE_P_H

#include "fs_p.h"
#include <stdbool.h>

enum notice_kind {
	NOTICE_TREE,	   /* folders came or went */
	NOTICE_FOLDER,	   /* id, a folder: messages came, those in gone went */
	NOTICE_RESET,	   /* id, a folder: all names in it may be wrong */
	NOTICE_CONTENTS,   /* id, an inode: its bytes may be wrong */
	NOTICE_ATTRIBUTES, /* id, an inode: what stat says of it may be wrong */
};

struct notice_gone {
	uint32_t uid;
	char *name; /* owned */
};

struct notice {
	struct notice *next;
	enum notice_kind kind;
	bool echo; /* told before, while replies were on their way */
	int64_t id;
	int64_t due_ms;
	struct notice_gone *gone; /* owned */
	size_t gone_count;
};

struct notify_tree;

/* Remembers the folders as they are now. thread is borrowed. */
struct notify_tree *notify_tree_create(struct fs_thread *thread);
void notify_tree_destroy(struct notify_tree *tree);

/*
 * Tells the kernel. Returns 0, or the milliseconds after which the (changed) notice is to be
 * told again.
 */
int64_t notify_tree_tell(struct notify_tree *tree, struct notice *notice);

#endif
