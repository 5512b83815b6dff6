#include "control_p.h"
#include "documents_p.h"
#include "fs_p.h"
#include "notify_p.h"
#include "opens_p.h"
#include "ops_p.h"
#include "park_p.h"
#include "settle_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* One of the two threads that serve requests. */
struct loop {
	struct fs_thread thread;
	pthread_t id;
	int epoll;
	int wake;	   /* eventfd: to look around */
	atomic_bool *stop; /* set before it is woken for the last time */
	int result;
};

__attribute__((format(printf, 2, 0))) static void serve_log(
	enum fuse_log_level level, const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_write(level == FUSE_LOG_DEBUG     ? LOG_LEVEL_DEBUG
		  : level <= FUSE_LOG_ERR     ? LOG_LEVEL_ERROR
		  : level == FUSE_LOG_WARNING ? LOG_LEVEL_WARNING
					      : LOG_LEVEL_INFO,
		"libfuse: %s", text);
}

static int loop_init(
	struct loop *loop, struct fs *fs, int wake_fd, atomic_bool *stop, struct error *err)
{
	/* Exclusive: one request wakes one thread. */
	struct epoll_event device = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	struct epoll_event stopped = {.events = EPOLLIN};
	int result = fs_thread_init(&loop->thread, fs, err);

	loop->wake = wake_fd;
	loop->stop = stop;
	loop->epoll = -1;
	if (result < 0)
		return result;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fuse_session_fd(fs->session), &device) <
			0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, wake_fd, &stopped) < 0)
		return error_set(
			err, errno, "/dev/fuse cannot be waited for: %s", strerror(errno));
	return 0;
}

static void loop_finish(struct loop *loop)
{
	fs_thread_finish(&loop->thread);
	if (loop->epoll >= 0)
		close(loop->epoll);
}

