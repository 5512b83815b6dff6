/*
 * test_supervisor.c - the supervisor with mail and wire processes of the test's own, good ones
 * and hostile ones, and a mount that only counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <channel_p.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <mail_p.h>
#include <mountmail/base/xalloc.h>
#include <poll.h>
#include <process_p.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <supervisor_p.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wire_p.h>

/* What all the processes of a scenario share. */
static struct shared {
	int mounts, unmounts, lazy;
	int wires_begun;
	int refused;
	int busy; /* fs_unmount says so unless it is lazy */
	int ready;
	pid_t mail;
} * shared;

static struct setup setup;
static struct error err;
static void (*mail_scenario)(struct mail_channel *channel);

int fs_mount(const struct fs_conf *conf, struct fs **fs_out, struct error *error)
{
	shared->mounts++;
	*fs_out = (struct fs *)(uintptr_t)shared;
	return 0;
}

void fs_forget_device(struct fs *fs)
{
}

int fs_unmount(struct fs *fs, bool lazy, struct error *error)
{
	if (shared->busy && !lazy)
		return error_set(error, EBUSY, "the mount is busy");
	shared->unmounts++;
	shared->lazy += lazy;
	return 0;
}

void fs_destroy(struct fs *fs)
{
}

_Noreturn void wire_process(int channel, const struct setup *its_setup, pid_t supervisor)
{
	char byte;

	process_die_with(supervisor);
	process_become("mountmail: wire", "wire");
	process_close_all_but(channel);
	/* One that is asked to hang does not mind that its channel closes. */
	while (read(channel, &byte, 1) == 1)
		if (byte == 'h')
			for (;;)
				pause();
	_exit(0);
}

_Noreturn void mail_process(
	struct setup *its_setup, struct fs *fs, int channel, pid_t supervisor)
{
	struct mail_channel mine;

	process_die_with(supervisor);
	process_become("mountmail: mail", "mail");
	shared->mail = getpid();
	mail_channel_init(&mine, channel);
	mail_scenario(&mine);
	_exit(0);
}

static void ready(void *ctx)
{
	shared->ready++;
}

/* A supervisor in a process of its own; returns its exit status. */
static pid_t begin(void (*scenario)(struct mail_channel *))
{
	pid_t pid;

	mail_scenario = scenario;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		enum exit_status status;

		alarm(60);
		status = supervisor_run(&setup, ready, NULL, &err);
		if (status != STATUS_OK)
			fprintf(stderr, "mountmail: %s\n", err.text);
		_exit((int)status);
	}
	return pid;
}

static int end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(kill(shared->mail, 0), -1);
	return WEXITSTATUS(status);
}

static int run(void (*scenario)(struct mail_channel *))
{
	return end(begin(scenario));
}

static int clear(void **state)
{
	*shared = (struct shared){0};
	return 0;
}

static void ends_by_itself(struct mail_channel *channel)
{
	mail_channel_ready(channel, STATUS_OK, "");
}

static void test_mount_ends(void **state)
{
	assert_int_equal(run(ends_by_itself), STATUS_OK);
	assert_int_equal(shared->mounts, 1);
	assert_int_equal(shared->unmounts, 1);
	assert_int_equal(shared->ready, 1);
}

static void cannot_log_in(struct mail_channel *channel)
{
	mail_channel_ready(channel, STATUS_LOGIN, "no, \n wrong password");
}

static void test_start_fails(void **state)
{
	assert_int_equal(run(cannot_log_in), STATUS_LOGIN);
	assert_int_equal(shared->ready, 0);
	assert_int_equal(shared->unmounts, 1);
}

static void killed(struct mail_channel *channel)
{
	mail_channel_ready(channel, STATUS_OK, "");
	raise(SIGKILL);
}

static void killed_early(struct mail_channel *channel)
{
	raise(SIGKILL);
}

static void test_killed(void **state)
{
	assert_int_equal(run(killed), STATUS_FAILED);
	assert_int_equal(shared->lazy, 1);
	assert_int_equal(run(killed_early), STATUS_FAILED);
	assert_int_equal(shared->lazy, 2);
}

static void serves(struct mail_channel *channel)
{
	mail_channel_ready(channel, STATUS_OK, "");
	for (;;)
		pause();
}

static void await_ready(void)
{
	for (int i = 0; i < 2000 && !*(volatile int *)&shared->ready; i++)
		usleep(5000);
	assert_int_equal(shared->ready, 1);
}

static void test_signal(void **state)
{
	pid_t supervisor = begin(serves);

	await_ready();
	kill(supervisor, SIGTERM);
	assert_int_equal(end(supervisor), STATUS_OK);
	assert_int_equal(shared->unmounts, 1);
}

static void test_supervisor_killed(void **state)
{
	pid_t supervisor = begin(serves);
	int status, i;

	await_ready();
	kill(supervisor, SIGKILL);
	waitpid(supervisor, &status, 0);
	/* The mail process goes with it; whoever inherits it may take a moment to reap it. */
	for (i = 0; i < 1000; i++) {
		char path[64], text[256] = "", *state_at;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)shared->mail);
		file = fopen(path, "r");
		if (!file)
			break;
		if (!fgets(text, sizeof(text), file))
			text[0] = '\0';
		fclose(file);
		state_at = strrchr(text, ')');
		if (!state_at || state_at[2] == 'Z')
			break;
		usleep(5000);
	}
	assert_true(i < 1000);
}

