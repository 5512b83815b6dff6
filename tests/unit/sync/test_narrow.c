/*
 * test_narrow.c - which batches are tried around a message that connections break over, on a
 * folder that is but numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "narrow_p.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define WIDE 2000u

struct play {
	struct narrow narrow;
	bool *poison; /* by number */
	unsigned count, at;
	unsigned losses, scans, stubs, good_stubs, largest;
	bool hopeless;
};

static bool play_has_poison(const struct play *play, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (play->poison[i])
			return true;
	return false;
}

/* One scan. False when the connection broke. */
static bool play_scan(struct play *play)
{
	unsigned step =
		play->narrow.most && play->narrow.most < WIDE ? play->narrow.most : WIDE;

	play->scans++;
	if (play->narrow.stub && play->at < play->count) {
		play->stubs++;
		play->good_stubs += !play->poison[play->at++];
		if (narrow_came(&play->narrow, 1))
			return true;
	}
	while (play->at < play->count) {
		unsigned end = play->at + step < play->count ? play->at + step : play->count;

		if (play_has_poison(play, play->at, end))
			return false;
		if (end - play->at > play->largest)
			play->largest = end - play->at;
		step = narrow_came(&play->narrow, end - play->at) ? 0 : step;
		play->at = end;
		if (!step)
			return true;
	}
	return true;
}

static struct play play(unsigned count, const unsigned *poison, size_t poisons)
{
	struct play play = {.count = count};
	unsigned usual = 0;

	play.poison = calloc(count, sizeof(*play.poison));
	for (size_t i = 0; i < poisons; i++)
		play.poison[poison[i]] = true;
	while (play.at < count && !play.hopeless) {
		assert_true(play.scans < 100000);
		if (play_scan(&play))
			continue;
		play.losses++;
		usual = narrow_lost(&play.narrow, play.count) ? 0 : usual + 1;
		play.hopeless = usual > 1;
	}
	free(play.poison);
	return play;
}

static void test_nothing_wrong(void **state)
{
	struct play played = play(100000, NULL, 0);

	assert_int_equal(played.losses, 0);
	assert_int_equal(played.scans, 1);
}

/* Wherever it is, it alone is given up, and it does not cost many connections. */
static void test_one(void **state)
{
	static const unsigned places[] = {
		0, 1, 6, 7, 8, 39, 63, 64, 499, 1999, 2000, 4321, 9999};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct play played = play(10000, &places[i], 1);

		assert_false(played.hopeless);
		assert_int_equal(played.stubs, 1);
		assert_int_equal(played.good_stubs, 0);
		assert_in_range(played.losses, 3, 8);
		assert_true(played.largest >= 8);
	}
}

static void test_small_folder(void **state)
{
	const unsigned at = 6;
	struct play played = play(40, &at, 1);

	assert_int_equal(played.stubs, 1);
	assert_int_equal(played.at, 40);
	assert_in_range(played.losses, 3, 7);
}

/* Neighbours do not cost the whole walk again. */
static void test_neighbours(void **state)
{
	const unsigned places[] = {100, 101, 102, 103};
	struct play played = play(5000, places, 4);

	assert_int_equal(played.stubs, 4);
	assert_int_equal(played.good_stubs, 0);
	assert_in_range(played.losses, 4, 15);
	assert_int_equal(played.largest, WIDE);
}

static void test_many_apart(void **state)
{
	unsigned places[50];
	struct play played;

	for (unsigned i = 0; i < 50; i++)
		places[i] = i * 97 + 13;
	played = play(6000, places, 50);
	assert_false(played.hopeless);
	assert_int_equal(played.stubs, 50);
	assert_int_equal(played.good_stubs, 0);
	assert_in_range(played.losses, 50, 50 * 6);
}

/* When all break it is the server, and no more mail is given up. */
static void test_all(void **state)
{
	unsigned places[100];
	struct play played;

	for (unsigned i = 0; i < 100; i++)
		places[i] = i;
	played = play(100, places, 100);
	assert_true(played.hopeless);
	assert_int_equal(played.stubs, NARROW_STUBS_MAX);
	/* It came back: it goes on, and may give up others again. */
	assert_false(narrow_lost(&played.narrow, 100));
	narrow_came(&played.narrow, 1);
	assert_int_equal(played.narrow.stubs, 0);
	assert_true(narrow_lost(&played.narrow, 100));
}

/* Broken while nothing suspect was asked for: nothing is learned, nothing more is given up. */
static void test_not_over_a_message(void **state)
{
	struct narrow narrow = {0};
	unsigned soon = 0;

	for (unsigned i = 0; i < 100; i++)
		soon += narrow_lost(&narrow, 9);
	assert_in_range(soon, 1, 5);
	assert_false(narrow.stub);
	assert_int_equal(narrow.stubs, NARROW_STUBS_MAX);
}

/* One that went is not passed over; new ones at the end change nothing. */
static void test_gone(void **state)
{
	struct narrow narrow = {0};

	while (!narrow.stub)
		narrow_lost(&narrow, 9);
	assert_true(narrow_stub_stands(&narrow, 9));
	assert_true(narrow_stub_stands(&narrow, 10));
	assert_false(narrow_stub_stands(&narrow, 8));
}

static void test_pauses(void **state)
{
	struct narrow narrow = {.losses = 1};
	uint32_t last = 0;

	for (; narrow.losses < 40; narrow.losses++) {
		uint32_t least = narrow_pause_ms(&narrow, 0);

		assert_true(least >= 50 && least >= last);
		assert_true(narrow_pause_ms(&narrow, UINT32_MAX) <= 5000);
		last = least;
	}
	assert_int_equal(last, 2500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_wrong),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_small_folder),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_many_apart),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_not_over_a_message),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
