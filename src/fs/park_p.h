/*
 * park_p.h - requests that wait for the server, and the one thread that answers them.
 * park_add is called by the threads that serve requests and by the answering thread itself;
 * park_start and park_stop by serve.c.
 *
 * A parked request ends once: by the account's done (any thread), by FUSE_INTERRUPT (a serving
 * thread), or by park_stop. The first of these, under the park's lock, says the result and puts
 * the request in the queue of the answering thread, which is the only one that replies. So no
 * reply is made under a lock of libfuse's, and none while an interrupt function runs for the
 * same request.
 *
 * Memory: a place is freed when the reply was made, the asking call has returned, and done was
 * called or cancelled, whichever is last.
 *
 * Locks: libfuse's of a request, then the park's, then the account's; never the other way.
 */
#ifndef MOUNTMAIL_FS_PARK_P_H
#define MOUNTMAIL_FS_PARK_P_H

#include "fs_p.h"
#include <stdbool.h>

struct park_request {
	fuse_req_t req;
	/* Called by the answering thread; result as account_done, or -EINTR, or PARK_NEWS. It
	 * replies or parks anew. */
	void (*answer)(struct fs_thread *thread, struct park_request *request, int result);
	uint64_t inode; /* lookup, readdir: of the directory */
	int64_t folder_id;
	uint32_t uid;	   /* 0: waits for the listing of the folder, else for this body */
	char *name;	   /* lookup: waits for all of the listing; owned by the request */
	size_t size;	   /* read, readdir */
	uint64_t offset;   /* read, readdir */
	uint64_t handle;   /* open, read: the message's size as known when it was parked */
	bool plus;	   /* readdir */
	unsigned attempts; /* times it was parked before */
};

/* Some of a folder's listing came, not all. */
#define PARK_NEWS 1

struct park *park_create(struct fs *fs);
/* No request may be left that the account can still end: after account_stop. Takes NULL. */
void park_destroy(struct park *park);

/* Starts the answering thread. 0 or -errno. */
int park_start(struct park *park, struct error *err);
/* Fails what waits, and from now on what is parked; the answering thread goes on. */
void park_refuse(struct park *park);
/*
 * As park_refuse, and ends the answering thread: nobody parks any more. Takes NULL and one that
 * was not started.
 */
void park_stop(struct park *park);

/* request is copied; its name is taken. The request may have been answered when this returns.
 */
void park_add(struct park *park, const struct park_request *request);

/* Wakes those who wait for more of a folder's listing, with PARK_NEWS. From any thread. */
void park_news(struct park *park, int64_t folder_id);

/* Whether a request waits inside a directory (so that the kernel holds the directory's lock).
 */
bool park_holds(struct park *park, uint64_t inode);

#endif
