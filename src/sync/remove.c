/*
 * What others ask of the account about removals, and when they are sent.
 */
#include "removal_p.h"
#include "worker_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* A Trash that the store remembers, until the server's folders are listed. */
static bool removals_met_folder(void *ctx, const struct store_folder *folder)
{
	struct trash *trash = ctx;

	if (!(folder->flags & MAIL_FOLDER_TRASH))
		return true;
	trash->raw = xstrdup(folder->raw);
	return false;
}

static bool removals_met_place(void *ctx, int64_t place)
{
	*(bool *)ctx = true;
	return false;
}

int removals_init(struct account *account, struct store_reader *reader)
{
	struct removals *removals = &account->removals;
	struct journal_counts counts;
	bool any = false;
	int result = 0;

	removals->due_ms = INT64_MAX;
	removals->final_ms = clock_now_ms();
	if (!account->conf.journal)
		return 0;
	result = journal_places(account->conf.journal, removals_met_place, &any);
	if (result == 0 && !account->conf.trash)
		result = store_folders_all(reader, removals_met_folder, &removals->trash);
	if (any)
		removals->due_ms = clock_now_ms();
	journal_counts(account->conf.journal, &counts);
	if (counts.sent)
		removals->resume_at_ms = clock_now_ms() + account->tuning.resume_ms;
	return result;
}

void removals_finish(struct removals *removals)
{
	trash_finish(&removals->trash);
	brake_finish(&removals->brake);
	free(removals->places);
}

bool removals_due(const struct account *account, int64_t now_ms)
{
	const struct removals *removals = &account->removals;

	return removals->trash_known && !removals->running && now_ms >= removals->due_ms &&
	       now_ms >= removals->resume_at_ms && now_ms >= account->queue.hold_until_ms;
}

bool removals_take(struct account *account, int64_t now_ms)
{
	struct removals *removals = &account->removals;

	if (!removals_due(account, now_ms))
		return false;
	/* Every second turn is for those who wait for a body or a listing. */
	if (queue_has(&account->queue, PRIORITY_ASKED, now_ms) && !removals->gave_way) {
		removals->gave_way = true;
		return false;
	}
	removals->gave_way = false;
	removals->running = true;
	removals->first_ms = 0;
	return true;
}

int64_t removals_next_due(const struct account *account)
{
	const struct removals *removals = &account->removals;
	int64_t due = removals->due_ms;

	if (!removals->trash_known || removals->running || due == INT64_MAX)
		return INT64_MAX;
	if (due < removals->resume_at_ms)
		due = removals->resume_at_ms;
	return due > account->queue.hold_until_ms ? due : account->queue.hold_until_ms;
}

void removals_set_trash(struct account *account, struct trash *trash)
{
	struct removals *removals = &account->removals;

	trash_finish(&removals->trash);
	removals->trash = *trash;
	*trash = (struct trash){0};
	removals->trash_known = true;
	account_wake(account);
}

struct removals_place *removals_place(struct removals *removals, int64_t id)
{
	for (size_t i = 0; i < removals->count; i++)
		if (removals->places[i].id == id)
			return &removals->places[i];
	if (removals->count == removals->cap) {
		removals->cap = removals->cap ? removals->cap * 2 : 8;
		removals->places = xreallocarray(
			removals->places, removals->cap, sizeof(*removals->places));
	}
	removals->places[removals->count] = (struct removals_place){.id = id};
	return &removals->places[removals->count++];
}

/* Those that come soon after one another go in one command. With the mutex held. */
static void removals_gather(struct account *account, int64_t now, bool final)
{
	struct removals *removals = &account->removals;
	bool first = !removals->first_ms;
	int64_t soon = now + REMOVALS_GATHER_MS;

	if (first)
		removals->first_ms = now;
	if (soon > removals->first_ms + REMOVALS_GATHER_MAX_MS)
		soon = removals->first_ms + REMOVALS_GATHER_MAX_MS;
	if (final)
		removals->final_ms = now;
	/* What waits for others to change their marks is looked at along with these. */
	for (size_t i = 0; first && i < removals->count; i++)
		if (!removals->places[i].failures)
			removals->places[i].not_before_ms = 0;
	/* Whoever sleeps until an earlier time finds this one and sleeps on. */
	if (removals->due_ms > now && (!first || removals->due_ms > soon))
		removals->due_ms = soon;
	if (first)
		account_wake(account);
	if (!removals->sync_at_ms) {
		removals->sync_at_ms = now + (int64_t)account->tuning.journal_sync_ms;
		pthread_cond_signal(&account->tick);
	}
}

