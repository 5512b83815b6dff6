/*
 * wire/imap_verify_p.h - a fresh look at some messages, and who they are.
 * Called by imap_verify.c; one thread.
 */
#ifndef MOUNTMAIL_WIRE_IMAP_VERIFY_P_H
#define MOUNTMAIL_WIRE_IMAP_VERIFY_P_H

#include "imap_internal_p.h"

struct imap_verify {
	struct imap *imap;
	const struct backend_verify *want;
	const struct backend_verify_sink *sink;
	struct backend_result *result;
	struct imap_uids there; /* of those that were asked for */
};

/* Both return false, with the result filled, so that a chain of steps ends there. */
bool imap_verify_stop(struct imap_verify *verify);
/* A no is the server's trouble: it is not for us to call mail gone. */
bool imap_verify_fail(struct imap_verify *verify, enum imap_reply reply);

/*
 * Which messages of set ("3:7,9") are there, settled; deleted: those with \Deleted, and set is
 * "1:*". There may be others among them. False with result.
 */
bool imap_verify_search(
	struct imap_verify *verify, const char *set, bool deleted, struct imap_uids *out);

/* imap_identify.c: finds out who these are, that are there, and reports them. False with
 * result. */
bool imap_identify(struct imap_verify *verify, const uint32_t *uids, size_t count);

/* Answers of a line for each message, and of short headers. */
extern const struct guard_limits imap_verify_limits;

#endif
