#include "queue_p.h"
#include "status_p.h"
#include <inttypes.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/json.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/mail/folder.h>
#include <mountmail/store/folders.h>
#include <mountmail/store/messages.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A folder that holds no messages has nothing to list. */
static bool folder_is_listed(const struct store_folder *folder)
{
	return folder->listed == STORE_LISTED_FULLY || (folder->flags & MAIL_FOLDER_NOSELECT);
}

struct shown {
	struct store_folder folder; /* its level is not kept */
	char *path;		    /* owned, as in the mount */
};

/* The folders as a person looks for them: INBOX, then by path. */
struct shown_list {
	struct fs_thread *thread;
	struct shown *items; /* owned */
	size_t count, cap;
};

/* Messages that were removed are neither counted nor said to be cached. */
static void shown_subtract(struct fs_thread *thread, struct store_folder *folder)
{
	struct store_hidden hidden = {0};

	if (store_folder_hidden(thread->reader, folder, &hidden) < 0)
		log_warning("status: the journal cannot be read");
	folder->messages -=
		hidden.messages < folder->messages ? hidden.messages : folder->messages;
	if (folder->bodies > folder->messages)
		folder->bodies = folder->messages;
}

static bool shown_add(void *ctx, const struct store_folder *folder)
{
	struct shown_list *list = ctx;
	char *path = view_folder_path(list->thread->view, folder->id);
	struct shown *item;

	if (!path) /* gone since the walk began */
		return true;
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 32;
		list->items = xreallocarray(list->items, list->cap, sizeof(*list->items));
	}
	item = &list->items[list->count++];
	*item = (struct shown){.folder = *folder, .path = path};
	item->folder.raw = xstrdup(folder->raw);
	item->folder.level = NULL;
	return true;
}

static int shown_compare(const void *a, const void *b)
{
	const struct shown *left = a, *right = b;
	int inbox = (int)(right->folder.flags & MAIL_FOLDER_INBOX) -
		    (int)(left->folder.flags & MAIL_FOLDER_INBOX);

	return inbox ? inbox : strcmp(left->path, right->path);
}

static void shown_read(struct shown_list *list, struct fs_thread *thread)
{
	*list = (struct shown_list){.thread = thread};
	if (store_folders_all(thread->reader, shown_add, list) < 0)
		log_warning("status: the folders cannot be read from the cache");
	for (size_t i = 0; i < list->count; i++)
		shown_subtract(thread, &list->items[i].folder);
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), shown_compare);
}

static void shown_finish(struct shown_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		store_folder_finish(&list->items[i].folder);
		free(list->items[i].path);
	}
	free(list->items);
}

/* What cannot be removed, of a maildrop's one folder. */
static void twins_read(struct fs_thread *thread, const struct shown_list *list,
	struct store_twins *twins_out, uint32_t *messages_out)
{
	*twins_out = (struct store_twins){0};
	*messages_out = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct store_twins twins;

		if (store_folder_twins(thread->reader, list->items[i].folder.id, &twins) < 0)
			log_warning("status: the messages cannot be read from the cache");
		twins_out->shared += twins.shared;
		twins_out->nameless += twins.nameless;
		*messages_out += list->items[i].folder.messages;
	}
}

static void json_pop3(
	struct json *json, struct fs_thread *thread, const struct shown_list *list)
{
	struct store_twins twins;
	uint32_t messages;

	twins_read(thread, list, &twins, &messages);
	json_object_begin(json, "pop3");
	json_int(json, "shared_uidl", twins.shared);
	json_int(json, "no_uidl", twins.nameless);
	json_object_end(json);
}

static void text_pop3(struct buf *out, struct fs_thread *thread, const struct shown_list *list)
{
	struct store_twins twins;
	uint32_t messages;

	twins_read(thread, list, &twins, &messages);
	if (twins.nameless && twins.nameless == messages)
		buf_append_str(out, "POP3: the server has no UIDL: messages can be read, and "
				    "none can be removed\n");
	else if (twins.nameless)
		buf_printf(out,
			"POP3: %" PRIu32 " message%s no UIDL: to be read, not to be removed\n",
			twins.nameless, twins.nameless == 1 ? " has" : "s have");
	if (twins.shared)
		buf_printf(out,
			"POP3: %" PRIu32 " messages share a UIDL with another: to be read, not "
			"to be removed\n",
			twins.shared);
}

