/*
 * view/inode.h - inode numbers: computed, never handed out.
 * Called by tree.c and fs on any thread. Pure functions.
 *
 * 63 bits: a folder's 31-bit tag above a 32-bit UID. A directory is its dir_tag above 0, a
 * message its folder's message_tag above its UID. Tag 0 holds the fixed ones.
 */
#ifndef MOUNTMAIL_VIEW_INODE_H
#define MOUNTMAIL_VIEW_INODE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	INODE_ROOT = 1,        /* FUSE_ROOT_ID */
	INODE_CONTROL_DIR = 2, /* .mountmail */
	INODE_STATUS = 3,      /* .mountmail/status.json */
	INODE_QUEUE = 4,       /* .mountmail/queue.json */
};

uint64_t inode_of_folder(uint32_t dir_tag);
uint64_t inode_of_message(uint32_t message_tag, uint32_t uid);

enum inode_kind { INODE_KIND_FIXED, INODE_KIND_FOLDER, INODE_KIND_MESSAGE, INODE_KIND_NONE };

/* Takes an inode number apart; tag_out and uid_out are 0 where there is none. */
enum inode_kind inode_parse(uint64_t inode, uint32_t *tag_out, uint32_t *uid_out);

#endif