/* Waits for a request, or to be woken. 0 or -errno. */
static int loop_wait(struct loop *loop)
{
	struct epoll_event event;
	uint64_t count;

	if (epoll_wait(loop->epoll, &event, 1, -1) < 0 && errno != EINTR)
		return -errno;
	/* Emptied: why it was woken is looked at by the caller. */
	if (read(loop->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static void *loop_run(void *ctx)
{
	struct loop *loop = ctx;
	struct fs *fs = loop->thread.fs;
	struct fuse_buf request = {.mem = NULL};
	int result = 0;

	fs_thread_enter(&loop->thread);
	while (!atomic_load(loop->stop) && !fuse_session_exited(fs->session)) {
		result = fuse_session_receive_buf(fs->session, &request);
		if (result > 0)
			fuse_session_process_buf(fs->session, &request);
		else if (result == -EAGAIN)
			result = loop_wait(loop);
		if (result < 0 && result != -EINTR && result != -EAGAIN)
			break;
	}
	loop->result = result < 0 && result != -EINTR && result != -EAGAIN ? result : 0;
	free(request.mem);
	fs_stop(fs); /* should it have ended by itself */
	return NULL;
}

static int session_make(struct fs *fs, struct error *err)
{
	char program[] = "mountmail", debug[] = "-d";
	char *argv[] = {program, fs->debug ? debug : NULL, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(fs->debug ? 2 : 1, argv);
	_cleanup_free_ char *device = xasprintf("/dev/fd/%d", fs->device);
	int flags = fcntl(fs->device, F_GETFL);

	fuse_set_log_func(serve_log);
	if (flags < 0 || fcntl(fs->device, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set(err, errno, "/dev/fuse: %s", strerror(errno));
	fs->session = fuse_session_new(&args, ops_table(), sizeof(*ops_table()), fs);
	fuse_opt_free_args(&args);
	if (!fs->session)
		return error_set(err, EIO, "libfuse refuses to begin a session");
	if (fuse_session_mount(fs->session, device) < 0)
		return error_set(err, EIO, "libfuse refuses the device");
	fs->device = -1; /* the session's now */
	return 0;
}

static void wake(int fd)
{
	static const uint64_t one = 1;
	int error = errno;

	/* It only fails when it is readable already. */
	if (write(fd, &one, sizeof(one)) < 0)
		errno = error;
	errno = error;
}

/*
 * The notifier may wait for a lock of the kernel's that a request holds, so requests are served
 * until it has ended; those that wait for the server are failed for the same reason.
 */
static void serve_quiet(struct fs *fs)
{
	atomic_store(&fs->told, NULL);
	park_refuse(fs->park);
	notify_stop(fs->notify);
}

static int serve_two(struct fs *fs, struct loop *first, struct loop *second, struct error *err)
{
	int result = fs_thread_start(&second->id, loop_run, second);

	if (result < 0)
		return error_set(
			err, -result, "a thread cannot be started: %s", strerror(-result));
	loop_run(first);
	/* The request that woke the first one only, as it left, is the second one's to see. */
	wake(second->wake);
	serve_quiet(fs);
	atomic_store(second->stop, true);
	wake(second->wake);
	pthread_join(second->id, NULL);
	result = first->result ? first->result : second->result;
	if (result < 0)
		error_set(err, -result, "/dev/fuse cannot be read: %s", strerror(-result));
	return result;
}

static int serve_loops(struct fs *fs, struct error *err)
{
	struct loop first = {.epoll = -1}, second = {.epoll = -1};
	_cleanup_close_ int second_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_bool second_stop = false;
	int result;

	if (second_wake < 0)
		return error_set(err, errno, "no eventfd: %s", strerror(errno));
	result = loop_init(&first, fs, fs->wake, &fs->stopping, err);
	if (result == 0)
		result = loop_init(&second, fs, second_wake, &second_stop, err);
	if (result == 0)
		result = serve_two(fs, &first, &second, err);
	loop_finish(&first);
	loop_finish(&second);
	return result;
}

static int serve_start(struct fs *fs, struct error *err)
{
	int result = session_make(fs, err);

	if (result == 0)
		result = notify_start(fs->notify, err);
	if (result == 0)
		result = park_start(fs->park, err);
	if (result == 0)
		result = control_start(fs->control, err);
	return result;
}

/* Safe inside OPEN: attributes only, which takes no lock that a request holds. */
static void serve_tell_size(void *ctx, uint64_t inode)
{
	struct fs *fs = ctx;

	notify_attributes(fs->notify, inode);
}

int fs_serve(struct fs *fs, const struct fs_host *host, struct error *err)
{
	int result;

	fs->host = *host;
	fs->started_ms = clock_now_ms();
	atomic_store(&fs->status_changed, clock_wall_s());
	fs->park = park_create(fs);
	fs->control = control_create(fs);
	fs->settle = settle_create(serve_tell_size, fs);
	fs->documents = documents_create();
	fs->opens = opens_create();
	result = serve_start(fs, err);
	if (result == 0) {
		atomic_store(&fs->told, fs->session);
		result = serve_loops(fs, err);
	}
	/*
	 * Nothing new comes in any more. The account still runs: its callbacks find the park
	 * stopped and the notifier deaf, until account_stop, and then fs_destroy.
	 */
	atomic_store(&fs->told, NULL);
	control_stop(fs->control);
	park_stop(fs->park);
	notify_stop(fs->notify);
	return result;
}

void fs_stop(struct fs *fs)
{
	atomic_store(&fs->stopping, true);
	wake(fs->wake);
}

void fs_destroy(struct fs *fs)
{
	if (!fs)
		return;
	control_destroy(fs->control);
	park_destroy(fs->park);
	notify_destroy(fs->notify);
	settle_destroy(fs->settle);
	documents_destroy(fs->documents);
	opens_destroy(fs->opens);
	if (fs->session)
		fuse_session_destroy(fs->session);
	if (fs->device >= 0)
		close(fs->device);
	if (fs->wake >= 0)
		close(fs->wake);
	free(fs->mountpoint);
	free(fs);
}
