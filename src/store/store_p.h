/*
 * store/store_p.h - what the files of the store share.
 * Used by this floor alone; locking is said at each member.
 */
#ifndef MOUNTMAIL_STORE_STORE_P_H
#define MOUNTMAIL_STORE_STORE_P_H

#include "db_p.h"
#include <mountmail/store/folders.h>
#include <mountmail/store/store.h>
#include <pthread.h>
#include <stdatomic.h>

struct segments;

struct store {
	char *dir;	       /* absolute or as given; never changes */
	int lock_fd;	       /* holds the flock */
	int bodies_fd;	       /* the folder bodies/ */
	bool opened;	       /* store_open succeeded */
	atomic_bool damaged;   /* a reader met damage: look at every page at the next opening */
	uint64_t limit;	       /* bytes of bodies, 0 for none */
	pthread_mutex_t mutex; /* for db: one writer at a time */
	struct db db;
	struct journal *journal; /* borrowed; NULL: nothing is hidden. Set before any reader */
	struct segments *segments; /* has a mutex of its own, taken inside mutex or alone */
};

struct store_reader {
	struct store *store;
	bool held;	/* between store_reader_begin and store_reader_end */
	int generation; /* the journal's then; -1: nothing was hidden */
	struct db db;
};

/* The writer's connection, with a transaction begun. Ends with store_end. */
int store_begin(struct store *store, const char *function);
/* Commits when result is 0, else rolls back; returns result or the commit's failure. */
int store_end(struct store *store, int result);

/*
 * Opens (making it, and its parents, when missing) a folder that only its owner may enter.
 * option, "cache" or "state", names it for people. Returns a descriptor or -errno.
 */
int store_dir_open(const char *path, const char *option, struct error *err);

/* 31 bits, never 0, of text and number. */
uint32_t store_tag(const char *text, uint64_t number);

#endif
