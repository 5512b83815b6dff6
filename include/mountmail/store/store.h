/*
 * store/store.h - the account's cache on disk: one database and the body segments.
 * Opened by the mail process. Writing functions take a struct store, may be called from any
 * thread and are serialised inside; reading ones take a struct store_reader, which has a
 * read-only connection of its own (WAL: no reader waits for a writer) and belongs to one thread.
 *
 * Layout of the directory (0700, files 0600, opened with O_NOFOLLOW):
 *   mail.db, mail.db-wal, mail.db-shm     SQLite
 *   bodies/0000000001.seg ...             body segments, appended to, tens of MiB each
 *   lock                                  held with flock while the account is mounted
 *
 * It is a cache: all of it can be fetched again. Removals live elsewhere, in the state directory.
 */
#ifndef MOUNTMAIL_STORE_STORE_H
#define MOUNTMAIL_STORE_STORE_H

#include <mountmail/base/error.h>
#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_reader;

/*
 * Opens or makes the cache in dir (made with its parents when missing). identity says whose it
 * is ("imaps://user@host:port"): a cache that belongs to another one is refused with -EBUSY.
 * cache_limit: bytes of bodies to keep, 0 for no limit.
 * Errors: -EBUSY when mounted already (the lock) or another account's; -ENOTSUP when a newer version made it;
 * others from the file system. A damaged database is moved aside (mail.db.damaged) and made
 * anew, with a warning in the log: everything in it can be had from the server.
 */
int store_open(const char *dir, const char *identity, uint64_t cache_limit,
	struct store **store_out, struct error *err);

/* Takes NULL. No reader or body writer may be left. */
void store_close(struct store *store);

/* -errno when the connection cannot be opened. */
int store_reader_create(struct store *store, struct store_reader **reader_out, struct error *err);
void store_reader_destroy(struct store_reader *reader);

/*
 * What is read between the two is the store at one moment: without it a folder's row and its
 * message's may be from before and after a new epoch. Short: meanwhile the WAL cannot be folded
 * back. Does not nest; each successful begin has its end. 0 or -EIO.
 */
int store_reader_begin(struct store_reader *reader);
void store_reader_end(struct store_reader *reader);

#endif
