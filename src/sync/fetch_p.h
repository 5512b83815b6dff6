/*
 * sync/fetch_p.h - one call of the backend for bodies.
 * fetch.c makes it, fetch_sink.c receives what comes, fetch_end.c concludes what did not. All
 * on the worker's thread.
 */
#ifndef MOUNTMAIL_SYNC_FETCH_P_H
#define MOUNTMAIL_SYNC_FETCH_P_H

#include "worker_p.h"
#include <mountmail/store/messages.h>

/* A wanted body, from the queue to its end. */
struct item {
	struct want *want;
	struct store_message message; /* as stored */
	bool over;		      /* the want is concluded, and may be freed */
};

/* One call of the backend. */
struct fetch {
	struct worker *worker;
	struct account *account;
	int64_t folder_id;
	struct store_folder folder;
	uint64_t resets;    /* of the account, before anything was read */
	struct item *items; /* owned; by UID */
	size_t count;
	uint64_t written; /* of the body in progress */
	int error;	  /* -errno of the store, which ended the call */
	bool halted;	  /* a sink said to end it */
	bool heard;	  /* something came */
	int64_t told_ms;  /* when those who wait were last given more time */
	bool proven;	  /* the connection was good when the call began */
	bool stepped;	  /* a body arrived */
	bool gone;	  /* a message was, so the folder is to be looked at */
};

/* The item of a UID; NULL when there is none or it is over. */
struct item *fetch_find(struct fetch *fetch, uint32_t uid);

/* Concludes an item: all who wait are told, before this returns. */
void item_end(struct fetch *fetch, struct item *item, int result);
/* Gives it back to the queue; it is forgotten when nobody waits. */
void item_again(struct fetch *fetch, struct item *item, bool front);

/* The sink's three, ctx is the struct fetch. */
bool fetch_on_data(void *ctx, const void *data, size_t len);
bool fetch_on_done(void *ctx, uint32_t uid, uint64_t size);
bool fetch_on_failed(void *ctx, uint32_t uid, enum backend_status status, const char *text);
void fetch_on_alive(void *ctx);
/* Drops the body in progress. */
void fetch_void(struct fetch *fetch);

/* After the call: by how it ended, for all items that are not over. */
void fetch_conclude(struct fetch *fetch, const struct backend_result *result);

#endif
