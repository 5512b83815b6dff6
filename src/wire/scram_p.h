/*
 * wire/scram_p.h - SCRAM-SHA-256, the client's side (RFC 5802, RFC 7677).
 * Called by imap_login.c in the wire process; one thread.
 *
 * Our own, since a SASL library finds its mechanisms and its random numbers in files, which the
 * sandbox forbids. Messages are plain text here: base64 is the protocol's business.
 */
#ifndef MOUNTMAIL_WIRE_SCRAM_P_H
#define MOUNTMAIL_WIRE_SCRAM_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>

/* What a server may make us compute: about a second. */
#define SCRAM_ITERATIONS_MAX 2000000u

struct scram {
	char nonce[64];
	struct buf first_bare;        /* the first message without its "n,," */
	unsigned char signature[32];  /* what the server has to know */
	bool answered;
};

/*
 * Starts an exchange: appends the client's first message. nonce is for tests, NULL for a random
 * one. False when there are no random numbers.
 */
bool scram_begin(struct scram *scram, const char *user, const char *nonce, struct buf *out);
void scram_finish(struct scram *scram);

/*
 * Appends the answer to the server's first message. False for one that breaks a rule (a nonce that
 * does not begin with ours, too few or too many iterations).
 */
bool scram_answer(struct scram *scram, const char *secret, const char *server, size_t len,
	struct buf *out);

/* Whether the server's last message proves that it knows the password. */
bool scram_verify(const struct scram *scram, const char *server, size_t len);

#endif
