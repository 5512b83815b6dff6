#include "device_p.h"
#include "fs_p.h"
#include "mountinfo_p.h"
#include "notify_p.h"
#include <dirent.h>
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/*
 * A mount of ours that is there already: dead after a crash (then it is cleared) or alive. Only
 * statfs tells, since the kernel answers stat from its cache even then.
 */
static int mount_clear_dead(const char *mountpoint, struct error *err)
{
	struct statfs statfs_buf;
	struct mountinfo there;
	int result = mountinfo_find(mountpoint, &there);

	if (result < 0)
		return error_set(err, -result, "/proc/self/mountinfo cannot be read: %s",
			strerror(-result));
	if (statfs(mountpoint, &statfs_buf) < 0 &&
		(errno == ENOTCONN || errno == ECONNABORTED)) {
		log_warning("%s: a mount without a process is cleared away", mountpoint);
		return device_unmount(mountpoint, true, err);
	}
	if (result == 1 && there.ours)
		return error_set(err, EBUSY,
			"%s is already mounted: \"mountmail umount %s\" ends it", mountpoint,
			mountpoint);
	return 0;
}

static int mount_check_empty(const char *mountpoint, struct error *err)
{
	DIR *dir = opendir(mountpoint);
	struct dirent *entry;
	bool empty = true;
	int error;

	if (!dir)
		return error_set(err, errno, "the mountpoint %s cannot be opened: %s",
			mountpoint, strerror(errno));
	do {
		errno = 0;
		entry = readdir(dir);
		error = errno;
		if (entry && strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			empty = false;
	} while (entry && empty);
	closedir(dir);
	if (error)
		return error_set(err, error, "the mountpoint %s cannot be read: %s", mountpoint,
			strerror(error));
	if (!empty)
		return error_set(err, ENOTEMPTY,
			"the mountpoint %s is not empty: what is in it would be hidden; choose "
			"an empty directory",
			mountpoint);
	return 0;
}

static int mount_check_point(const char *mountpoint, struct error *err)
{
	struct stat stat_buf;
	int result = mount_clear_dead(mountpoint, err);

	if (result < 0)
		return result;
	if (stat(mountpoint, &stat_buf) < 0)
		return error_set(err, errno,
			errno == ENOENT ? "there is no mountpoint %s: make the directory first"
					: "the mountpoint %s cannot be reached",
			mountpoint);
	if (!S_ISDIR(stat_buf.st_mode))
		return error_set(err, ENOTDIR,
			"the mountpoint %s is not a directory: name an empty directory",
			mountpoint);
	/* fusermount3 wants it, and says it less clearly. */
	if (geteuid() != 0 && access(mountpoint, W_OK) < 0)
		return error_set(err, EACCES,
			"the mountpoint %s is not yours to write in: choose a directory of "
			"your own",
			mountpoint);
	return mount_check_empty(mountpoint, err);
}

/* Whether /etc/fuse.conf lets users open a mount to others. */
static bool mount_others_allowed(void)
{
	FILE *file = fopen("/etc/fuse.conf", "re");
	bool allowed = false;
	char line[256], word[256];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %255s", word) == 1 && strcmp(word, "user_allow_other") == 0)
			allowed = true;
	fclose(file);
	return allowed;
}

static int mount_check_options(
	const char *options, struct device_conf *device, struct error *err)
{
	_cleanup_free_ char *copy = xstrdup(options ? options : "");
	char *save = NULL;

	for (char *option = strtok_r(copy, ",", &save); option;
		option = strtok_r(NULL, ",", &save)) {
		if (strcmp(option, "allow_other") == 0)
			device->allow_other = true;
		else if (strcmp(option, "ro") == 0)
			device->read_only = true;
		else
			return error_set(err, EINVAL, "unknown mount option %s", option);
	}
	if (device->allow_other && geteuid() != 0 && !mount_others_allowed())
		return error_set(err, EPERM,
			"allow_other is for root alone, unless /etc/fuse.conf has the line "
			"user_allow_other: add it as root, or mount without allow_other");
	return 0;
}

int fs_mount(const struct fs_conf *conf, struct fs **fs_out, struct error *err)
{
	struct device_conf device = {.mountpoint = conf->mountpoint, .source = conf->source};
	int result = mount_check_options(conf->options, &device, err);
	struct mountinfo there;
	struct fs *fs;

	if (result == 0)
		result = mount_check_point(conf->mountpoint, err);
	if (result < 0)
		return result;
	fs = xcalloc(1, sizeof(*fs));
	fs->mountpoint = xstrdup(conf->mountpoint);
	fs->debug = conf->debug;
	fs->read_only = device.read_only;
	fs->device = fs->wake = -1;
	fs->notify = notify_create(fs);
	fs->events = notify_events(fs);
	fs->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->wake < 0) {
		result = error_set(err, errno, "no eventfd: %s", strerror(errno));
		goto fail;
	}
	fs->device = result = device_mount(&device, err);
	if (result < 0)
		goto fail;
	result = mountinfo_find(conf->mountpoint, &there);
	if (result != 1 || !there.ours) {
		device_unmount(conf->mountpoint, true, NULL);
		result = error_set(err, EIO, "the mount at %s does not show in mountinfo",
			conf->mountpoint);
		goto fail;
	}
	fs->mount = there;
	*fs_out = fs;
	return 0;
fail:
	fs_destroy(fs);
	return result;
}

void fs_forget_device(struct fs *fs)
{
	if (fs->device >= 0)
		close(fs->device);
	fs->device = -1;
}

int fs_unmount(struct fs *fs, bool lazy, struct error *err)
{
	struct mountinfo there;
	int result = mountinfo_has(fs->mountpoint, &fs->mount);

	if (result == 0)
		return 0;
	if (result == 1)
		result = mountinfo_find(fs->mountpoint, &there);
	if (result < 0)
		return error_set(err, -result, "/proc/self/mountinfo cannot be read: %s",
			strerror(-result));
	if (result == 1 && !mountinfo_same(&there, &fs->mount))
		return error_set(err, EBUSY,
			"something else is mounted over %s: unmount that first",
			fs->mountpoint);
	result = device_unmount(fs->mountpoint, lazy, err);
	/* Somebody else may have been quicker. */
	if (result < 0 && mountinfo_has(fs->mountpoint, &fs->mount) == 0)
		return 0;
	return result;
}

const struct account_events *fs_events(struct fs *fs)
{
	return &fs->events;
}
