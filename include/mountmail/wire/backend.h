/*
 * wire/backend.h - the contract between sync and a mail server.
 * Called by one sync worker thread per backend; only cancel() may come from another thread.
 * Implemented by imap.c (inside the wire process), client.c (in the mail process, speaking
 * to such a process) and, for tests, by a scripted fake.
 *
 * Every call blocks until it is done, and ends within the connection's deadline: a server
 * that says nothing for timeout_ms while an answer is due is a lost connection. Only wait() lasts
 * longer: see there.
 *
 * Every call fills a struct backend_result. Its status tells by scope what to do next:
 *
 *   OK                 done
 *   STOPPED            a sink callback returned false; the backend can be used on
 *   MESSAGE_GONE       (in message_failed) the server no longer has it
 *   MESSAGE_BAD        (in message_failed) it is there and cannot be delivered
 *   FOLDER_GONE        the folder is not there, or may not be opened
 *   FOLDER_CHANGED     its epoch is not the one asked for; scan_sink.begin() told the new one
 *   THROTTLED          wait retry_ms, then go on with this backend (from open(): another one)
 *   CONNECTION_LOST    close this backend, make another one, try again
 *   AUTH_FAILED        final until the secret changes
 *   REFUSED            the server will not do this, or we will not deal with it (certificate,
 *                      STARTTLS missing, no IMAP4rev1): trying again changes nothing
 *
 * After anything but OK from open(), and after CONNECTION_LOST from anything, only close() may
 * be called.
 *
 * Data handed to a callback is borrowed until the callback returns.
 *
 * A POP3 maildrop is an account with one folder, raw name and path "INBOX", of epoch 1 for ever. A
 * message's UID is a number made of its UIDL (RFC 1939 section 7; wire/pop3_uid_p.h says how), so
 * that it is the same without any cache; it says nothing of when the message came. The maildrop is
 * read once, by open(): every other call tells of it as it was then, and a fresh look takes a fresh
 * connection.
 */
#ifndef MOUNTMAIL_WIRE_BACKEND_H
#define MOUNTMAIL_WIRE_BACKEND_H

#include <mountmail/mail/folder.h>
#include <mountmail/mail/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum backend_status {
	BACKEND_OK,
	BACKEND_STOPPED,
	BACKEND_MESSAGE_GONE,
	BACKEND_MESSAGE_BAD,
	BACKEND_FOLDER_GONE,
	BACKEND_FOLDER_CHANGED,
	BACKEND_THROTTLED,
	BACKEND_CONNECTION_LOST,
	BACKEND_AUTH_FAILED,
	BACKEND_REFUSED,
};

struct backend_result {
	enum backend_status status;
	uint32_t retry_ms; /* with THROTTLED; 0: the server named no time */
	/*
	 * With CONNECTION_LOST: the server was there, and hung up or said what cannot be
	 * understood, so that what it was asked for may be why. Not when it was silent or busy, nor
	 * when the network failed.
	 */
	bool broke;
	char text[512];    /* for people: what happened, at which server, what to do; "" when OK */
};

/* What a server can do, told by open(). */
enum backend_cap {
	BACKEND_CAP_UIDPLUS = 1 << 0, /* removes what is named and nothing else; POP3 does so too */
	BACKEND_CAP_MOVE = 1 << 1,
	BACKEND_CAP_CONDSTORE = 1 << 2,
	BACKEND_CAP_QRESYNC = 1 << 3,
	BACKEND_CAP_IDLE = 1 << 4,
	BACKEND_CAP_NOTIFY = 1 << 5,
	BACKEND_CAP_ESEARCH = 1 << 6,
	BACKEND_CAP_SPECIAL_USE = 1 << 7,
	BACKEND_CAP_LIST_STATUS = 1 << 8,
	BACKEND_CAP_GMAIL = 1 << 9,   /* X-GM-EXT-1 */
	BACKEND_CAP_COMPRESS = 1 << 10,
	/* The mailbox is locked while there is a connection: do what is to be done, then close. */
	BACKEND_CAP_BRIEF = 1 << 11,
	/* UIDs do not ascend with time: scans go by scan.known, and last_uid is 0. */
	BACKEND_CAP_SCATTERED = 1 << 12,
	/* No message has a UIDL: UIDs are made of size and header, and nothing can be removed. */
	BACKEND_CAP_NO_UIDL = 1 << 13,
};

