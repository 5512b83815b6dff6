#include "kept_p.h"
#include "row_p.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/fault.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

struct kept_writer {
	struct kept *kept;
	struct mail_message mail; /* owned */
	char name[KEPT_NAME_MAX]; /* of the file, "" once it has its own */
	int fd;
	int failed; /* -errno of the first thing that did, 0 */
	uint64_t length;
	XXH3_state_t *hash;
};

static struct mail_message mail_copy(const struct mail_message *mail)
{
	struct mail_message copy = *mail;
	struct mail_fields *fields = &copy.fields;

	copy.uidl = xstrdup(mail->uidl);
	fields->sender = xstrdup(fields->sender);
	fields->from = xstrdup(fields->from);
	fields->to = xstrdup(fields->to);
	fields->cc = xstrdup(fields->cc);
	fields->subject = xstrdup(fields->subject);
	fields->date = xstrdup(fields->date);
	fields->message_id = xstrdup(fields->message_id);
	fields->references = xstrdup(fields->references);
	fields->list_id = xstrdup(fields->list_id);
	return copy;
}

static int writer_fail(struct kept_writer *writer, const char *doing)
{
	int error = errno;

	log_error("kept mail: UID %u cannot be %s in %s/" KEPT_FOLDER ": %s", writer->mail.uid,
		doing, writer->kept->dir, strerror(error));
	writer->failed = kept_file_errno(error);
	return writer->failed;
}

struct kept_writer *kept_begin(struct kept *kept, const struct mail_message *message)
{
	struct kept_writer *writer = xcalloc(1, sizeof(*writer));

