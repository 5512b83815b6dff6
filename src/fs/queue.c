#include "queue_p.h"
#include <inttypes.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Where rows are from, as the mount shows it. */
struct queue_place {
	int64_t id;
	char *path; /* owned */
};

struct queue {
	struct fs_thread *thread;
	struct queue_place *places; /* owned, by id */
	size_t count, cap;

	/* A walk. */
	void (*put)(struct queue *queue, const char *path, const struct journal_row *row);
	struct json *json;
	struct buf *out;
	size_t room;	/* rows that may still be given */
	bool attention; /* those that wait for somebody, or, in a second walk, the others */
	bool all;	/* both */
};

static bool row_needs_attention(const struct journal_row *row)
{
	return row->state != JOURNAL_QUEUED && row->state != JOURNAL_SENT;
}

static bool queue_wants(const struct queue *queue, const struct journal_row *row)
{
	return queue->all || row_needs_attention(row) == queue->attention;
}

/* The place's folder as a path in the mount, or as the server calls it. Owned. */
static char *queue_path(struct fs_thread *thread, const char *raw)
{
	struct store_folder folder;
	char *path = NULL;

	if (store_folder_by_raw(thread->reader, raw, &folder) == 0) {
		path = view_folder_path(thread->view, folder.id);
		store_folder_finish(&folder);
	}
	return path ? path : xstrdup(raw);
}

/* Rows come by place. The path is the server's name for now. */
static bool queue_met(
	void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	struct queue *queue = ctx;

	if (!queue_wants(queue, row))
		return true;
	if (!queue->count || queue->places[queue->count - 1].id != place->id) {
		if (queue->count == queue->cap) {
			queue->cap = queue->cap ? queue->cap * 2 : 16;
			queue->places = xreallocarray(
				queue->places, queue->cap, sizeof(*queue->places));
		}
		queue->places[queue->count++] =
			(struct queue_place){place->id, xstrdup(place->raw)};
	}
	return --queue->room > 0;
}

static const char *queue_place_path(
	const struct queue *queue, const struct journal_place *place)
{
	for (size_t i = 0; i < queue->count; i++)
		if (queue->places[i].id == place->id)
			return queue->places[i].path;
	return place->raw; /* new since the first walk */
}

static bool queue_give(
	void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	struct queue *queue = ctx;

	if (!queue_wants(queue, row))
		return true;
	queue->put(queue, queue_place_path(queue, place), row);
	return --queue->room > 0;
}

static void queue_resolve(struct queue *queue)
{
	for (size_t i = 0; i < queue->count; i++) {
		char *raw = queue->places[i].path;

		queue->places[i].path = queue_path(queue->thread, raw);
		free(raw);
	}
}

static void queue_forget_places(struct queue *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		free(queue->places[i].path);
	free(queue->places);
	queue->places = NULL;
	queue->count = queue->cap = 0;
}

/* What is called for a row holds the journal: the store is asked in between two walks. */
static void queue_walk(struct queue *queue)
{
	struct journal *journal = queue->thread->fs->host.journal;
	size_t room = queue->room;
	int result;

	if (!room)
		return;
	result = journal_walk(journal, queue_met, queue);
	queue_resolve(queue);
	queue->room = room;
	if (result == 0)
		result = journal_walk(journal, queue_give, queue);
	if (result < 0)
		log_warning("the queue of removals cannot be read from the journal");
	queue_forget_places(queue);
}

/* Gives rows until there is no room. Returns how many were left out. */
static uint64_t queue_rows(struct queue *queue, const struct removals *removals, size_t max)
{
	const struct journal_counts *counts = &removals->counts;
	uint64_t stuck = removals->total - counts->queued - counts->sent;

	queue->room = max;
	queue->all = removals->total <= max || !stuck;
	queue->attention = true;
	queue_walk(queue);
	if (!queue->all) {
		queue->attention = false;
		queue_walk(queue);
	}
	return removals->total > max ? removals->total - max : 0;
}

static void row_time(const struct journal_row *row, char out[32])
{
	time_t at = (time_t)row->at;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&at, &tm))
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void put_json(struct queue *queue, const char *path, const struct journal_row *row)
{
	struct json *json = queue->json;
	char id[JOURNAL_ID_MAX], at[32];

	journal_row_id(row, id);
	row_time(row, at);
	json_object_begin(json, NULL);
	json_string(json, "id", id);
	json_string(json, "folder", path);
	json_int(json, "uid", row->uid);
	json_string(json, "name", row->name);
	json_string(json, "state", journal_state_name(row->state));
	json_bool(json, "hidden", journal_state_hides(row->state));
	json_string(json, "reason", row->reason && row->reason[0] ? row->reason : NULL);
	json_string(json, "removed", at);
	json_int(json, "tries", row->tries);
	json_bool(json, "final", row->final);
	json_object_end(json);
}

void queue_json(struct fs_thread *thread, size_t max, struct buf *out)
{
	struct json json;
	struct queue queue = {.thread = thread, .put = put_json, .json = &json};
	struct removals removals;
	uint64_t left;

	removals_read(thread, &removals);
	json_init(&json, out);
	json_object_begin(&json, NULL);
	removals_json(thread->fs, &removals, &json, "removals");
	json_array_begin(&json, "rows");
	left = queue_rows(&queue, &removals, max);
	json_array_end(&json);
	json_int(&json, "left_out", (int64_t)left);
	json_object_end(&json);
	buf_append_char(out, '\n');
}

static void put_text(struct queue *queue, const char *path, const struct journal_row *row)
{
	char id[JOURNAL_ID_MAX], at[32];

	journal_row_id(row, id);
	row_time(row, at);
	buf_printf(queue->out, "%-12s %s  %-6s  %s/%s\n", id, at,
		journal_state_name(row->state), path, row->name);
	if (row->reason && row->reason[0])
		buf_printf(queue->out, "%12s why: %s\n", "", row->reason);
}

void queue_text(struct fs_thread *thread, size_t max, struct buf *out)
{
	struct queue queue = {.thread = thread, .put = put_text, .out = out};
	struct removals removals;
	uint64_t left;

	removals_read(thread, &removals);
	if (!removals.total) {
		buf_append_str(out, "no removals are waiting\n");
		return;
	}
	buf_printf(out, "%-12s %-20s  %-6s  %s\n", "id", "removed", "state", "message");
	left = queue_rows(&queue, &removals, max);
	if (left)
		buf_printf(out, "... and %" PRIu64 " more: --json lists them\n", left);
	removals_text(thread, &removals, out);
}
