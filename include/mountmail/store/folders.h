/*
 * store/folders.h - the tree of folders.
 * Written by sync's workers, read by view on FUSE threads (see store.h for threads).
 *
 * A folder that the server never listed but that has children is kept as well, as
 * MAIL_FOLDER_IMPLIED | MAIL_FOLDER_NOSELECT, so that the tree has no holes.
 */
#ifndef MOUNTMAIL_STORE_FOLDERS_H
#define MOUNTMAIL_STORE_FOLDERS_H

#include <mountmail/mail/folder.h>
#include <mountmail/store/store.h>
#include <stddef.h>

#define STORE_ROOT 0 /* the id that stands for the account itself, parent of the top folders */

enum store_listed {
	STORE_LISTED_NEVER,
	STORE_LISTED_PARTLY, /* a first scan was cut off: it goes on after last_uid */
	STORE_LISTED_FULLY,  /* at least once; what is shown is complete as of checked */
};

struct store_folder {
	int64_t id;            /* row id, for as long as the cache lives */
	int64_t parent;        /* id, or STORE_ROOT */
	char *raw;             /* owned; the server's name; "" when implied */
	char *level;           /* owned; the last level of mail_folder.path: any bytes but NUL and '\n' */
	uint32_t flags;        /* enum mail_folder_flag */
	uint32_t dir_tag;      /* 31 bits, never 0: inode tag of the directory, from the path */
	uint32_t message_tag;  /* 31 bits, never 0: inode tag of its messages, from path and epoch */
	uint64_t epoch;        /* UIDVALIDITY, 0 before the first scan */
	uint32_t last_uid;     /* every message up to here is in the store */
	uint32_t uidnext;      /* as last heard, 0 unknown */
	enum store_listed listed;
	uint32_t messages;     /* rows now */
	uint32_t bodies;       /* of these, with a body in the cache */
	int64_t mtime;         /* when its content last changed, seconds since the epoch */
	int64_t checked;       /* when the server was last asked, seconds since the epoch; 0 never */
};

void store_folder_finish(struct store_folder *folder);

/*
 * Makes the tree equal to what the server listed, in one transaction: new ones added, gone ones
 * dropped with their messages and bodies. Of two entries with one path the first counts.
 * changed_out (may be NULL) tells whether the tree is another now.
 * Returns 0 or -EIO.
 */
int store_folders_replace(struct store *store, const struct mail_folder *list, size_t count,
	bool *changed_out, struct error *err);

/*
 * Begins a new epoch: the folder's messages and bodies are dropped, last_uid is 0, listed is NEVER,
 * message_tag is computed anew. Returns 0, -ENOENT or -EIO.
 */
int store_folder_new_epoch(struct store *store, int64_t id, uint64_t epoch, struct error *err);

/*
 * last_uid goes back to this one, so that a scan reports again what is above: messages are there
 * that the store lacks. 0 or -EIO.
 */
int store_folder_rewind(struct store *store, int64_t id, uint32_t last_uid, struct error *err);

/* 0, -ENOENT or -EIO. folder_out is the caller's to finish. */
int store_folder_by_id(struct store_reader *reader, int64_t id, struct store_folder *folder_out);
int store_folder_by_dir_tag(struct store_reader *reader, uint32_t tag,
	struct store_folder *folder_out);
int store_folder_by_message_tag(struct store_reader *reader, uint32_t tag,
	struct store_folder *folder_out);
/* By the server's name. */
int store_folder_by_raw(struct store_reader *reader, const char *raw,
	struct store_folder *folder_out);
int store_folder_by_level(struct store_reader *reader, int64_t parent, const char *level,
	struct store_folder *folder_out);

/*
 * Calls each for the folders directly under parent with an id above after, ascending, until it
 * returns false. The folder is borrowed. Returns 0 or -EIO.
 */
int store_folders_under(struct store_reader *reader, int64_t parent, int64_t after,
	bool (*each)(void *ctx, const struct store_folder *folder), void *ctx);
/* Every folder of the account, by id. */
int store_folders_all(struct store_reader *reader,
	bool (*each)(void *ctx, const struct store_folder *folder), void *ctx);

struct store_totals {
	uint64_t folders;
	uint64_t messages;
	uint64_t message_bytes; /* sum of sizes */
	uint64_t body_bytes;    /* on disk */
	uint64_t body_limit;    /* 0: none */
	int64_t mtime;          /* when the tree of folders last changed */
};

/* As totals.mtime; store_totals reads every folder, this one none. 0 or -EIO. */
int store_tree_mtime(struct store_reader *reader, int64_t *mtime_out);

int store_totals(struct store_reader *reader, struct store_totals *totals_out);

#endif
