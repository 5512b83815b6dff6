/*
 * sync/narrow_p.h - how a folder is listed that holds a message connections break over.
 * Called by pull.c, on the worker thread that runs the look; pure bookkeeping, no I/O.
 *
 * A server may close the connection, or say what nobody understands, whenever one certain
 * message's header is asked for. Which one it is cannot be told from a batch that did not come,
 * so batches become smaller until it is alone; then it is listed without its header. Behind it
 * they grow again, step by step: where one is, there may be others.
 */
#ifndef MOUNTMAIL_SYNC_NARROW_P_H
#define MOUNTMAIL_SYNC_NARROW_P_H

#include <stdbool.h>
#include <stdint.h>

/* So many given up in a row, and none that came: not bad mail but a server in trouble. */
#define NARROW_STUBS_MAX 16u

/* All zero: nothing is known against the folder. */
struct narrow {
	uint32_t most;	   /* messages in a batch; 0: as many as the backend likes */
	bool stub;	   /* the first one is to be listed without being asked for */
	uint32_t suspects; /* the one to blame is among so many that come next */
	uint32_t exists;   /* messages in the folder when it broke last */
	unsigned losses;   /* connections broken over a batch, since one came */
	unsigned stubs;	   /* given up, since a batch came */
};

/*
 * A connection broke over a batch. True: with what is to be asked for now it may go better, and
 * the server is not to blame. False: nothing to be learned from it (the first time, and when
 * even less did not help). exists: messages in the folder, as it told at the beginning.
 */
bool narrow_lost(struct narrow *narrow, uint32_t exists);
/*
 * Whether the first one may be passed over, with so many messages in the folder now: with fewer
 * than before it may be the one that went.
 */
bool narrow_stub_stands(const struct narrow *narrow, uint32_t exists);
/*
 * A batch came, of so many messages. True: from here on more can be asked for at once, by a new
 * scan.
 */
bool narrow_came(struct narrow *narrow, uint32_t messages);
/* How long to wait after a loss, before the next attempt. */
uint32_t narrow_pause_ms(const struct narrow *narrow, uint32_t random);

#endif
