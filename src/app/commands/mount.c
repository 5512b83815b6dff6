#include "commands_p.h"
#include "process_p.h"
#include "setup_p.h"
#include "supervisor_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/log.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the background tells the command that began it: one write to a pipe, that it is ready or
 * why it is not. */
struct report {
	int32_t status;
	char text[sizeof(((struct error *)0)->text)];
};

static void report(int pipe_end, enum exit_status status, const char *text)
{
	struct report message = {.status = (int32_t)status};

	snprintf(message.text, sizeof(message.text), "%s", text);
	/* Smaller than PIPE_BUF, into an empty pipe: whole, or nobody listens any more. */
	if (write(pipe_end, &message, sizeof(message)) != (ssize_t)sizeof(message))
		log_warning("the command that began this mount did not wait for it");
}

/* The mount is there: the background has nothing to do any more with where it was begun. */
static void ready_in_background(void *ctx)
{
	int *pipe_end = ctx;

	prctl(PR_SET_PDEATHSIG, 0);
	report(*pipe_end, STATUS_OK, "");
	close(*pipe_end);
	*pipe_end = -1;
}

static void ready_in_foreground(void *ctx)
{
}

static _Noreturn void run_in_background(struct setup *setup, int pipe_end, pid_t starter)
{
	struct error err = {0};
	enum exit_status status;

	setsid();
	process_title("mountmail");
	process_null_stdio();
	/* Until the mount is there it is the starter's: when that is killed, so is the attempt.
	 */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != starter)
		_exit(STATUS_FAILED);
	secret_lock(&setup->secret);
	status = supervisor_run(setup, ready_in_background, &pipe_end, &err);
	if (status != STATUS_OK && pipe_end >= 0)
		report(pipe_end, status, err.text);
	else if (status != STATUS_OK)
		log_error("%s", err.text);
	setup_finish(setup);
	_exit((int)status);
}

/* Waits for the report; a signal that would end us ends the attempt first. */
static enum exit_status await_report(
	pid_t background, int pipe_end, int signals, struct error *err)
{
	struct pollfd fds[] = {
		{.fd = pipe_end, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	struct report message;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents &&
			read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			kill(background, SIGTERM);
		if (fds[0].revents)
			break;
	}
	if (read(pipe_end, &message, sizeof(message)) != (ssize_t)sizeof(message)) {
		error_set(err, EIO,
			"the mount's supervisor ended without a word; see the system's log");
		return STATUS_FAILED;
	}
	message.text[sizeof(message.text) - 1] = '\0';
	if (message.status != STATUS_OK) {
		error_set(err, EIO, "%s", message.text);
		/* It has cleaned up; now it is gone, too. */
		waitpid(background, NULL, 0);
	}
	return (enum exit_status)message.status;
}

static int block_signals(struct error *err)
{
	sigset_t mask;
	int signals;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0)
		return error_set(
			err, errno, "no signals can be waited for: %s", strerror(errno));
	return signals;
}

static enum exit_status begin_in_background(struct setup *setup, struct error *err)
{
	int signals _cleanup_close_ = block_signals(err);
	int reading _cleanup_close_ = -1;
	pid_t self = getpid(), background;
	enum exit_status status;
	int ends[2];

	if (signals < 0)
		return STATUS_FAILED;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		error_set(err, errno, "no pipe can be made: %s", strerror(errno));
		return STATUS_FAILED;
	}
	reading = ends[0];
	background = fork();
	if (background == 0) {
		close(reading);
		close(signals);
		run_in_background(setup, ends[1], self);
	}
	close(ends[1]);
	secret_finish(&setup->secret);
	if (background < 0) {
		error_set(err, errno, "no process can be made: %s", strerror(errno));
		return STATUS_FAILED;
	}
	status = await_report(background, reading, signals, err);
	return status;
}

enum exit_status command_mount(const struct args *args, struct error *err)
{
	struct setup setup;
	enum exit_status status = setup_load(&setup, args, err);

	if (status == STATUS_OK) {
		if (setup.debug)
			log_setup(LOG_LEVEL_DEBUG, "supervisor");
		/* Every path is absolute by now; the directory we began in is nobody's concern.
		 */
		if (chdir("/") < 0)
			log_debug("chdir: %s", strerror(errno));
		if (setup.foreground)
			status = supervisor_run(&setup, ready_in_foreground, NULL, err);
		else
			status = begin_in_background(&setup, err);
	}
	setup_finish(&setup);
	return status;
}
