/*
 * store/pread_p.h - reading a piece of a file that may come in parts.
 * Used by bodies.c and kept_body.c, on any thread.
 */
#ifndef MOUNTMAIL_STORE_PREAD_P_H
#define MOUNTMAIL_STORE_PREAD_P_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Up to len bytes from offset; fewer at the end only. The count, or -errno. */
ssize_t pread_all(int fd, void *data, size_t len, uint64_t offset);

#endif
