/*
 * wire/child_internal_p.h - what the files of the child share: what is on its way to the mail
 * process. Used by child*.c in the wire process; one thread.
 */
#ifndef MOUNTMAIL_WIRE_CHILD_INTERNAL_P_H
#define MOUNTMAIL_WIRE_CHILD_INTERNAL_P_H

#include "child_p.h"
#include "frame_p.h"

struct child {
	struct frame_writer writer;
	struct frame_reader reader;
	bool gone;	      /* the mail process closed the channel, or broke a rule */
	bool stop;	      /* it sent FRAME_STOP for the call in progress */
	enum frame_type open; /* a frame that more can be added to; 0: none */
	uint32_t open_count;
	size_t open_count_at; /* where its count stands */
	int64_t flushed_ms;   /* when the mail process last heard something */
	uint32_t *known;      /* owned; what FRAME_KNOWN told, until a scan takes it */
	size_t known_count;
};

/* Begins a frame of its own. */
void child_begin(struct child *child, enum frame_type type);
/* Begins an item of a frame that gathers many. */
void child_gather(struct child *child, enum frame_type type);
/* Sends what has piled up. False when the mail process is gone. */
bool child_flush(struct child *child);
/* Whether to go on after an addition; what has piled up leaves from time to time. */
bool child_goes_on(struct child *child);

/* Tells what SELECT or EXAMINE said; ctx: the child. */
bool child_state(void *ctx, const struct backend_folder_state *state);

/* child_scan.c: takes UIDs for the scan to come. False for a request that cannot be. */
bool child_known(struct child *child, struct frame *frame);
bool child_scan(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result);

/* child_remove.c: answer a request. False for one that cannot be. */
bool child_verify(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result);
bool child_remove(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result);

/* child_wait.c: the same. */
bool child_wait(struct child *child, struct backend *backend, struct frame *frame,
	struct backend_result *result);

#endif
