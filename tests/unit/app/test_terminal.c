/*
 * test_terminal.c - the password typed at a terminal, and signals at the worst moment.
 *
 * The one who asks is a child on a terminal of its own; tcsetattr() is ours, so that a signal
 * can come exactly between the echo's end and the wait for a key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <mountmail/base/clock.h>
#include <poll.h>
#include <pty.h>
#include <secret_p.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static int signal_when_silent, signal_when_loud;

int tcsetattr(int fd, int actions, const struct termios *attributes)
{
	int (*real)(int, int, const struct termios *);
	int *due = attributes->c_lflag & ECHO ? &signal_when_loud : &signal_when_silent;
	int number = *due;

	*(void **)&real = dlsym(RTLD_NEXT, "tcsetattr");
	*due = 0;
	if (number && due == &signal_when_loud) {
		raise(number);
		errno = EINTR;
		return -1;
	}
	if (real(fd, actions, attributes) < 0)
		return -1;
	if (number)
		raise(number);
	return 0;
}

/* Its exit status tells whether it got "tr0ub4dor". */
static void ask(void)
{
	struct secret secret;
	struct error err;

	if (secret_init(&secret, &err) < 0 ||
		secret_from_terminal(&secret, "Password: ", &err) < 0)
		_exit(2);
	_exit(strcmp(secret.text, "tr0ub4dor") == 0 ? 0 : 1);
}

static pid_t start(int *terminal_out)
{
	pid_t pid = forkpty(terminal_out, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0)
		ask();
	return pid;
}

/* Reads what the terminal shows, until it shows text. */
static void expect(int terminal, const char *text)
{
	struct pollfd shown = {.fd = terminal, .events = POLLIN};
	char seen[200] = "";
	size_t len = 0;

	while (!strstr(seen, text)) {
		assert_true(len < sizeof(seen) - 1);
		assert_int_equal(poll(&shown, 1, PATIENCE_MS), 1);
		assert_int_equal(read(terminal, seen + len, 1), 1);
		seen[++len] = '\0';
	}
}

/* Its wait status; a child that does not end is killed, and that is its status. */
static int ended(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	int64_t end = clock_now_ms() + PATIENCE_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_now_ms() > end)
			kill(pid, SIGKILL);
		nanosleep(&pause, NULL);
	}
	return status;
}

static bool echoes(int terminal)
{
	struct termios attributes;

	assert_int_equal(tcgetattr(terminal, &attributes), 0);
	return attributes.c_lflag & ECHO;
}

static void assert_killed_by(int status, int number)
{
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), number);
}

static int begin(void **state)
{
	signal_when_silent = signal_when_loud = 0;
	return 0;
}

static void test_typed(void **state)
{
	int terminal, status;
	pid_t pid = start(&terminal);

	expect(terminal, "Password: ");
	assert_false(echoes(terminal));
	assert_int_equal(write(terminal, "tr0ub4dor\n", 10), 10);
	status = ended(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(echoes(terminal));
	close(terminal);
}

static void test_signal_before_the_wait(void **state)
{
	int terminal;
	pid_t pid;

	signal_when_silent = SIGINT;
	pid = start(&terminal);
	assert_killed_by(ended(pid), SIGINT);
	assert_true(echoes(terminal));
	close(terminal);
}

static void test_signal_in_the_wait(void **state)
{
	int terminal;
	pid_t pid = start(&terminal);

	expect(terminal, "Password: ");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_killed_by(ended(pid), SIGTERM);
	assert_true(echoes(terminal));
	close(terminal);
}

static void test_second_signal_leaves_no_silence(void **state)
{
	int terminal;
	pid_t pid;

	signal_when_silent = SIGTERM;
	signal_when_loud = SIGINT;
	pid = start(&terminal);
	assert_killed_by(ended(pid), SIGINT);
	assert_true(echoes(terminal));
	close(terminal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_typed, begin),
		cmocka_unit_test_setup(test_signal_before_the_wait, begin),
		cmocka_unit_test_setup(test_signal_in_the_wait, begin),
		cmocka_unit_test_setup(test_second_signal_leaves_no_silence, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
