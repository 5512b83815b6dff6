/*
 * wire/pop3_internal_p.h - what the parts of the POP3 backend share.
 * Called by pop3*.c (and by tests); one thread.
 *
 * All of it is by hand over stream.c. libetpan's mailpop3 reads before its buffer on an empty
 * line, ends lines at NUL, holds a whole message in memory and cannot have two commands under
 * way, which is most of what there is to it.
 */
#ifndef MOUNTMAIL_WIRE_POP3_INTERNAL_P_H
#define MOUNTMAIL_WIRE_POP3_INTERNAL_P_H

#include "pop3_p.h"
#include "pop3_uid_p.h"
#include "stream_p.h"
#include <mountmail/base/buf.h>
#include <mountmail/mail/message.h>

/* Bytes of a line that is not mail, its end included. RFC 1939 says 512. */
#define POP3_LINE_MAX 8192u
#define POP3_EPOCH 1u /* of the one folder, for ever */
/* What CAPA, UIDL and LIST may come to. */
#define POP3_LIST_LINES_MAX 2000000u
#define POP3_LIST_BYTES_MAX (128u << 20)
/* What TOP may: of a server that sends the body too. */
#define POP3_HEADER_MAX (256u << 20)

/* Capabilities that only the backend itself cares for; above those of enum backend_cap. */
enum pop3_cap {
	POP3_CAP_KNOWN = 1 << 16, /* CAPA was answered */
	POP3_CAP_STLS = 1 << 17,
	POP3_CAP_USER = 1 << 18,
	POP3_CAP_SASL = 1 << 19, /* of any kind */
	POP3_CAP_PLAIN = 1 << 20,
	POP3_CAP_SCRAM_SHA_256 = 1 << 21,
	POP3_CAP_TOP = 1 << 22,
	POP3_CAP_UIDL = 1 << 23,
	POP3_CAP_PIPELINING = 1 << 24,
};

enum pop3_reply {
	POP3_OK,
	POP3_ERR,
	POP3_MORE, /* "+ ...": a turn of AUTH */
	POP3_LOST, /* no answer, or none that could be understood: the session is over */
};

/* The words of the last answer. */
struct pop3_answer {
	char code[32];	/* "SYS/TEMP", upper case; "" for none (RFC 2449 section 8) */
	char text[256]; /* for people, without control characters; "" for none */
};

enum pop3_top { POP3_TOP_UNKNOWN, POP3_TOP_YES, POP3_TOP_NO };

struct pop3 {
	struct backend backend;	      /* first */
	const struct wire_conf *conf; /* borrowed */
	int fd;			      /* already connected, for tests; -1 */
	int watch_fd;
	int (*enter_sandbox)(void);
	bool (*stopped)(void *ctx);
	void *ctx;

	struct stream *stream; /* owned; NULL before open() and when the session is over */
	bool ready;	       /* logged in and not lost */
	uint32_t caps;	       /* enum backend_cap and enum pop3_cap */
	uint32_t delay_s;      /* LOGIN-DELAY; 0: none was told */
	enum pop3_top top;
	struct pop3_answer answer;
	char wrong[128];    /* the rule that the server broke, for people; "" */
	char command[16];   /* the verb of the command under way */
	unsigned in_flight; /* commands whose answers did not begin yet */
	int64_t alive_ms;   /* when stopped was last asked by pop3_alive */

	char *in; /* owned; what was read ahead: in_len bytes from in_at on */
	size_t in_at, in_len;
	struct buf out;	  /* commands that were not sent yet */
	struct buf piece; /* of the mail that is coming in */

	struct pop3_drop drop;
	unsigned marked; /* DELE without QUIT */
	bool tried;	 /* DELE was sent, whatever came of it */
};

/* The backend over a descriptor that is already connected; fd is taken. For tests. */
struct backend *pop3_create_on_fd(
	int fd, const struct wire_conf *conf, bool (*stopped)(void *ctx), void *ctx);

static inline struct pop3 *pop3_of(struct backend *backend)
{
	return (struct pop3 *)backend;
}

/* The operations of backend.h, one file each. */
void pop3_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result);
void pop3_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result);
void pop3_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result);
void pop3_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result);
void pop3_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result);

/* pop3.c */

/* Ends the connection, without a word. */
void pop3_hang_up(struct pop3 *pop3);
/* The folder that a call is about, and a session. False with result. */
bool pop3_is_folder(struct pop3 *pop3, const char *raw, struct backend_result *result);
/* Whether the folder is what it was; 0: as whatever. False with result. */
bool pop3_is_epoch(struct pop3 *pop3, uint64_t epoch, struct backend_result *result);
/* What there is to say of it. */
void pop3_folder_state(const struct pop3 *pop3, struct backend_folder_state *state_out);

