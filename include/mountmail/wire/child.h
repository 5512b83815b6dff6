/*
 * wire/child.h - the life of a wire process.
 * Called by app in the process that the supervisor forked for one connection.
 */
#ifndef MOUNTMAIL_WIRE_CHILD_H
#define MOUNTMAIL_WIRE_CHILD_H

#include <mountmail/wire/conf.h>

/*
 * Serves one connection: waits on channel for the mail process's open request; resolves and
 * connects; loads what comes from files (certificates, character sets); calls
 * enter_sandbox (which returns 0 or -errno) before a byte of the server is read; logs in; then
 * answers requests until the channel or the connection ends.
 * channel is one end of a stream socketpair; taken. conf->secret is wiped after the login.
 * Returns the process's exit status.
 */
int wire_child_run(int channel, const struct wire_conf *conf, int (*enter_sandbox)(void));

#endif