bool removals_sync(struct account *account, int64_t now_ms)
{
	struct removals *removals = &account->removals;
	int result;

	if (!removals->sync_at_ms || now_ms < removals->sync_at_ms)
		return false;
	removals->sync_at_ms = 0;
	pthread_mutex_unlock(&account->mutex);
	result = journal_sync(account->conf.journal);
	pthread_mutex_lock(&account->mutex);
	if (result < 0 && !removals->sync_at_ms)
		removals->sync_at_ms = now_ms + (int64_t)account->tuning.journal_sync_ms;
	return true;
}

/* What is removed, as the store has it. */
struct remove {
	struct store_folder folder;
	struct store_message message;
	uint32_t shown; /* messages of the folder */
};

static void remove_finish(struct remove *remove)
{
	store_folder_finish(&remove->folder);
	store_message_finish(&remove->message);
}

static int remove_read_rows(struct store_reader *reader, int64_t folder_id, uint64_t epoch,
	uint32_t uid, struct remove *out)
{
	struct store_hidden hidden = {0};
	int result = store_folder_by_id(reader, folder_id, &out->folder);

	if (result == 0 && out->folder.epoch != epoch)
		result = -ENOENT;
	if (result == 0)
		result = store_message_get(
			reader, folder_id, uid, STORE_COLUMNS_ALL, &out->message);
	if (result == 0)
		result = store_folder_hidden(reader, &out->folder, &hidden);
	if (result == 0 && hidden.messages &&
		(result = store_message_hidden(reader, &out->folder, uid)) == 1)
		result = -ENOENT;
	out->shown = out->folder.messages - hidden.messages;
	return result;
}

static int remove_read(struct store_reader *reader, int64_t folder_id, uint64_t epoch,
	uint32_t uid, struct remove *out)
{
	int result = store_reader_begin(reader);

	*out = (struct remove){0};
	if (result < 0)
		return result;
	result = remove_read_rows(reader, folder_id, epoch, uid, out);
	store_reader_end(reader);
	if (result < 0)
		remove_finish(out);
	return result;
}

/* The raw name of the Trash, owned. */
static char *remove_trash(struct account *account)
{
	char *raw;

	pthread_mutex_lock(&account->mutex);
	raw = xstrdup(account->removals.trash.raw);
	pthread_mutex_unlock(&account->mutex);
	return raw;
}

static bool remove_is_final(
	struct account *account, struct store_reader *reader, const struct store_folder *folder)
{
	char *trash = remove_trash(account);
	bool final = !trash || trash_holds(trash, reader, folder);

	free(trash);
	return final;
}

static const char *const brake_reasons[] = {
	[BRAKE_OFF] = "",
	[BRAKE_FOLDER] = "more than half of a folder was removed for good within a minute",
	[BRAKE_ALL] = "more messages than brake= allows were removed for good within a minute",
};

/*
 * Another one that nothing brings back. With it those go that were not sent yet; when they
 * cannot be held, it is not removed either. 0, -ENOSPC, -EIO.
 */
static int remove_brake(
	struct account *account, const struct remove *remove, enum brake_verdict *verdict_out)
{
	enum brake_verdict verdict;
	int64_t held;

