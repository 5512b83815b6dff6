/*
 * wire/imap_internal_p.h - what the parts of the IMAP backend share.
 * Called by imap*.c (and by tests); one thread.
 *
 * Commands are written here, as text, and answers are parsed by libetpan. What its structures
 * lose or get wrong (the code and the words of the tagged answer, CAPABILITY lines it does not know)
 * is read from the lines it has kept.
 */
#ifndef MOUNTMAIL_WIRE_IMAP_INTERNAL_P_H
#define MOUNTMAIL_WIRE_IMAP_INTERNAL_P_H

#include "guard_p.h"
#include "imap_p.h"
#include "stream_p.h"
#include <libetpan/mailimap.h>
#include <mountmail/base/buf.h>

/* Capabilities that only the backend itself cares for; above those of enum backend_cap. */
enum imap_cap {
	IMAP_CAP_REV1 = 1 << 16, /* IMAP4rev1 or IMAP4rev2 */
	IMAP_CAP_STARTTLS = 1 << 17,
	IMAP_CAP_LOGINDISABLED = 1 << 18,
	IMAP_CAP_SCRAM_SHA_256 = 1 << 19,
	IMAP_CAP_PLAIN = 1 << 20,
	IMAP_CAP_LITERAL_PLUS = 1 << 21,
	IMAP_CAP_NAMESPACE = 1 << 22,
	IMAP_CAP_LIST_EXTENDED = 1 << 23,
};

enum imap_reply {
	IMAP_OK,
	IMAP_NO,
	IMAP_BAD,
	IMAP_LOST, /* no answer, or none that could be understood: the session is over */
};

/* The words of the last tagged answer, or of the BYE that came instead. */
struct imap_answer {
	char code[32];  /* "AUTHENTICATIONFAILED", upper case, without arguments; "" for none */
	char text[256]; /* for people, without control characters; "" for none */
};

struct imap {
	struct backend backend;       /* first */
	const struct wire_conf *conf; /* borrowed */
	int fd;                       /* already connected, for tests; -1 */
	int watch_fd;
	int (*enter_sandbox)(void);
	bool (*stopped)(void *ctx);
	void *ctx;

	mailimap *session;     /* NULL until open() */
	mailstream *mailstream; /* owns stream and guard; NULL when the connection is over */
	struct stream *stream; /* borrowed from mailstream */
	struct guard *guard;   /* borrowed from mailstream */
	bool ready;            /* logged in and not lost */
	uint32_t caps;         /* enum backend_cap and enum imap_cap */
	struct imap_answer answer;
	char command[24];      /* the words that the last command begins with: "UID FETCH" */

	char *selected;                    /* raw name of the selected folder, NULL for none */
	bool writable;                     /* by SELECT, and the server did not say READ-ONLY */
	struct backend_folder_state state; /* of the selected folder */
	/* Of the selected folder too: what the server told of it since. See imap_news.c. */
	uint32_t told_exists, told_recent;
	bool stirred;                      /* something came, went or changed */
	bool stale;                        /* wait() is done with this opening of it */
	int idle_ms;                       /* an IDLE lasts so long; then it is renewed */
	int64_t alive_ms;                  /* when stopped was last asked by imap_alive */
	int64_t heard_ms;                  /* when the server last answered, clock_now_ms() */
};

/* The backend over a descriptor that is already connected; fd is taken. For tests. */
struct backend *imap_create_on_fd(int fd, const struct wire_conf *conf,
	bool (*stopped)(void *ctx), void *ctx);

static inline struct imap *imap_of(struct backend *backend)
{
	return (struct imap *)backend;
}

/* The operations of backend.h, one file each. */
void imap_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result);
void imap_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result);
void imap_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result);
void imap_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result);
void imap_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result);
void imap_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result);
void imap_wait(struct backend *backend, const struct backend_wait *wait,
	const struct backend_wait_sink *sink, bool *news_out, struct backend_result *result);

/* imap_command.c */

/*
 * Appends text as an IMAP string, quoted or as a literal. False, with nothing appended, for text
 * that holds CR or LF: no server has a good reason to have it, and injection begins with it.
 */
bool imap_put_string(const struct imap *imap, struct buf *out, const char *text);

/*
 * Sends one command (without tag and final CRLF; it may hold literals) and reads its answer.
 * limits NULL: those for answers that are short.
 * What came is in session->imap_response_info, and in imap->answer.
 */
enum imap_reply imap_command(
	struct imap *imap, const struct guard_limits *limits, const struct buf *command);
enum imap_reply imap_command_text(
	struct imap *imap, const struct guard_limits *limits, const char *command);

/*
 * The first half of imap_command; the second is imap_read_answer. Nothing else may be asked for in
 * between. 1: all of it is sent; 0: the server answered before; -1: lost.
 */
int imap_command_send(
	struct imap *imap, const struct guard_limits *limits, const struct buf *command);

/*
 * The parts of imap_command, for exchanges that take several turns. command: what will be sent; its
 * first words name it.
 */
bool imap_send_tag(
	struct imap *imap, const struct guard_limits *limits, const char *command);
bool imap_send(struct imap *imap, const void *data, size_t len);
/*
 * Reads on until the server asks to go on: 1, with what it said behind "+ " (borrowed until the
 * next read). 0: it answered with the tagged line instead (imap_read_answer parses it). -1: lost.
 */
int imap_read_continue(struct imap *imap, const char **text_out);
/* The words of a BYE, if there is one in what was read last, are the answer. */
void imap_read_bye(struct imap *imap);
/* line_read: the first line of the answer is in the session's buffer already. */
enum imap_reply imap_read_answer(struct imap *imap, bool line_read);

