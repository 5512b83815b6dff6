/*
 * kept_fixture.h - kept mail in a folder of its own.
 * Included by the tests of the kept mail; one thread, unless a test says otherwise.
 */
#ifndef KEPT_FIXTURE_H
#define KEPT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/kept.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDENTITY "pop3s://a@b"

struct fixture {
	char dir[64];
	struct kept *kept;
};

static inline void fixture_open(struct fixture *fixture)
{
	struct error err = {0};

	if (kept_open(fixture->dir, IDENTITY, &fixture->kept, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void fixture_close(struct fixture *fixture)
{
	kept_close(fixture->kept);
	fixture->kept = NULL;
}

static inline void fixture_reopen(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture_open(fixture);
}

static inline int setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/mm-kept-XXXXXX");
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

/* What a UIDL of "u%u" and a body are put with, in pieces. */
static inline int put_bytes(
	struct kept *kept, uint32_t uid, const char *data, size_t len, size_t piece)
{
	char uidl[32];
	const struct mail_message mail = {
		.uid = uid, .uidl = uidl, .size = len, .date = 1700000000 + uid};
	struct kept_writer *writer;

	snprintf(uidl, sizeof(uidl), "u%u", uid);
	writer = kept_begin(kept, &mail);
	for (size_t at = 0; at < len; at += piece) {
		int result =
			kept_append(writer, data + at, len - at < piece ? len - at : piece);

		if (result < 0) {
			kept_abort(writer);
			return result;
		}
	}
	return kept_commit(writer, NULL);
}

static inline int put_text(struct fixture *fixture, uint32_t uid, const char *text)
{
	return put_bytes(fixture->kept, uid, text, strlen(text), 7);
}

static inline void put(struct fixture *fixture, uint32_t from, uint32_t to)
{
	for (uint32_t uid = from; uid <= to; uid++) {
		char text[64];

		snprintf(text, sizeof(text), "the body of message %u\r\n", uid);
		assert_int_equal(put_text(fixture, uid, text), 0);
	}
}

/* The whole body, or the error. data has room for 1000 bytes. */
static inline ssize_t body_of(struct fixture *fixture, uint32_t uid, char *data)
{
	return kept_read(fixture->kept, uid, data, 1000, 0);
}

static inline void check_body(struct fixture *fixture, uint32_t uid, const char *text)
{
	char data[1000];

	assert_int_equal(body_of(fixture, uid, data), strlen(text));
	assert_memory_equal(data, text, strlen(text));
	assert_int_equal(kept_check(fixture->kept, uid), 0);
}

static inline int set_state(struct fixture *fixture, uint32_t uid, enum kept_state state)
{
	size_t count = 1;
	int result = kept_state_set(fixture->kept, &uid, &count, state, NULL);

	return result < 0 ? result : (int)count;
}

static inline struct kept_message get(struct fixture *fixture, uint32_t uid)
{
	struct kept_message message;

	assert_int_equal(kept_get(fixture->kept, uid, &message), 0);
	return message;
}

/* Its texts are gone. */
static inline struct kept_message look(struct fixture *fixture, uint32_t uid)
{
	struct kept_message message = get(fixture, uid), plain = message;

	plain.mail = (struct mail_message){.uid = message.mail.uid};
	kept_message_finish(&message);
	return plain;
}

/* But for mtime; also when it was opened anew. */
static inline void check_counts(struct fixture *fixture, struct kept_counts wanted)
{
	for (int times = 0; times < 2; times++) {
		struct kept_counts counts;

		kept_counts(fixture->kept, &counts);
		wanted.mtime = counts.mtime;
		assert_memory_equal(&counts, &wanted, sizeof(counts));
		if (times == 0)
			fixture_reopen(fixture);
	}
}

/* A path of a file in the state folder. */
static inline const char *path_of(struct fixture *fixture, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	return path;
}

static inline void plant(struct fixture *fixture, const char *name, const char *text)
{
	FILE *file = fopen(path_of(fixture, name), "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void check_file(struct fixture *fixture, const char *name, const char *text)
{
	char data[1000];
	FILE *file = fopen(path_of(fixture, name), "r");

	if (!file)
		fail_msg("%s is not there", name);
	data[fread(data, 1, sizeof(data) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(data, text);
}

static inline bool has(struct fixture *fixture, const char *name)
{
	struct stat stat;

	return lstat(path_of(fixture, name), &stat) == 0;
}

/* Names in a folder, without "." and "..". */
static inline size_t names_in(struct fixture *fixture, const char *folder)
{
	DIR *dir = opendir(path_of(fixture, folder));
	size_t count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
