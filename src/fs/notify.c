#include "notify_p.h"
#include "notify_tree_p.h"
#include "park_p.h"
#include "settle_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <mountmail/view/inode.h>
#include <mountmail/view/name.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* With more than these gone at a time the directory's names are dropped as a whole. */
enum { NOTICE_NAMES_MAX = 4096 };

enum { NOTICE_REMOVED_MS = 50 };

struct notify {
	struct fs *fs;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_cond_t rest;  /* one was told */
	struct notice *first; /* by due */
	bool telling;
	bool stopped;
	bool started;
	pthread_t id;
	struct fs_thread thread;
	struct notify_tree *tree;

	/* For size_corrected, which must have told before its caller goes on. */
	pthread_mutex_t size_mutex;
	struct fs_thread size_thread;
};

struct notify *notify_create(struct fs *fs)
{
	struct notify *notify = xcalloc(1, sizeof(*notify));
	pthread_condattr_t attr;

	notify->fs = fs;
	pthread_mutex_init(&notify->mutex, NULL);
	pthread_mutex_init(&notify->size_mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&notify->wake, &attr);
	pthread_cond_init(&notify->rest, &attr);
	pthread_condattr_destroy(&attr);
	return notify;
}

static void notice_free(struct notice *notice)
{
	for (size_t i = 0; i < notice->gone_count; i++)
		free(notice->gone[i].name);
	free(notice->gone);
	free(notice);
}

static void notify_clear(struct notify *notify)
{
	while (notify->first) {
		struct notice *notice = notify->first;

		notify->first = notice->next;
		notice_free(notice);
	}
}

void notify_destroy(struct notify *notify)
{
	if (!notify)
		return;
	notify_clear(notify);
	pthread_cond_destroy(&notify->wake);
	pthread_cond_destroy(&notify->rest);
	pthread_mutex_destroy(&notify->mutex);
	pthread_mutex_destroy(&notify->size_mutex);
	free(notify);
}

/* Whether notice is covered by one that waits already. */
static bool notice_is_covered(const struct notice *waiting, const struct notice *notice)
{
	return waiting->kind == notice->kind && waiting->id == notice->id &&
	       waiting->echo == notice->echo && !notice->gone_count;
}

/* Takes notice. */
static void notify_put(struct notify *notify, struct notice *notice)
{
	struct notice **at;

	pthread_mutex_lock(&notify->mutex);
	for (at = &notify->first; *at; at = &(*at)->next)
		if (notice_is_covered(*at, notice))
			break;
	if (*at || notify->stopped) {
		pthread_mutex_unlock(&notify->mutex);
		notice_free(notice);
		return;
	}
	for (at = &notify->first; *at && (*at)->due_ms <= notice->due_ms;)
		at = &(*at)->next;
	notice->next = *at;
	*at = notice;
	pthread_cond_signal(&notify->wake);
	pthread_mutex_unlock(&notify->mutex);
}

static void notify_say_in(
	struct notify *notify, enum notice_kind kind, int64_t id, int64_t delay_ms)
{
	struct notice *notice = xcalloc(1, sizeof(*notice));

	notice->kind = kind;
	notice->id = id;
	notice->due_ms = clock_now_ms() + delay_ms;
	notify_put(notify, notice);
}

static void notify_say(struct notify *notify, enum notice_kind kind, int64_t id)
{
	notify_say_in(notify, kind, id, 0);
}

/* The next that is due; NULL when stopped. */
static struct notice *notify_take(struct notify *notify)
{
	struct notice *notice = NULL;

	pthread_mutex_lock(&notify->mutex);
	notify->telling = false;
	pthread_cond_broadcast(&notify->rest);
	while (!notify->stopped && !notice) {
		struct timespec at;

		notice = notify->first;
		if (!notice) {
			pthread_cond_wait(&notify->wake, &notify->mutex);
		} else if (notice->due_ms > clock_now_ms()) {
			at = clock_at_ms(notice->due_ms);
			notice = NULL;
			pthread_cond_timedwait(&notify->wake, &notify->mutex, &at);
		} else {
			notify->first = notice->next;
			notify->telling = true;
		}
	}
	pthread_mutex_unlock(&notify->mutex);
	return notice;
}

void notify_drain(struct notify *notify, int64_t timeout_ms)
{
	int64_t now = clock_now_ms();
	struct timespec end = clock_at_ms(now + timeout_ms);
	int result = 0;

	pthread_mutex_lock(&notify->mutex);
	while (!notify->stopped && result == 0 &&
		(notify->telling || (notify->first && notify->first->due_ms <= now)))
		result = pthread_cond_timedwait(&notify->rest, &notify->mutex, &end);
	pthread_mutex_unlock(&notify->mutex);
}

static void *notify_run(void *ctx)
{
	struct notify *notify = ctx;
	struct notice *notice;

	fs_thread_enter(&notify->thread);
	while ((notice = notify_take(notify)) != NULL) {
		int64_t again_ms = notify_tree_tell(notify->tree, notice);

		if (again_ms) {
			notice->due_ms = clock_now_ms() + again_ms;
			notify_put(notify, notice);
		} else {
			notice_free(notice);
		}
	}
	return NULL;
}

