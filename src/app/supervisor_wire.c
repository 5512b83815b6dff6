#include "wire_p.h"
#include "wires_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 2000  /* for a LOGOUT */
#define TOKEN_MS 250   /* one more process may begin this often, */
#define TOKENS_EXTRA 8 /* and this many at once besides two for each connection */

static unsigned tokens_max(const struct wires *wires)
{
	return (unsigned)wires->limit * 2 + TOKENS_EXTRA;
}

void wires_init(struct wires *wires, unsigned connections)
{
	*wires = (struct wires){.limit = connections + 2, .filled = clock_now_ms()};
	if (wires->limit > WIRES_MAX)
		wires->limit = WIRES_MAX;
	wires->tokens = tokens_max(wires);
}

static void forget(struct wires *wires, size_t at, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		log_warning("wire process %d was ended by signal %d", (int)wires->slots[at].pid,
			WTERMSIG(status));
	wires->slots[at] = wires->slots[--wires->count];
}

/* Ends one at once. */
static void end(struct wires *wires, size_t at)
{
	int status = 0;

	kill(wires->slots[at].pid, SIGKILL);
	while (waitpid(wires->slots[at].pid, &status, 0) < 0 && errno == EINTR)
		;
	forget(wires, at, status);
}

void wires_tend(struct wires *wires, int64_t now)
{
	for (size_t i = wires->count; i-- > 0;) {
		int status = 0;

		if (waitpid(wires->slots[i].pid, &status, WNOHANG) != 0)
			forget(wires, i, status);
		else if (wires->slots[i].kill_at && wires->slots[i].kill_at <= now)
			end(wires, i);
	}
}

int wires_timeout(const struct wires *wires, int64_t now)
{
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < wires->count; i++)
		if (wires->slots[i].kill_at && wires->slots[i].kill_at < least)
			least = wires->slots[i].kill_at;
	if (least == INT64_MAX)
		return -1;
	return least <= now ? 0 : (int)(least - now);
}

void wires_hangup(struct wires *wires, pid_t pid)
{
	for (size_t i = 0; i < wires->count; i++)
		if (wires->slots[i].pid == pid && !wires->slots[i].kill_at)
			wires->slots[i].kill_at = clock_now_ms() + GRACE_MS;
}

void wires_finish(struct wires *wires)
{
	while (wires->count)
		end(wires, wires->count - 1);
}

/* Room for one more: those that are on their way out go now if they must. */
static bool make_room(struct wires *wires)
{
	wires_tend(wires, clock_now_ms());
	for (size_t i = wires->count; i-- > 0 && wires->count >= wires->limit;)
		if (wires->slots[i].kill_at)
			end(wires, i);
	return wires->count < wires->limit;
}

static bool take_token(struct wires *wires)
{
	int64_t now = clock_now_ms();
	int64_t more = (now - wires->filled) / TOKEN_MS;

	if (more > 0) {
		wires->filled += more * TOKEN_MS;
		if (more > tokens_max(wires) - wires->tokens)
			more = tokens_max(wires) - wires->tokens;
		wires->tokens += (unsigned)more;
	}
	if (!wires->tokens)
		return false;
	wires->tokens--;
	return true;
}

pid_t wires_begin(
	struct wires *wires, const struct setup *setup, int *channel_out, struct error *err)
{
	pid_t supervisor = getpid(), pid;
	int ends[2];

	if (!make_room(wires))
		return error_set(
			err, EAGAIN, "%zu wire processes are running already", wires->count);
	if (!take_token(wires))
		return error_set(err, EAGAIN, "too many wire processes in a short time");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(
			err, errno, "no channel for a wire process: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		wire_process(ends[1], setup, supervisor);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return error_set(
			err, errno, "no wire process can be made: %s", strerror(errno));
	}
	wires->slots[wires->count++] = (struct wire_slot){.pid = pid};
	*channel_out = ends[0];
	return pid;
}
