/*
 * sync/worker_p.h - threads that have a connection each and do what the queue says.
 * worker.c is the thread, connect.c the connection's life, tree.c, pull.c and fetch.c the work.
 * Called by worker threads, and by account.c to start and end them.
 */
#ifndef MOUNTMAIL_SYNC_WORKER_P_H
#define MOUNTMAIL_SYNC_WORKER_P_H

#include "account_p.h"

/*
 * Starts another worker when there is work nobody is free for and the server may take another
 * connection. With the mutex held.
 */
void workers_grow(struct account *account);
/* Starts the first. 0 or -errno. With the mutex held. */
int workers_start(struct account *account, struct store_reader *reader);
/* Joins all; stopping is set and they were cancelled. Without the mutex. */
void workers_join(struct account *account);
/* Whether work is better given back: somebody waits for more urgent things and has no other
 * connection. */
bool worker_should_yield(struct worker *worker, const struct look *look);

/*
 * Whether the connection is known to have worked a moment ago, so that its loss says something
 * about what was asked. One that stood idle may have been dead for long. By the worker alone.
 */
bool worker_is_proven(const struct worker *worker);
void worker_prove(struct worker *worker);

/* connect.c. All of them with the mutex held, which is opened meanwhile. */
void worker_connect(struct worker *worker);
/* The connection is lost: closes it, says when to try again. */
void worker_lost(struct worker *worker, const struct backend_result *result);
/* The same when it is known that the server is well. */
void worker_broke(struct worker *worker, const struct backend_result *result);
/* Closes it in peace. */
void worker_close(struct worker *worker);

/* The work. Each is called without the mutex and has told everybody when it returns. */
void tree_run(struct worker *worker, struct look *look);
void pull_run(struct worker *worker, struct look *look);
void fetch_run(struct worker *worker, size_t count);

/* How a look ended; look.c says what becomes of it. */
enum look_end {
	LOOK_DONE,
	LOOK_UNSURVEYED, /* listed, but the older part not looked at again since it was cut off
			  */
	LOOK_YIELDED,	 /* made way for others */
	LOOK_LOST,
	LOOK_BROKE, /* lost over a message: again soon, with look->narrow */
	LOOK_THROTTLED,
	LOOK_GONE,
	LOOK_FAILED, /* here or at the server; not the connection */
};

/*
 * Concludes a look and everything that waits for it. result is the backend's, for LOST,
 * THROTTLED, and the texts; stepped: something was stored on the way.
 */
void look_conclude(struct worker *worker, struct look *look, enum look_end end,
	const struct backend_result *result, bool stepped);
/* The server wants to be left alone. With the mutex held. Returns until when. */
int64_t account_hold(struct account *account, uint32_t retry_ms);
/* Something went well. With the mutex held. */
void account_stepped(struct account *account);
/* A folder's messages are not what the store thinks: look soon. With the mutex held. */
void account_look_soon(struct account *account, int64_t folder_id);
/*
 * A folder could not be opened: has the tree listed, once for each such folder, since one that
 * is listed may yet be closed to us. With the mutex held.
 */
void account_folder_missing(struct account *account, int64_t folder_id);

#endif
