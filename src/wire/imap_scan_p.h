/*
 * wire/imap_scan_p.h - the two halves of a scan: what is still there, and what is new.
 * Called by imap_scan.c; one thread.
 */
#ifndef MOUNTMAIL_WIRE_IMAP_SCAN_P_H
#define MOUNTMAIL_WIRE_IMAP_SCAN_P_H

#include "imap_internal_p.h"

struct imap_scan {
	struct imap *imap;
	const struct backend_scan *want;
	const struct backend_scan_sink *sink;
	struct backend_result *result;
	struct imap_uids fresh; /* what is there above last_uid */
};

/* Both return false, with the result filled, so that a chain of steps ends there. */
bool imap_scan_stop(struct imap_scan *scan);
/* A no without a reason is the server's trouble: it is not for us to call mail gone. */
bool imap_scan_fail(struct imap_scan *scan, enum imap_reply reply);

/* Answers that hold headers, or nothing but flags. */
extern const struct guard_limits imap_scan_limits;

/* imap_survey.c: reports what exists up to last_uid. False with result. */
bool imap_survey(struct imap_scan *scan);

/* imap_batch.c: reports what is fresh, batch by batch. False with result. */
bool imap_batches(struct imap_scan *scan);

#endif
