/*
 * opens_p.h - messages that are open, so that one that is removed can be read to its end.
 * Called by ops_*.c on the threads that serve and answer requests.
 *
 * What is removed leaves the store as soon as the server was seen to be without it, perhaps
 * within the second. For whoever has it open its body, if the cache has it, is kept here until
 * the last one closes it, as any file system does.
 */
#ifndef MOUNTMAIL_FS_OPENS_P_H
#define MOUNTMAIL_FS_OPENS_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { OPENS_BYTES_MAX = 64 << 20 }; /* of bodies that are kept, all together */

struct opens;

struct opens *opens_create(void);
void opens_destroy(struct opens *opens); /* takes NULL */

/* An OPEN is about to be answered; a RELEASE came, or the answer did not arrive. */
void opens_begin(struct opens *opens, uint64_t inode);
void opens_end(struct opens *opens, uint64_t inode);
/* Whether somebody has it open, and nothing is kept yet. */
bool opens_wants(struct opens *opens, uint64_t inode);

/* Keeps what a removed message was; body is taken, and may be empty where nothing is to be had.
 */
void opens_keep(struct opens *opens, uint64_t inode, const struct stat *stat, struct buf *body);

/* As it was, without a link. False when nothing is kept. */
bool opens_stat(struct opens *opens, uint64_t inode, struct stat *stat_out);
/* Up to size bytes from offset, appended to out. False when the body is not kept. */
bool opens_read(
	struct opens *opens, uint64_t inode, uint64_t offset, size_t size, struct buf *out);

#endif
