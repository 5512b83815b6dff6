#define XXH_INLINE_ALL
#include "pop3_uid_p.h"
#include <mountmail/base/xalloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

/* A maildrop of these UIDLs, in this order. */
static void drop_make(struct pop3_drop *drop, const char *const *uidls, size_t count)
{
	*drop = (struct pop3_drop){.count = count, .exists = (uint32_t)count, .whole = true};
	drop->mails = xcalloc(count + 1, sizeof(*drop->mails));
	for (size_t i = 0; i < count; i++) {
		drop->mails[i].number = (uint32_t)i + 1;
		assert_true(pop3_uid_name(drop, &drop->mails[i], uidls[i], strlen(uidls[i])));
	}
	pop3_uid_assign(drop);
}

static void check_sound(const struct pop3_drop *drop)
{
	for (size_t i = 0; i < drop->count; i++) {
		const struct pop3_mail *mail = &drop->mails[drop->by_uid[i]];

		assert_true(mail->uid > (i ? drop->mails[drop->by_uid[i - 1]].uid : 0));
		assert_ptr_equal(pop3_uid_find(drop, mail->uid), mail);
	}
}

/* The numbers are a promise: caches, inodes and journals hold them. */
static void test_numbers_stay(void **state)
{
	uint64_t hash = XXH3_64bits("00000001515c4a1f", 16);

	assert_int_equal(pop3_uid_number("00000001515c4a1f", 0), (uint32_t)(hash ^ hash >> 32));
	assert_int_equal(pop3_uid_number("a", 0), 0xf8507ca9u);
	assert_int_equal(pop3_uid_number("a", 1), 0xbdc177b9u);
	assert_int_not_equal(pop3_uid_number("a", 2), pop3_uid_number("a", 1));
}

static void test_any_order(void **state)
{
	static const char *const one[] = {"a", "b", "c"}, *const other[] = {"c", "a", "b"};
	struct pop3_drop first, second;

	drop_make(&first, one, 3);
	drop_make(&second, other, 3);
	check_sound(&first);
	assert_int_equal(first.mails[0].uid, pop3_uid_number("a", 0));
	assert_int_equal(first.mails[0].uid, second.mails[1].uid);
	assert_int_equal(first.mails[2].uid, second.mails[0].uid);
	assert_false(pop3_mail_is_twin(&first.mails[0]));
	assert_null(pop3_uid_find(&first, 1));
	pop3_drop_finish(&first);
	pop3_drop_finish(&second);
}

/* Two texts of one number, by trying; the first sorts first. */
static void find_collision(char a[32], char b[32])
{
	const uint32_t mask = (1u << 21) - 1;
	uint32_t *seen = xcalloc(mask + 1, sizeof(*seen));
	char text[32];

	for (uint32_t n = 1;; n++) {
		uint32_t number, slot;

		snprintf(text, sizeof(text), "%08x", n);
		number = pop3_uid_number(text, 0);
		slot = number & mask;
		if (seen[slot]) {
			snprintf(a, 32, "%08x", seen[slot]);
			if (pop3_uid_number(a, 0) == number)
				break;
		}
		seen[slot] = n;
	}
	strcpy(b, text);
	free(seen);
}

static char one_name[32], other_name[32];

static int find_names(void **state)
{
	find_collision(one_name, other_name);
	return 0;
}

static void test_collision(void **state)
{
	const char *const both[] = {other_name, "x", one_name};
	uint32_t number = pop3_uid_number(one_name, 0);
	struct pop3_drop drop;

	assert_true(strcmp(one_name, other_name) < 0);
	drop_make(&drop, both, 3);
	check_sound(&drop);
	assert_int_equal(drop.mails[2].uid, number);
	assert_int_equal(drop.mails[0].uid, number + 1);
	assert_false(pop3_mail_is_twin(&drop.mails[0]));
	pop3_drop_finish(&drop);
}