int notify_start(struct notify *notify, struct error *err)
{
	int result = fs_thread_init(&notify->thread, notify->fs, err);

	if (result < 0)
		return result;
	pthread_mutex_lock(&notify->size_mutex); /* the account runs already */
	result = fs_thread_init(&notify->size_thread, notify->fs, err);
	pthread_mutex_unlock(&notify->size_mutex);
	if (result < 0) {
		fs_thread_finish(&notify->thread);
		return result;
	}
	notify->tree = notify_tree_create(&notify->thread);
	result = fs_thread_start(&notify->id, notify_run, notify);
	if (result < 0) {
		notify_tree_destroy(notify->tree);
		fs_thread_finish(&notify->size_thread);
		fs_thread_finish(&notify->thread);
		return error_set(
			err, -result, "a thread cannot be started: %s", strerror(-result));
	}
	notify->started = true;
	return 0;
}

void notify_stop(struct notify *notify)
{
	if (!notify)
		return;
	pthread_mutex_lock(&notify->mutex);
	notify->stopped = true;
	pthread_cond_signal(&notify->wake);
	pthread_mutex_unlock(&notify->mutex);
	if (!notify->started)
		return;
	pthread_join(notify->id, NULL);
	notify_tree_destroy(notify->tree);
	pthread_mutex_lock(&notify->size_mutex);
	fs_thread_finish(&notify->size_thread);
	pthread_mutex_unlock(&notify->size_mutex);
	fs_thread_finish(&notify->thread);
	notify->started = false;
}

void notify_attributes(struct notify *notify, uint64_t inode)
{
	struct fuse_session *session = atomic_load(&notify->fs->told);

	/* -ENOENT: the kernel does not know the inode, which is as good. */
	if (session)
		fuse_lowlevel_notify_inval_inode(session, inode, -1, 0);
}

void notify_contents(struct notify *notify, uint64_t inode)
{
	notify_say(notify, NOTICE_CONTENTS, (int64_t)inode);
}

void notify_removed(struct notify *notify, uint64_t directory)
{
	notify_say_in(notify, NOTICE_ATTRIBUTES, (int64_t)directory, NOTICE_REMOVED_MS);
}

static void event_folders_changed(void *ctx)
{
	struct fs *fs = ctx;

	notify_say(fs->notify, NOTICE_TREE, 0);
}

static void notice_name(struct notice_gone *gone, const struct store_gone *from)
{
	char name[NAME_MAX_BYTES + 1];

	name_of_message(from->uid, from->date, from->fields.sender, from->fields.subject, name);
	gone->uid = from->uid;
	gone->name = xstrdup(name);
}

static void event_folder_changed(
	void *ctx, int64_t folder_id, const struct store_changes *changes)
{
	struct fs *fs = ctx;
	struct notice *notice;

	/* Flags are only in extended attributes, which the kernel does not keep. */
	if (!changes->added && !changes->gone_count)
		return;
	if (atomic_load(&fs->told))
		park_news(fs->park, folder_id);
	if (changes->gone_count > NOTICE_NAMES_MAX) {
		notify_say(fs->notify, NOTICE_RESET, folder_id);
		return;
	}
	notice = xcalloc(1, sizeof(*notice));
	notice->kind = NOTICE_FOLDER;
	notice->id = folder_id;
	notice->due_ms = clock_now_ms();
	notice->gone_count = changes->gone_count;
	if (changes->gone_count)
		notice->gone = xcalloc(changes->gone_count, sizeof(*notice->gone));
	for (size_t i = 0; i < changes->gone_count; i++)
		notice_name(&notice->gone[i], &changes->gone[i]);
	notify_put(fs->notify, notice);
}

static void event_folder_reset(void *ctx, int64_t folder_id)
{
	struct fs *fs = ctx;

	notify_say(fs->notify, NOTICE_RESET, folder_id);
}

static void event_size_corrected(void *ctx, int64_t folder_id, uint32_t uid)
{
	struct fs *fs = ctx;
	struct notify *notify = fs->notify;
	struct store_folder folder;
	uint64_t inode = 0;

	pthread_mutex_lock(&notify->size_mutex);
	if (notify->size_thread.reader &&
		store_folder_by_id(notify->size_thread.reader, folder_id, &folder) == 0) {
		inode = inode_of_message(folder.message_tag, uid);
		store_folder_finish(&folder);
	}
	pthread_mutex_unlock(&notify->size_mutex);
	if (inode)
		settle_corrected(fs->settle, inode);
}

static void event_status_changed(void *ctx)
{
	struct fs *fs = ctx;

	atomic_store(&fs->status_changed, clock_wall_s());
}

struct account_events notify_events(struct fs *fs)
{
	return (struct account_events){
		.ctx = fs,
		.folders_changed = event_folders_changed,
		.folder_changed = event_folder_changed,
		.folder_reset = event_folder_reset,
		.size_corrected = event_size_corrected,
		.status_changed = event_status_changed,
	};
}
