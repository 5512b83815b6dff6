#include "commands/flush_p.h"
#include "commands_p.h"
#include "mountpoint_p.h"
#include "paths_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ASK_TIMEOUT_MS 40000
#define END_TIMEOUT_MS 30000
#define FLUSH_LIMIT_MS 30000
#define LOOK_MS 50 /* between looks at the table of mounts */

/*
 * A descriptor that tells when the mount's supervisor ends, -1 when there is none (another pid
 * namespace, a kernel before 5.3): then the end of the mount itself has to do.
 */
static int watch_supervisor(const char *path)
{
	static const char key[] = "\"supervisor\":";
	struct buf payload = BUF_INIT;
	uint64_t pid = 0;
	char *at;

	if (control_ask(path, "status json", ASK_TIMEOUT_MS, &payload, NULL) == 0 &&
		(at = strstr(payload.data, key))) {
		at += sizeof(key) - 1;
		at[strspn(at, "0123456789")] = '\0';
		if (str_to_u64(at, INT32_MAX, &pid) < 0)
			pid = 0;
	}
	buf_finish(&payload);
	return pid > 1 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
}

static enum exit_status await_end(const char *path, int supervisor, struct error *err)
{
	struct pollfd poller = {.fd = supervisor, .events = POLLIN};
	int64_t end = clock_now_ms() + END_TIMEOUT_MS;
	bool ended = supervisor < 0;

	while (!ended || mountpoint_is_ours(path)) {
		if (clock_now_ms() > end) {
			error_set(err, ETIMEDOUT,
				"%s is being unmounted, but its processes have not ended yet",
				path);
			return STATUS_FAILED;
		}
		if (poll(&poller, 1, LOOK_MS) > 0) {
			ended = true;
			poller.fd = -1;
		}
	}
	return STATUS_OK;
}

static enum exit_status explain_busy(const char *path, struct error *err)
{
	struct buf users = BUF_INIT;

	mountpoint_users(path, &users);
	error_set(err, EBUSY,
		"%s is busy: files in it are open, or somebody's working directory is "
		"there%s%s; "
		"close what uses it, or: mountmail umount %s --force",
		path, users.len ? ": " : "", users.len ? users.data : "", path);
	buf_finish(&users);
	return STATUS_FAILED;
}

/*
 * Without the help of its processes, which are gone or cannot be spoken to; those that are
 * there end when their mount does.
 */
static enum exit_status take_away(const char *path, bool force, struct error *err)
{
	int result = mountpoint_take_away(path, force, err);

	if (result == -EBUSY && !force)
		return explain_busy(path, err);
	return result < 0 ? STATUS_FAILED : STATUS_OK;
}

static enum exit_status end_mount(const char *path, bool force, struct error *err)
{
	int supervisor _cleanup_close_ = watch_supervisor(path);
	struct buf payload = BUF_INIT;
	int result = control_ask(
		path, force ? "umount force" : "umount", ASK_TIMEOUT_MS, &payload, err);

	buf_finish(&payload);
	if (result == -EBUSY)
		return explain_busy(path, err);
	/* It went while it was asked: that is what was wanted. */
	if (result < 0 && mountpoint_state(path) == MOUNTPOINT_ALIVE) {
		if (!force && result != -ENOENT && result != -ECONNREFUSED)
			return STATUS_FAILED;
		return take_away(path, force, err);
	}
	return await_end(path, supervisor, err);
}

/* What stays in the journal, and why; nothing when nothing does. */
static void warn_left(const char *path, const struct flush_state *state)
{
	struct buf text = BUF_INIT;

	if (state->pending && !state->read_only)
		buf_printf(&text, "%llu removals are kept, and sent after the next mount",
			(unsigned long long)state->pending);
	flush_explain_rest(path, state, &text);
	if (text.len)
		fprintf(stderr, "mountmail: %s\n", text.data);
	buf_finish(&text);
}

/* What the server is to hear it hears first. */
static enum exit_status flush_first(
	const char *path, bool force, int64_t limit_ms, struct error *err)
{
	struct buf why = BUF_INIT;
	struct flush_state state;
	enum flush_end end;

	/* A mount that cannot be spoken to is taken away without: the journal is on disk. */
	if (flush_run(path, limit_ms, &end, &state, NULL) < 0)
		return STATUS_OK;
	if (force || !state.pending || end == FLUSH_READ_ONLY) {
		warn_left(path, &state);
		return STATUS_OK;
	}
	flush_explain(end, &state, &why);
	error_set(err, EAGAIN,
		"%s is not unmounted: %s; \"mountmail umount %s --force\" unmounts it and "
		"keeps "
		"them in the journal for the next mount",
		path, why.data, path);
	buf_finish(&why);
	return STATUS_LEFT;
}

enum exit_status command_umount(const struct args *args, struct error *err)
{
	char *path _cleanup_free_ = NULL;
	enum exit_status status;
	int64_t limit;

	if (args->operand_count != 1) {
		error_set(err, EINVAL,
			"which mount? mountmail umount MOUNTPOINT [--force] [--timeout "
			"SECONDS]");
		return STATUS_USAGE;
	}
	if (flush_limit(args->timeout, FLUSH_LIMIT_MS, &limit, err) < 0)
		return STATUS_USAGE;
	if (paths_mountpoint(args->operands[0], &path, err) < 0)
		return STATUS_MOUNTPOINT;
	switch (mountpoint_state(path)) {
	case MOUNTPOINT_OTHER:
		return command_not_ours(args->operands[0], err);
	case MOUNTPOINT_DEAD:
		return take_away(path, true, err);
	case MOUNTPOINT_ALIVE:
		break;
	}
	status = flush_first(path, args->force, limit, err);
	return status == STATUS_OK ? end_mount(path, args->force, err) : status;
}
