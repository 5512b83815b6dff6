/*
 * sync/account.h - one mail account kept in step with its server.
 * Started by app in the mail process; asked by fs from FUSE threads and the control thread.
 * Every function may be called from any thread unless it says otherwise, and none waits for the
 * network unless it says so.
 *
 * Inside: worker threads, one per connection, each with a backend of its own, take jobs from one
 * queue: bodies somebody waits for, then folders somebody opened, then the background's. A timer
 * thread ends waits whose time is up.
 */
#ifndef MOUNTMAIL_SYNC_ACCOUNT_H
#define MOUNTMAIL_SYNC_ACCOUNT_H

#include <mountmail/base/error.h>
#include <mountmail/store/journal.h>
#include <mountmail/store/messages.h>
#include <mountmail/store/store.h>
#include <mountmail/wire/backend.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;

enum account_state {
	ACCOUNT_CONNECTING,  /* not logged in yet, or trying again */
	ACCOUNT_ONLINE,
	ACCOUNT_OFFLINE,     /* the server cannot be reached; tried again with backoff */
	ACCOUNT_AUTH_FAILED, /* final until the secret changes */
};

const char *account_state_name(enum account_state state); /* "online", "auth-failed", ... */

/*
 * What happened, for those who must tell the kernel. Called from worker threads that hold no
 * lock; must not wait. Pointers are borrowed until the call returns.
 */
struct account_events {
	void *ctx;
	/* The tree of folders is another. */
	void (*folders_changed)(void *ctx);
	/* Messages came to or left a folder. */
	void (*folder_changed)(void *ctx, int64_t folder_id, const struct store_changes *changes);
	/* All messages of a folder went: a new epoch. */
	void (*folder_reset)(void *ctx, int64_t folder_id);
	/*
	 * A message's true size is not the one told before. Called before any waiter of that body is
	 * told, so that a notification can reach the kernel ahead of the reply.
	 */
	void (*size_corrected)(void *ctx, int64_t folder_id, uint32_t uid);
	/* State, counters or progress are others: status has news. */
	void (*status_changed)(void *ctx);
};

struct account_conf {
	const char *name;         /* for log lines; borrowed */
	/*
	 * Globs on the path ("A/B"; '*' matches '/' too), NULL for all and for none; borrowed. What
	 * is under an excluded folder is excluded as well; a parent of a folder that is shown is
	 * shown as a directory.
	 */
	const char *folders;
	const char *exclude;
	unsigned connections;     /* 1 to 16 */
	/*
	 * The server locks the mailbox while there is a connection (POP3): one at a time, only when
	 * there is something to do, closed soon after.
	 */
	bool brief;
	uint32_t timeout_ms;      /* how long a waiter waits while nothing comes */
	struct journal *journal;  /* borrowed; NULL: nothing can be removed */
	/*
	 * Where removed messages go: NULL: to the account's Trash, if it has one; "": nowhere, they are
	 * gone; else the folder with this path ("A/B"). Borrowed.
	 */
	const char *trash;
	unsigned brake;           /* final removals within a minute, at most; 0: no brake */
	uint32_t poll_s;          /* a background look at folders this often; 0 never */
	/* Makes a backend, not yet open. Called from worker threads. */
	struct backend *(*backend_create)(void *ctx);
	void *backend_ctx;
	/* The process behind a backend, for status; 0 when there is none. NULL: none ever has one. */
	int (*backend_pid)(const struct backend *backend);
};

/*
 * Starts the workers. events and everything in conf must outlive the account; conf itself is copied.
 * 0 or -errno.
 */
int account_start(const struct account_conf *conf, struct store *store,
	const struct account_events *events, struct account **account_out, struct error *err);

/*
 * Cancels calls in progress, fails every wait with -ESHUTDOWN, ends the threads, frees. No other
 * account_* call may be in progress but account_cancel's of waits that end here and what done
 * callbacks ask, nor begin later. Not from a callback. Takes NULL.
 */
void account_stop(struct account *account);

/*
 * Waits until the folders were listed once, or the attempt failed, or the store already had
 * folders and the server cannot be reached (then it goes on offline: 0).
 * 0; -EACCES when the server refused user or password; -ECONNREFUSED and other network errors when it
 * cannot be reached; -EPROTO when server and we cannot deal (certificate, STARTTLS). With a text.
 */
int account_wait_first(struct account *account, struct error *err);

/*
 * Tells a waiter its end: 0 or -errno. Called exactly once, from any thread, possibly before the
 * function that was asked returns. Holds no lock of the account's.
 * -ENOENT the message or folder is gone; -EIO it cannot be had (bad message, offline, three
 * connections lost over it); -ETIMEDOUT nothing came for timeout_ms; -ESHUTDOWN the account stops.
 */
typedef void account_done(void *ctx, int result);

/*
 * A place in a queue. It is a number in a pointer's clothes, never used twice, so that account_cancel
 * can tell one that is over. Never NULL.
 */
struct account_wait;

/*
 * Asks for a body to be in the store. One request to the server however many wait for it.
 * When it is known to be impossible now (offline) done is called at once.
 */
struct account_wait *account_fetch_body(struct account *account, int64_t folder_id, uint32_t uid,
	account_done *done, void *ctx);

/*
 * Asks for the first listing of a folder; it jumps the queue of the background's listings. done is
 * called at once when the folder was listed before.
 */
struct account_wait *account_list_folder(struct account *account, int64_t folder_id,
	account_done *done, void *ctx);

/*
 * Asks for a look at the server now: at one folder, or at all with folder_id STORE_ROOT (the tree and every
 * selectable folder). done comes when the store is current. No deadline but the connection's own;
 * offline, done comes with -EIO when the next attempt to connect failed, which is made soon.
 */
struct account_wait *account_refresh(struct account *account, int64_t folder_id,
	account_done *done, void *ctx);

/*
 * Removes a message, called name in the mount: it is in the journal, and hidden, when this returns 0.
 * epoch: the folder's when the caller learnt the UID; in another one that is another message, and the
 * answer -ENOENT. reader: the caller's own. -EROFS when nothing can be removed; -ENOENT; -EPERM for a
 * message whose header the server never gave, since it could not be told from another; -ENOSPC and
 * -EIO when the journal cannot be written (nothing is removed then). The server hears of it later.
 */
int account_remove(struct account *account, struct store_reader *reader, int64_t folder_id,
	uint64_t epoch, uint32_t uid, const char *name);

/* Sends what is queued now, without waiting for more, and tries to reach the server if it is away. */
void account_flush(struct account *account);

/* As journal_tell; tells events of what is shown again. */
int64_t account_tell(struct account *account, enum journal_verb verb, const char *id,
	struct error *err);

/*
 * Gives up a wait. True: done will not be called. False: it was, or is being called at this moment in
 * another thread. May be asked at any time until account_stop, however long the wait is over.
 */
bool account_cancel(struct account *account, struct account_wait *wait);

#define ACCOUNT_CONNECTIONS_MAX 16

struct account_status {
	enum account_state state;
	bool brief;                /* account_conf.brief: a POP3 maildrop */
	char error[512];           /* why not online, or ""; for people */
	char server[128];
	unsigned connections;      /* open now */
	int wire_pids[ACCOUNT_CONNECTIONS_MAX];
	size_t wire_count;
	struct journal_counts removals;
	char removal_error[512];   /* why removals are not being sent, or ""; for people */
};

void account_status(struct account *account, struct account_status *status_out);

#endif
