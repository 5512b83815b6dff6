/*
 * commands_p.h - what mountmail can be told to do.
 * Called by main.c in the starting process. One thread.
 */
#ifndef MOUNTMAIL_APP_COMMANDS_P_H
#define MOUNTMAIL_APP_COMMANDS_P_H

#include "args_p.h"
#include "exit_p.h"
#include <mountmail/base/error.h>

/* Each: when it does not return STATUS_OK, err says why. */
enum exit_status command_mount(const struct args *args, struct error *err);
enum exit_status command_status(const struct args *args, struct error *err);
enum exit_status command_refresh(const struct args *args, struct error *err);
enum exit_status command_queue(const struct args *args, struct error *err);
enum exit_status command_flush(const struct args *args, struct error *err);
enum exit_status command_umount(const struct args *args, struct error *err);

/* Writes to standard output. STATUS_OK, or STATUS_FAILED with a text. */
enum exit_status command_print(const char *data, size_t len, struct error *err);

/* The error of a path at which no mount of ours is. */
enum exit_status command_not_ours(const char *path, struct error *err);

/* The mount at a path, resolved and owned (also after an error). STATUS_OK when it is there and
 * alive. */
enum exit_status command_find(const char *given, char **path_out, struct error *err);

#endif