struct backend_server {
	uint32_t caps;      /* enum backend_cap */
	char name[128];     /* "imap.example.org", for people */
};

/* A callback that returns false ends the call with STOPPED, at the next safe point. */
struct backend_list_sink {
	void *ctx;
	bool (*folder)(void *ctx, const struct mail_folder *folder);
};

/* What SELECT or EXAMINE said. */
struct backend_folder_state {
	uint64_t epoch;    /* UIDVALIDITY, read as 64 bits; 0 when the server gave none */
	uint32_t exists;   /* messages now */
	uint32_t uidnext;  /* 0 when the server did not say */
	uint64_t modseq;   /* HIGHESTMODSEQ, 0 without CONDSTORE */
};

struct backend_scan {
	const char *raw;   /* borrowed; the folder's raw name */
	uint64_t epoch;    /* the epoch that last_uid belongs to; 0: nothing known yet */
	uint32_t last_uid; /* report messages above this one in full */
	bool survey;       /* also report which messages up to last_uid still exist, and flags */
	/* For a folder that holds a message over whose header connections break: */
	uint32_t most;     /* new messages in a batch, at most; 0: as many as the backend likes */
	/*
	 * The first new message is not asked for, but reported as bad, with nothing known of it but
	 * its UID, in a batch of its own. It stays so until the folder is scanned anew (an epoch);
	 * its body can be fetched as any other.
	 */
	bool stub_first;
	/*
	 * With BACKEND_CAP_SCATTERED, in place of last_uid: the UIDs that are stored. All others are
	 * reported in full. Borrowed; ascending, no UID twice; at most BACKEND_KNOWN_MAX.
	 */
	const uint32_t *known;
	size_t known_count;
};

#define BACKEND_KNOWN_MAX 4000000u

/*
 * The order of calls: begin once; then existing for every UID up to last_uid that is there
 * (ascending), if asked for; then message (ascending) with a batch after every few thousand
 * and at the end. Without begin having returned true nothing else is called.
 *
 * With BACKEND_CAP_SCATTERED existing is called for known UIDs, and message for any other. Two
 * things differ. A UID that was known may be told by message, and not by existing: another message
 * may be under it now, and nothing that was stored of it (its body, least of all) holds. And
 * surveyed is not called, though the call ends with OK, when the server does not list all that it
 * says it has: then nothing may be taken for gone.
 */
struct backend_scan_sink {
	void *ctx;
	bool (*begin)(void *ctx, const struct backend_folder_state *state);
	bool (*existing)(void *ctx, uint32_t uid, uint32_t flags);
	/* The survey is complete: what was not named is gone. Not called after a failure. */
	bool (*surveyed)(void *ctx);
	bool (*message)(void *ctx, const struct mail_message *message);
	/* Every message up to UID through was reported: commit here, a later scan goes on here. */
	bool (*batch)(void *ctx, uint32_t through);
};

/* One wanted body: what is known of it, so that an impostor is noticed. */
struct backend_want {
	uint32_t uid;
	const char *uidl;       /* POP3, else NULL; borrowed */
	const char *message_id; /* as stored, or NULL; borrowed */
	int64_t date;           /* INTERNALDATE as stored */
};

struct backend_fetch {
	const char *raw;        /* borrowed; the folder's raw name */
	uint64_t epoch;         /* another one now: FOLDER_CHANGED, nothing delivered */
	const struct backend_want *wants;
	size_t count;           /* 1 to BACKEND_FETCH_MAX; no UID twice */
};

#define BACKEND_FETCH_MAX 512

/*
 * For each wanted message, in the server's order: data any number of times and then done;
 * or failed, at any point, which voids the data since the last done or failed.
 * On any other end of the call, unfinished data is void as well.
 */
