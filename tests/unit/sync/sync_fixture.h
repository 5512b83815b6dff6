/*
 * sync_fixture.h - an account over the fake backend and a store of its own, for the tests here.
 * Each test starts the account itself, after it has set the scene.
 */
#ifndef MOUNTMAIL_TESTS_SYNC_FIXTURE_H
#define MOUNTMAIL_TESTS_SYNC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "account_p.h"
#include "fake_backend.h"
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/messages.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOON_MS 5000

/* What the events told. */
struct heard {
	atomic_uint tree, folder, reset, corrected, status, added, gone;
};

struct fixture {
	char dir[64];
	struct fake_account *fake;
	struct store *store;
	struct store_reader *reader;
	struct account_conf conf;
	struct account_tuning tuning;
	struct account_events events;
	struct heard heard;
	struct account *account;
};

/* One who waits. */
struct answer {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	unsigned calls;
	int result;
};

static inline void answer_init(struct answer *answer)
{
	pthread_condattr_t attr;

	memset(answer, 0, sizeof(*answer));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&answer->mutex, NULL);
	pthread_cond_init(&answer->cond, &attr);
	pthread_condattr_destroy(&attr);
}

static inline void answer_done(void *ctx, int result)
{
	struct answer *answer = ctx;

	pthread_mutex_lock(&answer->mutex);
	answer->calls++;
	answer->result = result;
	pthread_cond_broadcast(&answer->cond);
	pthread_mutex_unlock(&answer->mutex);
}

static inline unsigned answer_calls(struct answer *answer)
{
	unsigned calls;

	pthread_mutex_lock(&answer->mutex);
	calls = answer->calls;
	pthread_mutex_unlock(&answer->mutex);
	return calls;
}

/* The result; fails the test when none comes in time. */
static inline int answer_get(struct answer *answer)
{
	struct timespec end = clock_at_ms(clock_now_ms() + SOON_MS);
	int result;

	pthread_mutex_lock(&answer->mutex);
	while (!answer->calls &&
		pthread_cond_timedwait(&answer->cond, &answer->mutex, &end) == 0)
		;
	assert_int_equal(answer->calls, 1);
	result = answer->result;
	pthread_mutex_unlock(&answer->mutex);
	return result;
}

static inline void heard_tree(void *ctx)
{
	((struct heard *)ctx)->tree++;
}

static inline void heard_folder(void *ctx, int64_t id, const struct store_changes *changes)
{
	struct heard *heard = ctx;

	heard->folder++;
	heard->added += changes->added;
	heard->gone += (unsigned)changes->gone_count;
}

static inline void heard_reset(void *ctx, int64_t id)
{
	((struct heard *)ctx)->reset++;
}

static inline void heard_corrected(void *ctx, int64_t id, uint32_t uid)
{
	((struct heard *)ctx)->corrected++;
}

static inline void heard_status(void *ctx)
{
	((struct heard *)ctx)->status++;
}

