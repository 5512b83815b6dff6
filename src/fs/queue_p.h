/*
 * queue_p.h - the removals that the server does not have, for programs and for people.
 * Called by documents.c, status.c and control_queue.c on their threads.
 */
#ifndef MOUNTMAIL_FS_QUEUE_P_H
#define MOUNTMAIL_FS_QUEUE_P_H

#include "fs_p.h"
#include <mountmail/base/json.h>
#include <mountmail/store/journal.h>

/* How it stands with them. */
struct removals {
	struct journal_counts counts;
	uint64_t pending; /* queued, sent or marked: the server is still to do something */
	uint64_t total;	  /* and those that are braked, held or parked */
	struct account_status account;
};

void removals_read(struct fs_thread *thread, struct removals *removals_out);
/* The object that control.h and mountmail(1) describe. key may be NULL. */
void removals_json(const struct fs *fs, const struct removals *removals, struct json *json,
	const char *key);
/* Lines that say what is pending or stuck, why, and what to type; none when there is nothing.
 */
void removals_text(struct fs_thread *thread, const struct removals *removals, struct buf *out);

/*
 * Appends the queue as one JSON object and a newline, with at most max rows: those that wait
 * for somebody's decision come first when there are more.
 */
void queue_json(struct fs_thread *thread, size_t max, struct buf *out);
/* As a table. */
void queue_text(struct fs_thread *thread, size_t max, struct buf *out);

#endif
