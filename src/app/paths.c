#include "paths_p.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCOUNT_NAME_MAX 200

static const char *home(void)
{
	const char *from_environment = getenv("HOME");
	const struct passwd *entry;

	/* mount(8) at boot has no HOME. */
	if (from_environment && *from_environment == '/')
		return from_environment;
	entry = getpwuid(geteuid());
	return entry && entry->pw_dir && *entry->pw_dir == '/' ? entry->pw_dir : "/";
}

static char *join(const char *directory, const char *name)
{
	return xasprintf("%s%s%s", directory, str_ends(directory, "/") ? "" : "/", name);
}

char *paths_in(enum paths_base base, const char *name)
{
	static const char *const variables[] = {
		"XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"};
	static const char *const defaults[] = {".cache", ".local/state", ".config"};
	const char *given = getenv(variables[base]);
	char *directory _cleanup_free_ = NULL;

	/* "All paths set in these environment variables must be absolute": others are ignored.
	 */
	directory = given && *given == '/' ? xstrdup(given) : join(home(), defaults[base]);
	return xasprintf(
		"%s%smountmail/%s", directory, str_ends(directory, "/") ? "" : "/", name);
}

static uint64_t fnv1a(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

char *paths_account_name(const char *account)
{
	struct buf buf = BUF_INIT;

	for (const char *at = account; *at; at++) {
		unsigned char c = (unsigned char)*at;
		bool plain = c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			     (c >= 'a' && c <= 'z') || strchr("@+=_,:[]", c) ||
			     ((c == '.' || c == '-') && at > account);

		buf_printf(&buf, plain ? "%c" : "%%%02X", c);
	}
	if (buf.len > ACCOUNT_NAME_MAX) {
		buf.len = ACCOUNT_NAME_MAX - 17;
		buf_printf(&buf, "%%%016" PRIx64, fnv1a(account));
	}
	return buf_steal(&buf);
}

char *paths_absolute(const char *path)
{
	char *directory _cleanup_free_ = NULL;

	if (*path == '/')
		return xstrdup(path);
	if (str_starts(path, "~/"))
		return join(home(), path + 2);
	directory = getcwd(NULL, 0);
	return join(directory ? directory : "/", path);
}

/* The real path of a path's directory, with its last name behind it as it is. */
static int resolve_parent(const char *path, char **path_out)
{
	char *whole _cleanup_free_ = paths_absolute(path);
	char *directory _cleanup_free_ = NULL;
	char *slash;

	while (strlen(whole) > 1 && str_ends(whole, "/"))
		whole[strlen(whole) - 1] = '\0';
	slash = strrchr(whole, '/');
	if (strcmp(slash, "/..") == 0 || strcmp(slash, "/.") == 0)
		return -ENOTCONN;
	*slash = '\0';
	directory = realpath(*whole ? whole : "/", NULL);
	if (!directory)
		return -errno;
	*path_out = join(directory, slash + 1);
	return 0;
}

int paths_mountpoint(const char *path, char **path_out, struct error *err)
{
	int result = 0;

	*path_out = realpath(path, NULL);
	if (!*path_out)
		result = -errno;
	/* The root of a mount whose process died cannot be looked at, but cleared. */
	if (result == -ENOTCONN || result == -EIO)
		result = resolve_parent(path, path_out);
	switch (-result) {
	case 0:
		return 0;
	case ENOENT:
		return error_set(err, ENOENT,
			"the mountpoint %s does not exist; make it first: mkdir %s", path,
			path);
	case ENOTDIR:
		return error_set(err, ENOTDIR, "the mountpoint %s is not a directory", path);
	default:
		return error_set(err, -result, "the mountpoint %s cannot be used: %s", path,
			strerror(-result));
	}
}

static int make_dirs(const char *path, struct error *err)
{
	char *part _cleanup_free_ = xstrdup(path);

	for (char *at = part + 1;; at++) {
		char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST && errno != EROFS &&
			errno != EACCES)
			return error_set(err, errno, "the directory %s cannot be made: %s",
				part, strerror(errno));
		*at = c;
		if (c == '\0')
			return 0;
	}
}

int paths_private_dir(const char *path, struct error *err)
{
	int fd _cleanup_close_ = -1;
	struct stat found;
	int result = make_dirs(path, err);

	if (result < 0)
		return result;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "the directory %s cannot be used: %s", path,
			errno == ELOOP ? "it is a symbolic link" : strerror(errno));
	if (fstat(fd, &found) < 0)
		return error_set(err, errno, "the directory %s cannot be looked at: %s", path,
			strerror(errno));
	if (found.st_uid != geteuid())
		return error_set(err, EPERM,
			"the directory %s belongs to user %u, not to you; use another one",
			path, (unsigned)found.st_uid);
	if (found.st_mode & 077)
		return error_set(err, EPERM,
			"other users can get into the directory %s; do: chmod 700 %s", path,
			path);
	return 0;
}

/* The directory for sockets below $XDG_RUNTIME_DIR, owned; NULL when there is none of ours. */
static char *runtime_dir(void)
{
	const char *given = getenv("XDG_RUNTIME_DIR");
	char *directory _cleanup_free_ = NULL;
	struct stat found;

	if (!given || *given != '/' || stat(given, &found) < 0 || !S_ISDIR(found.st_mode) ||
		found.st_uid != geteuid() || (found.st_mode & 022))
		return NULL;
	directory = join(given, "mountmail");
	return paths_private_dir(directory, NULL) < 0 ? NULL : steal_pointer(&directory);
}

int paths_control(const char *state, const char *mountpoint, char **path_out, struct error *err)
{
	char *runtime _cleanup_free_ = runtime_dir();
	char *path _cleanup_free_ = NULL;

	path = xasprintf(
		"%s/%016" PRIx64 ".sock", runtime ? runtime : state, fnv1a(mountpoint));
	if (strlen(path) >= sizeof((struct sockaddr_un){0}.sun_path))
		return error_set(err, ENAMETOOLONG,
			"no socket can be made at %s: its name is too long; set "
			"XDG_RUNTIME_DIR, or "
			"give a shorter state=DIR",
			path);
	*path_out = steal_pointer(&path);
	return 0;
}
