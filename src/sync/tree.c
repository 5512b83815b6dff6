#include "filter_p.h"
#include "trash_p.h"
#include "worker_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* More folders than any account has; the server would have us list them for ever. */
#define TREE_FOLDERS_MAX 100000u

struct tree {
	struct account *account;
	struct filter filter;
	struct mail_folder *folders; /* owned; those that are shown */
	size_t count, cap;
	size_t heard; /* all that the server named */
	struct trash trash;
	bool first;   /* nothing was listed since the start: say what is left out */
};

/* What a filter hides is the user's wish; this is ours, so it is said. */
static void tree_note_hidden(const struct tree *tree, const struct mail_folder *folder)
{
	if (tree->first && (folder->flags & MAIL_FOLDER_ALL) && !tree->filter.folders)
		log_info("%s: %s holds the messages of all other folders once more and is not "
			 "shown; folders=* shows it",
			tree->account->conf.name, folder->raw);
}

static bool tree_on_folder(void *ctx, const struct mail_folder *folder)
{
	struct tree *tree = ctx;

	if (++tree->heard > TREE_FOLDERS_MAX || tree->account->stopping)
		return false;
	trash_hear(&tree->trash, tree->account->conf.trash, folder);
	if (!filter_shows(&tree->filter, folder)) {
		tree_note_hidden(tree, folder);
		return true;
	}
	if (tree->count == tree->cap) {
		tree->cap = tree->cap ? tree->cap * 2 : 64;
		tree->folders = xreallocarray(tree->folders, tree->cap, sizeof(*tree->folders));
	}
	tree->folders[tree->count++] = (struct mail_folder){
		.raw = xstrdup(folder->raw),
		.path = xstrdup(folder->path),
		.flags = folder->flags,
	};
	return true;
}

static void tree_finish(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		mail_folder_finish(&tree->folders[i]);
	free(tree->folders);
	trash_finish(&tree->trash);
}

/* Makes looks at the folders of the new tree. */
struct tree_spread {
	struct account *account;
	struct look *look; /* the tree's */
};

static bool tree_spread_one(void *ctx, const struct store_folder *folder)
{
	struct tree_spread *spread = ctx;
	struct account *account = spread->account;
	bool asked = waits_any(&spread->look->waits, WAIT_REFRESH);
	struct look *look;

	if (folder->flags & MAIL_FOLDER_NOSELECT)
		return true;
	if ((folder->flags & MAIL_FOLDER_INBOX) && folder->listed == STORE_LISTED_FULLY)
		account->inbox = folder->id;
	if (!asked && !spread->look->whole && folder->listed == STORE_LISTED_FULLY)
		return true;
	look = queue_look(&account->queue, folder->id,
		asked ? PRIORITY_ASKED : PRIORITY_BACKGROUND,
		(folder->flags & MAIL_FOLDER_INBOX) != 0);
	for (struct wait_link *link = spread->look->waits.head; link; link = link->next)
		if (link->wait->kind == WAIT_REFRESH)
			queue_look_attach(look, link->wait);
	return true;
}

/* Queries the store with the mutex held: one short read, and waits cannot come in between. */
static int tree_spread(struct worker *worker, struct look *look)
{
	struct account *account = worker->account;
	struct tree_spread spread = {account, look};
	int result;

	pthread_mutex_lock(&account->mutex);
	result = store_folders_all(worker->reader, tree_spread_one, &spread);
	if (result == 0) {
		look->whole = false;
		account_first(account, 0, "");
	}
	pthread_mutex_unlock(&account->mutex);
	return result;
}

/* Takes the list for true, and the store to it. */
static enum look_end tree_store(struct worker *worker, struct look *look, struct tree *tree,
	struct backend_result *result)
{
	struct account *account = worker->account;
	bool changed = false;
	struct error err;

	if (!tree->heard) {
		backend_result_set(result, BACKEND_THROTTLED,
			"The server listed no folder at all, not even INBOX; not believed");
		return LOOK_FAILED;
	}
	if (store_folders_replace(account->store, tree->folders, tree->count, &changed, &err) <
		0) {
		backend_result_set(result, BACKEND_STOPPED, "%s", err.text);
		return LOOK_FAILED;
	}
	pthread_mutex_lock(&account->mutex);
	removals_set_trash(account, &tree->trash);
	pthread_mutex_unlock(&account->mutex);
	if (changed && account->events->folders_changed)
		account->events->folders_changed(account->events->ctx);
	if (tree_spread(worker, look) < 0) {
		backend_result_set(result, BACKEND_STOPPED,
			"The folders cannot be read from the cache (its log lines say more)");
		return LOOK_FAILED;
	}
	return LOOK_DONE;
}

static enum look_end tree_end(struct worker *worker, struct look *look, struct tree *tree,
	struct backend_result *result)
{
	switch (result->status) {
	case BACKEND_OK:
		return tree_store(worker, look, tree, result);
	case BACKEND_STOPPED:
		if (tree->heard > TREE_FOLDERS_MAX)
			backend_result_set(result, BACKEND_STOPPED,
				"The server lists more than %u folders; choose some with "
				"folders=",
				TREE_FOLDERS_MAX);
		return LOOK_FAILED;
	case BACKEND_CONNECTION_LOST:
	case BACKEND_AUTH_FAILED:
		return LOOK_LOST;
	case BACKEND_THROTTLED:
		return LOOK_THROTTLED;
	case BACKEND_MESSAGE_GONE:
	case BACKEND_MESSAGE_BAD:
	case BACKEND_FOLDER_GONE:
	case BACKEND_FOLDER_CHANGED:
	case BACKEND_REFUSED:
		break;
	}
	return LOOK_FAILED;
}

/* Whoever waits for the account to be there waits no longer when the tree cannot be had. */
static void tree_tell_first(
	struct account *account, enum look_end end, const struct backend_result *result)
{
	pthread_mutex_lock(&account->mutex);
	if (end == LOOK_FAILED)
		account_first(account, result->status == BACKEND_REFUSED ? -EPROTO : -EIO,
			result->text);
	else if (end == LOOK_THROTTLED)
		account_first(account, account->had_folders ? 0 : -ECONNREFUSED, result->text);
	pthread_mutex_unlock(&account->mutex);
}

void tree_run(struct worker *worker, struct look *look)
{
	struct account *account = worker->account;
	struct tree tree = {.account = account,
		.filter = {.folders = account->conf.folders,
			.exclude = account->conf.exclude,
			.all_mail = true}};
	struct backend_list_sink sink = {&tree, tree_on_folder};
	struct backend_result result;
	enum look_end end;

	pthread_mutex_lock(&account->mutex);
	/* There every message of every other folder is in All Mail once more. */
	tree.filter.all_mail = !(account->caps & BACKEND_CAP_GMAIL);
	tree.first = !account->first_over;
	pthread_mutex_unlock(&account->mutex);
	worker->backend->ops->list(worker->backend, &sink, &result);
	end = tree_end(worker, look, &tree, &result);
	tree_tell_first(account, end, &result);
	tree_finish(&tree);
	look_conclude(worker, look, end, &result, false);
}
