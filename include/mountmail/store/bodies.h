/*
 * store/bodies.h - bodies in segment files, with checksums and a size limit.
 * Written by sync's workers, one struct body_writer each; read on FUSE threads (see store.h).
 *
 * A writer has a segment to itself and appends to it, so that a fetch of many messages is one
 * stream to disk. A row names segment, offset, length and checksum and is written after the bytes:
 * a crash leaves unused bytes at a segment's end, never a row without its bytes. A segment is
 * dropped as a whole, the least recently used first, when the limit is passed.
 */
#ifndef MOUNTMAIL_STORE_BODIES_H
#define MOUNTMAIL_STORE_BODIES_H

#include <mountmail/store/store.h>
#include <stddef.h>
#include <sys/types.h>

struct body_writer;

struct body_writer *body_writer_create(struct store *store);
/* Drops what was not committed. Takes NULL. */
void body_writer_destroy(struct body_writer *writer);

/*
 * Appends to the body in progress (the first append begins one).
 * 0, -ENOSPC, -EIO: the body in progress is void then.
 */
int body_append(struct body_writer *writer, const void *data, size_t len);
/* Voids the body in progress. */
void body_abort(struct body_writer *writer);
/*
 * Ends the body in progress as that of a message: the row, the verified size. Also for an empty
 * body. old_size_out gets the size the store had before, so that a wrong claim can be told.
 * 0, -ENOENT when the message is not in the store (any more), -ENOSPC, -EIO.
 */
int body_commit(struct body_writer *writer, int64_t folder_id, uint32_t uid,
	uint64_t *old_size_out, struct error *err);

/*
 * Whether the body is here and whole: reads it through once and compares length and checksum.
 * A damaged one is forgotten (the size stays verified) and logged.
 * 0, -ENODATA when it is not here, -ENOENT when the message is not, -EIO.
 */
int body_check(struct store_reader *reader, int64_t folder_id, uint32_t uid);

/*
 * Up to len bytes from offset. Returns the count, 0 at the end; -ENODATA when the body is not
 * here, -ENOENT when the message is not, -EIO.
 */
ssize_t body_read(struct store_reader *reader, int64_t folder_id, uint32_t uid, void *data,
	size_t len, uint64_t offset);

#endif
