/*
 * secret_p.h - the password: where it comes from, and a page of memory that holds nothing else.
 * Called by setup.c in the starting process; finished by every process that needs it no more.
 *
 * The page is locked in memory, left out of core dumps, and wiped when it is given up.
 */
#ifndef MOUNTMAIL_APP_SECRET_P_H
#define MOUNTMAIL_APP_SECRET_P_H

#include <mountmail/base/error.h>
#include <stddef.h>

#define SECRET_MAX 4096 /* bytes, without the NUL */

struct secret {
	char *text;   /* NUL-terminated, "" at first; NULL when finished */
	size_t size;  /* of the mapping */
};

/* 0 or -ENOMEM. */
int secret_init(struct secret *secret, struct error *err);
/* Wipes and releases; may be called again. */
void secret_finish(struct secret *secret);
/* Locks the page again: a lock is not inherited through fork. */
void secret_lock(const struct secret *secret);

/*
 * The first line of a regular file that belongs to us and that nobody else can read or write.
 * 0 or -errno with a text.
 */
int secret_from_file(struct secret *secret, const char *path, struct error *err);

/*
 * The first line that command (run by /bin/sh) prints, within timeout_ms. Its standard error
 * is ours. 0; -ETIMEDOUT; -EINTR when we were told to end; -EINVAL when it fails or says nothing.
 */
int secret_from_command(
	struct secret *secret, const char *command, int timeout_ms, struct error *err);

/* Asks on the terminal, without echo. -ENXIO when there is none. */
int secret_from_terminal(struct secret *secret, const char *prompt, struct error *err);

/*
 * Takes the first line of len bytes at text, which stand in the page already, and wipes the rest.
 * Used by the functions above. 0 or -EINVAL.
 */
int secret_take_line(
	struct secret *secret, size_t len, const char *origin, struct error *err);

#endif
