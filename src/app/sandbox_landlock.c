#include "sandbox_p.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/log.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What headers older than the running kernel do not name yet (linux/landlock.h of 6.12). */
#define FS_TRUNCATE (UINT64_C(1) << 14)	 /* version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */
#define NET_BIND_CONNECT UINT64_C(3)	 /* version 4: both bits */
#define SCOPE_SOCKET_SIGNAL UINT64_C(3)	 /* version 6: both bits */

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_CHANGE                                                                              \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                       \
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                 \
		LANDLOCK_ACCESS_FS_MAKE_REG | FS_TRUNCATE)
#define FS_VERSION_1 ((UINT64_C(1) << 13) - 1)

/* Everything that this version of Landlock can refuse. */
static size_t ruleset_fill(struct ruleset *ruleset, long version)
{
	*ruleset = (struct ruleset){.handled_access_fs = FS_VERSION_1};
	if (version >= 2)
		ruleset->handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		ruleset->handled_access_fs |= FS_TRUNCATE;
	if (version >= 4)
		ruleset->handled_access_net = NET_BIND_CONNECT;
	if (version >= 5)
		ruleset->handled_access_fs |= FS_IOCTL_DEV;
	if (version >= 6) {
		ruleset->scoped = SCOPE_SOCKET_SIGNAL;
		return sizeof(*ruleset);
	}
	return version >= 4 ? offsetof(struct ruleset, scoped)
			    : offsetof(struct ruleset, handled_access_net);
}

static int allow(int ruleset, const char *path, uint64_t access, struct error *err)
{
	int directory _cleanup_close_ = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access, .parent_fd = directory};

	if (directory < 0)
		return error_set(err, errno, "%s cannot be opened for the sandbox: %s", path,
			strerror(errno));
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_set(err, errno, "%s cannot be let into the sandbox: %s", path,
			strerror(errno));
	return 0;
}

int landlock_enter(const char *const *dirs, size_t count, struct error *err)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int fd _cleanup_close_ = -1;
	struct ruleset ruleset;
	size_t size;
	int result = 0;

	if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
		/* Once is enough: wire processes (no directories) come and go. */
		log_write(count ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
			"this kernel has no Landlock: the sandbox is seccomp alone");
		return 0;
	}
	if (version < 0)
		return error_set(err, errno, "Landlock does not answer: %s", strerror(errno));
	size = ruleset_fill(&ruleset, version);
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0)
		return error_set(err, errno, "Landlock refuses its rules: %s", strerror(errno));
	for (size_t i = 0; i < count && result == 0; i++)
		result = allow(
			fd, dirs[i], (FS_READ | FS_CHANGE) & ruleset.handled_access_fs, err);
	if (result == 0 && SANDBOX_SANITIZED)
		result = allow(fd, "/proc", FS_READ, err);
	if (result < 0)
		return result;
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_set(err, errno, "Landlock refuses to begin: %s", strerror(errno));
	return 0;
}
