/*
 * settle_p.h - whether the kernel was told that a claimed size became a true one.
 * Called by ops_file.c and notify.c on any thread.
 *
 * It must be told before the first OPEN of the message is answered, and not again while
 * somebody may be reading: an invalidation makes the kernel drop the answer to a GETATTR that
 * is on its way, and the read that asked goes on with the old size, cut off. So each message is
 * settled once, under a lock, by whoever comes first: the account's event, an OPEN that waited
 * for the body, or an OPEN that found it here although the event is still to come.
 *
 * Each message whose body was asked for in this mount stays here: nine bytes, at most twice
 * that.
 */
#ifndef MOUNTMAIL_FS_SETTLE_P_H
#define MOUNTMAIL_FS_SETTLE_P_H

#include <stdbool.h>
#include <stdint.h>

struct settle;

/* tell makes the kernel ask again; called under the lock, must not wait. ctx is borrowed. */
struct settle *settle_create(void (*tell)(void *ctx, uint64_t inode), void *ctx);
void settle_destroy(struct settle *settle); /* takes NULL */

/* The body is about to be asked for: the size is a claim. */
void settle_begin(struct settle *settle, uint64_t inode);

/* An OPEN found a true size without waiting: the event may still be to come. */
void settle_found(struct settle *settle, uint64_t inode);
/* An OPEN was told that the body is here: the event, if any, is over. */
void settle_fetched(struct settle *settle, uint64_t inode);
/* The account's event: the size was another than claimed. */
void settle_corrected(struct settle *settle, uint64_t inode);

#endif
