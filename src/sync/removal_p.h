/*
 * sync/removal_p.h - some of one folder's removals, from the journal to the server and
 * back. removal.c has the course of it, removal_take.c what it is made of, removal_look.c what
 * is looked at, removal_send.c what is sent, removal_end.c what becomes of rows. All on the
 * worker's thread, without the mutex.
 *
 * The order that nothing is lost by:
 *   look (who is there?), journal (SENT, durable), command, look again, journal (gone).
 * Whatever cuts it off between two of these, the next run begins with a look.
 */
#ifndef MOUNTMAIL_SYNC_REMOVAL_P_H
#define MOUNTMAIL_SYNC_REMOVAL_P_H

#include "removals_p.h"
#include "worker_p.h"

/* What is to be done with a row. */
enum item_step {
	ITEM_NONE,     /* nothing, or nothing more */
	ITEM_ASKED,    /* not seen yet: after the look that asks for it, gone */
	ITEM_OTHER,    /* another message is there */
	ITEM_UNKNOWN,  /* the server does not say what is there */
	ITEM_TO_TRASH, /* to be moved or copied */
	ITEM_COPIED,   /* the copy was asked for: is it there? */
	ITEM_EXPUNGE,  /* to be marked and expunged: it is final, or the copy is there */
	ITEM_SENT,     /* the last command left: after the last look, gone */
	ITEM_STILL,    /* and still there */
};

struct removal_item {
	struct journal_row row; /* owned */
	enum item_step step;
};

/* How a run ended; removal_conclude says what becomes of it. */
enum removal_end {
	REMOVAL_DONE,  /* all of the chunk was seen to its end */
	REMOVAL_CLOSE, /* what was sent is seen on the next connection */
	REMOVAL_LATER, /* some rows are to be tried again */
	REMOVAL_LOST,
	REMOVAL_THROTTLED,
	REMOVAL_STOPPED, /* the account stops */
	REMOVAL_FAILED,	 /* here: the journal or the store */
};

struct removal {
	struct worker *worker;
	struct account *account;
	struct journal *journal;
	struct journal_place place;
	struct removal_item *items; /* owned; ascending by UID */
	size_t count;
	size_t from, to; /* the part of items that is worked on: what one command takes */
	size_t chunk;	 /* how many that are */
	size_t reached;	 /* items before this one had their turn */
	uint32_t *uids;	 /* owned; room for a list of count */
	size_t listed;	 /* in uids */
	char *trash;	 /* owned; where the messages go, NULL: nowhere, they are gone then */
	struct journal_row how; /* the Trash as it was when the run began, borrowed; copy_raw
				   NULL: it is not there */
	bool inside;		/* the folder is the Trash, or below it */
	bool trash_lost;	/* trash= names a folder that is not there */
	uint32_t caps;
	bool stepped; /* something reached its end */
	bool parked;  /* rows were shown again */
	bool marked;  /* rows wait for what other programs do */
	enum removal_end end;
	struct backend_result result;
};

/*
 * What follows is about the items from removal->from to removal->to.
 * Items of a step into removal->uids; how many there are.
 */
size_t removal_list(struct removal *removal, enum item_step step);
/* The item of a UID, NULL for none. */
struct removal_item *removal_find(struct removal *removal, uint32_t uid);

/*
 * removal_look.c: false when the run is over, removal->end and result say how.
 * first: ITEM_ASKED becomes what is to be done; those that are gone are confirmed, those that
 * are somebody else are parked.
 */
bool removal_look_first(struct removal *removal);
/* The Trash's epoch and UIDNEXT, into removal->how. */
bool removal_look_trash(struct removal *removal);
/* Copies that an earlier run may have made. */
bool removal_look_copies(struct removal *removal);
/* last: which of ITEM_SENT are gone; again: the folder was opened for this look already. */
bool removal_look_last(struct removal *removal, bool again);
/*
 * Whether all that is marked \Deleted in the folder is ours. -1: the run is over.
 */
int removal_look_marks(struct removal *removal);
/* Of ITEM_COPIED those whose copy is in the Trash from removal->how on become ITEM_EXPUNGE. */
bool removal_look_arrived(struct removal *removal);

/* Whether the server's message is the one that was removed. */
bool removal_is_same(const struct journal_row *row, const struct backend_identity *identity);

/*
 * removal_take.c: fills a run with the next rows, and says where they go. 1; 0: nothing can be
 * sent before wait_until; -errno.
 */
int removal_take(struct removal *removal, int64_t *wait_until);
void removal_aim(struct removal *removal);

/* removal_send.c */
bool removal_send_to_trash(struct removal *removal);
bool removal_send_expunge(struct removal *removal);

/* removal_end.c */

/* What a call's status means for the run, when it is not OK. False. */
bool removal_over(struct removal *removal);
/* The journal failed. False. */
bool removal_journal_failed(struct removal *removal, int result);
/* The items of a step are gone: from the cache, then from the journal. */
bool removal_confirm(struct removal *removal, enum item_step step);
/* The items of a step get another state, and are done with. */
bool removal_settle(struct removal *removal, enum item_step step, enum journal_state state,
	const char *reason);
/*
 * The items of a step were tried in vain once more: they stay as they are, or are held when it
 * was the last try.
 */
bool removal_vain(struct removal *removal, enum item_step step, const char *reason);
/* The folder's events: names are there again (shown), or no longer. From any thread. */
void removal_tell(struct account *account, const struct journal_place *place, bool shown);

#endif
