#include "kept_p.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/fault.h>
#include <mountmail/base/log.h>
#include <mountmail/base/str.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 10000 /* names for a file that is set aside */

void kept_name(uint32_t uid, char name_out[KEPT_NAME_MAX])
{
	snprintf(name_out, KEPT_NAME_MAX, "%" PRIu32, uid);
}

/* What a file in the folder is by its name. */
enum kind {
	KIND_FOREIGN, /* not made by us, or the folder of what was lost: left alone */
	KIND_NEW,
	KIND_BODY,
	KIND_ASIDE, /* a body that another had to make way for */
};

static enum kind kind_of(const char *name, uint32_t *uid_out)
{
	size_t digits = strspn(name, "0123456789");
	char number[KEPT_NAME_MAX];
	uint64_t value;

	if (str_starts(name, KEPT_NEW) &&
		str_to_u64(name + strlen(KEPT_NEW), UINT64_MAX, &value) == 0)
		return KIND_NEW;
	if (digits == 0 || digits >= sizeof(number))
		return KIND_FOREIGN;
	snprintf(number, sizeof(number), "%.*s", (int)digits, name);
	/* As we write it: no zeros before it. */
	if (number[0] == '0' || str_to_u64(number, UINT32_MAX, &value) < 0)
		return KIND_FOREIGN;
	*uid_out = (uint32_t)value;
	if (!name[digits])
		return KIND_BODY;
	return name[digits] == '.' && str_to_u64(name + digits + 1, TRIES, &value) == 0
		       ? KIND_ASIDE
		       : KIND_FOREIGN;
}

/* Calls each for every name in the folder until it returns something else than 0. */
static int folder_walk(struct kept *kept,
	int (*each)(struct kept *kept, const char *name, void *ctx), void *ctx)
{
	int fd = openat(kept->bodies_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		result = -errno;
		if (fd >= 0)
			close(fd);
		return result;
	}
	while (result == 0 && (errno = 0, entry = readdir(dir)))
		result = each(kept, entry->d_name, ctx);
	if (result == 0 && errno)
		result = -errno;
	closedir(dir);
	return result;
}

static int see_body(struct kept *kept, const char *name, void *ctx)
{
	uint32_t uid;
	enum kind kind = kind_of(name, &uid);

	return kind == KIND_BODY || kind == KIND_ASIDE;
}

int kept_has_bodies(struct kept *kept)
{
	return folder_walk(kept, see_body, NULL);
}