	assert(message->uid);
	writer->kept = kept;
	writer->mail = mail_copy(message);
	writer->hash = XXH3_createState();
	if (!writer->hash)
		abort();
	XXH3_64bits_reset(writer->hash);
	do {
		snprintf(writer->name, sizeof(writer->name), KEPT_NEW "%" PRIu64,
			(uint64_t)atomic_fetch_add(&kept->serial, 1) + 1);
		writer->fd = openat(kept->bodies_fd, writer->name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	} while (writer->fd < 0 && errno == EEXIST); /* it could not be removed at opening */
	if (writer->fd < 0) {
		writer_fail(writer, "begun");
		writer->name[0] = '\0';
	}
	return writer;
}

int kept_append(struct kept_writer *writer, const void *data, size_t len)
{
	const char *at = data;

	if (writer->failed)
		return writer->failed;
	XXH3_64bits_update(writer->hash, data, len);
	fault_point("before kept write");
	while (len) {
		ssize_t put = pwrite(writer->fd, at, len, (off_t)writer->length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = ENOSPC;
		if (put <= 0)
			return writer_fail(writer, "written");
		at += put;
		len -= (size_t)put;
		writer->length += (uint64_t)put;
	}
	fault_point("after kept write");
	return 0;
}

static void writer_end(struct kept_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	/* Where this fails, it goes at the next opening. */
	if (writer->name[0] && unlinkat(writer->kept->bodies_fd, writer->name, 0) < 0)
		log_warning("kept mail: %s/" KEPT_FOLDER "/%s cannot be removed: %s",
			writer->kept->dir, writer->name, strerror(errno));
	XXH3_freeState(writer->hash);
	mail_message_finish(&writer->mail);
	free(writer);
}

void kept_abort(struct kept_writer *writer)
{
	if (writer)
		writer_end(writer);
}

/* After a sync that failed, what is in the file is anybody's guess: it is void. */
static int writer_sync(struct kept_writer *writer)
{
	int result;

	fault_point("before kept body sync");
	result = fsync(writer->fd);
	fault_point("after kept body sync");
	return result < 0 ? writer_fail(writer, "synced") : 0;
}

/* With mutex held: no file is in the way, and none is overwritten that could be somebody's. */
static int writer_make_way(struct kept_writer *writer, const char *name)
{
	struct kept *kept = writer->kept;
	char aside[KEPT_NAME_MAX];
	int result;

	if (faccessat(kept->bodies_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : writer_fail(writer, "placed");
	if (keys_has(&kept->spare, writer->mail.uid))
		return 0;
	result = kept_set_aside(kept, name, kept->bodies_fd, aside);
	if (result < 0) {
		errno = -result;
		return writer_fail(writer, "placed");
	}
	log_warning("kept mail: %s/" KEPT_FOLDER "/%s was in the way: it is %s now", kept->dir,
		name, aside);
	return 0;
}

/* With mutex held: the file has its name, on disk, or is gone. */
static int writer_place(struct kept_writer *writer)
{
	struct kept *kept = writer->kept;
	char name[KEPT_NAME_MAX];
	int result;

	kept_name(writer->mail.uid, name);
	kept_changed(kept, writer->mail.uid);
	result = writer_make_way(writer, name);
	if (result < 0)
		return result;
	fault_point("before kept rename");
	if (renameat(kept->bodies_fd, writer->name, kept->bodies_fd, name) < 0)
		return writer_fail(writer, "placed");
	fault_point("after kept rename");
	/* Who looked in between has seen a name without a file. */
	kept_changed(kept, writer->mail.uid);
	result = fsync(kept->bodies_fd) < 0 ? writer_fail(writer, "synced") : 0;
	fault_point("after kept folder sync");
	/* Back under the name that is removed in the end, if only that can be done. */
	if (result == 0 || renameat(kept->bodies_fd, name, kept->bodies_fd, writer->name) < 0)
		writer->name[0] = '\0';
	keys_remove(&kept->spare, writer->mail.uid);
	return result;
}

static int row_insert(struct kept_writer *writer)
{
	const struct mail_message *mail = &writer->mail;
	const struct mail_fields *fields = &mail->fields;
	const char *const texts[] = {mail->uidl, fields->sender, fields->subject, fields->from,
		fields->to, fields->cc, fields->date, fields->message_id, fields->references,
		fields->list_id};
	sqlite3_stmt *stmt = db_prepare(&writer->kept->db,
		"INSERT INTO messages (uid, state, length, checksum, at, size, date, bits,"
		" flags, uidl, sender, subject, from_, to_, cc, date_, message_id, references_,"
		" list_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
		" ?15, ?16, ?17, ?18, ?19)");

	db_bind_int(stmt, 1, mail->uid);
	db_bind_int(stmt, 2, KEPT_COPY);
	db_bind_int(stmt, 3, (int64_t)writer->length);
	db_bind_int(stmt, 4, (int64_t)XXH3_64bits_digest(writer->hash));
	db_bind_int(stmt, 5, clock_wall_s());
	db_bind_int(stmt, 6, (int64_t)mail->size);
	db_bind_int(stmt, 7, mail->date);
	db_bind_int(stmt, 8,
		(mail->bad ? MESSAGE_STATE_BAD : 0) | (mail->twin ? MESSAGE_STATE_TWIN : 0));
	db_bind_int(stmt, 9, mail->flags);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		db_bind_text(stmt, 10 + (int)i, texts[i]);
	return db_run(&writer->kept->db, stmt);
}

/* With mutex held. doubtful_out: the row may come to life when the database is next opened. */
static int writer_add_row(struct kept_writer *writer, bool *doubtful_out)
{
	struct kept *kept = writer->kept;
	int result = kept_transact(kept, __func__);

	*doubtful_out = false;
	if (result < 0)
		return result;
	result = row_insert(writer);
	if (result < 0)
		return kept_settle(kept, result);
	kept->next.copies++;
	kept->next.bytes += writer->length;
	result = kept_settle(kept, 0);
	/* All was written, and the sync failed: nobody knows what is on disk. */
	*doubtful_out = result == -EIO;
	return result;
}

/* With mutex held: its UID is new. */
static int writer_add(struct kept_writer *writer)
{
	struct kept *kept = writer->kept;
	char name[KEPT_NAME_MAX];
	bool doubtful;
	int result = writer_place(writer);

	if (result < 0)
		return result;
	result = writer_add_row(writer, &doubtful);
	if (result == 0)
		return 0;
	/* Should there be a row at the next opening, its body is there as well. */
	keys_add(&kept->spare, writer->mail.uid);
	kept_name(writer->mail.uid, name);
	if (!doubtful && unlinkat(kept->bodies_fd, name, 0) < 0)
		log_warning("kept mail: %s/" KEPT_FOLDER "/%s cannot be removed: %s", kept->dir,
			name, strerror(errno));
	return result;
}

/* With mutex held: whether it is the message of the row, by its UIDL and its bytes. */
static int writer_is_same(struct kept_writer *writer, const struct kept_row *row)
{
	struct db *db = &writer->kept->db;
	sqlite3_stmt *stmt = db_prepare(db, "SELECT uidl IS ?2 FROM messages WHERE uid = ?1");
	int result;

	db_bind_int(stmt, 1, writer->mail.uid);
	db_bind_text(stmt, 2, writer->mail.uidl);
	result = db_step(db, stmt);
	if (result == 1)
		result = sqlite3_column_int(stmt, 0) && row->length == writer->length &&
			 row->checksum == XXH3_64bits_digest(writer->hash);
	db_reset(stmt);
	return result;
}

/* With mutex held: there is a row of its UID. */
static int writer_meet(struct kept_writer *writer, const struct kept_row *row)
{
	struct kept *kept = writer->kept;
	const char *why = NULL;
	int result = writer_is_same(writer, row);
	int fd;

	if (result <= 0)
		return result < 0 ? kept_errno(result) : -EEXIST;
	/* A whole one stays: the checksum is no proof against a server that wants it replaced.
	 */
	fd = kept_body_open(kept, writer->mail.uid, row, &why);
	if (fd >= 0)
		close(fd);
	if (fd != -ENODATA)
		return fd < 0 ? fd : 0;
	result = writer_place(writer);
	if (result < 0)
		kept_note_damage(
			kept, writer->mail.uid, kept_generation(kept, writer->mail.uid), why);
	return result;
}

static int writer_keep(struct kept_writer *writer)
{
	struct kept *kept = writer->kept;
	struct kept_row row;
	int result;

	pthread_mutex_lock(&kept->mutex);
	result = kept_row_find(&kept->db, writer->mail.uid, &row);
	if (result == 1)
		result = writer_meet(writer, &row);
	else if (result == 0)
		result = writer_add(writer);
	else
		result = kept_errno(result);
	pthread_mutex_unlock(&kept->mutex);
	return result;
}

int kept_commit(struct kept_writer *writer, struct error *err)
{
	int result = writer->failed;

	if (result == 0)
		result = writer_sync(writer);
	if (result == 0)
		result = writer_keep(writer);
	if (result == -EEXIST)
		error_set(err, EEXIST,
			"another message is kept as UID %u in %s: this one was not kept",
			writer->mail.uid, writer->kept->dir);
	else if (result < 0)
		error_set(err, -result, "a message cannot be kept in %s: %s", writer->kept->dir,
			strerror(-result));
	writer_end(writer);
	return result;
}
