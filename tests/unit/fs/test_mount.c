/*
 * test_mount.c - what fs_mount refuses and clears, what fs_unmount leaves alone.
 */
#include "fixture.h"
#include "mountinfo_p.h"
#include <signal.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static void test_mountinfo_parse(void **state)
{
	static const char line[] =
		"36 35 0:98 / /home/a\\040b/mail rw,nosuid shared:1 master:2 - "
		"fuse.mountmail imaps://a@b rw,user_id=0\n";
	char path[sizeof(line)];
	struct mountinfo there;

	assert_true(mountinfo_parse(line, path, &there));
	assert_string_equal(path, "/home/a b/mail");
	assert_int_equal(there.dev, makedev(0, 98));
	assert_true(there.ours);
	assert_true(mountinfo_parse("1 2 8:1 / / rw - ext4 /dev/sda1 rw\n", path, &there));
	assert_string_equal(path, "/");
	assert_false(there.ours);
	/* Somebody else's type that only begins like ours. */
	assert_true(mountinfo_parse("1 2 0:9 / /m rw - fuse.mountmailer x rw\n", path, &there));
	assert_false(there.ours);
	assert_false(mountinfo_parse("nonsense\n", path, &there));
	assert_false(mountinfo_parse("1 2 8:1 / / rw\n", path, &there));
}

struct place {
	char dir[64];
	char point[96];
};

static int place_setup(void **state)
{
	struct place *place = xcalloc(1, sizeof(*place));

	strcpy(place->dir, "/tmp/mm-mount-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(place->point, sizeof(place->point), "%s/mail", place->dir);
	assert_int_equal(mkdir(place->point, 0700), 0);
	*state = place;
	return 0;
}

static int place_teardown(void **state)
{
	struct place *place = *state;

	umount2(place->point, MNT_DETACH);
	nftw(place->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(place);
	return 0;
}

static int try_mount(const char *point, const char *options, struct fs **fs, struct error *err)
{
	struct fs_conf conf = {
		.mountpoint = point, .source = "imaps://a@b,\\c", .options = options};

	*err = (struct error){0};
	*fs = NULL;
	return fs_mount(&conf, fs, err);
}

static void test_refusals(void **state)
{
	struct place *place = *state;
	char path[128];
	struct error err;
	struct fs *fs;
	int fd;

	snprintf(path, sizeof(path), "%s/missing", place->dir);
	assert_int_equal(try_mount(path, "", &fs, &err), -ENOENT);
	assert_non_null(strstr(err.text, "missing"));
	snprintf(path, sizeof(path), "%s/file", place->point);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(try_mount(path, "", &fs, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "directory"));
	assert_int_equal(try_mount(place->point, "", &fs, &err), -ENOTEMPTY);
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(try_mount(place->point, "allow_other,colour", &fs, &err), -EINVAL);
	assert_non_null(strstr(err.text, "colour"));
}

static void test_twice_and_unmount(void **state)
{
	struct place *place = *state;
	struct fs *fs;
	struct mountinfo there;
	struct error err;

	if (!fixture_can_mount())
		skip();
	assert_int_equal(try_mount(place->point, "ro", &fs, &err), 0);
	assert_int_equal(mountinfo_find(place->point, &there), 1);
	assert_true(there.ours);
	fs_destroy(fs);
	/* Dead now: nobody has the device. The next one clears it. */
	assert_int_equal(mountinfo_find(place->point, &there), 1);
	assert_int_equal(try_mount(place->point, "", &fs, &err), 0);
	assert_int_equal(fs_unmount(fs, false, &err), 0);
	assert_int_equal(mountinfo_find(place->point, &there), 0);
	/* Gone already is fine, and what comes there later is not ours. */
	assert_int_equal(fs_unmount(fs, false, &err), 0);
	if (geteuid() == 0) {
		assert_int_equal(mount("none", place->point, "tmpfs", 0, NULL), 0);
		assert_int_equal(fs_unmount(fs, true, &err), 0);
		assert_int_equal(mountinfo_find(place->point, &there), 1);
		assert_int_equal(umount2(place->point, 0), 0);
	}
	fs_destroy(fs);

	assert_int_equal(try_mount(place->point, "", &fs, &err), 0);
	if (geteuid() == 0) {
		assert_int_equal(mount("none", place->point, "tmpfs", 0, NULL), 0);
		assert_int_equal(fs_unmount(fs, true, &err), -EBUSY);
		assert_int_equal(umount2(place->point, 0), 0);
	}
	assert_int_equal(fs_unmount(fs, true, &err), 0);
	fs_destroy(fs);
}

static void test_already_mounted(void **state)
{
	struct fixture *fixture = *state;
	struct mountinfo there;
	struct error err;
	struct fs *other;
	int fd;

	NEED_MOUNT(fixture);
	assert_int_equal(try_mount(fixture->point, "", &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "already mounted"));
	/* Busy while a file is open, unless it is to go anyway. */
	fd = open(fixture->point, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(fs_unmount(fixture->fs, false, &err), -EBUSY);
	assert_int_equal(mountinfo_find(fixture->point, &there), 1);
	assert_int_equal(fs_unmount(fixture->fs, true, &err), 0);
	assert_int_equal(mountinfo_find(fixture->point, &there), 0);
	close(fd);
}

/* fusermount3's way, as users go it: a child without root's privilege to mount. */
static void test_as_user(void **state)
{
	struct place *place = *state;
	struct mountinfo there;
	struct stat device;
	int status;
	pid_t pid;

	if (!fixture_can_mount() || geteuid() != 0 || stat("/dev/fuse", &device) < 0)
		skip();
	assert_int_equal(chmod(place->dir, 0755), 0);
	assert_int_equal(chown(place->point, 65534, 65534), 0);
	pid = fork();
	if (pid == 0) {
		struct error err;
		struct fs *fs;
		int result;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(9);
		result = try_mount(place->point, "", &fs, &err);
		if (result < 0)
			fprintf(stderr, "%s\n", err.text);
		if (result < 0)
			_exit(1);
		if (mountinfo_find(place->point, &there) != 1 || !there.ours)
			_exit(2);
		result = fs_unmount(fs, false, &err);
		fs_destroy(fs);
		_exit(result < 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	/* 1: this machine's fusermount3 may not mount for users; it has said why. */
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 1);
	assert_int_equal(mountinfo_find(place->point, &there), 0);
}

/* As a user: not in what belongs to others, and no others without leave. */
static void test_user_refusals(void **state)
{
	struct place *place = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(place->dir, 0755), 0);
	assert_int_equal(chmod(place->point, 0755), 0);
	pid = fork();
	if (pid == 0) {
		struct error err;
		struct fs *fs;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(9);
		if (try_mount(place->point, "", &fs, &err) != -EACCES ||
			!strstr(err.text, "your own"))
			_exit(1);
		/* Where the machine allows it there is nothing to refuse. */
		if (try_mount(place->point, "allow_other", &fs, &err) != -EPERM &&
			!strstr(err.text, "your own"))
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mountinfo_parse),
		cmocka_unit_test_setup_teardown(test_refusals, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(
			test_twice_and_unmount, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(
			test_already_mounted, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_as_user, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(
			test_user_refusals, place_setup, place_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