struct backend_fetch_sink {
	void *ctx;
	bool (*data)(void *ctx, const void *data, size_t len);
	bool (*done)(void *ctx, uint32_t uid, uint64_t size);
	bool (*failed)(void *ctx, uint32_t uid, enum backend_status status, const char *text);
	/*
	 * The server is sending what cannot be passed on yet. About once a second while that is so.
	 * NULL: nobody wants to know.
	 */
	void (*alive)(void *ctx);
};

#define BACKEND_REMOVE_MAX 1000

/*
 * A fresh look at some messages of a folder: which of them are there, and who they are. It opens the
 * folder anew (EXAMINE), so that what is told is what the server has and not what it remembers.
 * POP3: see above; a message that cannot be told from another (mail_message.twin) is not known. Its
 * date is 0 when the header has no sound one, as in a scan. THROTTLED when something is not listed
 * and the list may have holes: what is not found is gone only after OK.
 */
struct backend_verify {
	const char *raw;      /* borrowed; the folder's raw name */
	uint64_t epoch;       /* another one now: FOLDER_CHANGED, nothing told but begin; 0: any */
	const uint32_t *uids; /* borrowed; ascending, no UID twice */
	size_t count;         /* 1 to BACKEND_REMOVE_MAX; 0: all messages from from_uid on */
	uint32_t from_uid;    /* with count 0; 0: none at all, begin alone is wanted */
	/*
	 * Not anew, if it is open still: for the next part of a look that needs several calls. It is
	 * opened when it is not.
	 */
	bool again;
	bool writing;         /* remove() is to follow: open it for that, if one may (SELECT) */
	bool identify;        /* also tell who they are */
	bool deleted;         /* also tell every message of the folder that has \Deleted */
};

struct backend_identity {
	uint32_t uid;
	/* The rest with verify.identify only. */
	bool known;             /* false: it is there, and the server does not say what it is */
	uint64_t size;          /* bytes, as the server claims */
	int64_t date;           /* INTERNALDATE, seconds since the epoch */
	const char *message_id; /* as in mail_fields, so that it can be compared; NULL: none */
	const char *uidl;       /* POP3; NULL for IMAP. Compare it first: nothing is more certain */
};

/* begin once; then found (ascending); then deleted (ascending), if asked for. */
struct backend_verify_sink {
	void *ctx;
	bool (*begin)(void *ctx, const struct backend_folder_state *state);
	bool (*found)(void *ctx, const struct backend_identity *identity);
	bool (*deleted)(void *ctx, uint32_t uid); /* may be NULL without verify.deleted */
};

/*
 * One step of removing messages. Each is one command (or the same again for further UIDs, when they
 * do not fit into a line), so that whoever keeps the journal knows what may have been done when the
 * connection was lost over it.
 */
enum backend_step {
	BACKEND_STEP_MOVE,        /* UID MOVE to another folder (RFC 6851) */
	BACKEND_STEP_COPY,        /* UID COPY to another folder */
	BACKEND_STEP_MARK,        /* UID STORE +FLAGS.SILENT (\Deleted); POP3: DELE */
	/*
	 * UID EXPUNGE (RFC 4315) of exactly these. POP3: QUIT, which ends the connection; what was
	 * marked and is not in uids is never removed. All other steps POP3 refuses.
	 */
	BACKEND_STEP_EXPUNGE,
	BACKEND_STEP_EXPUNGE_ALL, /* EXPUNGE: all that are marked, by whomever */
};

struct backend_removal {
	enum backend_step step;
	const char *raw;      /* borrowed; the folder's raw name */
	uint64_t epoch;       /* another one now: FOLDER_CHANGED, nothing done; 0: the server has none */
	const uint32_t *uids; /* borrowed; ascending, no UID twice; EXPUNGE_ALL: not looked at */
	size_t count;         /* 1 to BACKEND_REMOVE_MAX */
	const char *to;       /* borrowed; MOVE, COPY: the other folder's raw name; else NULL */
};