	pthread_mutex_lock(&account->mutex);
	verdict = brake_judge(&account->removals.brake, remove->folder.id, remove->shown,
		account->conf.brake, clock_now_ms());
	pthread_mutex_unlock(&account->mutex);
	*verdict_out = verdict;
	if (verdict == BRAKE_OFF)
		return 0;
	/* Those of other folders may have been meant, but the storm is one. */
	held = journal_brake(account->conf.journal, 0, brake_reasons[verdict]);
	if (held > 0)
		log_warning("%s: %s: removals are held; nothing more is removed until "
			    "\"mountmail queue MOUNTPOINT --release\" says that it was meant "
			    "(--undo all brings them back)",
			account->conf.name, brake_reasons[verdict]);
	return held < 0 ? (int)held : 0;
}

static int remove_note(struct account *account, const struct remove *remove, const char *name,
	bool final, enum brake_verdict verdict)
{
	const struct mail_message *mail = &remove->message.mail;
	const struct journal_row row = {.uid = mail->uid,
		.state = verdict == BRAKE_OFF ? JOURNAL_QUEUED : JOURNAL_BRAKED,
		.final = final,
		.size = remove->message.claim,
		.date = mail->date,
		.message_id = mail->fields.message_id,
		.uidl = mail->uidl,
		.name = (char *)(uintptr_t)name, /* borrowed, as all of them here */
		.at = clock_wall_s(),
		.copy_raw = (char *)(uintptr_t) "",
		.reason = (char *)(uintptr_t)brake_reasons[verdict]};
	struct error err;
	int result = journal_add(
		account->conf.journal, remove->folder.raw, remove->folder.epoch, &row, &err);

	if (result < 0)
		log_warning("%s: nothing was removed: %s", account->conf.name, err.text);
	return result;
}

int account_remove(struct account *account, struct store_reader *reader, int64_t folder_id,
	uint64_t epoch, uint32_t uid, const char *name)
{
	enum brake_verdict verdict = BRAKE_OFF;
	struct remove remove;
	bool final;
	int result;

	if (!account->conf.journal)
		return -EROFS;
	result = remove_read(reader, folder_id, epoch, uid, &remove);
	if (result < 0)
		return result;
	if (remove.message.mail.bad || remove.message.mail.twin) {
		/* Before a removal it is made sure that the message is this one. */
		log_warning("%s: %s is not removed: %s", account->conf.name, name,
			remove.message.mail.bad
				? "the server never said what message it is"
				: "the server gives no name (UIDL) to it alone");
		remove_finish(&remove);
		return -EPERM;
	}
	final = remove_is_final(account, reader, &remove.folder);
	if (final)
		result = remove_brake(account, &remove, &verdict);
	if (result == 0)
		result = remove_note(account, &remove, name, final, verdict);
	remove_finish(&remove);
	if (result < 0)
		return result;
	pthread_mutex_lock(&account->mutex);
	removals_gather(account, clock_now_ms(), final);
	pthread_mutex_unlock(&account->mutex);
	account_status_changed(account);
	return 0;
}

void account_flush(struct account *account)
{
	struct removals *removals = &account->removals;

	pthread_mutex_lock(&account->mutex);
	account_poke(account);
	if (removals->due_ms != INT64_MAX) {
		for (size_t i = 0; i < removals->count; i++)
			removals->places[i].not_before_ms = 0;
		removals->urgent = true;
		removals->due_ms = 0;
		account_wake(account);
	}
	pthread_mutex_unlock(&account->mutex);
}

/* What a folder shows is another. */
struct tell {
	struct account *account;
	enum journal_verb verb;
};

static void tell_changed(void *ctx, const struct journal_place *place)
{
	const struct tell *tell = ctx;

	removal_tell(tell->account, place, tell->verb != JOURNAL_RELEASE);
}

int64_t account_tell(
	struct account *account, enum journal_verb verb, const char *id, struct error *err)
{
	struct tell tell = {account, verb};
	int64_t count;

	if (!account->conf.journal)
		return error_set(err, EROFS, "this mount removes nothing");
	count = journal_tell(account->conf.journal, verb, id,
		verb == JOURNAL_DISCARD ? NULL : tell_changed, &tell, err);
	if (count <= 0)
		return count;
	pthread_mutex_lock(&account->mutex);
	account->removals.due_ms = 0;
	account_wake(account);
	pthread_mutex_unlock(&account->mutex);
	account_status_changed(account);
	return count;
}
