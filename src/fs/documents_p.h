/*
 * documents_p.h - status.json and queue.json in .mountmail as files that are open: what they
 * said when they were opened. Called by ops_*.c on the threads that serve requests.
 */
#ifndef MOUNTMAIL_FS_DOCUMENTS_P_H
#define MOUNTMAIL_FS_DOCUMENTS_P_H

#include "fs_p.h"
#include <mountmail/view/inode.h>

struct documents;

static inline bool documents_is_one(uint64_t inode)
{
	return inode == INODE_STATUS || inode == INODE_QUEUE;
}

struct documents *documents_create(void);
/* Frees also what was never closed. Takes NULL. */
void documents_destroy(struct documents *documents);

/* The handle of a document made now; for documents_close. */
uint64_t documents_open(struct fs_thread *thread, uint64_t inode);
/* How long one would be that is made now. */
size_t documents_size(struct fs_thread *thread, uint64_t inode);
void documents_read(struct documents *documents, uint64_t handle, fuse_req_t req, size_t size,
	uint64_t offset);
void documents_close(struct documents *documents, uint64_t handle);

#endif
