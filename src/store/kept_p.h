/*
 * store/kept_p.h - what the files of the kept mail share.
 * Used by kept*.c; locking is said at each member and function.
 *
 * There are two connections: what reads never waits for a change, which waits for the disk more
 * than once. What is known to be damaged, what is counted and what is open is in memory.
 */
#ifndef MOUNTMAIL_STORE_KEPT_P_H
#define MOUNTMAIL_STORE_KEPT_P_H

#include "db_p.h"
#include "keys_p.h"
#include <mountmail/store/kept.h>
#include <pthread.h>
#include <stdatomic.h>

#define KEPT_DB "kept.db"
#define KEPT_LOCK "kept.lock"
#define KEPT_FOLDER "kept"
#define KEPT_LOST "lost"
#define KEPT_NEW "new-"
#define KEPT_NAME_MAX 32 /* of a file, with its NUL */

#define KEPT_FILES 16	    /* that stay open */
#define KEPT_GENERATIONS 64 /* a power of two */

/* A body that was read through and found whole. */
struct kept_file {
	uint32_t uid;
	int fd;
	uint64_t length;
	unsigned users; /* the cache is one */
	uint64_t used;	/* the higher, the later */
};

struct kept {
	char *dir;
	int dir_fd, lock_fd;
	int bodies_fd; /* the folder kept/ */

	/* For this part, and for the files' names: one change at a time. */
	pthread_mutex_t mutex;
	struct db db;
	struct kept_counts next; /* counts, once the transaction in progress is committed */
	struct keys spare; /* files no row names that may be replaced: dropped, or never ours */

	pthread_mutex_t read_mutex; /* for reader */
	struct db reader;

	/* For this part; taken inside any other, held for no longer than counting takes. */
	pthread_mutex_t tally;
	struct kept_counts counts; /* but for damaged */
	struct keys damaged;
	struct kept_file *files[KEPT_FILES]; /* NULL: a free place */
	uint64_t used;
	/*
	 * By UID: another number whenever a file came under a name or is about to go. Who has
	 * read it, then the row, then the file, and reads it again the same, has seen both as
	 * they were at one moment.
	 */
	uint64_t generations[KEPT_GENERATIONS];

	atomic_uint_fast64_t serial; /* of the last new file */
};

/* What says whether a file is whole. */
struct kept_row {
	enum kept_state state;
	uint64_t length;
	uint64_t checksum;
};

/* -ENOSPC, -EIO or what is no error, of what db_p.h returns. */
int kept_errno(int result);
/* The same of an errno. */
int kept_file_errno(int error);

/* Transactions, with mutex held: next begins as counts. The end commits when result is 0. */
int kept_transact(struct kept *kept, const char *function);
int kept_settle(struct kept *kept, int result);
/* That counts the messages of a state. */
uint64_t *kept_counter(struct kept_counts *counts, enum kept_state state);

/* kept_rows.c. With mutex held for db, or on reader (it is locked inside). 1, 0 or -errno. */
int kept_row_find(struct db *db, uint32_t uid, struct kept_row *row_out);
int kept_row_read(struct kept *kept, uint32_t uid, struct kept_row *row_out);

/* kept_scan.c. The name of a body's file. */
void kept_name(uint32_t uid, char name_out[KEPT_NAME_MAX]);
/* Whether the folder has bodies in it: 1, 0 or -errno. */
int kept_has_bodies(struct kept *kept);
/*
 * Gives a file of bodies_fd a name in to_fd that is free: its own, or with ".1", ".2" behind.
 * 0 with it, or -errno.
 */
int kept_set_aside(
	struct kept *kept, const char *name, int to_fd, char name_out[KEPT_NAME_MAX]);
/* At opening: what is there. 0, -EUCLEAN or another -errno. */
int kept_scan(struct kept *kept);

/*
 * kept_body.c. Opens a body and reads it through: a descriptor, -ENODATA when it is damaged
 * (why_out says how) or -EIO when that cannot be told (logged). Any thread.
 */
int kept_body_open(
	struct kept *kept, uint32_t uid, const struct kept_row *row, const char **why_out);

/* kept_files.c; any thread, tally is taken inside. */
uint64_t kept_generation(struct kept *kept, uint32_t uid);
/* A file came under a name, or is about to go: nothing that was known of it holds any more. */
void kept_changed(struct kept *kept, uint32_t uid);
/* False when it has changed since, and nothing was noted. The first time it is logged. */
bool kept_note_damage(struct kept *kept, uint32_t uid, uint64_t generation, const char *why);
bool kept_note_whole(struct kept *kept, uint32_t uid, uint64_t generation);
bool kept_is_damaged(struct kept *kept, uint32_t uid);
/* An open file, to be put back; NULL for none. */
struct kept_file *kept_file_get(struct kept *kept, uint32_t uid);
void kept_file_put(struct kept *kept, struct kept_file *file);
/* Takes fd. NULL when it has changed since: fd is closed then. */
struct kept_file *kept_file_add(
	struct kept *kept, uint32_t uid, int fd, uint64_t length, uint64_t generation);
void kept_files_finish(struct kept *kept);

#endif