static inline void fixture_open_store(struct fixture *fixture)
{
	struct error err = {0};

	if (store_open(fixture->dir, "imaps://a@b", 0, &fixture->store, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(store_reader_create(fixture->store, &fixture->reader, &err), 0);
}

static inline int fixture_setup(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/mm-sync-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	fixture->fake = fake_account_create();
	fake_folder_add(fixture->fake, "INBOX", NULL, MAIL_FOLDER_INBOX, 7);
	fixture->conf = (struct account_conf){.name = "test",
		.connections = 1,
		.timeout_ms = 4000,
		.backend_create = fake_backend_create,
		.backend_ctx = fixture->fake};
	fixture->tuning = (struct account_tuning){.backoff_first_ms = 60,
		.backoff_max_ms = 400,
		.poke_ms = 40,
		.poke_refused_ms = 40,
		.idle_ms = 250,
		.extra_ms = 300,
		.proven_ms = 10000,
		.brief_ms = 60,
		.busy_max_ms = 200,
		.journal_sync_ms = 20,
		.quiet_ms = 150,
		.resume_ms = 50,
		.marked_ms = 100};
	fixture->events = (struct account_events){.ctx = &fixture->heard,
		.folders_changed = heard_tree,
		.folder_changed = heard_folder,
		.folder_reset = heard_reset,
		.size_corrected = heard_corrected,
		.status_changed = heard_status};
	fixture_open_store(fixture);
	*state = fixture;
	return 0;
}

static inline void fixture_start(struct fixture *fixture)
{
	struct error err = {0};

	if (account_start_tuned(&fixture->conf, &fixture->tuning, fixture->store,
		    &fixture->events, &fixture->account, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void fixture_stop(struct fixture *fixture)
{
	account_stop(fixture->account);
	fixture->account = NULL;
}

static inline int fixture_remove(
	const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	fixture_stop(fixture);
	store_reader_destroy(fixture->reader);
	store_close(fixture->store);
	fake_account_destroy(fixture->fake);
	nftw(fixture->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* The id of a top folder. */
static inline int64_t fixture_folder(struct fixture *fixture, const char *level)
{
	struct store_folder folder;
	int64_t id;

	assert_int_equal(store_folder_by_level(fixture->reader, STORE_ROOT, level, &folder), 0);
	id = folder.id;
	store_folder_finish(&folder);
	return id;
}

/* A folder's numbers; its texts are NULL. */
static inline struct store_folder fixture_row(struct fixture *fixture, int64_t id)
{
	struct store_folder folder, numbers;

	assert_int_equal(store_folder_by_id(fixture->reader, id, &folder), 0);
	numbers = folder;
	numbers.raw = numbers.level = NULL;
	store_folder_finish(&folder);
	return numbers;
}

/* Waits until a condition holds; fails the test when it does not in time. */
#define UNTIL(condition)                                                                       \
	do {                                                                                   \
		int64_t until_end = clock_now_ms() + SOON_MS;                                  \
		while (!(condition)) {                                                         \
			if (clock_now_ms() > until_end)                                        \
				fail_msg("never: %s", #condition);                             \
			usleep(2000);                                                          \
		}                                                                              \
	} while (0)

static inline bool fixture_is_listed(struct fixture *fixture, const char *level)
{
	struct store_folder folder;
	bool listed;

	if (store_folder_by_level(fixture->reader, STORE_ROOT, level, &folder) < 0)
		return false;
	listed = folder.listed == STORE_LISTED_FULLY;
	store_folder_finish(&folder);
	return listed;
}

/* Started, and INBOX listed. Its id. */
static inline int64_t fixture_start_listed(struct fixture *fixture)
{
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "INBOX"));
	return fixture_folder(fixture, "INBOX");
}

static inline struct fake_counts fixture_counts(struct fixture *fixture)
{
	struct fake_counts counts;

	fake_counts(fixture->fake, &counts);
	return counts;
}

static inline struct account_status fixture_status(struct fixture *fixture)
{
	struct account_status status;

	account_status(fixture->account, &status);
	return status;
}

/* The body as stored. Owned. */
static inline char *fixture_body(struct fixture *fixture, int64_t folder, uint32_t uid)
{
	char *text = xcalloc(1, 1 << 20);
	ssize_t length = body_read(fixture->reader, folder, uid, text, (1 << 20) - 1, 0);

	assert_true(length >= 0);
	return text;
}

static inline void fixture_expect_body(
	struct fixture *fixture, int64_t folder, uint32_t uid, const char *expected)
{
	char *text = fixture_body(fixture, folder, uid);

	assert_string_equal(text, expected);
	free(text);
}

static inline void fixture_expect_log(struct fixture *fixture, const char *expected)
{
	char *log = fake_log(fixture->fake);

	assert_string_equal(log, expected);
	free(log);
}

/* How often a part is in the log. */
static inline unsigned fixture_logged(struct fixture *fixture, const char *part)
{
	char *log = fake_log(fixture->fake);
	unsigned count = 0;

	for (const char *at = log; (at = strstr(at, part)); at++)
		count++;
	free(log);
	return count;
}

/* What was asked for from the first listing of the tree on. */
static inline void fixture_expect_listing(struct fixture *fixture, const char *expected)
{
	char *log = fake_log(fixture->fake);
	const char *scans = strstr(log, "list\n");

	assert_non_null(scans);
	assert_string_equal(scans, expected);
	free(log);
}

static inline void fixture_refresh(struct fixture *fixture, int64_t folder, int expected)
{
	struct answer answer;

	answer_init(&answer);
	account_refresh(fixture->account, folder, answer_done, &answer);
	assert_int_equal(answer_get(&answer), expected);
}

static inline void fixture_fill(struct fixture *fixture, const char *raw, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fake_message_add(fixture->fake, raw, "a subject", "a body");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
