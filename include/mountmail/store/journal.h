/*
 * store/journal.h - removals that the server does not have yet, or did not carry out.
 * Opened by the mail process. Written by sync (unlink on FUSE threads, the rest on its workers),
 * read by fs for status and queue, and by view to hide what was removed. Any thread; each call is
 * one transaction, serialised inside, and none waits for anything but the disk.
 *
 * journal.db in the state directory (0700, files 0600), apart from the cache: clearing the cache never
 * forgets a removal. While it is open no other process can read it. A row names a message by the
 * folder's raw name, its epoch and the UID, and holds the fingerprint that the server's message must
 * have for it to be removed.
 *
 * A message is hidden exactly while it has a row in one of the hidden states: nobody else keeps a
 * second account of that. A transaction is safe from the end of the process when a call returns,
 * and from that of the machine after journal_sync.
 */
#ifndef MOUNTMAIL_STORE_JOURNAL_H
#define MOUNTMAIL_STORE_JOURNAL_H

#include <mountmail/base/error.h>
#include <mountmail/store/store.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* The values are on disk. */
enum journal_state {
	/* Hidden. */
	JOURNAL_QUEUED = 1, /* to be sent */
	JOURNAL_SENT = 2,   /* a command for it left, or may have: it cannot be undone */
	JOURNAL_MARKED = 3, /* \Deleted on the server, not expunged because of others' marks */
	JOURNAL_BRAKED = 4, /* the brake holds it until it is released */
	/* Shown again. */
	JOURNAL_HELD = 16,   /* the server does not do it */
	JOURNAL_PARKED = 17, /* the message there is not the one that was removed */
};

static inline bool journal_state_hides(enum journal_state state)
{
	return state < JOURNAL_HELD;
}
/* "queued", "sent", "marked", "braked", "held", "parked" */
const char *journal_state_name(enum journal_state state);

/* A folder in one epoch that has rows. */
struct journal_place {
	int64_t id;      /* for as long as the journal lives; never used twice */
	char *raw;       /* owned; the server's name */
	uint64_t epoch;  /* UIDVALIDITY */
};

struct journal_row {
	int64_t place;      /* journal_place.id */
	uint32_t uid;
	enum journal_state state;
	bool final;         /* when it was made, nothing could bring it back from the server */
	bool released;      /* the user said that it was meant: the brake does not take it again */
	uint64_t size;      /* fingerprint: as the server claimed it, ... */
	int64_t date;       /* ... INTERNALDATE, seconds since the epoch, ... */
	char *message_id;   /* ... owned, NULL for none, ... */
	char *uidl;         /* ... owned, NULL for IMAP: where there is one, it alone decides */
	char *name;         /* owned; the file's name in the mount, for people */
	int64_t at;         /* wall clock, seconds: when it was removed */
	uint32_t tries;     /* looks that found it still there after it was sent */
	/*
	 * While it is being moved or copied: the folder it goes to ("" none), that one's epoch, and its
	 * UIDNEXT before: a copy that was made is found there, above that UID.
	 */
	char *copy_raw;     /* owned */
	uint64_t copy_epoch;
	uint32_t copy_from;
	bool copied;        /* the copy is known to be there: what is left is to expunge */
	char *reason;       /* owned, "" for none; why it is braked, marked, held or parked */
};

void journal_place_finish(struct journal_place *place);
void journal_row_finish(struct journal_row *row);

/*
 * Opens or makes the journal in dir. identity as in store_open: another account's is refused with
 * -EBUSY. -ENOTSUP when a newer version made it; -EUCLEAN when it is damaged: it is not made anew
 * behind the user's back, the text says what to do.
 */
int journal_open(const char *dir, const char *identity, struct journal **journal_out,
	struct error *err);
/* Takes NULL. No reader of a store that hides by it may be left. */
void journal_close(struct journal *journal);

/* All that was committed is on disk when this returns: 0 or -EIO. */
int journal_sync(struct journal *journal);

/*
 * Notes a removal: place is found by raw and epoch, or made; row's place is ignored. A row that is
 * there in a state that shows is replaced; one that hides stays as it is. 0, -ENOSPC, -EIO.
 */
int journal_add(struct journal *journal, const char *raw, uint64_t epoch,
	const struct journal_row *row, struct error *err);

/* The place of a folder; place_out is the caller's to finish. 0, -ENOENT, -EIO. */
int journal_place_get(struct journal *journal, int64_t id, struct journal_place *place_out);

