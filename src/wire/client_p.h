/*
 * wire/client_p.h - what the files of the client share: a call in progress, and what is
 * believed. Used by client*.c in the mail process, on the thread of the worker that owns the
 * backend.
 */
#ifndef MOUNTMAIL_WIRE_CLIENT_P_H
#define MOUNTMAIL_WIRE_CLIENT_P_H

#include "frame_p.h"
#include <mountmail/wire/client.h>
#include <pthread.h>
#include <stdatomic.h>

struct client {
	struct backend backend; /* first */
	struct client_dialer dialer;
	int limit_ms;	       /* silence allowed while an answer is due */
	bool used;	       /* open() was called */
	uint32_t caps;	       /* enum backend_cap, as the server was introduced */
	atomic_int pid;	       /* of the wire process; 0 */
	atomic_bool cancelled; /* for good; set with lock held */
	pthread_mutex_t lock;  /* guards fd against cancel() on another thread */
	int fd; /* the channel; -1 before and after. Changed by the owner alone */
	struct frame_writer writer;
	struct frame_reader reader;
};

static inline struct client *client_of(struct backend *backend)
{
	return (struct client *)backend;
}

/*
 * A call in progress. take() is given each frame but ALIVE and RESULT; it returns false when a
 * rule is broken, after client_broken(). complete() (may be NULL) is asked the same when the
 * call is to end with OK. alive() is told of ALIVE. None is called once call->stop is set.
 * read() gets the next frame, as frame_read does; -EINTR: the process is to be told to stop, though
 * what it still says counts. It is not called any more then.
 */
struct client_call {
	struct client *client;
	struct backend_result *result;
	bool (*take)(struct client_call *call, struct frame *frame);
	bool (*complete)(struct client_call *call);
	void (*alive)(struct client_call *call); /* may be NULL */
	int (*read)(struct client_call *call, struct frame *frame); /* NULL: within limit_ms */
	unsigned alive_more; /* so many seconds of ALIVE are fine, beside CLIENT_ALIVE_MAX */
	unsigned statuses; /* bits of enum backend_status that may end it, beside OK and LOST */
	int limit_ms;	   /* silence allowed; the client's unless changed */
	bool stop;	   /* a sink wants no more */
};

#define CLIENT_STATUS(status) (1u << (status))
/* What may become of a call that is about one folder. */
#define CLIENT_FOLDER_STATUSES                                                                 \
	(CLIENT_STATUS(BACKEND_FOLDER_GONE) | CLIENT_STATUS(BACKEND_THROTTLED) |               \
		CLIENT_STATUS(BACKEND_REFUSED))

/* Begins the request; what is put into the client's writer then is its payload. False: no
 * channel. */
bool client_begin(struct client_call *call, struct backend *backend, enum frame_type type,
	struct backend_result *result);
/* Sends the request and takes the answer, to its end. result is filled. */
void client_finish(struct client_call *call);
/* Sets the result for a process that broke a rule, and returns false. rule: "the rule is that
 * ...". */
bool client_broken(struct client_call *call, const char *rule);

/* client_scan.c, client_fetch.c */
void client_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result);
void client_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result);

/* client_verify.c, client_remove.c */
void client_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result);
void client_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result);
/* Puts their number, and the UIDs. The contract: they ascend, and are not too many. */
void client_put_uids(struct frame_writer *writer, const uint32_t *uids, size_t count);

/* client_wait.c */
void client_wait(struct backend *backend, const struct backend_wait *want,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result);

/* client_list.c */
void client_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result);

/* client_check.c: what may come. */

/* Valid UTF-8 without control characters. NULL is fine. */
bool client_text_sound(const char *text);
/* A raw name and path as backend.h and mail/folder.h promise them, with flags that exist. */
bool client_folder_sound(const struct mail_folder *folder);
/* As mail/message.h promises. The UID is the caller's business. */
bool client_message_sound(const struct mail_message *message);
bool client_flags_sound(uint32_t flags);
/* NULL is fine. */
bool client_uidl_sound(const char *uidl);
/* A time that can be written in a file's name. */
bool client_date_sound(int64_t date);
/* The whole frame. False when that cannot be. */
bool client_get_state(struct frame *frame, struct backend_folder_state *state_out);
/* Makes text fit to be shown: what is no UTF-8 and control characters become '?'. */
void client_text_tame(char *text);

#endif
