#include <mountmail/base/fault.h>

#ifdef MOUNTMAIL_FAULTS
#include <fcntl.h>
#include <mountmail/base/str.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	bool die;
	uint64_t at; /* 0: nowhere */
	int log;     /* -1: none */
} fault = {.log = -1};

static pthread_once_t fault_once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t fault_count;

static void fault_read(void)
{
	const char *what = getenv("MOUNTMAIL_FAULT");
	const char *log = getenv("MOUNTMAIL_FAULT_LOG");
	const char *colon = what ? strchr(what, ':') : NULL;

	if (colon && str_to_u64(colon + 1, UINT32_MAX, &fault.at) < 0)
		fault.at = 0;
	fault.die = what && str_starts(what, "die:");
	if (log)
		fault.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void fault_note(uint64_t number, const char *where)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%llu %s\n", (unsigned long long)number, where);

	/* Without its log a test cannot be believed. */
	if (fault.log >= 0 && write(fault.log, line, (size_t)len) != len)
		abort();
}

bool fault_point(const char *where)
{
	uint64_t number;

	pthread_once(&fault_once, fault_read);
	number = atomic_fetch_add(&fault_count, 1) + 1;
	fault_note(number, where);
	if (number != fault.at)
		return false;
	if (fault.die)
		kill(getpid(), SIGKILL);
	return true;
}
#endif
