/*
 * notify_p.h - tells the kernel what changed, so that it may keep everything else for ever.
 * The events come from the account's workers; notify_attributes is called inside OPEN and READ.
 * Start and stop by serve.c.
 *
 * One thread of its own does what may wait for a lock of the kernel's that a request holds. It
 * serves no request and holds no lock of ours meanwhile: a notification from inside LOOKUP left
 * both sides unkillable.
 */
#ifndef MOUNTMAIL_FS_NOTIFY_P_H
#define MOUNTMAIL_FS_NOTIFY_P_H

#include "fs_p.h"

struct notify *notify_create(struct fs *fs);
void notify_destroy(struct notify *notify); /* takes NULL */

/* 0 or -errno. */
int notify_start(struct notify *notify, struct error *err);
/* What is told afterwards is dropped. Takes NULL and one that was not started. */
void notify_stop(struct notify *notify);

/* The events for account_start; they lead here. */
struct account_events notify_events(struct fs *fs);

/* Now, by the calling thread: attributes are asked again. Takes no lock that a request holds.
 */
void notify_attributes(struct notify *notify, uint64_t inode);
/* Soon, by the thread: what the kernel has of the contents is dropped. */
void notify_contents(struct notify *notify, uint64_t inode);

/*
 * Waits until the kernel was told all that is to be told by now, but no longer than timeout_ms. Not on
 * a thread that serves requests.
 */
void notify_drain(struct notify *notify, int64_t timeout_ms);

/*
 * Something was removed from a directory through the mount. The kernel knows, and asks for the
 * directory's times again; but an answer to a GETATTR that was made before may come after, and
 * it would believe that one for ever. So it is told once more, for many removals together.
 */
void notify_removed(struct notify *notify, uint64_t directory);

#endif
