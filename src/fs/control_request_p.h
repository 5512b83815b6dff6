/*
 * control_request_p.h - what a line on the control socket asks for.
 * Called by control.c on its thread. What waits for the account is a struct control_wait, which
 * the account's thread ends.
 */
#ifndef MOUNTMAIL_FS_CONTROL_REQUEST_P_H
#define MOUNTMAIL_FS_CONTROL_REQUEST_P_H

#include "fs_p.h"
#include <stdbool.h>

struct control_wait;

/*
 * Does what line asks. NULL when out has the whole answer; else a wait, and woken(ctx) is
 * called from another thread when it is over.
 */
struct control_wait *control_request(struct fs_thread *thread, const char *line,
	struct buf *out, void (*woken)(void *ctx), void *ctx);

/* Whether a wait is over; then out gets the answer, and the wait is freed. */
bool control_wait_over(struct control_wait *wait, struct buf *out);

/* Nobody wants the answer any more. Frees the wait, at once or when the account is done with
 * it. */
void control_wait_give_up(struct control_wait *wait, struct account *account);

/* What is about removals: "queue ..." and "flush"; control_queue.c. out gets the whole answer.
 */
void control_queue(struct fs_thread *thread, const char *line, struct buf *out);

/* The first line of an answer. text: "" for the errno's own. */
void answer_ok(struct buf *out);
void answer_error(struct buf *out, int code, const char *text);

#endif
