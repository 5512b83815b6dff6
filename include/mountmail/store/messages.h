/*
 * store/messages.h - what is known of messages: claims, header fields, verified sizes.
 * Written by sync's workers, read by view on FUSE threads (see store.h for threads).
 */
#ifndef MOUNTMAIL_STORE_MESSAGES_H
#define MOUNTMAIL_STORE_MESSAGES_H

#include <mountmail/mail/message.h>
#include <mountmail/store/store.h>
#include <stddef.h>

/*
 * A batch collects what a scan reports and commits it in one transaction. One batch belongs to
 * one thread; it holds no lock between calls, so batches of several folders can be filled at once.
 * What is added stays in memory until the commit: commit every few thousand messages.
 */
struct store_batch;

struct store_batch *store_batch_create(struct store *store, int64_t folder_id);
/* Drops what was not committed. Takes NULL. */
void store_batch_destroy(struct store_batch *batch);

/* Copies message. A UID that is there already is replaced (but a verified size stays). */
void store_batch_add(struct store_batch *batch, const struct mail_message *message);
/* uid is there on the server, with these flags. In ascending order. */
void store_batch_keep(struct store_batch *batch, uint32_t uid, uint32_t flags);
/* Every message up to last_uid that was not kept in this batch is gone. */
void store_batch_drop_unkept(struct store_batch *batch, uint32_t last_uid);

struct store_batch_end {
	uint32_t last_uid;  /* all up to here is in the store now; 0 leaves it as it is */
	uint32_t uidnext;   /* 0 leaves it as it is */
	bool complete;      /* the scan is over: listed becomes FULLY, checked becomes now */
};

/* A message that went, for those who must tell the kernel. */
struct store_gone {
	uint32_t uid;
	int64_t date;
	struct mail_fields fields; /* sender and subject only: what a file name is made of */
};

struct store_changes {
	uint32_t added;
	uint32_t reflagged;
	uint32_t missing; /* the lowest UID that was kept and is not in the store; 0: none */
	struct store_gone *gone; /* owned, store_changes_finish */
	size_t gone_count;
};
void store_changes_finish(struct store_changes *changes);

/*
 * Commits and empties the batch: messages, flags, drops, counters, the folder's mtime (when something
 * came or went) are one transaction. changes_out may be NULL. 0, -ENOENT when the folder is gone,
 * -ENOSPC, -EIO; after an error nothing of the batch is stored.
 */
int store_batch_commit(struct store_batch *batch, const struct store_batch_end *end,
	struct store_changes *changes_out, struct error *err);

/* One message, as the store has it. */
struct store_message {
	struct mail_message mail;
	/* The size the server claimed; mail.size is the true one once verified. With ALL only. */
	uint64_t claim;
	bool verified;  /* size is that of a body that was seen */
	bool cached;    /* the body is in the cache; told with STORE_COLUMNS_ALL only */
};
void store_message_finish(struct store_message *message);

/* What a walk brings along: the more, the slower. */
enum store_columns {
	STORE_COLUMNS_NAME, /* uid, size, date, verified, sender and subject: for names and stat */
	STORE_COLUMNS_ALL,
};

/* 0, -ENOENT or -EIO. */
int store_message_get(struct store_reader *reader, int64_t folder_id, uint32_t uid,
	enum store_columns columns, struct store_message *message_out);

/*
 * Calls each for the folder's messages with a UID above after, ascending, until it returns
 * false. The message is borrowed. Between store_reader_begin and store_reader_end rows come
 * straight from the database, and each may not walk messages with this reader. Returns 0 or -EIO.
 */
int store_messages_walk(struct store_reader *reader, int64_t folder_id, uint32_t after,
	enum store_columns columns, bool (*each)(void *ctx, const struct store_message *message),
	void *ctx);

struct store_folder;

/* Messages of a POP3 maildrop that cannot be told from others (mail_message.twin). */
struct store_twins {
	uint32_t shared;   /* they share their UIDL with another */
	uint32_t nameless; /* they have none */
};

/* Counts them; goes over all messages of the folder. 0 or -EIO. */
int store_folder_twins(struct store_reader *reader, int64_t folder_id,
	struct store_twins *twins_out);

/* The same without those that the journal hides (see journal.h). */
int store_messages_walk_shown(struct store_reader *reader, const struct store_folder *folder,
	uint32_t after, enum store_columns columns,
	bool (*each)(void *ctx, const struct store_message *message), void *ctx);

/*
 * Drops messages that are gone from the server and that nobody is shown any more, with their bodies'
 * rows. The folder's mtime becomes mtime if that is later. UIDs that are not there are passed over.
 * 0, -ENOENT when the folder is gone, -ENOSPC, -EIO.
 */
int store_messages_drop(struct store *store, int64_t folder_id, const uint32_t *uids, size_t count,
	int64_t mtime, struct error *err);

#endif
