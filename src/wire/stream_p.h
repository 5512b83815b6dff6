/*
 * wire/stream_p.h - the connection to a server: TCP, then TLS; for IMAP as a libetpan stream.
 * Used by imap.c and pop3.c in the wire process; one thread.
 *
 * libetpan's own sockets and TLS are never used: they check no host name and spin on a closed
 * connection. This is a mailstream_low driver with a non-blocking socket, OpenSSL, a deadline
 * for every command, and an eye on the channel to the mail process: when that closes, every
 * wait ends.
 */
#ifndef MOUNTMAIL_WIRE_STREAM_P_H
#define MOUNTMAIL_WIRE_STREAM_P_H

#include "guard_p.h"
#include <libetpan/mailstream.h>
#include <mountmail/wire/backend.h>
#include <mountmail/wire/conf.h>
#include <stdbool.h>
#include <sys/types.h>

struct stream;

/*
 * Resolves conf->host and connects, trying each address in turn, within conf->timeout_ms for
 * all of them. No byte is read yet. watch_fd: a descriptor whose hang-up ends every wait (-1:
 * none); borrowed. NULL with result filled: CONNECTION_LOST, its text telling an unknown host
 * from a refused connection from a time-out. Owned by the caller until stream_mailstream.
 */
struct stream *stream_connect(
	const struct wire_conf *conf, int watch_fd, struct backend_result *result);
/* The same over a descriptor that is already connected; taken. For tests. */
struct stream *stream_from_fd(int fd, const struct wire_conf *conf, int watch_fd);

/*
 * Loads the certificates (conf->cafile or the system's bundle) and sets the floor of TLS 1.2.
 * Reads files, so before the sandbox. False with result REFUSED and a text that names the file.
 * Nothing to do for WIRE_TLS_NONE.
 */
bool stream_load_trust(struct stream *stream, struct backend_result *result);

/*
 * TLS handshake, verifying chain and host name (or address). Also in place after STARTTLS:
 * refused when plaintext that came after the server's OK was already read.
 * False with result: REFUSED for a certificate that fails (which check, for which name, what
 * cafile= is for), for plaintext injection, for a server without TLS or without TLS 1.2;
 * CONNECTION_LOST for the rest.
 */
bool stream_start_tls(struct stream *stream, struct backend_result *result);

/* The libetpan stream over it, guard in between. mailstream_close() frees both. Called once. */
mailstream *stream_mailstream(struct stream *stream, struct guard *guard);

/*
 * For who does without libetpan (pop3.c): one read or write of TLS or the socket, waiting if need
 * be. Returns bytes, at least one; -1 with the stream failed, also at the end of the connection.
 */
ssize_t stream_read_some(struct stream *stream, void *data, size_t len);
ssize_t stream_write_some(struct stream *stream, const void *data, size_t len);
/* Ends the connection and frees the stream; not after stream_mailstream. NULL is fine. */
void stream_close(struct stream *stream);

/*
 * Starts the deadline anew: before each command. conf->timeout_ms of waiting may pass then.
 * Bytes that come earn more, up to that again: an answer may take long while it flows, but a
 * byte now and then does not keep it alive.
 */
void stream_deadline(struct stream *stream);

/*
 * heard is called whenever bytes came from the server or went to it. It must not use the
 * stream.
 */
void stream_on_progress(struct stream *stream, void (*heard)(void *ctx), void *ctx);

/*
 * Waits, without a deadline, for a whole line that the server sends of itself; what came is with the
 * guard, and can be read from the mailstream without waiting. Returns 1; 0 when until_ms passed, or
 * wake_fd (-1: none) or the channel to the mail process has something to read; -1 with the stream
 * failed, or the guard.
 */
int stream_await(struct stream *stream, int64_t until_ms, int wake_fd);

/* Ends the connection as if the network had; why is for people. */
void stream_drop(struct stream *stream, const char *why);

/* Why the last read or write failed, for a person; "" when none did. Borrowed. */
const char *stream_failure(const struct stream *stream);
/* Whether it was silence or the network, and not the server that hung up. */
bool stream_is_away(const struct stream *stream);

#endif
