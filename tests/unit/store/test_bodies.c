/*
 * test_bodies.c - a body whose room is given to another one just while it is read.
 *
 * pread() is ours, so that something can happen between the row and the bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/folders.h>
#include <mountmail/store/messages.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct fixture {
	char dir[64];
	struct store *store;
	struct store_reader *reader;
	int64_t folder;
};

static void (*before_pread)(struct fixture *fixture);
static struct fixture *before_pread_of;

static bool is_segment(int fd)
{
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	return len > 4 && memcmp(path + len - 4, ".seg", 4) == 0;
}

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
	void (*hook)(struct fixture * fixture) = before_pread;

	if (hook && is_segment(fd)) {
		before_pread = NULL;
		hook(before_pread_of);
	}
	return syscall(SYS_pread64, fd, data, len, offset);
}

static void list(struct fixture *fixture)
{
	char path[] = "INBOX";
	struct mail_folder folder = {.raw = path, .path = path};
	struct store_folder found;

	assert_int_equal(store_folders_replace(fixture->store, &folder, 1, NULL, NULL), 0);
	assert_int_equal(store_folder_by_level(fixture->reader, STORE_ROOT, path, &found), 0);
	fixture->folder = found.id;
	store_folder_finish(&found);
}

/* The folder holds from to to, and nothing else. */
static void only(struct fixture *fixture, uint32_t from, uint32_t to)
{
	struct store_batch *batch = store_batch_create(fixture->store, fixture->folder);
	struct store_batch_end end = {.last_uid = to, .uidnext = to + 1, .complete = true};

	store_batch_drop_unkept(batch, from - 1);
	for (uint32_t uid = from; uid <= to; uid++) {
		struct mail_message message = {.uid = uid, .size = 5, .date = 1700000000};

		store_batch_add(batch, &message);
	}
	assert_int_equal(store_batch_commit(batch, &end, NULL, NULL), 0);
	store_batch_destroy(batch);
}

static void put_body(struct fixture *fixture, uint32_t uid, const char *text)
{
	struct body_writer *writer = body_writer_create(fixture->store);
	uint64_t old;

	assert_int_equal(body_append(writer, text, strlen(text)), 0);
	assert_int_equal(body_commit(writer, fixture->folder, uid, &old, NULL), 0);
	body_writer_destroy(writer);
}

static int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/mm-bodies-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	assert_int_equal(store_open(fixture->dir, "imaps://a@b", 0, &fixture->store, NULL), 0);
	assert_int_equal(store_reader_create(fixture->store, &fixture->reader, NULL), 0);
	list(fixture);
	only(fixture, 1, 2);
	put_body(fixture, 1, "first");
	before_pread_of = fixture;
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* The messages go, and the segment's room is used again. */
static void replace(struct fixture *fixture)
{
	only(fixture, 3, 3);
	put_body(fixture, 3, "other");
}

/* The body is damaged on disk, and another thread has fetched it anew. */
static void damage_and_fetch(struct fixture *fixture)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/bodies/0000000001.seg", fixture->dir);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fputs("FIRST", file), 1);
	assert_int_equal(fclose(file), 0);
	put_body(fixture, 1, "first");
}

static void test_read_of_what_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	char data[5];

	assert_int_equal(body_read(fixture->reader, fixture->folder, 1, data, 5, 0), 5);
	assert_memory_equal(data, "first", 5);
	before_pread = replace;
	assert_int_equal(body_read(fixture->reader, fixture->folder, 1, data, 5, 0), -ENODATA);
	assert_null(before_pread);
	assert_int_equal(body_read(fixture->reader, fixture->folder, 1, data, 5, 0), -ENOENT);
	assert_int_equal(body_read(fixture->reader, fixture->folder, 3, data, 5, 0), 5);
	assert_memory_equal(data, "other", 5);
}

/* No damage is seen where there is none, and what has come instead is not thrown away. */
static void test_check_of_what_is_fetched_anew(void **state)
{
	struct fixture *fixture = *state;

	before_pread = damage_and_fetch;
	assert_int_equal(body_check(fixture->reader, fixture->folder, 1), -ENODATA);
	assert_null(before_pread);
	assert_int_equal(body_check(fixture->reader, fixture->folder, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_of_what_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_check_of_what_is_fetched_anew, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