/* pop3_read.c */

/*
 * The next line, without its end, NUL-terminated (and perhaps with NUL inside); borrowed until
 * the next read. False: lost.
 */
bool pop3_read_line(struct pop3 *pop3, char **line_out, size_t *len_out);
/*
 * The lines of an answer whose first line was read, up to the dot. *holes_out is set when there
 * is one that line() does not understand. False: lost.
 */
bool pop3_read_list(struct pop3 *pop3, bool (*line)(void *ctx, const char *text, size_t len),
	void *ctx, bool *holes_out);
/* The mail of an answer whose first line was read, of at most so many bytes. False: lost. */
bool pop3_read_mail(struct pop3 *pop3, uint64_t most,
	void (*take)(void *ctx, const char *data, size_t len), void *ctx);

/* pop3_command.c */

/* A command, without its line end, that leaves with the next pop3_flush. False: lost. */
bool pop3_queue(struct pop3 *pop3, const char *command);
/* False: lost. */
bool pop3_flush(struct pop3 *pop3);
/* Both, for one command; it may hold a secret. */
bool pop3_send(struct pop3 *pop3, const char *command);
/* The same with something that has no verb: a turn of AUTH. */
bool pop3_send_turn(struct pop3 *pop3, const char *data, size_t len);
/*
 * Reads the first line of an answer, which is in pop3->answer then. *text_out (may be NULL):
 * what follows "+ ", borrowed until the next read.
 */
enum pop3_reply pop3_read_reply(struct pop3 *pop3, const char **text_out);
/* The same where "+ " is not in place: never POP3_MORE. */
enum pop3_reply pop3_read_answer(struct pop3 *pop3);
/* One command and the first line of its answer; what follows that is for the caller to read. */
enum pop3_reply pop3_command(struct pop3 *pop3, const char *command);

/* pop3_result.c */

/* For what the last answer says: busy, locked, or otherwise not now. */
bool pop3_answer_is_busy(const struct pop3 *pop3);
/* Whether it says that the server is about to hang up, whatever it was asked. */
bool pop3_answer_ends(const struct pop3 *pop3);
/* As imap_result_fail(). doing: "opening the maildrop", for the sentence. */
void pop3_result_fail(struct pop3 *pop3, struct backend_result *result, enum pop3_reply reply,
	enum backend_status otherwise, const char *doing);
/* At a safe point; true with result (STOPPED). */
bool pop3_stop_wanted(struct pop3 *pop3, struct backend_result *result);
/* False, with result. */
bool pop3_stop(struct backend_result *result);
/* Lets the other side know that something is going on. ctx: the pop3. */
void pop3_alive(void *ctx);
/* False with result when there is no session. */
bool pop3_is_ready(struct pop3 *pop3, struct backend_result *result);

/* pop3_login.c: USER and PASS, PLAIN or SCRAM-SHA-256. False with result. */
bool pop3_login(struct pop3 *pop3, struct backend_result *result);

/* pop3_list.c: STAT, UIDL and LIST. False with result. */
bool pop3_list(struct pop3 *pop3, struct backend_result *result);

/* pop3_pipe.c: the same command for many messages, as many at a time as the server takes. */
struct pop3_pipe {
	struct pop3 *pop3;
	const char *verb;	/* "TOP" */
	const char *tail;	/* " 0"; "" */
	const uint32_t *wanted; /* borrowed; indices into drop.mails */
	size_t count;
	bool mail;  /* OK is followed by mail */
	bool alone; /* one at a time, whatever the server takes */
	/* The rest is the pipe's own. */
	size_t sent, read;
	uint64_t ahead; /* bytes of mail under way, as LIST claims */
};

/*
 * The first line of the next answer; that for wanted[read], and read is one more then. What
 * follows it is to be read before the next call.
 */
enum pop3_reply pop3_pipe_next(struct pop3_pipe *pipe);
/* Reads what is under way and nobody wants. False: lost. */
bool pop3_pipe_drain(struct pop3_pipe *pipe);

/* pop3_header.c: what stands at the head of messages. */

/* data is NULL for a message whose header the server does not give. False: no more is wanted.
 */
typedef bool pop3_header_sink(void *ctx, uint32_t index, const char *data, size_t len);

/* The headers (with HEADER_SIZE_MAX bytes at most) of the wanted messages, in that order. */
bool pop3_headers(struct pop3 *pop3, const uint32_t *wanted, size_t count,
	pop3_header_sink *sink, void *ctx, struct backend_result *result);
/* Gives every message its UID, if that has not been done. False with result. */
bool pop3_identify(struct pop3 *pop3, struct backend_result *result);
/* The date that stands for INTERNALDATE; 0 for none that can be believed. */
int64_t pop3_date(const struct mail_fields *fields);

#endif
