/*
 * flush_p.h - waiting until the server has every removal; for "flush" and "umount".
 * Called in the starting process. One thread.
 */
#ifndef MOUNTMAIL_APP_COMMANDS_FLUSH_P_H
#define MOUNTMAIL_APP_COMMANDS_FLUSH_P_H

#include <mountmail/base/error.h>
#include <stdbool.h>
#include <stdint.h>

/* What the mount last said of its removals. */
struct flush_state {
	uint64_t pending; /* queued, sent or marked */
	uint64_t queued, sent, marked, braked, held, parked;
	bool online;
	bool read_only;
	char error[512]; /* why they are not being sent, or "" */
};

enum flush_end {
	FLUSH_DONE,	 /* nothing is pending; something may be braked, held or parked */
	FLUSH_READ_ONLY, /* nothing can be sent from this mount */
	FLUSH_AWAY,	 /* the server cannot be reached */
	FLUSH_STUCK,	 /* the server can be reached, but does not do it */
	FLUSH_TIME,	 /* the time is up */
};

/*
 * Asks the mount at path (resolved) to send what is queued, until that is done or makes no
 * headway any more; with a bar on standard error if that is a terminal. limit_ms: -1 for none.
 * 0 or -errno when the mount does not answer.
 */
int flush_run(const char *path, int64_t limit_ms, enum flush_end *end_out,
	struct flush_state *state_out, struct error *err);

struct buf;

/* Appends why some are pending still; the beginning of a sentence. */
void flush_explain(enum flush_end end, const struct flush_state *state, struct buf *out);
/*
 * Appends, behind "; " if out has something already, what is braked, held or parked and what to
 * do. Nothing when nothing is.
 */
void flush_explain_rest(const char *path, const struct flush_state *state, struct buf *out);

/* --timeout's value in milliseconds, or otherwise when it is not given. 0 or -EINVAL. */
int flush_limit(
	const char *text, int64_t otherwise_ms, int64_t *limit_ms_out, struct error *err);

#endif
