/*
 * wire/client.h - a backend that lives in a wire process.
 * Created and used by one sync worker in the mail process (see backend.h for threads).
 *
 * Every frame from the process is checked as if it came from the server itself: the
 * process may have been taken over. A frame that breaks a rule is a lost connection.
 */
#ifndef MOUNTMAIL_WIRE_CLIENT_H
#define MOUNTMAIL_WIRE_CLIENT_H

#include <mountmail/base/error.h>
#include <mountmail/wire/backend.h>
#include <stdint.h>

/* Gets a channel to a new wire process. Called from open(), in the worker's thread. */
struct client_dialer {
	void *ctx;
	/* Returns the channel's descriptor (taken by the client) or -errno. pid_out for status. */
	int (*dial)(void *ctx, int *pid_out, struct error *err);
	/* The process is no longer wanted and is to be ended if it has not ended itself. */
	void (*hangup)(void *ctx, int pid);
};

/*
 * timeout_ms: as in struct wire_conf. The wire process watches it; the client gives
 * it a few seconds more before it gives the process up.
 * dialer is copied. Never fails; errors come from open().
 */
struct backend *client_create(const struct client_dialer *dialer, uint32_t timeout_ms);

/* The pid of the wire process, 0 when there is none. From any thread. */
int client_pid(const struct backend *backend);

#endif
