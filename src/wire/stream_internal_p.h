/*
 * wire/stream_internal_p.h - what the parts of the stream share.
 * Called by stream*.c; one thread.
 */
#ifndef MOUNTMAIL_WIRE_STREAM_INTERNAL_P_H
#define MOUNTMAIL_WIRE_STREAM_INTERNAL_P_H

#include "stream_p.h"
#include <openssl/ssl.h>
#include <sys/types.h>

/* Read at once; libetpan's own buffer is small, since it moves what is left in it for every
 * line. */
#define STREAM_AHEAD (256u << 10)

struct stream {
	const struct wire_conf *conf; /* borrowed */
	int fd;
	int watch_fd;		  /* borrowed; -1 */
	SSL_CTX *trust;		  /* NULL without TLS, and before stream_load_trust */
	SSL *ssl;		  /* NULL while the connection is plain */
	struct guard *guard;	  /* NULL before stream_mailstream */
	unsigned char *ahead;	  /* what is read at once, on its way to the guard */
	int64_t patience_ms;	  /* how long may yet be waited; see stream_earned() */
	void (*heard)(void *ctx); /* see stream_on_progress(); NULL */
	void *heard_ctx;
	char failure[256];
	bool away; /* failed because nothing came or the network did, not by the server's doing */
	char refusal[400]; /* why the certificate was refused, and what can be done; "" */
};

/* A stream without a connection; fd is taken. */
struct stream *stream_create(int fd, const struct wire_conf *conf, int watch_fd);
void stream_destroy(struct stream *stream);

/* Keeps the first reason. */
void stream_fail(struct stream *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same with what a system call said. */
void stream_fail_errno(struct stream *stream, int code);

/*
 * Waits for events on the connection as long as there is patience. False with the stream
 * failed: nothing came, or the channel to the mail process was closed.
 */
bool stream_wait(struct stream *stream, short events);

/*
 * What has come, without waiting. 0: nothing yet, *events_out tells what to wait for; -1: failed.
 */
ssize_t stream_read_now(struct stream *stream, void *data, size_t len, short *events_out);

/* stream_tls.c: the same through TLS. *events_out: what to wait for when it returns 0. */
ssize_t stream_tls_read(struct stream *stream, void *data, size_t len, short *events_out);
ssize_t stream_tls_write(
	struct stream *stream, const void *data, size_t len, short *events_out);
/* A goodbye, when the connection is still good. */
void stream_tls_end(struct stream *stream);

/*
 * stream_verify.c: OpenSSL's callback for every certificate of the chain; SSL_get_app_data() is the
 * stream. Fills stream->refusal when one fails.
 */
int stream_verify(int fine, X509_STORE_CTX *context);

#endif
