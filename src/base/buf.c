#include <mountmail/base/buf.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf)
{
	*buf = (struct buf)BUF_INIT;
}

void buf_finish(struct buf *buf)
{
	free(buf->data);
	buf_init(buf);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

void buf_reserve(struct buf *buf, size_t extra)
{
	size_t need, cap;

	/* Half of the address space is more than there is: a sum cannot overflow behind this.
	 */
	need = extra > SIZE_MAX / 4 ? SIZE_MAX : buf->len + extra + 1;
	if (need <= buf->cap)
		return;
	cap = buf->cap * 2 > need ? buf->cap * 2 : need;
	buf->data = xrealloc(buf->data, cap < 64 ? 64 : cap);
	buf->cap = cap < 64 ? 64 : cap;
	buf->data[buf->len] = '\0';
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
	buf_reserve(buf, len);
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_append_str(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	buf_reserve(buf, 128);
	len = vsnprintf(buf->data + buf->len, buf->cap - buf->len, format, args);
	if (len >= 0 && (size_t)len >= buf->cap - buf->len) {
		buf_reserve(buf, (size_t)len);
		len = vsnprintf(buf->data + buf->len, buf->cap - buf->len, format, again);
	}
	va_end(again);
	if (len > 0)
		buf->len += (size_t)len;
	buf->data[buf->len] = '\0';
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

char *buf_steal(struct buf *buf)
{
	char *data;

	buf_reserve(buf, 0);
	data = buf->data;
	buf_init(buf);
	return data;
}
