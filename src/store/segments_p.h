/*
 * store/segments_p.h - the files that bodies are appended to.
 * Used by bodies.c and store.c; any thread, serialised inside.
 *
 * A segment is written by one body writer at a time, read by anybody, and dropped as a whole.
 * Its descriptor is kept while somebody reads it, so that an eviction takes nothing from under
 * a reader.
 */
#ifndef MOUNTMAIL_STORE_SEGMENTS_P_H
#define MOUNTMAIL_STORE_SEGMENTS_P_H

#include "store_p.h"

#define SEGMENT_BYTES (32u << 20) /* a segment that has as many gets no more bodies */

/* Removes files without a row and rows without a file. 0 or -errno. */
int segments_open(struct store *store, struct error *err);
void segments_close(struct store *store);

/*
 * A segment to append to, cut to what its rows name. id_out and end_out (the offset to write
 * at) are filled; the descriptor is the caller's until segment_release. -ENOSPC, -EIO.
 */
int segment_acquire(struct store *store, int64_t *id_out, uint64_t *end_out);
/* Takes fd. */
void segment_release(struct store *store, int64_t id, int fd);

/* A descriptor to read from, the caller's to close, or -errno (-ENOENT: the segment was
 * dropped). */
int segment_open(struct store *store, int64_t id);

/* Inside a transaction: drops segments until the bodies fit the limit again. 0 or -errno. */
int segments_evict(struct store *store);

#endif
