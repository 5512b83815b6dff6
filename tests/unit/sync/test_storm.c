/*
 * test_storm.c - everything at once, for a while.
 */
#include "sync_fixture.h"

/* Everything at once, for a while. Each wait is told once or cancelled, never both. */

#define STORM_THREADS 6
#define STORM_MS 2000
#define STORM_UIDS 60

static atomic_uint storm_told, storm_doubly;
static atomic_bool storm_over;

struct storm_wait {
	atomic_uint calls;
};

static void storm_done(void *ctx, int result)
{
	struct storm_wait *wait = ctx;

	storm_told++;
	if (++wait->calls > 1)
		storm_doubly++;
}

struct storm {
	struct fixture *fixture;
	int64_t folders[3];
	unsigned seed;
	struct storm_wait waits[20000];
	struct account_wait *handles[20000];
	size_t count, cancelled, wrong;
};

static struct account_wait *storm_ask(struct storm *storm, struct storm_wait *wait)
{
	struct account *account = storm->fixture->account;
	int64_t folder = storm->folders[rand_r(&storm->seed) % 3];

	switch (rand_r(&storm->seed) % 10) {
	case 0:
		return account_refresh(account, folder, storm_done, wait);
	case 1:
		return account_refresh(account, STORE_ROOT, storm_done, wait);
	case 2:
		return account_list_folder(account, folder, storm_done, wait);
	}
	return account_fetch_body(account, folder,
		1 + (uint32_t)rand_r(&storm->seed) % (STORM_UIDS + 5), storm_done, wait);
}

/* Gives up one of the last few. */
static void storm_cancel(struct storm *storm)
{
	size_t back = 1 + (size_t)rand_r(&storm->seed) % 8;
	size_t at = storm->count > back ? storm->count - back : 0;

	if (storm->waits[at].calls == UINT32_MAX / 2)
		return;
	if (!account_cancel(storm->fixture->account, storm->handles[at]))
		return;
	storm->cancelled++;
	storm->wrong += storm->waits[at].calls != 0;
	storm->waits[at].calls = UINT32_MAX / 2;
}

static void *storm_main(void *ctx)
{
	struct storm *storm = ctx;

	while (!storm_over && storm->count < 20000) {
		storm->handles[storm->count] = storm_ask(storm, &storm->waits[storm->count]);
		storm->count++;
		if (rand_r(&storm->seed) % 3 == 0)
			storm_cancel(storm);
		if (rand_r(&storm->seed) % 4 == 0)
			usleep((useconds_t)rand_r(&storm->seed) % 1500);
	}
	return NULL;
}

/* The server meanwhile: mail comes and goes, connections break, it wants to be left alone. */
static void storm_server(struct fixture *fixture)
{
	static const enum backend_status faults[] = {BACKEND_CONNECTION_LOST, BACKEND_THROTTLED,
		BACKEND_CONNECTION_LOST, BACKEND_REFUSED};
	int64_t end = clock_now_ms() + STORM_MS;
	unsigned seed = 1, epoch = 100;
	struct account_status status;

	while (clock_now_ms() < end) {
		unsigned dice = (unsigned)rand_r(&seed);

		fake_script(fixture->fake,
			&(struct fake_fault){.call = FAKE_OPEN + dice % FAKE_CALLS,
				.after = dice / 4 % 40,
				.delay_ms = dice / 160 % 8,
				.status = faults[dice / 1280 % 4],
				.retry_ms = 10});
		fake_message_remove(fixture->fake, "A", 1 + dice % STORM_UIDS);
		fake_message_add(fixture->fake, "A", "more", "more");
		if (dice % 31 == 0) {
			fake_folder_set_epoch(fixture->fake, "B", epoch++);
			fixture_fill(fixture, "B", STORM_UIDS);
		}
		account_status(fixture->account, &status);
		usleep(20000);
	}
}

static void storm_settle(struct fixture *fixture, struct storm **storms)
{
	struct answer answer;
	int result;

	fake_script_clear(fixture->fake);
	do {
		answer_init(&answer);
		account_refresh(fixture->account, STORE_ROOT, answer_done, &answer);
		result = answer_get(&answer);
	} while (result == -EIO);
	assert_int_equal(result, 0);
	for (int i = 0; i < STORM_THREADS; i++)
		for (size_t j = 0; j < storms[i]->count; j++)
			UNTIL(storms[i]->waits[j].calls != 0);
}

static void test_storm(void **state)
{
	struct fixture *fixture = *state;
	struct storm *storms[STORM_THREADS];
	pthread_t threads[STORM_THREADS];
	static const char *const names[] = {"INBOX", "A", "B"};
	size_t asked = 0, cancelled = 0;

	fixture->conf.connections = 3;
	fixture->conf.timeout_ms = 60;
	fixture->tuning.backoff_first_ms = 10;
	fixture->tuning.backoff_max_ms = 40;
	fixture->tuning.extra_ms = 20;
	fixture->tuning.idle_ms = 30;
	fake_folder_add(fixture->fake, "A", NULL, 0, 1);
	fake_folder_add(fixture->fake, "B", NULL, 0, 1);
	for (int i = 0; i < 3; i++)
		fixture_fill(fixture, names[i], STORM_UIDS);
	fake_set_batch(fixture->fake, 10);
	fixture_start(fixture);
	UNTIL(fixture_is_listed(fixture, "B"));
	storm_told = storm_doubly = 0;
	storm_over = false;
	for (unsigned i = 0; i < STORM_THREADS; i++) {
		storms[i] = xcalloc(1, sizeof(*storms[i]));
		storms[i]->fixture = fixture;
		storms[i]->seed = i + 1;
		for (int j = 0; j < 3; j++)
			storms[i]->folders[j] = fixture_folder(fixture, names[j]);
		pthread_create(&threads[i], NULL, storm_main, storms[i]);
	}
	storm_server(fixture);
	storm_over = true;
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	storm_settle(fixture, storms);
	fixture_stop(fixture);
	for (int i = 0; i < STORM_THREADS; i++) {
		assert_int_equal(storms[i]->wrong, 0);
		asked += storms[i]->count;
		cancelled += storms[i]->cancelled;
		free(storms[i]);
	}
	print_message("%zu waits, %zu cancelled\n", asked, cancelled);
	assert_true(cancelled > 0);
	assert_int_equal(storm_doubly, 0);
	assert_int_equal(storm_told + cancelled, asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