int kept_set_aside(struct kept *kept, const char *name, int to_fd, char name_out[KEPT_NAME_MAX])
{
	int result = 0;

	for (unsigned i = to_fd == kept->bodies_fd; i <= TRIES; i++) {
		snprintf(name_out, KEPT_NAME_MAX, i ? "%.15s.%u" : "%.30s", name, i);
		if (faccessat(to_fd, name_out, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (errno != ENOENT)
			return -errno;
		/* Nobody else puts files here: the lock is ours. */
		fault_point("before kept aside");
		if (renameat(kept->bodies_fd, name, to_fd, name_out) < 0)
			result = -errno;
		fault_point("after kept aside");
		return result;
	}
	return -EEXIST;
}

struct strays {
	int lost_fd; /* -1 before the first */
	uint64_t moved;
};

static int lost_open(struct kept *kept, struct strays *strays)
{
	int fd;

	if (strays->lost_fd >= 0)
		return 0;
	if (mkdirat(kept->bodies_fd, KEPT_LOST, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(
		kept->bodies_fd, KEPT_LOST, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	strays->lost_fd = fd;
	return fd < 0 ? -errno : 0;
}

/* A stray that cannot be moved stays: it is in nobody's way, and the mail is to be read. */
static void stray_move(struct kept *kept, struct strays *strays, const char *name)
{
	char to[KEPT_NAME_MAX] = "";
	int result = lost_open(kept, strays);

	if (result == 0)
		result = kept_set_aside(kept, name, strays->lost_fd, to);
	if (result < 0) {
		log_error("kept mail: no message is known for %s/" KEPT_FOLDER
			  "/%s, and it cannot be moved to " KEPT_LOST "/ there: %s",
			kept->dir, name, strerror(-result));
		return;
	}
	strays->moved++;
	log_warning("kept mail: no message is known for %s/" KEPT_FOLDER "/%s: it was moved to "
		    "%s/" KEPT_FOLDER "/" KEPT_LOST "/%s",
		kept->dir, name, kept->dir, to);
}

static void new_remove(struct kept *kept, const char *name)
{
	fault_point("before kept new unlink");
	if (unlinkat(kept->bodies_fd, name, 0) < 0)
		log_warning("kept mail: %s/" KEPT_FOLDER
			    "/%s, which was never finished, cannot "
			    "be removed: %s",
			kept->dir, name, strerror(errno));
	fault_point("after kept new unlink");
}

static int see_stray(struct kept *kept, const char *name, void *ctx)
{
	struct kept_row row;
	uint32_t uid = 0;
	int result;

	switch (kind_of(name, &uid)) {
	case KIND_FOREIGN:
		return 0;
	case KIND_NEW:
		new_remove(kept, name);
		return 0;
	case KIND_ASIDE:
		stray_move(kept, ctx, name);
		return 0;
	case KIND_BODY:
		result = kept_row_find(&kept->db, uid, &row);
		if (result == 0)
			stray_move(kept, ctx, name);
		return result < 0 ? result : 0;
	}
	return 0;
}

static int scan_folder(struct kept *kept)
{
	struct strays strays = {.lost_fd = -1};
	int result = folder_walk(kept, see_stray, &strays);

	if (strays.moved && (fsync(strays.lost_fd) < 0 || fsync(kept->bodies_fd) < 0))
		log_warning("kept mail: %s/" KEPT_FOLDER "/" KEPT_LOST " cannot be synced: %s",
			kept->dir, strerror(errno));
	if (strays.lost_fd >= 0)
		close(strays.lost_fd);
	return result;
}

/* Whether a row has its file: cheap, so without a look at what is in it. */
static void scan_file(struct kept *kept, uint32_t uid, uint64_t length)
{
	uint64_t generation = kept_generation(kept, uid);
	char name[KEPT_NAME_MAX];
	struct stat stat;

	kept_name(uid, name);
	if (fstatat(kept->bodies_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		kept_note_damage(kept, uid, generation, strerror(errno));
	else if (!S_ISREG(stat.st_mode))
		kept_note_damage(kept, uid, generation, "it is no file");
	else if ((uint64_t)stat.st_size != length)
		kept_note_damage(kept, uid, generation, "it has another length");
}

static int scan_rows(struct kept *kept)
{
	sqlite3_stmt *stmt =
		db_prepare(&kept->db, "SELECT uid, state, length FROM messages ORDER BY uid");
	int result;

	while ((result = db_step(&kept->db, stmt)) == 1) {
		int64_t uid = sqlite3_column_int64(stmt, 0);
		int64_t state = sqlite3_column_int64(stmt, 1);
		int64_t length = sqlite3_column_int64(stmt, 2);

		if (uid < 1 || uid > UINT32_MAX || state < KEPT_COPY || state > KEPT_ALONE ||
			length < 0) {
			log_error("kept mail: a row makes no sense (UID %" PRId64 ")", uid);
			kept->db.damaged = true;
			result = -EUCLEAN;
			break;
		}
		++*kept_counter(&kept->counts, (enum kept_state)state);
		kept->counts.bytes += (uint64_t)length;
		scan_file(kept, (uint32_t)uid, (uint64_t)length);
	}
	db_reset(stmt);
	return result;
}

static int scan_mtime(struct kept *kept)
{
	sqlite3_stmt *stmt =
		db_prepare(&kept->db, "SELECT value FROM meta WHERE key = 'mtime'");
	int result = db_step(&kept->db, stmt);

	if (result == 1)
		kept->counts.mtime = sqlite3_column_int64(stmt, 0);
	db_reset(stmt);
	return result < 0 ? result : 0;
}

int kept_scan(struct kept *kept)
{
	int result = scan_rows(kept);

	if (result == 0)
		result = scan_mtime(kept);
	return result == 0 ? scan_folder(kept) : result;
}
