/*
 * sync/pull_p.h - one look at one folder.
 * pull.c has its course, pull_sink.c receives what the backend tells. On the worker's thread.
 */
#ifndef MOUNTMAIL_SYNC_PULL_P_H
#define MOUNTMAIL_SYNC_PULL_P_H

#include "worker_p.h"
#include <mountmail/store/messages.h>

/* Why a sink ended the scan. */
enum pull_stop {
	PULL_NOT_STOPPED,
	PULL_NEW_EPOCH, /* what is stored is of another folder: begin anew */
	PULL_SURVEY,	/* something came or went: all is to be compared */
	PULL_YIELD,
	PULL_AGAIN, /* something else is to be asked for from here on */
	PULL_STORE, /* the store failed, error says how */
	PULL_GONE,  /* the folder went from the store */
	PULL_SHUTDOWN,
};

/* One look at one folder. */
struct pull {
	struct worker *worker;
	struct account *account;
	struct look *look;
	struct store_folder folder; /* as of the last read of its row */
	struct store_batch *batch;
	struct backend_scan scan;
	bool quiet;	   /* no survey when the folder looks as it did */
	uint32_t uidnext;  /* as told by begin */
	uint32_t exists;   /* likewise */
	uint32_t last_uid; /* the highest that is in the store or was reported */
	enum pull_stop stop;
	bool asking;	      /* headers are being asked for */
	uint32_t batch_count; /* messages of it so far */
	bool stepped;	      /* a batch is in the store */
	uint32_t missing;     /* a UID that the server has and the store has not; 0: none */
	struct error error;
	/* Where UIDs do not ascend with time (BACKEND_CAP_SCATTERED): */
	bool scattered;
	uint32_t *known; /* owned; what is stored, ascending */
	size_t known_count, known_cap;
	bool surveyed; /* what was not named is gone */
};

/* The sink's five; ctx is the struct pull. */
bool pull_on_begin(void *ctx, const struct backend_folder_state *state);
bool pull_on_existing(void *ctx, uint32_t uid, uint32_t flags);
bool pull_on_surveyed(void *ctx);
bool pull_on_message(void *ctx, const struct mail_message *message);
bool pull_on_batch(void *ctx, uint32_t through);

/* Stores what came; through: every message up to this UID did, 0 leaves that as it is. */
bool pull_commit(struct pull *pull, uint32_t through, bool complete);

/* Why the scan is to end; for a callback to return. False. */
bool pull_halt(struct pull *pull, enum pull_stop why);
bool pull_store_failed(struct pull *pull, int result);

#endif
