#include "control_request_p.h"
#include "status_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * Shared by the control thread and the account's callback; freed by whoever leaves last. woken
 * is only called while the control thread is still interested, under the lock: after
 * control_wait_give_up nobody touches the control thread's things.
 */
struct control_wait {
	pthread_mutex_t mutex;
	struct account_wait *wait;
	void (*woken)(void *ctx);
	void *ctx;
	char *path; /* owned */
	int result;
	bool owed;	/* done will be called */
	bool abandoned; /* by the control thread */
};

static void wait_free(struct control_wait *wait)
{
	pthread_mutex_destroy(&wait->mutex);
	free(wait->path);
	free(wait);
}

void answer_ok(struct buf *out)
{
	buf_append_str(out, "ok\n");
}

void answer_error(struct buf *out, int code, const char *text)
{
	buf_printf(out, "error %d %s\n", code, text[0] ? text : strerror(code));
}

static void refresh_done(void *ctx, int result)
{
	struct control_wait *wait = ctx;
	bool abandoned;

	pthread_mutex_lock(&wait->mutex);
	wait->owed = false;
	wait->result = result;
	abandoned = wait->abandoned;
	if (!abandoned)
		wait->woken(wait->ctx);
	pthread_mutex_unlock(&wait->mutex);
	if (abandoned)
		wait_free(wait);
}

static struct control_wait *request_refresh(struct fs_thread *thread, const char *path,
	struct buf *out, void (*woken)(void *ctx), void *ctx)
{
	struct account *account = thread->fs->host.account;
	struct control_wait *wait;
	int64_t folder_id;
	int result = view_folder_by_path(thread->view, path, &folder_id);
	struct error err = {0};

	if (result < 0) {
		error_set(&err, -result,
			result == -ENOENT ? "there is no folder %s in this mount"
					  : "the folder %s cannot be looked up",
			path);
		answer_error(out, err.code, err.text);
		return NULL;
	}
	wait = xcalloc(1, sizeof(*wait));
	pthread_mutex_init(&wait->mutex, NULL);
	wait->path = xstrdup(path);
	wait->woken = woken;
	wait->ctx = ctx;
	wait->owed = true;
	/* done may have been called when this returns; wait is still ours. */
	wait->wait = account_refresh(account, folder_id, refresh_done, wait);
	return wait;
}

bool control_wait_over(struct control_wait *wait, struct buf *out)
{
	struct error err = {0};
	bool over;

	pthread_mutex_lock(&wait->mutex);
	over = !wait->owed;
	pthread_mutex_unlock(&wait->mutex);
	if (!over)
		return false;
	if (wait->result == 0) {
		answer_ok(out);
	} else {
		error_set(&err, -wait->result, "%s%s could not be brought up to date: %s",
			wait->path[0] ? "the folder " : "the mount", wait->path,
			strerror(-wait->result));
		answer_error(out, err.code, err.text);
	}
	wait_free(wait);
	return true;
}

void control_wait_give_up(struct control_wait *wait, struct account *account)
{
	bool last;

	/* Without the lock: false may mean that done is waiting for it. */
	if (account_cancel(account, wait->wait)) {
		wait_free(wait);
		return;
	}
	pthread_mutex_lock(&wait->mutex);
	wait->abandoned = true;
	last = !wait->owed;
	pthread_mutex_unlock(&wait->mutex);
	if (last)
		wait_free(wait);
}

static void request_umount(struct fs_thread *thread, bool force, struct buf *out)
{
	const struct fs_host *host = &thread->fs->host;
	struct error err = {0};
	int result = host->unmount(host->unmount_ctx, force, &err);

	if (result < 0)
		answer_error(out, -result, err.text);
	else
		answer_ok(out);
}

struct control_wait *control_request(struct fs_thread *thread, const char *line,
	struct buf *out, void (*woken)(void *ctx), void *ctx)
{
	if (strcmp(line, "status json") == 0) {
		answer_ok(out);
		status_json(thread, out);
	} else if (strcmp(line, "status text") == 0) {
		answer_ok(out);
		status_text(thread, out);
	} else if (str_starts(line, "refresh ") || strcmp(line, "refresh") == 0) {
		return request_refresh(thread, line[7] ? line + 8 : "", out, woken, ctx);
	} else if (strcmp(line, "umount") == 0 || strcmp(line, "umount force") == 0) {
		request_umount(thread, line[6] != '\0', out);
	} else if (str_starts(line, "queue ") || strcmp(line, "flush") == 0) {
		control_queue(thread, line, out);
	} else {
		answer_error(out, EINVAL, "this mount does not know that command");
	}
	return NULL;
}
