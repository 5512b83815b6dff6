#include "secret_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
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
	pid_t pid;       /* also its process group */
	int output;      /* owned; our end of its standard output */
	int signals;     /* owned; what ends the wait */
	size_t len;      /* bytes of output kept in the secret's page */
	bool exited;
	int status;      /* as waitpid tells it */
};

static _Noreturn void run(const char *command, int output, const sigset_t *old_mask)
{
	setpgid(0, 0);
	if (dup2(output, STDOUT_FILENO) < 0)
		_exit(126);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, old_mask, NULL);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int start(
	struct command *command, const char *text, const sigset_t *old_mask, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(
			err, errno, "passcmd cannot be started: %s", strerror(errno));
	command->output = ends[0];
	command->pid = fork();
	if (command->pid == 0)
		run(text, ends[1], old_mask);
	close(ends[1]);
	if (command->pid < 0)
		return error_set(
			err, errno, "passcmd cannot be started: %s", strerror(errno));
	/* Both sides do it, so that it is done whoever comes first. */
	setpgid(command->pid, command->pid);
	fcntl(command->output, F_SETFL, O_NONBLOCK);
	return 0;
}

/*
 * Keeps the first line and reads on behind it, so that a command that prints more does not
 * fail over a closed pipe. False at the end of the output.
 */
static bool take_output(struct command *command, struct secret *secret)
{
	ssize_t got;

	for (;;) {
		if (memchr(secret->text, '\n', command->len) ||
			command->len >= secret->size / 2)
			command->len = strnlen(secret->text, command->len);
		got = read(command->output, secret->text + command->len,
			secret->size - 1 - command->len);
		if (got <= 0)
			return got < 0 && (errno == EAGAIN || errno == EINTR);
		command->len += (size_t)got;
	}
}
