/*
 * relay_p.h - the log in the background: lines from our processes' standard error to syslog.
 * Called by supervisor.c. One thread.
 */
#ifndef MOUNTMAIL_APP_RELAY_P_H
#define MOUNTMAIL_APP_RELAY_P_H

#include <mountmail/base/error.h>
#include <stddef.h>

struct relay {
	int fd; /* owned; where the lines come from, -1 when there is no relay */
	size_t len;
	char line[2048];
};

/*
 * Makes standard error of this process (and of those it will fork) a pipe that leads here. A full
 * pipe loses lines: nobody shall wait for the log. 0 or -errno with a text.
 */
int relay_begin(struct relay *relay, struct error *err);
/* Passes on what has come; a bounded part of it, so that a flood does not keep us busy. */
void relay_pass(struct relay *relay);
void relay_finish(struct relay *relay);

#endif
