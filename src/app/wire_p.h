/*
 * wire_p.h - a wire process, from the fork to its end.
 * Called by supervisor_wire.c in the child.
 */
#ifndef MOUNTMAIL_APP_WIRE_P_H
#define MOUNTMAIL_APP_WIRE_P_H

#include "setup_p.h"
#include <sys/types.h>

/* channel is taken; everything else that is open is closed. */
_Noreturn void wire_process(int channel, const struct setup *setup, pid_t supervisor);

#endif
