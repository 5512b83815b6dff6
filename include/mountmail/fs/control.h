/*
 * fs/control.h - how a command speaks to a running mount.
 * The server side runs in the mail process on one thread of its own; the client side is called
 * by app's commands.
 *
 * A Unix stream socket; its path is the extended attribute CONTROL_XATTR of the mount's root. The request is one line:
 *   status json | status text | refresh PATH | umount [force]
 *   queue json | queue text | queue undo ID|all | queue release | queue discard ID|all
 *   flush: sends what is queued now; does not wait. Payload: one line of JSON as under "removals" in
 *   queue json, to be asked for again until nothing is pending
 * The answer is one line, "ok" or "error ERRNO TEXT", then a payload until the end of file.
 * The peer's uid must be the mount's owner's, or 0.
 */
#ifndef MOUNTMAIL_FS_CONTROL_H
#define MOUNTMAIL_FS_CONTROL_H

#include <mountmail/base/buf.h>
#include <mountmail/base/error.h>

#define CONTROL_XATTR "user.mountmail.control"
#define CONTROL_LINE_MAX 8192

/*
 * Makes the listening socket at path (0600; a dead one there is replaced). Before the sandbox.
 * Returns the descriptor or -errno.
 */
int control_listen(const char *path, struct error *err);

/*
 * Sends request to the mount at mountpoint and collects the payload.
 * timeout_ms: for each wait on the answer, -1 none. 0 or -errno (the mount's own, with its text).
 */
int control_ask(const char *mountpoint, const char *request, int timeout_ms,
	struct buf *payload_out, struct error *err);

#endif
