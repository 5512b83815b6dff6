/*
 * test_sandbox.c - what cannot be done any more, and what still can, in children that enter the
 * sandbox and try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sandbox_p.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                            \
	do {                                                                                   \
		if (!(what)) {                                                                 \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #what, errno);   \
			_exit(1);                                                              \
		}                                                                              \
	} while (0)

static char directory[] = "/tmp/mm-sandbox-XXXXXX";

static bool refused(long result)
{
	return result < 0 && (errno == EACCES || errno == EPERM);
}

/* Runs child in a process of its own; returns its status as waitpid tells it. */
static int run(void (*child)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		child();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void enter_mail(void)
{
	const char *dirs[] = {directory};
	struct error err;

	CHECK(sandbox_mail(dirs, 1, &err) == 0);
}

static void no_way_out(void)
{
	int fd;

	fd = open("/etc/passwd", O_RDONLY);
	CHECK(refused(fd));
	CHECK(refused(open("/etc/mountmail-test", O_WRONLY | O_CREAT, 0600)));
	CHECK(refused(socket(AF_INET, SOCK_STREAM, 0)));
	CHECK(refused(socket(AF_UNIX, SOCK_STREAM, 0)));
	CHECK(refused(setuid(0)) || getuid() != 0);
	CHECK(refused(chroot("/")));
	CHECK(refused(kill(getppid(), 0)));
	if (!SANDBOX_SANITIZED)
		CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0) == MAP_FAILED);
	if (!SANDBOX_SANITIZED)
		CHECK(refused(fork()));
}

static void *thread(void *ctx)
{
	*(int *)ctx = 1;
	return NULL;
}

static void mail_child(void)
{
	char path[128], renamed[128], text[8] = "";
	int fd, ran = 0, ends[2], pair[2];
	struct stat found;
	pthread_t id;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	enter_mail();
	no_way_out();

	snprintf(path, sizeof(path), "%s/file", directory);
	snprintf(renamed, sizeof(renamed), "%s/renamed", directory);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(pwrite(fd, "hello", 5, 0) == 5);
	CHECK(pread(fd, text, 5, 0) == 5 && strcmp(text, "hello") == 0);
	CHECK(ftruncate(fd, 3) == 0 && fsync(fd) == 0 && fstat(fd, &found) == 0);
	CHECK(found.st_size == 3);
	CHECK(rename(path, renamed) == 0 && stat(renamed, &found) == 0);
	CHECK(unlink(renamed) == 0);
	CHECK(mkdir(path, 0700) == 0 && rmdir(path) == 0);

	CHECK(pthread_create(&id, NULL, thread, &ran) == 0);
	CHECK(pthread_join(id, NULL) == 0 && ran == 1);
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	CHECK(send(pair[0], "x", 1, 0) == 1 && recv(pair[1], text, 1, 0) == 1);
	CHECK(malloc(1 << 20) != NULL);
}

static void test_mail_process(void **state)
{
	assert_int_equal(run(mail_child), 0);
}

static void wire_child(void)
{
	struct pollfd poller;
	struct rlimit files;
	char text[16];
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(sandbox_wire() == 0);
	no_way_out();
	if (!SANDBOX_SANITIZED)
		CHECK(refused(open(directory, O_RDONLY)));
	CHECK(open("/dev/null", O_RDONLY) < 0 && errno == EACCES);
	CHECK(refused(connect(pair[0], (struct sockaddr *)&(struct sockaddr_un){AF_UNIX},
		sizeof(struct sockaddr_un))));

	CHECK(write(pair[0], "hello", 5) == 5);
	poller = (struct pollfd){.fd = pair[1], .events = POLLIN};
	CHECK(poll(&poller, 1, 1000) == 1);
	CHECK(read(pair[1], text, sizeof(text)) == 5);
	CHECK(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	CHECK(getrandom(text, sizeof(text), 0) == (ssize_t)sizeof(text));
	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur <= 32);
	free(malloc(8 << 20));
	if (!SANDBOX_SANITIZED) {
		const struct rlimit more = {4096, 4096};

		CHECK(setrlimit(RLIMIT_NOFILE, &more) < 0);
		CHECK(mmap(NULL, UINT64_C(2) << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0) == MAP_FAILED);
	}
	CHECK(shutdown(pair[0], SHUT_RDWR) == 0 && close(pair[0]) == 0);
}

static void test_wire_process(void **state)
{
	assert_int_equal(run(wire_child), 0);
}

static void exec_child(void)
{
	char *const argv[] = {NULL}, *const environment[] = {NULL};

	enter_mail();
	execve("/bin/true", argv, environment);
	CHECK(refused(-1));
	_exit(77);
}

static void trace_child(void)
{
	CHECK(sandbox_wire() == 0);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	_exit(77);
}

/* What only an intruder does ends the process. */
static void test_hostile_calls(void **state)
{
	int status = run(exec_child);

	if (SANDBOX_SANITIZED) {
		assert_int_equal(WEXITSTATUS(status), 77);
		return;
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	status = run(trace_child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* As on a kernel without Landlock. */
static void old_kernel_child(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	CHECK(filter);
	CHECK(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
		      SCMP_SYS(landlock_create_ruleset), 0) == 0);
	CHECK(seccomp_load(filter) == 0);
	seccomp_release(filter);
	enter_mail();
	/* seccomp is still there. */
	CHECK(refused(socket(AF_INET, SOCK_STREAM, 0)));
	CHECK(open(directory, O_RDONLY | O_DIRECTORY) >= 0);
}

static void test_old_kernel(void **state)
{
	assert_int_equal(run(old_kernel_child), 0);
}

static void missing_child(void)
{
	const char *dirs[] = {"/nonexistent/mountmail"};
	struct error err;

	CHECK(sandbox_mail(dirs, 1, &err) == -ENOENT);
	CHECK(strstr(err.text, dirs[0]) != NULL);
}

static void test_missing_directory(void **state)
{
	assert_int_equal(run(missing_child), 0);
}

static int remove_directory(void **state)
{
	return rmdir(directory);
}

static int make_directory(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_process),
		cmocka_unit_test(test_wire_process),
		cmocka_unit_test(test_hostile_calls),
		cmocka_unit_test(test_old_kernel),
		cmocka_unit_test(test_missing_directory),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
