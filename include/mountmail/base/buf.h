/*
 * base/buf.h - a growable byte buffer, always followed by a NUL.
 * Called by every floor; a buffer belongs to one thread at a time.
 */
#ifndef MOUNTMAIL_BASE_BUF_H
#define MOUNTMAIL_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* data[len] is NUL once anything was reserved or added; may be NULL before */
	size_t len;
	size_t cap;
};

#define BUF_INIT {NULL, 0, 0}

void buf_init(struct buf *buf);
void buf_finish(struct buf *buf);
/* Empties, keeping the memory. */
void buf_clear(struct buf *buf);
/* Room for at least extra more bytes behind len. */
void buf_reserve(struct buf *buf, size_t extra);
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
/* The bytes as an owned NUL-terminated string ("" when empty); buf is empty afterwards. */
char *buf_steal(struct buf *buf);

#endif
