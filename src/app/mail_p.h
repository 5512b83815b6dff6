/*
 * mail_p.h - the mail process, from the fork to its end.
 * Called by supervisor.c in the child. Its threads: see sync/account.h and fs/fs.h.
 */
#ifndef MOUNTMAIL_APP_MAIL_P_H
#define MOUNTMAIL_APP_MAIL_P_H

#include "setup_p.h"
#include <mountmail/base/error.h>
#include <mountmail/fs/fs.h>
#include <mountmail/wire/client.h>
#include <pthread.h>
#include <sys/types.h>

/*
 * Opens the store, enters the sandbox, logs in, serves. fs is the mounted device, channel leads to
 * the supervisor; both are taken. The password is wiped first of all.
 */
_Noreturn void mail_process(
	struct setup *setup, struct fs *fs, int channel, pid_t supervisor);

/* The mail process's end of the channel (mail_channel.c). Its functions may be called on any thread. */
struct mail_channel {
	pthread_mutex_t lock; /* one question at a time */
	int fd;
	int timeout_ms; /* for an answer */
	uint32_t serial;
};

void mail_channel_init(struct mail_channel *channel, int fd);
/* For struct client_dialer: ctx is the channel. */
int mail_channel_dial(void *ctx, int *pid_out, struct error *err);
void mail_channel_hangup(void *ctx, int pid);
/* For struct fs_host: ctx is the channel. */
int mail_channel_unmount(void *ctx, bool force, struct error *err);
/* Tells how the start went. */
void mail_channel_ready(
	struct mail_channel *channel, enum exit_status status, const char *text);

#endif
