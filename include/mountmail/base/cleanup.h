/*
 * base/cleanup.h - attributes that release at the end of a scope.
 * Called by every floor, on any thread. errno survives each of them.
 *
 * A function uses these or goto for unwinding, never both.
 */
#ifndef MOUNTMAIL_BASE_CLEANUP_H
#define MOUNTMAIL_BASE_CLEANUP_H

/* char *name _cleanup_free_ = ...; */
#define _cleanup_free_ __attribute__((cleanup(cleanup_free_p)))
/* int fd _cleanup_close_ = -1; */
#define _cleanup_close_ __attribute__((cleanup(cleanup_close_p)))

/* The value of an owning pointer, which is left NULL: ownership moves to the reader. */
#define steal_pointer(ptr)                                                                   \
	({                                                                                   \
		__typeof__(*(ptr)) steal_pointer_value = *(ptr);                             \
		*(ptr) = NULL;                                                               \
		steal_pointer_value;                                                         \
	})

void cleanup_free_p(void *pointer);
void cleanup_close_p(int *fd);

/* The value of *fd, which is left -1: ownership moves to the caller. */
int steal_fd(int *fd);

#endif
