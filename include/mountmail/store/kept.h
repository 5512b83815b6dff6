/*
 * store/kept.h - messages that are kept here for good (POP3: pop3=take, pop3=keep).
 * Opened by the mail process, before its sandbox. Written by sync's workers, read by view on FUSE threads and by
 * fs for status. Any thread; what changes something is serialised inside and waits for the disk, what
 * reads waits for no change.
 *
 * This may be the only copy. It is in the state directory (0700, files 0600, opened with O_NOFOLLOW), apart from
 * the cache and from its limit, and nothing in it is ever made anew or deleted behind the user's back:
 *   kept.db, kept.db-wal, kept.db-shm   what is known of each message; SQLite
 *   kept.lock                           held with flock while it is open
 *   kept/1234                           the body of UID 1234, byte for byte, and nothing else: whoever has
 *                                       lost all the rest finds his mail there
 *   kept/new-1                          a body that is being written. One that is found at opening was never
 *                                       acknowledged and goes
 *   kept/lost/1234                      a body that no row named at opening (a crash, an older kept.db put
 *                                       back): it was moved there, and the log says so
 *
 * A message is a row and a file. Its file is on disk under its name before the row is; the row is gone from disk
 * before the file is touched. So at no moment does a row that was acknowledged stand without its body, and
 * a call that fails has taken nothing away.
 *
 * The rules for whoever takes a message from the server and must lose none:
 * - kept_commit has returned 0, then kept_state_set has returned 0 and left its UID in the list, then DELE may go.
 * - A message that is seen to be gone becomes KEPT_ALONE before it is dropped from the store.
 * - Who shows both reads the store first and then this, and a UID that is in both once: so a message on its way
 *   from one to the other is never missed.
 * - The number of a message may come to mean another (pop3_uid_p.h): compare uidl.
 */
#ifndef MOUNTMAIL_STORE_KEPT_H
#define MOUNTMAIL_STORE_KEPT_H

#include <mountmail/base/error.h>
#include <mountmail/mail/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kept;
struct kept_writer;

/* The values are on disk. */
enum kept_state {
	KEPT_COPY = 1,   /* on the server as well, as far as is known */
	KEPT_TAKING = 2, /* DELE may have been sent */
	KEPT_ALONE = 3,  /* seen to be gone from the server: this is the only copy */
};
/* "copy", "taking", "alone" */
const char *kept_state_name(enum kept_state state);

struct kept_message {
	struct mail_message mail; /* as given to kept_begin; size is what the server claimed */
	enum kept_state state;
	uint64_t length; /* bytes of the body: the true size */
	int64_t at;      /* wall clock, seconds since the epoch: when it was kept */
	bool damaged;    /* as far as is known its body is missing or not what it was: -EIO on read */
};
void kept_message_finish(struct kept_message *message);

/* Whether there is anything of it in dir, and so something to be shown whatever the options say now. */
bool kept_exists(const char *dir);

/*
 * Opens it, or makes it when there is none. identity as in store_open: another account's is refused with -EBUSY,
 * as is one in use. -ENOTSUP when a newer version made it. -EUCLEAN when the database is damaged, or missing while
 * there are bodies: nothing was touched, and the text says what to do. Rows whose body is missing or has not
 * its length are kept, logged and told as damaged.
 */
int kept_open(const char *dir, const char *identity, struct kept **kept_out, struct error *err);
/* Takes NULL. No writer may be left. */
void kept_close(struct kept *kept);

/*
 * Begins to keep a message (copied; its uid is not 0). A writer belongs to one thread; there may be any number of
 * them. What fails here is told by the next call. Ends with kept_commit or kept_abort.
 */
struct kept_writer *kept_begin(struct kept *kept, const struct mail_message *message);
/* 0, -ENOSPC, -EIO: then every later call fails alike. */
int kept_append(struct kept_writer *writer, const void *data, size_t len);
/*
 * Ends the body, also an empty one, and the writer, whatever comes of it. 0: body and row are on disk, the machine
 * may lose its power now; the state is KEPT_COPY. A UID that is kept already: 0 when it has this UIDL and
 * this body (it stays as it is, but a damaged file is replaced by this one), else -EEXIST.
 * -ENOSPC, -EIO: it is not kept, and nothing of it stays (but after -EIO of the database, which may have been
 * obeyed all the same, the whole body: it is in kept/lost at the next opening, or kept after all).
 */
int kept_commit(struct kept_writer *writer, struct error *err);
/* Voids what was not committed, and ends the writer. Takes NULL. */
void kept_abort(struct kept_writer *writer);

/* 0, -ENOENT or -EIO. message_out is the caller's to finish. */
int kept_get(struct kept *kept, uint32_t uid, struct kept_message *message_out);

/*
 * Calls each for the messages with a UID above after, ascending, until it returns false. The message is borrowed;
 * nothing is locked and no transaction open meanwhile. 0 or -EIO.
 */
int kept_walk(struct kept *kept, uint32_t after,
	bool (*each)(void *ctx, const struct kept_message *message), void *ctx);

/*
 * The UIDs of those in a state that were kept before a time (wall clock, seconds), the oldest first, without those
 * known to be damaged. uids_out: owned array. 0 or -EIO.
 */
int kept_older(struct kept *kept, int64_t before, enum kept_state state, uint32_t **uids_out,
	size_t *count_out);

/*
 * They get another state, on disk when this returns; any state may follow any. uids and count are cut to those
 * that have it now: not to those that are not there, nor, for KEPT_TAKING, to those whose body (it is read
 * through once more) is damaged: for these no DELE may be sent. Blocks as long as reading them takes.
 * 0, -ENOSPC, -EIO: then nothing has changed, neither the list.
 */
int kept_state_set(struct kept *kept, uint32_t *uids, size_t *count, enum kept_state state,
	struct error *err);

/*
 * The user removed them. Those that are not there are passed over. 0, -ENOSPC, -EIO: then all are still there.
 * After a crash amid this, or after -EIO, bodies whose rows went are in kept/lost.
 */
int kept_drop(struct kept *kept, const uint32_t *uids, size_t count, struct error *err);

/* Reads a body through. 0 it is whole, -ENOENT, -EIO it is damaged or cannot be read (logged). */
int kept_check(struct kept *kept, uint32_t uid);

/*
 * Up to len bytes from offset. Returns the count, 0 at the end, -ENOENT, -EIO. A body is read through and
 * compared with its checksum before the first of its bytes is given out; the last few stay open.
 */
ssize_t kept_read(struct kept *kept, uint32_t uid, void *data, size_t len, uint64_t offset);

struct kept_counts {
	uint64_t copies, taking, alone;
	uint64_t damaged; /* of these, as far as is known */
	uint64_t bytes;   /* of all bodies */
	int64_t mtime;    /* when one was last dropped, seconds since the epoch; 0 never */
};
/* Kept in memory; costs nothing. */
void kept_counts(struct kept *kept, struct kept_counts *counts_out);

#endif
