/*
 * fake_backend.h - a scripted mail account behind backend.h, for tests.
 * An account is shared by any number of backends and by the test, which changes it while they
 * run; every function may be called from any thread. A backend belongs to one thread, as
 * backend.h says, and a caller that breaks that contract is told so by abort().
 */
#ifndef MOUNTMAIL_TESTS_FAKE_BACKEND_H
#define MOUNTMAIL_TESTS_FAKE_BACKEND_H

#include <mountmail/wire/backend.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_account;

struct fake_account *fake_account_create(void);
/* Every backend must have been closed. */
void fake_account_destroy(struct fake_account *account);

/* A backend of the account, not open yet. Fits account_conf.backend_create. */
struct backend *fake_backend_create(void *account);

/* What the account holds. raw names a folder; one that is not there aborts. */

/* path NULL: as raw. */
void fake_folder_add(struct fake_account *account, const char *raw, const char *path,
	uint32_t flags, uint64_t epoch);
void fake_folder_remove(struct fake_account *account, const char *raw);
/* The folder is empty then, and numbers from 1 again. */
void fake_folder_set_epoch(struct fake_account *account, const char *raw, uint64_t epoch);

/* Adds a message with the next UID, which it returns; its other fields are made up from both.
 */
uint32_t fake_message_add(
	struct fake_account *account, const char *raw, const char *subject, const char *body);
/*
 * Everything said; message is copied. uid 0: the next one. An existing UID is replaced. The
 * size is what the server claims, whatever the body's is.
 */
uint32_t fake_message_put(struct fake_account *account, const char *raw,
	const struct mail_message *message, const void *body, size_t len);
/* False when it was not there. */
bool fake_message_remove(struct fake_account *account, const char *raw, uint32_t uid);
void fake_message_set_flags(
	struct fake_account *account, const char *raw, uint32_t uid, uint32_t flags);
/* What scan says of its size. */
void fake_message_claim_size(
	struct fake_account *account, const char *raw, uint32_t uid, uint64_t size);
/*
 * What fetch says of it: BACKEND_OK, BACKEND_MESSAGE_GONE, or BACKEND_MESSAGE_BAD, which it
 * says after half of the body.
 */
void fake_message_set_status(struct fake_account *account, const char *raw, uint32_t uid,
	enum backend_status status);
/*
 * The connection breaks whenever its header is asked for, and before anything of its batch is
 * reported.
 */
void fake_message_set_poison(
	struct fake_account *account, const char *raw, uint32_t uid, bool poison);
/* verify says that it is there, and not what it is. */
void fake_message_set_bad(
	struct fake_account *account, const char *raw, uint32_t uid, bool bad);
uint32_t fake_message_flags(struct fake_account *account, const char *raw, uint32_t uid);
/* The UIDs of a folder: "1,2,5", "" for none. Owned by the caller. */
char *fake_folder_uids(struct fake_account *account, const char *raw);
/* How often its body was delivered to the end. */
unsigned fake_message_fetches(struct fake_account *account, const char *raw, uint32_t uid);

/*
 * News for who waits for it, as if a message's flags had changed there. Whatever else is done
 * to a folder's messages here, or by remove, is news as well.
 */
void fake_news(struct fake_account *account, const char *raw);
/* Waits until exactly so many calls wait for news. False when it takes longer. */
bool fake_wait_idling(struct fake_account *account, unsigned calls, uint32_t timeout_ms);

/* How it delivers: messages in a batch (100 unless told), body bytes in a piece (16384). */
void fake_set_batch(struct fake_account *account, unsigned messages);
void fake_set_piece(struct fake_account *account, size_t bytes);
/* The time a piece takes; the middle of it is a sign of life. */
void fake_set_pace(struct fake_account *account, uint32_t ms);
/* What open says it can do, and remove and wait go by; UIDPLUS and MOVE unless told. */
void fake_set_caps(struct fake_account *account, uint32_t caps);
/* Scans of scattered UIDs do not end their survey: the server lists but a part. Before use. */
void fake_set_partial(struct fake_account *account, bool partial);
/* remove says OK, and does nothing. */
void fake_set_lying(struct fake_account *account, bool lying);

/* What goes wrong. */

enum fake_call {
	FAKE_OPEN,
	FAKE_LIST,
	FAKE_SCAN,
	FAKE_FETCH,
	FAKE_VERIFY,
	FAKE_REMOVE,
	FAKE_WAIT,
	FAKE_CALLS
};

#define FAKE_ALWAYS UINT32_MAX

/*
 * Strikes in the next call of its kind: first delay, then block, then status. With BACKEND_OK
 * the call then goes on. A call meets at most one fault: the oldest that fits.
 */
struct fake_fault {
	enum fake_call call;
	const char *raw; /* only in this folder, NULL: any; copied */
	/*
	 * What was delivered before: folders (list), messages (scan, verify) or body bytes
	 * (fetch). With remove what was done before: messages marked, copied, expunged; a move
	 * copies all of its messages, and then takes them away.
	 */
	uint64_t after;
	bool late;	/* verify, remove: when all is told or done, and before the answer */
	unsigned steps; /* remove: only in these, 1 << enum backend_step each; 0: any */
	uint32_t delay_ms;
	bool block; /* until fake_release() or cancel() */
	enum backend_status status;
	uint32_t retry_ms; /* with BACKEND_THROTTLED */
	bool broke;	   /* with BACKEND_CONNECTION_LOST */
	uint32_t times; /* calls it strikes; 0: one; FAKE_ALWAYS: until fake_script_clear() */
};

void fake_script(struct fake_account *account, const struct fake_fault *fault);
/* The next call of a kind ends so at once. */
void fake_fail(struct fake_account *account, enum fake_call call, enum backend_status status,
	uint32_t retry_ms);
/* Forgets faults that did not strike yet. */
void fake_script_clear(struct fake_account *account);
/* Lets go of every call that is blocked now. */
void fake_release(struct fake_account *account);
/* Waits until so many calls are blocked at once. False when it takes longer. */
bool fake_wait_blocked(struct fake_account *account, unsigned calls, uint32_t timeout_ms);

/* What was asked for. */

struct fake_counts {
	unsigned calls[FAKE_CALLS]; /* begun */
	unsigned idling;	    /* that wait for news now */
	unsigned bodies;	    /* messages delivered to the end */
	unsigned created;	    /* backends ever made */
	unsigned alive;		    /* backends not closed */
	unsigned logged_in;	    /* of these: opened, and not lost */
};

void fake_counts(struct fake_account *account, struct fake_counts *counts_out);
/* Waits until so many calls of a kind have begun. False when it takes longer. */
bool fake_wait_calls(
	struct fake_account *account, enum fake_call call, unsigned calls, uint32_t timeout_ms);
/*
 * The calls in the order they began, one a line: "open", "list", "scan INBOX 7 survey"
 * (last_uid), "scan INBOX 7 most 64 stub", "fetch INBOX 3,5", "verify INBOX 3,5 identify",
 * "verify Trash from 7 deleted", "verify Trash" (its state alone), "wait INBOX", "remove INBOX
 * move 3,5 Trash", "remove INBOX mark 3,5", "remove INBOX expunge-all". Owned by the caller.
 */
char *fake_log(struct fake_account *account);
void fake_log_clear(struct fake_account *account);

#endif
