#include "secret_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/clock.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A command on its way. */
struct command {
	pid_t pid;   /* also its process group */
	int output;  /* owned; our end of its standard output */
	int signals; /* owned; SIGCHLD, and what tells us to end */
	size_t len;  /* bytes of output kept in the secret's page */
	bool whole;  /* the first line is kept, what comes behind it is dropped */
	int status;  /* as waitpid tells it */
};

static _Noreturn void run(const char *text, int output, const sigset_t *old_mask)
{
	setpgid(0, 0);
	if (dup2(output, STDOUT_FILENO) < 0)
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, old_mask, NULL);
	execl("/bin/sh", "sh", "-c", text, (char *)NULL);
	_exit(127);
}

static int start(
	struct command *command, const char *text, const sigset_t *old_mask, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "passcmd cannot be started: %s", strerror(errno));
	command->output = ends[0];
	fcntl(command->output, F_SETFL, O_NONBLOCK);
	command->pid = fork();
	if (command->pid == 0)
		run(text, ends[1], old_mask);
	close(ends[1]);
	if (command->pid < 0)
		return error_set(err, errno, "passcmd cannot be started: %s", strerror(errno));
	/* Both sides do it, so that it is done whoever comes first. */
	setpgid(command->pid, command->pid);
	return 0;
}

/*
 * One read. What follows the first line is read too, over the rest of the page, so that a
 * command that prints more does not fail over a closed pipe. False at the end of the output.
 */
static bool take_output(struct command *command, struct secret *secret)
{
	char *at = secret->text + command->len, *line_break;
	ssize_t got = read(command->output, at, secret->size - 1 - command->len);

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	if (command->whole)
		return true;
	line_break = memchr(at, '\n', (size_t)got);
	command->len += line_break ? (size_t)(line_break + 1 - at) : (size_t)got;
	/* The margin keeps room to read into; such a line is refused as too long. */
	if (command->len > SECRET_MAX + 2)
		command->len = SECRET_MAX + 2;
	command->whole = line_break || command->len == SECRET_MAX + 2;
	return true;
}

/* True when the command ended by itself; false when it is time to end it. */
static bool take_signal(struct command *command)
{
	struct signalfd_siginfo info;

	return read(command->signals, &info, sizeof(info)) == (ssize_t)sizeof(info) &&
	       info.ssi_signo == SIGCHLD;
}

static bool reaped(struct command *command)
{
	return waitpid(command->pid, &command->status, WNOHANG) == command->pid;
}

/* Waits for the command's end. 0, -ETIMEDOUT, -EINTR. */
static int attend(struct command *command, struct secret *secret, int timeout_ms)
{
	int64_t end = clock_now_ms() + timeout_ms;
	struct pollfd fds[] = {{.fd = command->signals, .events = POLLIN},
		{.fd = command->output, .events = POLLIN}};

	while (!reaped(command)) {
		int64_t left = end - clock_now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)left) < 0)
			continue;
		if (fds[0].revents && !take_signal(command))
			return -EINTR;
		if (fds[1].revents && !take_output(command, secret))
			fds[1].fd = -1;
	}
	/* What is still in the pipe. Somebody else may hold its other end: no waiting. */
	while (!command->whole && fds[1].fd >= 0 && poll(&fds[1], 1, 0) > 0)
		if (!take_output(command, secret))
			break;
	return 0;
}

static int judge(int waited, int status, int timeout_ms, struct error *err)
{
	if (waited == -ETIMEDOUT)
		return error_set(err, ETIMEDOUT,
			"passcmd did not end within %d seconds and was ended",
			timeout_ms / 1000);
	if (waited == -EINTR)
		return error_set(err, EINTR, "interrupted while passcmd ran");
	if (WIFSIGNALED(status))
		return error_set(
			err, EINVAL, "passcmd was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return error_set(err, EINVAL,
			"passcmd failed with exit status %d%s: run it by hand to see why",
			WEXITSTATUS(status),
			WEXITSTATUS(status) == 127 ? " (command not found)" : "");
	return 0;
}

int secret_from_command(
	struct secret *secret, const char *command_text, int timeout_ms, struct error *err)
{
	struct command command = {.pid = -1, .output = -1, .signals = -1};
	sigset_t mask, old_mask;
	int result;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	command.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (command.signals < 0)
		result =
			error_set(err, errno, "passcmd cannot be started: %s", strerror(errno));
	else
		result = start(&command, command_text, &old_mask, err);
	if (result == 0) {
		int waited = attend(&command, secret, timeout_ms);

		if (waited < 0) {
			kill(-command.pid, SIGKILL);
			waitpid(command.pid, &command.status, 0);
		}
		result = judge(waited, command.status, timeout_ms, err);
	}
	if (result == 0)
		result = secret_take_line(secret, command.len, "passcmd", err);
	if (command.output >= 0)
		close(command.output);
	if (command.signals >= 0)
		close(command.signals);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	return result;
}
