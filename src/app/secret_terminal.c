#include "secret_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/*
 * While the echo is off a signal must not end or stop the process before the echo is on again:
 * each is noted, ends the read, and is raised once more when the terminal is as it was.
 */
static const int noted_signals[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};

#define NOTED_COUNT (sizeof(noted_signals) / sizeof(noted_signals[0]))

static volatile sig_atomic_t noted;

static void note(int number)
{
	noted = number;
}

/*
 * Waits until something was typed. A signal that comes before the wait begins must end it too:
 * the mask is lifted by the very call that waits. 0 or -errno, -EINTR when a signal came.
 */
static int await_key(int terminal)
{
	struct pollfd key = {.fd = terminal, .events = POLLIN};
	sigset_t noting, before;
	int result;

	sigemptyset(&noting);
	for (size_t i = 0; i < NOTED_COUNT; i++)
		sigaddset(&noting, noted_signals[i]);
	sigprocmask(SIG_BLOCK, &noting, &before);
	result = noted ? -EINTR : ppoll(&key, 1, NULL, &before) < 0 ? -errno : 0;
	/* read() shall not be spared SIGTTIN: in the background, what is typed is another's. */
	sigprocmask(SIG_SETMASK, &before, NULL);
	return noted ? -EINTR : result;
}

/* The line that is typed, up to room bytes; -EINTR when a signal came. */
static ssize_t read_line(int terminal, char *line, size_t room)
{
	size_t len = 0;

	while (len < room) {
		int ready = await_key(terminal);
		ssize_t got;

		if (ready < 0)
			return ready;
		got = read(terminal, line + len, 1);
		if (got < 0)
			return -errno;
		if (got == 0 || line[len] == '\n')
			break;
		len++;
	}
	return (ssize_t)len;
}

static ssize_t ask_once(int terminal, const char *prompt, char *line, size_t room)
{
	struct sigaction noting = {.sa_handler = note}, old[NOTED_COUNT];
	struct termios loud, silent;
	ssize_t len;

	noted = 0;
	for (size_t i = 0; i < NOTED_COUNT; i++)
		sigaction(noted_signals[i], &noting, &old[i]);
	if (tcgetattr(terminal, &loud) < 0) {
		len = -errno;
	} else {
		silent = loud;
		silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
		silent.c_lflag |= ICANON;
		while (tcsetattr(terminal, TCSAFLUSH, &silent) < 0 && errno == EINTR && !noted)
			;
		if (write(terminal, prompt, strlen(prompt)) < 0)
			len = -errno;
		else
			len = read_line(terminal, line, room);
		if (write(terminal, "\n", 1) < 0 && len >= 0)
			len = -errno;
		/* A second signal leaves no silence; in the background it is not ours. */
		while (tcsetattr(terminal, TCSAFLUSH, &loud) < 0 && errno == EINTR &&
			noted != SIGTTOU)
			;
	}
	for (size_t i = 0; i < NOTED_COUNT; i++)
		sigaction(noted_signals[i], &old[i], NULL);
	return len;
}

int secret_from_terminal(struct secret *secret, const char *prompt, struct error *err)
{
	int terminal _cleanup_close_ = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	ssize_t len;

	if (terminal < 0)
		return error_set(err, ENXIO,
			"no password is given and there is no terminal to ask on: use "
			"-o passfile=FILE or -o passcmd=COMMAND");
	do {
		len = ask_once(terminal, prompt, secret->text, secret->size - 1);
		if (noted)
			raise(noted);
		/* Still here: it was stopped and goes on, and asks again. */
	} while (len == -EINTR);
	if (len < 0)
		return error_set(err, (int)-len, "the password cannot be asked for: %s",
			strerror((int)-len));
	return secret_take_line(secret, (size_t)len, "the terminal", err);
}
