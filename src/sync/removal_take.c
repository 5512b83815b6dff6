#include "removal_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/*
 * So many commands a run: opening the folder for a look can cost a server more than the
 * removals do, since some read all of it then.
 */
#define TAKE_CHUNKS 10u

/* Which place comes next. */
struct choice {
	struct account *account;
	int64_t now_ms;
	int64_t place;	 /* 0: none */
	int64_t next_ms; /* when another may */
};

static bool choice_meet(void *ctx, int64_t id)
{
	struct choice *choice = ctx;
	struct removals_place *place;
	int64_t not_before;

	pthread_mutex_lock(&choice->account->mutex);
	place = removals_place(&choice->account->removals, id);
	not_before = place->not_before_ms;
	pthread_mutex_unlock(&choice->account->mutex);
	if (not_before <= choice->now_ms) {
		choice->place = id;
		return false;
	}
	if (not_before < choice->next_ms)
		choice->next_ms = not_before;
	return true;
}

/* A final one that others may follow, so that the brake sees them before anything is sent. */
static bool removal_may_send(const struct removal *removal, const struct journal_row *row,
	int64_t now_ms, int64_t *wait_until)
{
	const struct account *account = removal->account;
	int64_t quiet = account->removals.final_ms + (int64_t)account->tuning.quiet_ms;

	if (!row->final || row->released || row->state != JOURNAL_QUEUED ||
		account->removals.urgent || now_ms >= quiet)
		return true;
	if (quiet < *wait_until)
		*wait_until = quiet;
	return false;
}

/* The rows of the place that are sent now; after the last run's, from the first again. */
static int removal_take_rows(struct removal *removal, uint32_t after, size_t max,
	int64_t now_ms, int64_t *wait_until)
{
	struct journal_row *rows = NULL;
	int count = journal_take(removal->journal, removal->place.id, after, max, &rows);

	if (count <= 0) {
		free(rows);
		return count;
	}
	removal->items = xcalloc((size_t)count, sizeof(*removal->items));
	removal->uids = xcalloc((size_t)count, sizeof(*removal->uids));
	pthread_mutex_lock(&removal->account->mutex);
	for (int i = 0; i < count; i++) {
		if (removal_may_send(removal, &rows[i], now_ms, wait_until))
			removal->items[removal->count++] =
				(struct removal_item){rows[i], ITEM_ASKED};
		else
			journal_row_finish(&rows[i]);
	}
	pthread_mutex_unlock(&removal->account->mutex);
	free(rows);
	return count;
}

int removal_take(struct removal *removal, int64_t *wait_until)
{
	struct account *account = removal->account;
	struct choice choice = {account, clock_now_ms(), 0, INT64_MAX};
	struct removals_place standing;
	size_t rows;
	int result = journal_places(removal->journal, choice_meet, &choice);

	*wait_until = choice.next_ms;
	if (result < 0 || !choice.place)
		return result;
	pthread_mutex_lock(&account->mutex);
	standing = *removals_place(&account->removals, choice.place);
	pthread_mutex_unlock(&account->mutex);
	result = journal_place_get(removal->journal, choice.place, &removal->place);
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	removal->chunk = standing.chunk ? standing.chunk : BACKEND_REMOVE_MAX;
	rows = removal->chunk * TAKE_CHUNKS;
	result = removal_take_rows(removal, standing.after, rows, choice.now_ms, wait_until);
	if (result == 0 && standing.after)
		result = removal_take_rows(removal, 0, rows, choice.now_ms, wait_until);
	if (result < 0)
		return result;
	return removal->count ? 1 : 0;
}

/* On Gmail \Deleted and EXPUNGE only take a label away, but where mail is on its way out. */
static bool removal_must_move(const struct removal *removal, uint32_t flags)
{
	return (removal->caps & BACKEND_CAP_GMAIL) && !removal->inside &&
	       !(flags & (MAIL_FOLDER_TRASH | MAIL_FOLDER_JUNK));
}

void removal_aim(struct removal *removal)
{
	struct account *account = removal->account;
	const char *wanted = account->conf.trash;
	struct store_folder folder;
	char *trash;
	uint32_t flags = 0;

	pthread_mutex_lock(&account->mutex);
	trash = xstrdup(account->removals.trash.raw);
	removal->caps = account->caps;
	pthread_mutex_unlock(&account->mutex);
	removal->trash_lost = wanted && wanted[0] && !trash;
	removal->inside = trash && strcmp(trash, removal->place.raw) == 0;
	if (store_folder_by_raw(removal->worker->reader, removal->place.raw, &folder) == 0) {
		removal->inside = trash_holds(trash, removal->worker->reader, &folder);
		flags = folder.flags;
		store_folder_finish(&folder);
	}
	if (removal->inside) {
		free(trash);
		trash = NULL;
	}
	removal->trash = trash;
	if (!trash && removal_must_move(removal, flags))
		removal->trash_lost = true;
}