static void test_same_uidl(void **state)
{
	static const char *const names[] = {"a", "b", "a", "a"};
	struct pop3_drop drop;

	drop_make(&drop, names, 4);
	check_sound(&drop);
	assert_int_equal(drop.mails[0].uid, pop3_uid_number("a", 0));
	assert_int_equal(drop.mails[2].uid, pop3_uid_number("a", 1));
	assert_int_equal(drop.mails[3].uid, pop3_uid_number("a", 2));
	assert_true(pop3_mail_is_twin(&drop.mails[0]));
	assert_true(pop3_mail_is_twin(&drop.mails[3]));
	assert_false(pop3_mail_is_twin(&drop.mails[1]));
	pop3_drop_finish(&drop);
}

static void expect_name(const char *uidl, size_t len, const char *name)
{
	struct pop3_drop drop = {.names = BUF_INIT};
	struct pop3_mail mail = {0};

	assert_true(pop3_uid_name(&drop, &mail, uidl, len));
	assert_true(mail.has_uidl);
	if (name)
		assert_string_equal(pop3_mail_name(&drop, &mail), name);
	else
		assert_true(strncmp(pop3_mail_name(&drop, &mail), "xxh128:", 7) == 0 &&
			    strlen(pop3_mail_name(&drop, &mail)) == 7 + 32);
	buf_finish(&drop.names);
}

static void test_strange_uidls(void **state)
{
	struct pop3_drop drop = {.names = BUF_INIT};
	struct pop3_mail mail = {0};
	char text[400];

	memset(text, 'u', sizeof(text));
	text[255] = '\0';
	expect_name(text, 255, text);
	text[255] = 'u';
	expect_name(text, 256, NULL);
	expect_name(text, 400, NULL);
	expect_name("a\033[2J", 5, NULL);
	expect_name("a\0b", 3, NULL);
	expect_name("\xff", 1, NULL);
	expect_name("a b", 3, NULL);
	expect_name("~!", 2, "~!");
	assert_false(pop3_uid_name(&drop, &mail, "", 0));
}

static void fingerprint(char out[64], uint64_t size, const char *header)
{
	struct pop3_drop drop = {.names = BUF_INIT};
	struct pop3_mail mail = {.size = size};

	pop3_uid_fingerprint(&drop, &mail, header, strlen(header));
	snprintf(out, 64, "%s", pop3_mail_name(&drop, &mail));
	assert_false(mail.has_uidl);
	assert_true(pop3_mail_is_twin(&mail));
	buf_finish(&drop.names);
}

static void test_fingerprints(void **state)
{
	char one[64], other[64];

	fingerprint(one, 5, "Subject: a\r\n\r\n");
	fingerprint(other, 5, "Subject: a\r\n\r\nwith its body\r\n");
	assert_string_equal(one, other);
	fingerprint(other, 5, "Status: RO\r\nSubject: a\r\nX-UIDL: 7\r\n\r\n");
	assert_string_equal(one, other);
	fingerprint(other, 6, "Subject: a\r\n\r\n");
	assert_string_not_equal(one, other);
	fingerprint(other, 5, "Subject: b\r\n\r\n");
	assert_string_not_equal(one, other);
	fingerprint(other, 5, "");
	assert_string_not_equal(one, other);
}

/* What of a maildrop is believed to be what it was, as a text of + and -, in its order. */
static void expect_kept(const char *const *uidls, size_t count, const char *const *before,
	size_t before_count, const char *kept)
{
	struct pop3_drop drop, old;
	uint32_t *known = xcalloc(before_count + 1, sizeof(*known));
	bool *found = xcalloc(count + 1, sizeof(*found));
	char text[32] = "";

	drop_make(&drop, uidls, count);
	drop_make(&old, before, before_count);
	for (size_t i = 0; i < before_count; i++)
		known[i] = old.mails[old.by_uid[i]].uid;
	pop3_survey(&drop, known, before_count, found);
	for (size_t i = 0; i < count; i++)
		text[drop.by_uid[i]] = found[i] ? '+' : '-';
	assert_string_equal(text, kept);
	free(known);
	free(found);
	pop3_drop_finish(&drop);
	pop3_drop_finish(&old);
}

