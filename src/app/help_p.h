/*
 * help_p.h - what --help and --version print.
 * Called by main.c and the commands. One thread.
 */
#ifndef MOUNTMAIL_APP_HELP_P_H
#define MOUNTMAIL_APP_HELP_P_H

#include "exit_p.h"

/* To standard output. STATUS_FAILED when that cannot be written to. */
enum exit_status help_print(void);
enum exit_status help_version(void);

#endif
