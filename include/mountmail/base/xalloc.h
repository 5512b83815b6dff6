/*
 * base/xalloc.h - memory that is there or the process is not.
 * Called by every floor, on any thread.
 *
 * An allocation that fails ends the process with a message. In a wire process
 * that is a lost connection; in the mail process nothing is lost either, since
 * every promise made to a caller is in SQLite before it is made.
 */
#ifndef MOUNTMAIL_BASE_XALLOC_H
#define MOUNTMAIL_BASE_XALLOC_H

#include <stddef.h>

/* Each returns memory owned by the caller, to be released with free(); never NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* count * size, ending the process when the product overflows. */
void *xreallocarray(void *old, size_t count, size_t size);
/* A copy of text; NULL for NULL. */
char *xstrdup(const char *text);
/* A NUL-terminated copy of at most size bytes of text. */
char *xstrndup(const char *text, size_t size);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