#define NAMES(...)                                                                             \
	(const char *const[]){__VA_ARGS__},                                                    \
		sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)

static void test_survey(void **state)
{
	expect_kept(NAMES("a", "b", "c"), NAMES("a", "c"), "+-+");
	expect_kept(NAMES("a", "b"), NAMES("c", "b", "a"), "++");
	expect_kept(NAMES("a", "b"), NULL, 0, "--");
	expect_kept(NULL, 0, NAMES("a"), "");
}

static void test_survey_of_a_collision(void **state)
{
	/* Both as they were. */
	expect_kept(NAMES(one_name, other_name), NAMES(other_name, one_name), "++");
	/* The one is gone, and the other in its place. */
	expect_kept(NAMES("x", other_name), NAMES("x", one_name, other_name), "+-");
	expect_kept(NAMES("x", one_name), NAMES("x", one_name, other_name), "+-");
	/* It comes, and takes its place. */
	expect_kept(NAMES("x", one_name, other_name), NAMES("x", other_name), "+--");
	expect_kept(NAMES("x", one_name, other_name), NAMES("x", one_name), "+--");
}

static void test_survey_of_twins(void **state)
{
	expect_kept(NAMES("a", "b", "a"), NAMES("a", "a", "b"), "+++");
	/* Which of them is gone nobody can say, nor which is the new one. */
	expect_kept(NAMES("a", "b"), NAMES("a", "a", "b"), "-+");
	expect_kept(NAMES("a", "b", "a"), NAMES("a", "a", "a", "b"), "-+-");
	expect_kept(NAMES("a", "b", "a"), NAMES("a", "b"), "-+-");
}

static void test_at_the_end_of_numbers(void **state)
{
	/* Names are not to be found by trying that end there: numbers are set by hand. */
	struct pop3_drop drop = {.count = 2};
	uint32_t by_uid[] = {0, 1};
	const uint32_t known[] = {UINT32_MAX};
	bool kept[2];

	drop.mails = xcalloc(2, sizeof(*drop.mails));
	drop.mails[0] = (struct pop3_mail){.uid = 1, .equals = 1};
	drop.mails[1] = (struct pop3_mail){.uid = UINT32_MAX, .equals = 1, .name = 2};
	buf_append(&drop.names, "a\0b", 4);
	drop.by_uid = by_uid;
	drop.by_name = by_uid;
	pop3_survey(&drop, known, 1, kept);
	assert_false(kept[0]);
	assert_true(kept[1]);
	drop.by_uid = drop.by_name = NULL;
	pop3_drop_finish(&drop);
}

static void test_a_large_maildrop(void **state)
{
	const size_t count = 200000;
	char(*texts)[16] = calloc(count, sizeof(*texts));
	const char **uidls = xcalloc(count, sizeof(*uidls));
	struct pop3_drop drop;

	for (size_t i = 0; i < count; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%08zx", i);
		uidls[i] = texts[i];
	}
	drop_make(&drop, uidls, count);
	check_sound(&drop);
	pop3_drop_finish(&drop);
	free(texts);
	free(uidls);
}

/* A server that gives the same UIDL to all. */
static void test_all_the_same(void **state)
{
	const size_t count = 50000;
	const char **uidls = xcalloc(count, sizeof(*uidls));
	struct pop3_drop drop;

	for (size_t i = 0; i < count; i++)
		uidls[i] = "same";
	drop_make(&drop, uidls, count);
	check_sound(&drop);
	pop3_drop_finish(&drop);
	free(uidls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_stay),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_collision),
		cmocka_unit_test(test_same_uidl),
		cmocka_unit_test(test_strange_uidls),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_survey),
		cmocka_unit_test(test_survey_of_a_collision),
		cmocka_unit_test(test_survey_of_twins),
		cmocka_unit_test(test_at_the_end_of_numbers),
		cmocka_unit_test(test_a_large_maildrop),
		cmocka_unit_test(test_all_the_same),
	};

	return cmocka_run_group_tests(tests, find_names, NULL);
}
