/*
 * sync/account_p.h - what the rooms of this floor share: the account and its workers.
 * Used by this floor alone. The threading rules stand at the head of account.c.
 */
#ifndef MOUNTMAIL_SYNC_ACCOUNT_P_H
#define MOUNTMAIL_SYNC_ACCOUNT_P_H

#include "queue_p.h"
#include "removals_p.h"
#include "waits_p.h"
#include <mountmail/store/bodies.h>
#include <mountmail/store/folders.h>
#include <mountmail/sync/account.h>
#include <pthread.h>
#include <stdatomic.h>

/* Times that tests shorten. */
struct account_tuning {
	uint32_t backoff_first_ms; /* between attempts to connect, doubling ... */
	uint32_t backoff_max_ms;   /* ... to this */
	uint32_t poke_ms; /* somebody asks while offline: try again, but not more often */
	uint32_t poke_refused_ms; /* likewise when the server refused us */
	uint32_t idle_ms;	  /* a connection beyond the first is closed after so long */
	uint32_t extra_ms;	  /* the server took no further connection: ask again after */
	uint32_t proven_ms;	  /* a connection that worked so short ago is taken to work */
	uint32_t brief_ms;	  /* with conf.brief: closed when idle for so long */
	uint32_t busy_max_ms; /* with conf.brief: the longest pause when others have the mailbox
			       */
	uint32_t journal_sync_ms; /* a removal is on disk after so long */
	uint32_t quiet_ms;	  /* a final removal is sent when no other came for so long */
	uint32_t resume_ms;	  /* after a loss in the middle of removals */
	uint32_t marked_ms;	  /* others' \Deleted marks are looked at again after */
};

/* A few numbers. All zero is an empty one. */
struct id_set {
	int64_t *ids; /* owned */
	size_t count, cap;
};

bool id_set_has(const struct id_set *set, int64_t id);
/* False when it was there. */
bool id_set_add(struct id_set *set, int64_t id);
void id_set_remove(struct id_set *set, int64_t id);
void id_set_finish(struct id_set *set);

enum worker_life { WORKER_NONE, WORKER_RUNNING, WORKER_ENDED /* to be joined */ };

struct worker {
	struct account *account;
	pthread_t thread;
	enum worker_life life;
	bool opening; /* connecting, or started to */
	bool no_move; /* the server refused MOVE on this connection; the worker's own */
	bool no_idle; /* likewise IDLE */
	uint32_t watched_exists, watched_uidnext; /* of INBOX, when last waited for news */
	bool online;				  /* the backend is open and works */
	bool idle;
	bool looked;	   /* a folder was looked at on this connection */
	int64_t opened_ms; /* when this connection was begun */
	int64_t idle_since_ms;
	int64_t alive_ms; /* when the connection last proved itself; the worker's own */
	struct backend
		*backend; /* others may cancel it under the mutex; NULL before it is closed */
	struct store_reader *reader; /* this and below: the worker's own */
	struct body_writer *writer;
	struct want *wants[BACKEND_FETCH_MAX];
};

struct account {
	struct account_conf conf;
	struct account_tuning tuning;
	struct store *store;
	const struct account_events *events;
	atomic_bool stopping;
	bool had_folders; /* in the store, at the start */

	pthread_mutex_t asked_mutex;	   /* for asked_reader; never taken with mutex held */
	struct store_reader *asked_reader; /* of those who ask */

	/*
	 * Held while a body is committed, and while a folder's messages become others: a body
	 * that was asked for before must not become that of the message which has its UID now.
	 * Taken with no other held.
	 */
	pthread_mutex_t epoch_mutex;
	uint64_t resets; /* folders that became others, so far; with epoch_mutex */

	pthread_mutex_t mutex; /* for all below */
	pthread_cond_t work;   /* for workers: something to do, or a time moved; account_wake */
	pthread_cond_t tick;   /* for the timer: an earlier time */
	pthread_cond_t first;  /* for account_wait_first */
	struct queue queue;
	int64_t refreshed_ms; /* when somebody last asked for a look at the server */
	struct waits waits;
	struct removals removals;
	struct worker workers[ACCOUNT_CONNECTIONS_MAX];
	unsigned threads, opening, online, idle;
	struct worker *watcher; /* who waits for news with the server, NULL: nobody */
	int64_t watch_at_ms;	/* nobody waits there before */
	int wake_fd;		/* eventfd: readable when the watcher is wanted */
	int64_t inbox;		/* its id, once it was listed; 0 */
	pthread_t timer;
	int64_t poll_at_ms;
	unsigned polls; /* begun so far */

	enum account_state state;
	char error[512];
	char server[128];
	uint32_t caps;
	bool refused;	     /* offline because the server will not deal with us */
	unsigned failures;   /* attempts to connect, in a row */
	unsigned drops;	     /* connections lost without having done anything, in a row */
	unsigned throttles;  /* throttled, in a row */
	int64_t tried_ms;    /* the last attempt to connect */
	int64_t retry_at_ms; /* the next one, when nothing is connected */
	int64_t extra_at_ms; /* the next one beyond the first */
	bool first_over;
	int first_result;
	char first_text[512];
	struct id_set failing;	/* folders whose trouble was logged */
	struct id_set missing;	/* those that could not be opened; the tree was asked for */
	struct id_set relisted; /* those without UIDVALIDITY, listed anew since the start */
	struct id_set lacking;	/* those that were listed again since messages were missing */
	struct id_set liars;	/* those whose UIDNEXT is not above their last UID */
};

/* account_start with other times. */
int account_start_tuned(const struct account_conf *conf, const struct account_tuning *tuning,
	struct store *store, const struct account_events *events, struct account **account_out,
	struct error *err);

/* Unlocks the mutex and tells those who are told. */
void account_unlock_tell(struct account *account, struct told *told);
/* status_changed. The mutex must not be held. */
void account_status_changed(struct account *account);
/*
 * There is something to do, or a time moved: wakes the workers, also the one that waits for
 * news with its server. With the mutex held.
 */
void account_wake(struct account *account);
/* The answer to account_wait_first; the first one counts. With the mutex held. */
void account_first(struct account *account, int result, const char *text);

/* Somebody needs the server: an attempt to reach it is made now, unless one was just made. */
void account_poke(struct account *account);

/* timer.c: the thread that ends waits and begins polls. */
void *timer_main(void *ctx);

#endif
