/*
 * base/error.h - an errno with the sentence a person needs.
 * Called by every floor, on any thread; a struct error belongs to one thread.
 *
 * Functions that can fail for reasons worth a sentence take a struct error *
 * last and return 0 or -errno. The text says what, where, why and what to do.
 */
#ifndef MOUNTMAIL_BASE_ERROR_H
#define MOUNTMAIL_BASE_ERROR_H

struct error {
	int code;       /* a positive errno, 0 when nothing failed */
	char text[768]; /* UTF-8, no newline, no secrets */
};

/*
 * Fills err (which may be NULL) and returns -code, so that a failing function
 * can end in "return error_set(err, ENOENT, ...)". Control characters that came
 * in through the arguments are replaced by '?': the text may reach a terminal.
 */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
