/*
 * wire/pop3_p.h - POP3 behind backend.h, inside the wire process.
 * Created by child.c (and by tests, in-process); one thread.
 */
#ifndef MOUNTMAIL_WIRE_POP3_P_H
#define MOUNTMAIL_WIRE_POP3_P_H

#include <mountmail/wire/backend.h>
#include <mountmail/wire/conf.h>

/* As imap_create() in imap_p.h. */
struct backend *pop3_create(const struct wire_conf *conf, int watch_fd,
	int (*enter_sandbox)(void), bool (*stopped)(void *ctx), void *ctx);

#endif
