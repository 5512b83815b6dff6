/*
 * journal_fixture.h - a journal in a folder of its own, and disks that fail.
 * Included by the tests of the journal; one thread sets what fails, any may fail.
 */
#ifndef JOURNAL_FIXTURE_H
#define JOURNAL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/journal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDENTITY "imaps://a@b"

struct fixture {
	char dir[64];
	struct journal *journal;
};

static inline void fixture_open(struct fixture *fixture)
{
	struct error err = {0};

	if (journal_open(fixture->dir, IDENTITY, &fixture->journal, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void fixture_close(struct fixture *fixture)
{
	journal_close(fixture->journal);
	fixture->journal = NULL;
}

static inline void fixture_reopen(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture_open(fixture);
}

static inline int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/mm-journal-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	fixture_open(fixture);
	*state = fixture;
	return 0;
}

static inline int remove_one(
	const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	fixture_close(fixture);
	nftw(fixture->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* A removal as unlink notes it. */
static inline int add_state(struct fixture *fixture, const char *raw, uint64_t epoch,
	uint32_t uid, enum journal_state state)
{
	char name[64], message_id[64];
	struct journal_row row = {.uid = uid,
		.state = state,
		.final = uid % 2,
		.size = uid * 10ull,
		.date = 1700000000 + uid,
		.message_id = message_id,
		.name = name,
		.at = 1800000000 - uid};

	snprintf(name, sizeof(name), "mail.%u.eml", uid);
	snprintf(message_id, sizeof(message_id), "<%u@example.org>", uid);
	return journal_add(fixture->journal, raw, epoch, &row, NULL);
}

static inline void add(
	struct fixture *fixture, const char *raw, uint64_t epoch, uint32_t from, uint32_t to)
{
	for (uint32_t uid = from; uid <= to; uid++)
		assert_int_equal(add_state(fixture, raw, epoch, uid, JOURNAL_QUEUED), 0);
}

/* A disk that fails: what SQLite writes and syncs comes by here. */
static atomic_int disk_error;  /* errno of every write, 0: it works */
static atomic_int disk_spares; /* writes that still work before */
static atomic_int sync_error;  /* errno of every sync */
static atomic_int syncs;

static ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	if (atomic_load(&disk_error) && atomic_fetch_sub(&disk_spares, 1) <= 0) {
		errno = atomic_load(&disk_error);
		return -1;
	}
	return pwrite(fd, data, len, offset);
}

/* Of the program and, before the C library's, of SQLite. */
int fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&sync_error)) {
		errno = atomic_load(&sync_error);
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static inline void disk_watch(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	sqlite3_syscall_ptr call = (sqlite3_syscall_ptr)disk_pwrite;

	assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", call), SQLITE_OK);
	assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", call), SQLITE_OK);
}

static inline void disk_fails(int error, int after)
{
	atomic_store(&disk_spares, after);
	atomic_store(&disk_error, error);
}

#endif