/*
 * Waiting for news of one folder: that a message came, went or changed. Needs BACKEND_CAP_IDLE.
 *
 * First begin tells the folder's state as of when this connection opened it, which is now unless it
 * is open still. Who knows another state (its last scan's begin told one) has missed something and
 * returns false: STOPPED. With the same state nothing was missed up to that point, as far as the
 * state can tell; what the server said since then counts as news, also what it said during another
 * call. So a scan, and then a wait, on one connection or two, miss nothing in between.
 *
 * The folder is opened anew (EXAMINE) when the last wait told news of it, or begin did not like its
 * state, and nobody opened it since: each news is told once, and a state that was not liked is
 * not told again and again.
 *
 * What ends it: news; timeout_ms; wake_fd. All three are OK. How long it takes beyond that is a
 * matter of the server's answer to DONE, within the connection's deadline; while it waits there is no
 * deadline, and a network that is gone is found by TCP's keepalive within two minutes or so.
 */
struct backend_wait {
	const char *raw;     /* borrowed; the folder's raw name */
	uint64_t epoch;      /* another one now: FOLDER_CHANGED, after begin; 0: any */
	uint32_t timeout_ms; /* 0: whether there is any news already */
	/*
	 * Readable (or hung up): the connection is wanted for something else, and the call ends as soon
	 * as the server has answered. Never read from; borrowed; -1: none.
	 */
	int wake_fd;
};

struct backend_wait_sink {
	void *ctx;
	/* Once, first. */
	bool (*begin)(void *ctx, const struct backend_folder_state *state);
};

struct backend;

struct backend_ops {
	/* Connects, secures, logs in. First and once. */
	void (*open)(struct backend *backend, struct backend_server *server_out,
		struct backend_result *result);
	/* Every folder the account has, in the server's order. RFC 9051 section 6.3.9. */
	void (*list)(struct backend *backend, const struct backend_list_sink *sink,
		struct backend_result *result);
	/* What a folder holds beyond a known point. Opens it read-only (EXAMINE). */
	void (*scan)(struct backend *backend, const struct backend_scan *scan,
		const struct backend_scan_sink *sink, struct backend_result *result);
	/* Bodies, streamed, byte for byte, without setting \Seen (PEEK). */
	void (*fetch)(struct backend *backend, const struct backend_fetch *fetch,
		const struct backend_fetch_sink *sink, struct backend_result *result);
	/* See struct backend_verify. Changes nothing. */
	void (*verify)(struct backend *backend, const struct backend_verify *verify,
		const struct backend_verify_sink *sink, struct backend_result *result);
	/*
	 * See enum backend_step. Opens the folder for writing (SELECT) unless it is open so already.
	 * OK says only that the server said so: what was done is for verify to see. REFUSED: the server
	 * said no, or lets nobody write in the folder; in general nothing was done then. After
	 * CONNECTION_LOST and THROTTLED it may have been done, or in part.
	 */
	void (*remove)(struct backend *backend, const struct backend_removal *removal,
		struct backend_result *result);
	/*
	 * See struct backend_wait. *news_out: whether there was any; false unless OK. REFUSED: the server
	 * has no IDLE, or does not take it. NULL: as if it always said that (POP3).
	 */
	void (*wait)(struct backend *backend, const struct backend_wait *wait,
		const struct backend_wait_sink *sink, bool *news_out,
		struct backend_result *result);
	/*
	 * Ends a call in progress, which then returns CONNECTION_LOST, and every later one.
	 * From any thread, until close() is called. May be NULL in a backend used by one thread.
	 */
	void (*cancel)(struct backend *backend);
	/* Logs out if that needs no waiting, and frees the backend. */
	void (*close)(struct backend *backend);
};

/* The first member of every implementation. */
struct backend {
	const struct backend_ops *ops;
};

const char *backend_status_name(enum backend_status status);
void backend_result_ok(struct backend_result *result);
void backend_result_set(struct backend_result *result, enum backend_status status,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