/*
 * The next untagged line of the last answer that starts with word ("* CAPABILITY "), behind that
 * word. *at is 0 at first. The line ends at *len_out. False when there is none (left).
 */
bool imap_answer_line(struct imap *imap, const char *word, size_t *at, const char **line_out,
	size_t *len_out);

/* imap_result.c */

/* For what it is the answer to: busy or throttled, however the server puts it. */
bool imap_answer_is_busy(const struct imap *imap);
/*
 * Fills result for a command that was not answered OK: lost, throttled, refused, or otherwise.
 * doing: "opening the folder", for the sentence.
 */
void imap_result_fail(struct imap *imap, struct backend_result *result, enum imap_reply reply,
	enum backend_status otherwise, const char *doing);
/* Lost because of what the server said, not because of the network. */
bool imap_answer_broke(const struct imap *imap);
/* Why the connection is lost, for a person; borrowed. */
const char *imap_lost_reason(struct imap *imap);
/* True when the caller wants no more: result is STOPPED then. */
bool imap_stop_wanted(struct imap *imap, struct backend_result *result);
/* False, with result filled, when the backend can only be closed. */
bool imap_is_ready(struct imap *imap, struct backend_result *result);
/* Lets whoever waits for us know that the server is heard, or about to be asked. ctx: the imap. */
void imap_alive(void *ctx);
/* Ends the connection; only close() is left. */
void imap_hang_up(struct imap *imap);

/* imap_login.c: false with result filled. */
bool imap_login(struct imap *imap, struct backend_result *result);
/* imap_open.c: asks for CAPABILITY and fills imap->caps. */
bool imap_read_caps(struct imap *imap, struct backend_result *result);

/* imap_path.c: mail_folder.path for a raw name; owned. delimiter 0: the folders are flat. */
char *imap_path_decode(const char *raw, char delimiter, const char *prefix);

/* imap_news.c: what the server says of the selected folder without being asked. */

/* The folder was opened: what it was told to hold then is no news. */
void imap_news_begin(struct imap *imap);
/* A line outside of an answer that is read as a whole. */
void imap_news_line(struct imap *imap, const char *line);
/* Looks through the answer that was read last. */
void imap_news_answer(struct imap *imap);

/* imap_folder.c */

/* EXAMINE, afresh. False with result (FOLDER_GONE and worse). */
bool imap_examine(struct imap *imap, const char *raw, struct backend_result *result);
/* SELECT, afresh; whether it was for more than reading tells imap->writable. False as above. */
bool imap_select(struct imap *imap, const char *raw, struct backend_result *result);
/* Whether now is the epoch that was known. False with result (FOLDER_CHANGED). */
bool imap_same_epoch(
	struct imap *imap, uint64_t known, uint64_t now, struct backend_result *result);

/* UIDs in ascending order, each once. */
struct imap_uids {
	uint32_t *uids; /* owned */
	size_t count;
	size_t cap;
};

void imap_uids_finish(struct imap_uids *uids);
void imap_uids_add(struct imap_uids *uids, uint32_t uid);
/* Puts them in order, drops those said twice. */
void imap_uids_settle(struct imap_uids *uids);
bool imap_uids_has(const struct imap_uids *uids, uint32_t uid);
/* Appends "3:7,9". uids ascending. */
void imap_put_set(struct buf *out, const uint32_t *uids, size_t count);
/*
 * The same with as many as a command line may hold (RFC 7162 section 4 says 8192 bytes; some
 * servers take no more). Returns how many.
 */
size_t imap_put_some(struct buf *out, const uint32_t *uids, size_t count);
/* UID SEARCH UID <set>. What came is settled. */
enum imap_reply imap_search(struct imap *imap, const char *set, struct imap_uids *out);
/*
 * UID SEARCH <criteria>, for who takes what is not named for gone: *sound_out is false when the
 * answer has no line that names messages, or one with more than their numbers.
 */
enum imap_reply imap_search_strictly(
	struct imap *imap, const char *criteria, struct imap_uids *out, bool *sound_out);

/* imap_att.c: what one FETCH response said, as far as it concerns us. */
struct imap_att {
	uint32_t uid; /* 0: it did not say, or said two */
	uint32_t flags;
	int64_t date;
	uint64_t size;
	bool has_flags;
	bool has_date;
	bool has_size;
	unsigned sections; /* items of the kind that was asked for, BODY[] or BODY[HEADER...] */
	bool nil;          /* one of them was NIL, or but a part: BODY[]<5> */
};

/* whole: BODY[] was asked for. */
void imap_att_read(const struct mailimap_msg_att *msg_att, bool whole, struct imap_att *out);

/*
 * Handlers for the FETCH responses of the next command. body gets the pieces of the sections that
 * were asked for (whole: BODY[], else BODY[HEADER...]); what it got since the last att belongs to
 * the message that att names. voided: what body got since the last att belongs to a response that
 * could not be understood, and to no message.
 */
struct imap_fetch_handler {
	struct imap *imap;
	void *ctx;
	bool whole;
	void (*body)(void *ctx, const char *data, size_t len);
	void (*voided)(void *ctx);
	void (*att)(void *ctx, const struct imap_att *att);
	/* The rest is imap_uid_fetch's own. */
	uint64_t swallowed;
	bool fed;
};

/* Sends UID FETCH <set> <items> and reads the answer with the handlers in place. */
enum imap_reply imap_uid_fetch(struct imap_fetch_handler *handler,
	const struct guard_limits *limits, const char *set, const char *items);
/*
 * Its two halves, for who has something to do while the server works. What was sent must be read
 * before anything else is asked for. False: lost.
 */
bool imap_uid_fetch_send(struct imap *imap, const struct guard_limits *limits, const char *set,
	const char *items);
enum imap_reply imap_uid_fetch_read(struct imap_fetch_handler *handler);

#endif
