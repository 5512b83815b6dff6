#include "process_p.h"
#include <fcntl.h>
#include <mountmail/base/log.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The memory of the arguments, one behind the other, as the kernel laid them out. */
static char *title_memory;
static size_t title_size;

void process_harden(void)
{
	const struct rlimit none = {0, 0};

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
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	process_null_stdio();
}
