/*
 * wire/imap_p.h - IMAP behind backend.h, inside the wire process.
 * Created by child.c (and by tests, in-process); one thread.
 */
#ifndef MOUNTMAIL_WIRE_IMAP_P_H
#define MOUNTMAIL_WIRE_IMAP_P_H

#include <mountmail/wire/backend.h>
#include <mountmail/wire/conf.h>

/*
 * conf is borrowed and must outlive the backend; its secret is wiped after the login.
 * watch_fd: see stream_connect. enter_sandbox (may be NULL) is called between connect and the
 * first byte read; a failure is REFUSED.
 * stopped (may be NULL) is asked at safe points: true ends the call with STOPPED. It is also asked
 * from time to time while an answer comes in, for what child_stop_wanted does besides answering.
 */
struct backend *imap_create(const struct wire_conf *conf, int watch_fd,
	int (*enter_sandbox)(void), bool (*stopped)(void *ctx), void *ctx);

#endif