static void json_folders(struct json *json, struct fs_thread *thread, bool pop3)
{
	struct shown_list list;

	shown_read(&list, thread);
	json_array_begin(json, "folders");
	for (size_t i = 0; i < list.count; i++) {
		const struct store_folder *folder = &list.items[i].folder;

		json_object_begin(json, NULL);
		json_string(json, "name", folder->raw);
		json_string(json, "path", list.items[i].path);
		json_int(json, "messages", folder->messages);
		json_bool(json, "listed", folder_is_listed(folder));
		json_int(json, "bodies", folder->bodies);
		json_int(json, "epoch", (int64_t)folder->epoch);
		json_object_end(json);
	}
	json_array_end(json);
	if (pop3)
		json_pop3(json, thread, &list);
	shown_finish(&list);
}

static void json_pids(
	struct json *json, const struct fs *fs, const struct account_status *account)
{
	json_object_begin(json, "pids");
	json_int(json, "supervisor", fs->host.supervisor_pid);
	json_int(json, "mail", getpid());
	json_array_begin(json, "wire");
	for (size_t i = 0; i < account->wire_count; i++)
		json_int(json, NULL, account->wire_pids[i]);
	json_array_end(json);
	json_object_end(json);
}

void status_json(struct fs_thread *thread, struct buf *out)
{
	struct fs *fs = thread->fs;
	struct json writer, *json = &writer;
	struct store_totals totals = {0};
	struct removals removals;
	const struct account_status *account = &removals.account;

	removals_read(thread, &removals);
	if (store_totals(thread->reader, &totals) < 0)
		log_warning("status: the cache cannot be read");
	json_init(json, out);
	json_object_begin(json, NULL);
	json_string(json, "version", fs->host.version);
	json_string(json, "account", fs->host.account_name);
	json_string(json, "server", account->server);
	json_string(json, "state", account_state_name(account->state));
	json_string(json, "error", account->error[0] ? account->error : NULL);
	json_pids(json, fs, account);
	json_int(json, "connections", account->connections);
	json_folders(json, thread, account->brief);
	json_object_begin(json, "cache");
	json_int(json, "bytes", (int64_t)totals.body_bytes);
	json_int(json, "limit", (int64_t)totals.body_limit);
	json_object_end(json);
	json_int(json, "pending", (int64_t)removals.pending);
	removals_json(fs, &removals, json, "removals");
	json_int(json, "uptime", (clock_now_ms() - fs->started_ms) / 1000);
	json_object_end(json);
	buf_append_char(out, '\n');
}

static void text_bytes(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	buf_printf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void text_folders(struct buf *out, struct fs_thread *thread, bool pop3)
{
	struct shown_list list;

	shown_read(&list, thread);
	if (pop3)
		text_pop3(out, thread, &list);
	buf_append_str(out, "  messages     cached  folder\n");
	for (size_t i = 0; i < list.count; i++) {
		const struct store_folder *folder = &list.items[i].folder;

		if (folder->flags & MAIL_FOLDER_NOSELECT)
			continue;
		buf_printf(out, "%10" PRIu32 " %10" PRIu32 "  %s%s\n", folder->messages,
			folder->bodies, list.items[i].path,
			folder_is_listed(folder) ? "" : "  (being listed)");
	}
	shown_finish(&list);
}

void status_text(struct fs_thread *thread, struct buf *out)
{
	struct fs *fs = thread->fs;
	struct store_totals totals = {0};
	struct removals removals;
	const struct account_status *account = &removals.account;

	removals_read(thread, &removals);
	if (store_totals(thread->reader, &totals) < 0)
		log_warning("status: the cache cannot be read");
	buf_printf(out, "%s: %s, %s, %u connection%s\n", fs->host.account_name, account->server,
		account_state_name(account->state), account->connections,
		account->connections == 1 ? "" : "s");
	if (account->error[0])
		buf_printf(out, "why: %s\n", account->error);
	buf_append_str(out, "cache: ");
	text_bytes(out, totals.body_bytes);
	if (totals.body_limit) {
		buf_append_str(out, " of ");
		text_bytes(out, totals.body_limit);
	}
	buf_append_char(out, '\n');
	removals_text(thread, &removals, out);
	text_folders(out, thread, account->brief);
}