/*
 * Calls each with the id of every place that has rows to be sent (QUEUED, SENT, MARKED), the one with
 * the oldest row first, until it returns false. No transaction is open meanwhile. 0 or -EIO.
 */
int journal_places(struct journal *journal, bool (*each)(void *ctx, int64_t place), void *ctx);

/*
 * Up to max rows of a place that are QUEUED, SENT or MARKED, with a UID above after, ascending by UID.
 * rows_out: owned array, each row to be finished. Returns the count or -EIO.
 */
int journal_take(struct journal *journal, int64_t place, uint32_t after, size_t max,
	struct journal_row **rows_out);

/*
 * Before a command leaves: rows (by UID, in place) become SENT with the copy_* and copied fields given
 * in how (may be NULL: as they are). Rows that are no longer QUEUED, SENT or MARKED (undone meanwhile)
 * are left alone; uids and count are cut to those that are SENT now. 0, -ENOSPC, -EIO.
 */
int journal_send(struct journal *journal, int64_t place, uint32_t *uids, size_t *count,
	const struct journal_row *how);
/* The copies of these are there. */
int journal_note_copied(struct journal *journal, int64_t place, const uint32_t *uids, size_t count);

/*
 * SENT, QUEUED or MARKED rows get another state and reason; tries is added to theirs. Others, and those
 * that are not there, are left alone. 0, -ENOSPC, -EIO.
 */
int journal_settle(struct journal *journal, int64_t place, const uint32_t *uids, size_t count,
	enum journal_state state, uint32_t tries, const char *reason);

/* They were seen to be gone: the rows go. 0, -ENOSPC, -EIO. */
int journal_confirm(struct journal *journal, int64_t place, const uint32_t *uids, size_t count);

/*
 * Every final QUEUED row that was not released (of one place, or of all with place 0) becomes BRAKED.
 * The count or -errno.
 */
int64_t journal_brake(struct journal *journal, int64_t place, const char *reason);

/* For people: a row is named "PLACE.UID", as journal_row_id writes it. */
#define JOURNAL_ID_MAX 32
void journal_row_id(const struct journal_row *row, char id_out[JOURNAL_ID_MAX]);

/*
 * What the user says of rows; id as above, or NULL for all that it can be said of.
 * undo: QUEUED, BRAKED, HELD and PARKED rows go, and the messages are shown.
 * release: BRAKED and HELD rows become QUEUED, with no tries, and may be sent though final.
 * discard: HELD and PARKED rows go.
 * changed is called for each row's place once, after the commit (NULL: nobody wants to know).
 * Returns the count; -ENOENT when there is no row id; -EBUSY when its state does not allow it; -EIO.
 */
enum journal_verb { JOURNAL_UNDO, JOURNAL_RELEASE, JOURNAL_DISCARD };
int64_t journal_tell(struct journal *journal, enum journal_verb verb, const char *id,
	void (*changed)(void *ctx, const struct journal_place *place), void *ctx,
	struct error *err);

struct journal_counts {
	uint64_t queued, sent, marked, braked, held, parked;
};
/* Kept in memory; costs nothing. */
void journal_counts(struct journal *journal, struct journal_counts *counts_out);

/* Calls each for every row, by place and UID, until it returns false; both are borrowed. 0 or -EIO. */
int journal_walk(struct journal *journal,
	bool (*each)(void *ctx, const struct journal_place *place, const struct journal_row *row),
	void *ctx);

/*
 * Lets the store's readers see what is hidden. Once, before the first reader is created; journal
 * must outlive the store. Without it nothing is hidden.
 */
void store_hide_by(struct store *store, struct journal *journal);

struct store_folder;

/* What a folder of the store has in the journal now. */
struct store_hidden {
	uint32_t messages; /* hidden */
	int64_t mtime;     /* when that last changed, seconds since the epoch; 0 never */
};
/*
 * Inside store_reader_begin/end or alone. The journal is always read before the cache, so that a
 * message that left both is never shown in between. 0 or -EIO.
 */
int store_folder_hidden(struct store_reader *reader, const struct store_folder *folder,
	struct store_hidden *hidden_out);
/* Whether a message is hidden: 1, 0 or -EIO. */
int store_message_hidden(struct store_reader *reader, const struct store_folder *folder,
	uint32_t uid);

#endif
