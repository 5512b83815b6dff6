#include "sandbox_p.h"
#include <errno.h>
#include <linux/capability.h>
#include <mountmail/base/log.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAIL_ADDRESS_SPACE (UINT64_C(4) << 30)
#define WIRE_ADDRESS_SPACE (UINT64_C(1) << 30)
#define WIRE_FILES 32

static int limit(__rlimit_resource_t what, uint64_t most, const char *name, struct error *err)
{
	struct rlimit wanted = {most, most}, now;

	if (getrlimit(what, &now) < 0)
		return error_set(err, errno, "the limit on %s cannot be asked for: %s", name,
			strerror(errno));
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		wanted.rlim_max = now.rlim_max;
	if (now.rlim_cur != RLIM_INFINITY && now.rlim_cur < most)
		wanted.rlim_cur = now.rlim_cur;
	if (wanted.rlim_cur > wanted.rlim_max)
		wanted.rlim_cur = wanted.rlim_max;
	if (setrlimit(what, &wanted) < 0)
		return error_set(
			err, errno, "the limit on %s cannot be set: %s", name, strerror(errno));
	return 0;
}

static int limit_memory(uint64_t most, struct error *err)
{
	return SANDBOX_SANITIZED ? 0 : limit(RLIMIT_AS, most, "memory", err);
}

static int no_new_privileges(struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "no_new_privs cannot be set: %s", strerror(errno));
	return 0;
}

/* Root's privileges, when root mounts: neither process needs one of them. */
static int drop_capabilities(struct error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capset, &header, none) < 0)
		return error_set(
			err, errno, "the capabilities cannot be given up: %s", strerror(errno));
	return 0;
}

int sandbox_mail(const char *const *dirs, size_t count, struct error *err)
{
	int result = limit_memory(MAIL_ADDRESS_SPACE, err);

	if (result == 0)
		result = drop_capabilities(err);
	if (result == 0)
		result = no_new_privileges(err);
	if (result == 0)
		result = landlock_enter(dirs, count, err);
	if (result == 0)
		result = seccomp_enter(SECCOMP_MAIL, err);
	return result;
}

int sandbox_wire(void)
{
	struct error err;
	int result = limit_memory(WIRE_ADDRESS_SPACE, &err);

	if (result == 0)
		result = limit(RLIMIT_NOFILE, WIRE_FILES, "open files", &err);
	if (result == 0)
		result = drop_capabilities(&err);
	if (result == 0)
		result = no_new_privileges(&err);
	if (result == 0)
		result = landlock_enter(NULL, 0, &err);
	if (result == 0)
		result = seccomp_enter(SECCOMP_WIRE, &err);
	if (result < 0)
		log_error("the sandbox cannot be entered: %s", err.text);
	return result;
}
