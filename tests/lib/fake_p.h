/*
 * fake_p.h - what the files of the fake backend share.
 * Used by fake_*.c alone, on any thread; see fake_backend.h.
 */
#ifndef MOUNTMAIL_TESTS_FAKE_P_H
#define MOUNTMAIL_TESTS_FAKE_P_H

#include "fake_backend.h"
#include <mountmail/base/buf.h>
#include <pthread.h>

struct fake_message {
	struct mail_message mail; /* owned */
	char *body;		  /* owned */
	size_t len;
	enum backend_status status;
	bool poison;
	unsigned fetches;
};

struct fake_folder {
	struct mail_folder mail; /* owned */
	uint64_t epoch;
	uint32_t uidnext;
	struct fake_message *messages; /* owned; by UID */
	size_t count, cap;
	uint64_t stirred; /* whenever something came, went or changed */
};

struct fake_entry {
	struct fake_fault fault; /* raw is owned */
	struct fake_entry *next;
};

struct fake_account {
	pthread_mutex_t lock; /* guards everything below; not held in a callback */
	pthread_cond_t changed;
	struct fake_folder **folders; /* owned */
	size_t count;
	struct fake_entry *script; /* owned; oldest first */
	struct fake_counts counts;
	struct buf log;
	bool partial; /* set before it is used by others */
	unsigned batch;
	uint32_t pace_ms;
	uint32_t caps;
	bool lying;
	size_t piece;
	unsigned blocked;
	unsigned releases;
};

/* The folder that a backend has open. */
struct fake_opened {
	char *raw; /* owned; NULL: none */
	struct backend_folder_state state;
	uint64_t stirred; /* the folder's, then */
	bool stale;	  /* to be opened anew for wait */
};

struct fake_backend {
	struct backend backend; /* first */
	struct fake_account *account;
	struct fake_opened opened;
	bool used;  /* open was called */
	bool ready; /* it succeeded, and the connection is not lost */
	bool lost, cancelled, busy;
};

/* A call in progress. */
struct fake_run {
	struct fake_backend *fake;
	struct fake_account *account;
	struct backend_result *result;
	struct fake_fault fault;
	bool armed;	    /* fault has not struck yet */
	uint64_t delivered; /* messages of a scan */
};

static inline struct fake_backend *fake_of(struct backend *backend)
{
	return (struct fake_backend *)backend;
}

/* fake_account.c */
void fake_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void fake_lock(struct fake_account *account);
void fake_unlock(struct fake_account *account);
/* NULL when it is not there. The account is locked. */
struct fake_folder *fake_find(struct fake_account *account, const char *raw);
struct fake_message *fake_message_find(struct fake_folder *folder, uint32_t uid);
void fake_mail_copy(struct mail_message *to, const struct mail_message *from);
/* Copies a message to the end of folder, which may be its own. The account is locked. */
void fake_message_copy(struct fake_folder *folder, const struct fake_message *message);
void fake_message_drop(struct fake_folder *folder, struct fake_message *message);

/* fake_script.c */

/* Takes the oldest fault that fits. steps: that of a removal; else 0. The account is locked. */
bool fake_take_fault(struct fake_account *account, enum fake_call call, const char *raw,
	unsigned steps, struct fake_fault *fault_out);
/* The account is locked. False when the time is up. */
bool fake_wait_until(struct fake_account *account, int64_t end_ms);
/* Adds a line to the log. */
void fake_note(struct fake_account *account, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* fake_backend.c: what all calls have in common. */

/* False, with result, when the call is over at once. */
bool fake_begin(struct fake_run *run, struct backend *backend, enum fake_call call,
	const char *raw, struct backend_result *result);
bool fake_begin_step(struct fake_run *run, struct backend *backend, enum backend_step step,
	const char *raw, struct backend_result *result);
void fake_end(struct fake_run *run, bool opening);
/* With so much delivered: whether to go on. False with result. */
bool fake_at(struct fake_run *run, uint64_t delivered);
/* With all done: whether to go on. False with result. */
bool fake_late(struct fake_run *run);
/* Sets the result. False. */
bool fake_stopped(struct fake_run *run);
void fake_no_folder(struct fake_run *run, const char *raw);
void fake_new_epoch(struct fake_run *run, const char *raw);

/* fake_scan.c */

/* A folder as it was when the call began. */
struct fake_snapshot {
	struct backend_folder_state state;
	struct mail_message *messages; /* owned, each of them too */
	bool *poison;		       /* owned; for each of them */
	size_t count;
	unsigned batch;
};

/* False when it is not there; to be finished all the same. */
bool fake_snapshot_take(
	struct fake_account *account, const char *raw, struct fake_snapshot *out);
void fake_snapshot_finish(struct fake_snapshot *snapshot);
/* Asks for the messages from at to before end. False, with result, when one of them is poison.
 */
bool fake_ask(
	struct fake_run *run, const struct fake_snapshot *snapshot, size_t at, size_t end);

/* fake_wait.c. The account is locked. */

/* Something came, went or changed in it. */
void fake_folder_stir(struct fake_account *account, struct fake_folder *folder);
/* A call needs the folder open. */
void fake_opened_note(struct fake_backend *fake, enum fake_call call, const char *raw);
void fake_opened_forget(struct fake_backend *fake);

/* fake_scan.c, fake_fetch.c, fake_verify.c, fake_remove.c, fake_wait.c: the calls. */
void fake_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result);
void fake_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result);
void fake_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result);
void fake_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result);
void fake_wait(struct backend *backend, const struct backend_wait *wait,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result);

/* "3,5,7"; with a contract that uids ascend, and count is not beyond max. */
void fake_put_uids(struct buf *out, const uint32_t *uids, size_t count, size_t max);

#endif
