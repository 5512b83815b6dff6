#include "control_p.h"
#include "control_request_p.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONTROL_PEERS = 32,	   /* at a time; more wait in the socket's queue */
	CONTROL_ASK_MS = 10000,	   /* for a whole request to come */
	CONTROL_ANSWER_MS = 10000, /* for an answer to be taken, since the last byte that was */
};

enum peer_state {
	PEER_ASKING,   /* the line is being read */
	PEER_WAITING,  /* the account will call */
	PEER_ANSWERED, /* the answer is being written */
};

struct peer {
	int fd;
	enum peer_state state;
	int64_t until_ms; /* -1: no limit */
	struct buf in;
	struct buf out;
	size_t sent;
	struct control_wait *wait;
};

struct control {
	struct fs *fs;
	int wake; /* eventfd */
	atomic_bool stopping;
	bool started;
	pthread_t id;
	struct fs_thread thread;
	struct peer *peers[CONTROL_PEERS];
	size_t count;
};

struct control *control_create(struct fs *fs)
{
	struct control *control = xcalloc(1, sizeof(*control));

	control->fs = fs;
	control->wake = -1;
	return control;
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	assert(!control->started);
	if (control->wake >= 0)
		close(control->wake);
	free(control);
}

static void control_wake(struct control *control)
{
	static const uint64_t one = 1;

	if (write(control->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_error("the control thread cannot be woken: %s", strerror(errno));
}

static void peer_free(struct control *control, struct peer *peer)
{
	if (peer->wait)
		control_wait_give_up(peer->wait, control->fs->host.account);
	close(peer->fd);
	buf_finish(&peer->in);
	buf_finish(&peer->out);
	free(peer);
}

static bool peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static void control_accept(struct control *control)
{
	int fd =
		accept4(control->fs->host.control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct peer *peer;

	if (fd < 0)
		return; /* gone already; what is lasting shows with the next one */
	if (!peer_allowed(fd)) {
		log_warning("another user's program was refused at the control socket");
		close(fd);
		return;
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->fd = fd;
	peer->until_ms = clock_now_ms() + CONTROL_ASK_MS;
	control->peers[control->count++] = peer;
}

static void peer_answer(struct peer *peer)
{
	peer->state = PEER_ANSWERED;
	peer->until_ms = clock_now_ms() + CONTROL_ANSWER_MS;
}

static void control_woken(void *ctx)
{
	control_wake(ctx);
}

/* The line is complete. */
static void peer_ask(struct control *control, struct peer *peer)
{
	peer->wait = control_request(
		&control->thread, peer->in.data, &peer->out, control_woken, control);
	if (!peer->wait) {
		peer_answer(peer);
		return;
	}
	peer->state = PEER_WAITING;
	peer->until_ms = -1;
}

/* Each of these returns false when the peer is to be dropped. */
static bool peer_read(struct control *control, struct peer *peer)
{
	char piece[1024], *end;
	ssize_t n = recv(peer->fd, piece, sizeof(piece), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0 || memchr(piece, '\0', (size_t)n))
		return false;
	buf_append(&peer->in, piece, (size_t)n);
	end = strchr(peer->in.data, '\n');
	if (end) {
		*end = '\0';
		peer_ask(control, peer);
	}
	return end || peer->in.len <= CONTROL_LINE_MAX;
}

static bool peer_write(struct peer *peer)
{
	ssize_t n = send(peer->fd, peer->out.data + peer->sent, peer->out.len - peer->sent,
		MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	peer->sent += (size_t)n;
	peer->until_ms = clock_now_ms() + CONTROL_ANSWER_MS;
	return peer->sent < peer->out.len;
}

static bool peer_serve(struct control *control, struct peer *peer, short events)
{
	bool keep = true;

	if (peer->state == PEER_WAITING && control_wait_over(peer->wait, &peer->out)) {
		peer->wait = NULL;
		peer_answer(peer);
	}
	switch (peer->state) {
	case PEER_ASKING:
		if (events)
			keep = peer_read(control, peer);
		break;
	case PEER_WAITING:
		/* Nothing more is to be said: what comes is the end. */
		keep = !(events & (POLLIN | POLLHUP | POLLERR | POLLRDHUP));
		break;
	case PEER_ANSWERED:
		if (events & (POLLOUT | POLLHUP | POLLERR))
			keep = peer_write(peer);
		break;
	}
	return keep && (peer->until_ms < 0 || clock_now_ms() < peer->until_ms);
}

static short peer_events(const struct peer *peer)
{
	switch (peer->state) {
	case PEER_ASKING:
		return POLLIN;
	case PEER_WAITING:
		return POLLIN | POLLRDHUP;
	case PEER_ANSWERED:
		return POLLOUT;
	}
	return 0;
}

/* Fills polls: the wake-up, the listener, the peers. Returns the timeout. */
static int control_polls(struct control *control, struct pollfd *polls)
{
	int64_t now = clock_now_ms(), timeout = -1;

	polls[0] = (struct pollfd){control->wake, POLLIN, 0};
	polls[1] = (struct pollfd){
		control->count < CONTROL_PEERS ? control->fs->host.control_fd : -1, POLLIN, 0};
	for (size_t i = 0; i < control->count; i++) {
		const struct peer *peer = control->peers[i];
		int64_t left = peer->until_ms - now;

		polls[2 + i] = (struct pollfd){peer->fd, peer_events(peer), 0};
		if (peer->until_ms >= 0 && (timeout < 0 || left < timeout))
			timeout = left > 0 ? left : 0;
	}
	return (int)timeout;
}

static void control_turn(struct control *control)
{
	struct pollfd polls[2 + CONTROL_PEERS];
	int timeout = control_polls(control, polls);
	size_t kept = 0, count = control->count;
	uint64_t woken;

	if (poll(polls, 2 + control->count, timeout) < 0 && errno != EINTR) {
		log_error("the control socket cannot be waited for: %s", strerror(errno));
		atomic_store(&control->stopping, true);
		return;
	}
	if (polls[0].revents && read(control->wake, &woken, sizeof(woken)) < 0)
		log_debug("the control thread was woken for nothing");
	for (size_t i = 0; i < count; i++) {
		struct peer *peer = control->peers[i];

		if (peer_serve(control, peer, polls[2 + i].revents))
			control->peers[kept++] = peer;
		else
			peer_free(control, peer);
	}
	control->count = kept;
	if (polls[1].revents)
		control_accept(control);
}

static void *control_run(void *ctx)
{
	struct control *control = ctx;

	fs_thread_enter(&control->thread);
	while (!atomic_load(&control->stopping))
		control_turn(control);
	for (size_t i = 0; i < control->count; i++) {
		/* "umount" is answered when the mount is gone already: say so to the last. */
		if (control->peers[i]->state == PEER_ANSWERED)
			peer_write(control->peers[i]);
		peer_free(control, control->peers[i]);
	}
	control->count = 0;
	return NULL;
}

int control_start(struct control *control, struct error *err)
{
	int listener = control->fs->host.control_fd;
	int flags = fcntl(listener, F_GETFL);
	int result;

	control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (flags < 0 || control->wake < 0 || fcntl(listener, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set(err, errno, "the control socket: %s", strerror(errno));
	result = fs_thread_init(&control->thread, control->fs, err);
	if (result < 0)
		return result;
	result = fs_thread_start(&control->id, control_run, control);
	if (result < 0) {
		fs_thread_finish(&control->thread);
		return error_set(
			err, -result, "a thread cannot be started: %s", strerror(-result));
	}
	control->started = true;
	return 0;
}

void control_stop(struct control *control)
{
	if (!control || !control->started)
		return;
	atomic_store(&control->stopping, true);
	control_wake(control);
	pthread_join(control->id, NULL);
	fs_thread_finish(&control->thread);
	control->started = false;
}