static void dials(struct mail_channel *channel)
{
	int pid, fds[8];
	char byte;

	mail_channel_ready(channel, STATUS_OK, "");
	for (int i = 0; i < 6; i++) {
		fds[i] = mail_channel_dial(channel, &pid, &err);
		if (fds[i] < 0 || kill(pid, 0) < 0)
			_exit(51);
		shared->wires_begun++;
	}
	/* Four connections, and two that may be on their way out. */
	if (mail_channel_dial(channel, &pid, &err) != -EAGAIN)
		_exit(52);
	shared->refused++;
	/* A process that hangs makes room when it is not wanted any more. */
	if (write(fds[5], "h", 1) != 1)
		_exit(53);
	/* Somebody else's: nothing happens. */
	mail_channel_hangup(channel, 1);
	mail_channel_hangup(channel, getppid());
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	/* They end at the end of their channels. */
	for (int i = 0; i < 400; i++) {
		fds[0] = mail_channel_dial(channel, &pid, &err);
		if (fds[0] >= 0)
			break;
		usleep(5000);
	}
	if (fds[0] < 0 || kill(pid, 0) < 0)
		_exit(54);
	if (write(fds[0], "h", 1) != 1)
		_exit(55);
	usleep(50000);
	mail_channel_hangup(channel, pid);
	for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++)
		usleep(5000);
	if (kill(pid, 0) == 0 || read(fds[0], &byte, 1) != 0)
		_exit(56);
}

static void test_wires(void **state)
{
	assert_int_equal(run(dials), STATUS_OK);
	assert_int_equal(shared->wires_begun, 6);
	assert_int_equal(shared->refused, 1);
}

static void dials_on_and_on(struct mail_channel *channel)
{
	int pid;

	mail_channel_ready(channel, STATUS_OK, "");
	for (int i = 0; i < 100; i++) {
		int fd = mail_channel_dial(channel, &pid, &err);

		if (fd >= 0) {
			mail_channel_hangup(channel, pid);
			close(fd);
			shared->wires_begun++;
		}
	}
}

static void test_pace(void **state)
{
	assert_int_equal(run(dials_on_and_on), STATUS_OK);
	assert_in_range(shared->wires_begun, 6, 40);
}

static void unmounts(struct mail_channel *channel)
{
	mail_channel_ready(channel, STATUS_OK, "");
	shared->busy = 1;
	if (mail_channel_unmount(channel, false, &err) != -EBUSY || !strstr(err.text, "busy"))
		_exit(61);
	if (mail_channel_unmount(channel, true, &err) != 0)
		_exit(62);
	/* As one that a file keeps open: it has to be told to end. */
	for (;;)
		pause();
}

static void test_unmount(void **state)
{
	assert_int_equal(run(unmounts), STATUS_OK);
	assert_int_equal(shared->lazy, shared->unmounts);
}

static void sends(struct mail_channel *channel, const void *data, size_t len)
{
	mail_channel_ready(channel, STATUS_OK, "");
	if (send(channel->fd, data, len, 0) != (ssize_t)len)
		_exit(71);
	for (;;)
		pause();
}

static void sends_noise(struct mail_channel *channel)
{
	sends(channel, "noise", 5);
}

static void sends_an_answer(struct mail_channel *channel)
{
	const struct channel_message message = {.kind = CHANNEL_ANSWER};

	sends(channel, &message, sizeof(message));
}

static void sends_a_status(struct mail_channel *channel)
{
	mail_channel_ready(channel, (enum exit_status)1000, "");
	for (;;)
		pause();
}

static void is_ready_twice(struct mail_channel *channel)
{
	const struct channel_message message = {.kind = CHANNEL_READY};

	sends(channel, &message, sizeof(message));
}

static void does_not_read(struct mail_channel *channel)
{
	const struct channel_message message = {.kind = CHANNEL_UNMOUNT};

	mail_channel_ready(channel, STATUS_OK, "");
	shared->busy = 1;
	for (;;)
		if (send(channel->fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)
			pause();
}

/* Whoever took the mail process over gets no further with the supervisor. */
static void test_hostile_mail_process(void **state)
{
	void (*const scenarios[])(struct mail_channel *) = {
		sends_noise, sends_an_answer, sends_a_status, is_ready_twice, does_not_read};

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		clear(NULL);
		assert_int_equal(run(scenarios[i]), STATUS_FAILED);
		assert_int_equal(shared->unmounts, 1);
		assert_int_equal(shared->wires_begun, 0);
	}
}

static void closes_and_stays(struct mail_channel *channel)
{
	mail_channel_ready(channel, STATUS_OK, "");
	close(channel->fd);
	for (;;)
		pause();
}

/* It is told to end, and does: nothing it would have been needed for. */
static void test_channel_closed(void **state)
{
	assert_int_equal(run(closes_and_stays), STATUS_FAILED);
	assert_int_equal(shared->unmounts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mount_ends, clear),
		cmocka_unit_test_setup(test_start_fails, clear),
		cmocka_unit_test_setup(test_killed, clear),
		cmocka_unit_test_setup(test_signal, clear),
		cmocka_unit_test_setup(test_supervisor_killed, clear),
		cmocka_unit_test_setup(test_wires, clear),
		cmocka_unit_test_setup(test_pace, clear),
		cmocka_unit_test_setup(test_unmount, clear),
		cmocka_unit_test_setup(test_hostile_mail_process, clear),
		cmocka_unit_test_setup(test_channel_closed, clear),
	};
	static char account[] = "test", mountpoint[] = "/mail",
		    control[] = "/nonexistent/socket";

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		-1, 0);
	options_init(&setup.options);
	setup.account = account;
	setup.mountpoint = mountpoint;
	setup.control = control;
	setup.foreground = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
