#include "process_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/log.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The memory of the arguments, one behind the other, as the kernel laid them out. */
static char *title_memory;
static size_t title_size;

/* Whoever started us without one of the first three descriptors would have it become a pipe or
 * the password's file. */
static void fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

void process_harden(void)
{
	const struct rlimit none = {0, 0};

	fill_stdio();
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		log_warning("core dumps cannot be switched off");
	signal(SIGPIPE, SIG_IGN);
}

void process_title_init(int argc, char **argv)
{
	char *end = argv[0];

	for (int i = 0; i < argc && argv[i] == end; i++)
		end += strlen(argv[i]) + 1;
	title_memory = argv[0];
	title_size = (size_t)(end - argv[0]);
}

void process_title(const char *title)
{
	size_t len = strlen(title);

	prctl(PR_SET_NAME, title);
	if (!title_size)
		return;
	if (len > title_size - 1)
		len = title_size - 1;
	memcpy(title_memory, title, len);
	memset(title_memory + len, 0, title_size - len);
}

void process_become(const char *title, const char *role)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE};
	sigset_t none;

	process_title(title);
	log_setup_role(role);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	umask(077);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	process_null_stdio();
}

void process_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		log_warning("this process would outlive its parent: %s", strerror(errno));
	/* It may have ended before the line above, and its signal with it. */
	if (getppid() != parent)
		_exit(1);
}

/* Closes first to last, both included. */
static void close_between(unsigned first, unsigned last)
{
	struct rlimit files;

	if (first > last)
		return;
	/* Linux 5.9; older ones take the slow way. */
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur > 65536)
		files.rlim_cur = 65536;
	for (unsigned fd = first; fd <= last && fd < files.rlim_cur; fd++)
		close((int)fd);
}

void process_close_all_but(int kept)
{
	if (kept <= STDERR_FILENO) {
		close_between(STDERR_FILENO + 1, ~0U);
		return;
	}
	close_between(STDERR_FILENO + 1, (unsigned)kept - 1);
	close_between((unsigned)kept + 1, ~0U);
}

void process_null_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		log_warning("/dev/null cannot be used: %s", strerror(errno));
	if (null > STDERR_FILENO)
		close(null);
}
