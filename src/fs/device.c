#include "device_p.h"
#include "fs_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "fusermount3"
#define HELPER_MISSING 127

#define DEVICE_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define DEVICE_OPTIONS "nosuid,nodev,noexec,default_permissions,subtype=mountmail"

/* A run of fusermount3: what it said, and how it ended. */
struct helper {
	pid_t pid;
	int said; /* the end of a pipe */
};

static void helper_child(char *const argv[], int said, int comm)
{
	sigset_t none;
	char text[16];

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(said, STDERR_FILENO);
	if (comm >= 0) {
		snprintf(text, sizeof(text), "%d", comm);
		setenv("_FUSE_COMMFD", text, 1);
		fcntl(comm, F_SETFD, 0);
	}
	execvp(HELPER, argv);
	_exit(HELPER_MISSING);
}

static int helper_start(struct helper *helper, char *const argv[], int comm)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	helper->pid = fork();
	if (helper->pid < 0) {
		int error = errno;

		close(ends[0]);
		close(ends[1]);
		return -error;
	}
	if (helper->pid == 0)
		helper_child(argv, ends[1], comm);
	close(ends[1]);
	helper->said = ends[0];
	return 0;
}

/* Waits for the end. text_out gets the last line said. Returns the exit status, or -errno. */
static int helper_end(struct helper *helper, char *text_out, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int status;

	while (len < size - 1) {
		n = read(helper->said, text_out + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(helper->said);
	while (len && text_out[len - 1] == '\n')
		len--;
	text_out[len] = '\0';
	while (waitpid(helper->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static int helper_missing(struct error *err)
{
	return error_set(err, ENOENT,
		"only root may mount without the program " HELPER
		", which is not installed: install the package fuse3");
}

/* The descriptor that fusermount3 sends when it has mounted; -1 when it sent none. */
static int helper_receive(int comm)
{
	char byte, room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room)};
	struct cmsghdr *cmsg;
	ssize_t n;
	int fd;

	do
		n = recvmsg(comm, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* fusermount3 splits its options at commas. */
static char *device_escape(const char *text)
{
	struct buf out = BUF_INIT;

	for (; *text; text++) {
		if (*text == ',' || *text == '\\')
			buf_append_char(&out, '\\');
		buf_append_char(&out, *text);
	}
	return buf_steal(&out);
}

static int device_mount_helper(const struct device_conf *conf, struct error *err)
{
	_cleanup_free_ char *source = device_escape(conf->source);
	_cleanup_free_ char *options = xasprintf("%s," DEVICE_OPTIONS "%s,fsname=%s",
		conf->read_only ? "ro" : "rw", conf->allow_other ? ",allow_other" : "", source);
	_cleanup_free_ char *where = xstrdup(conf->mountpoint);
	char program[] = HELPER, o[] = "-o", dashes[] = "--", text[400];
	char *argv[] = {program, o, options, dashes, where, NULL};
	_cleanup_close_ int ours = -1;
	_cleanup_close_ int fd = -1;
	struct helper helper;
	int comm[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, comm) < 0)
		return error_set(err, errno, "no socket for " HELPER ": %s", strerror(errno));
	ours = comm[0];
	result = helper_start(&helper, argv, comm[1]);
	close(comm[1]);
	if (result < 0)
		return error_set(
			err, -result, HELPER " cannot be started: %s", strerror(-result));
	fd = helper_receive(ours);
	result = helper_end(&helper, text, sizeof(text));
	if (result == HELPER_MISSING)
		return helper_missing(err);
	if (fd < 0)
		return error_set(err, EPERM, "%s cannot be mounted at: %s", conf->mountpoint,
			text[0] ? text : HELPER " failed without saying why");
	return steal_fd(&fd);
}

static int device_open(struct error *err)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(err, ENODEV,
			"there is no /dev/fuse: load the module with \"modprobe fuse\" as "
			"root; in a container, give it the device /dev/fuse");
	return error_set(err, errno, "/dev/fuse cannot be opened: %s", strerror(errno));
}

int device_mount(const struct device_conf *conf, struct error *err)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = device_open(err);
	unsigned long flags = DEVICE_FLAGS | (conf->read_only ? MS_RDONLY : 0);

	if (fd < 0 && (fd != -EACCES && fd != -EPERM))
		return fd;
	if (fd < 0 || geteuid() != 0)
		return device_mount_helper(conf, err);
	data = xasprintf("fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions%s",
		fd, getuid(), getgid(), conf->allow_other ? ",allow_other" : "");
	if (mount(conf->source, conf->mountpoint, FS_TYPE, flags, data) == 0)
		return steal_fd(&fd);
	if (errno == EPERM) /* root without the privilege, as in a container */
		return device_mount_helper(conf, err);
	if (errno == ENODEV)
		return error_set(err, ENODEV,
			"the kernel knows no FUSE: load the module with \"modprobe fuse\"");
	return error_set(
		err, errno, "%s cannot be mounted at: %s", conf->mountpoint, strerror(errno));
}

static int device_unmount_helper(const char *mountpoint, bool lazy, struct error *err)
{
	_cleanup_free_ char *where = xstrdup(mountpoint);
	char program[] = HELPER, u[] = "-u", z[] = "-uz", dashes[] = "--", text[400];
	char *argv[] = {program, lazy ? z : u, dashes, where, NULL};
	struct helper helper;
	int result = helper_start(&helper, argv, -1);

	if (result == 0)
		result = helper_end(&helper, text, sizeof(text));
	if (result == 0)
		return 0;
	if (result == HELPER_MISSING)
		return helper_missing(err);
	if (result > 0 && strcasestr(text, "busy"))
		return error_set(err, EBUSY,
			"%s is busy: a program has files open there, or works in it",
			mountpoint);
	return error_set(err, result < 0 ? -result : EPERM, "%s cannot be unmounted: %s",
		mountpoint, result < 0 ? strerror(-result) : text);
}

int device_unmount(const char *mountpoint, bool lazy, struct error *err)
{
	if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno == EPERM)
		return device_unmount_helper(mountpoint, lazy, err);
	if (errno == EBUSY)
		return error_set(err, EBUSY,
			"%s is busy: a program has files open there, or works in it",
			mountpoint);
	return error_set(err, errno, "%s cannot be unmounted: %s", mountpoint, strerror(errno));
}
