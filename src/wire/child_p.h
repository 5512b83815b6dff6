/*
 * wire/child_p.h - answering requests from a channel with any backend.
 * Called by child.c in the wire process, and by tests with a fake backend.
 */
#ifndef MOUNTMAIL_WIRE_CHILD_P_H
#define MOUNTMAIL_WIRE_CHILD_P_H

#include <mountmail/wire/backend.h>
#include <stdbool.h>

struct child;

/* channel is borrowed. */
struct child *child_create(int channel);
void child_destroy(struct child *child);

/*
 * Whether the mail process asked to stop the call in progress, or went away. To be asked now and
 * then while a server's answer comes in, too: it lets the mail process know that it does.
 * Does not wait for an answer.
 */
bool child_stop_wanted(void *child);

/*
 * Answers requests with backend, the first of which must be FRAME_OPEN, until the channel
 * closes, a request breaks a rule, or the backend can only be closed. Does not close the
 * backend.
 */
void child_serve(struct child *child, struct backend *backend);

#endif
