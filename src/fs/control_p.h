/*
 * control_p.h - the mail process's end of the control socket.
 * control_create, _start, _stop and _destroy are called by serve.c; in between one thread
 * serves all connections, each with a time limit, so that a client that hangs keeps nobody
 * waiting.
 */
#ifndef MOUNTMAIL_FS_CONTROL_P_H
#define MOUNTMAIL_FS_CONTROL_P_H

#include "fs_p.h"

struct control *control_create(struct fs *fs);
/* After account_stop. Takes NULL. */
void control_destroy(struct control *control);

/* 0 or -errno. */
int control_start(struct control *control, struct error *err);
/* Takes NULL and one that was not started. */
void control_stop(struct control *control);

#endif
