#define XXH_INLINE_ALL
#include "header_p.h"
#include "pop3_uid_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

void pop3_drop_finish(struct pop3_drop *drop)
{
	free(drop->mails);
	free(drop->by_uid);
	free(drop->by_name);
	buf_finish(&drop->names);
	*drop = (struct pop3_drop){0};
}

static bool uidl_is_plain(const char *uidl, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (uidl[i] <= ' ' || uidl[i] >= 0x7f)
			return false;
	return len <= POP3_UIDL_MAX;
}

bool pop3_uid_name(struct pop3_drop *drop, struct pop3_mail *mail, const char *uidl, size_t len)
{
	if (!len)
		return false;
	mail->name = drop->names.len;
	mail->has_uidl = true;
	if (uidl_is_plain(uidl, len)) {
		buf_append(&drop->names, uidl, len);
	} else {
		XXH128_hash_t hash = XXH3_128bits(uidl, len);

		buf_printf(&drop->names, "xxh128:%016llx%016llx",
			(unsigned long long)hash.high64, (unsigned long long)hash.low64);
	}
	buf_append_char(&drop->names, '\0');
	return true;
}

/* A line that the server added, and may add otherwise tomorrow. */
static bool line_is_the_servers(const char *line, size_t len)
{
	static const char *const names[] = {"Status:", "X-Status:", "X-UIDL:", "X-Keywords:",
		"X-UID:", "X-IMAP:", "X-IMAPbase:", "Content-Length:", "Lines:"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len >= strlen(names[i]) &&
			strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

void pop3_uid_fingerprint(
	struct pop3_drop *drop, struct pop3_mail *mail, const char *header, size_t len)
{
	XXH3_state_t state;
	const char *end, *next;
	bool whole;

	/* All of it is set up by reset, but for what it never reads. */
	memset(&state, 0, sizeof(state));
	XXH3_64bits_reset(&state);
	end = header + header_length(header, len, &whole);
	for (const char *line = header; line < end; line = next) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));

		next = lf ? lf + 1 : end;
		if (!line_is_the_servers(line, (size_t)(next - line)))
			XXH3_64bits_update(&state, line, (size_t)(next - line));
	}
	mail->name = drop->names.len;
	mail->has_uidl = false;
	/* A UIDL has no blanks: the two kinds are never the same. */
	buf_printf(&drop->names, " %llu %016llx", (unsigned long long)mail->size,
		(unsigned long long)XXH3_64bits_digest(&state));
	buf_append_char(&drop->names, '\0');
}

uint32_t pop3_uid_number(const char *name, uint32_t ordinal)
{
	uint64_t hash = XXH3_64bits_withSeed(name, strlen(name), ordinal);
	uint32_t number = (uint32_t)(hash ^ hash >> 32);

	return number ? number : 1;
}

/* A message on its way to its number. */
struct candidate {
	const struct pop3_drop *drop;
	uint32_t index; /* in mails */
	uint32_t base;	/* the number it would like */
};

static const struct pop3_mail *candidate_mail(const struct candidate *candidate)
{
	return &candidate->drop->mails[candidate->index];
}

/* By the number that they would like, then by name, then by their place in the maildrop. */
static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;
	const struct pop3_mail *l = candidate_mail(left), *r = candidate_mail(right);
	int names;

	if (left->base != right->base)
		return left->base < right->base ? -1 : 1;
	names = strcmp(pop3_mail_name(left->drop, l), pop3_mail_name(right->drop, r));
	if (names)
		return names;
	return (l->number > r->number) - (l->number < r->number);
}

static bool candidate_same_name(const struct candidate *a, const struct candidate *b)
{
	const struct pop3_mail *left = candidate_mail(a), *right = candidate_mail(b);

	return a->base == b->base &&
	       strcmp(pop3_mail_name(a->drop, left), pop3_mail_name(b->drop, right)) == 0;
}

/* Counts those with the same name. list is sorted; its bases are those of the names afterwards.
 */
static void uid_count_equals(struct pop3_drop *drop, struct candidate *list)
{
	size_t end;

	for (size_t at = 0; at < drop->count; at = end) {
		for (end = at + 1;
			end < drop->count && candidate_same_name(&list[at], &list[end]);)
			end++;
		for (size_t i = at; i < end; i++) {
			struct pop3_mail *mail = &drop->mails[list[i].index];

			drop->by_name[i] = list[i].index;
			mail->ordinal = (uint32_t)(i - at);
			mail->equals = (uint32_t)(end - at);
		}
	}
	for (size_t i = 0; i < drop->count; i++) {
		const struct pop3_mail *mail = candidate_mail(&list[i]);

		if (mail->ordinal)
			list[i].base =
				pop3_uid_number(pop3_mail_name(drop, mail), mail->ordinal);
	}
}

static int number_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static bool number_in(uint32_t number, const uint32_t *numbers, size_t count)
{
	return count && bsearch(&number, numbers, count, sizeof(number), number_compare);
}

/* The numbers that are taken: by who would have them anyway, and by who had to give way. */
struct taken {
	uint32_t *bases;
	size_t base_count;
	uint32_t *given; /* ascending as far as they are below the wrap */
	size_t given_count;
	uint64_t last; /* the last one given; beyond UINT32_MAX it stands for one from 1 on */
};

/*
 * The next free number behind base. Asked in the order of the bases, and everything between a
 * base and what was given for it is taken: the search never has to go back.
 */
static uint32_t taken_next(struct taken *taken, uint32_t base)
{
	if (taken->last < base)
		taken->last = base;
	for (;;) {
		bool wrapped = ++taken->last > UINT32_MAX;
		uint32_t number = (uint32_t)(wrapped ? taken->last - UINT32_MAX : taken->last);

		if (number_in(number, taken->bases, taken->base_count) ||
			(wrapped && number_in(number, taken->given, taken->given_count)))
			continue;
		if (!wrapped)
			taken->given[taken->given_count++] = number;
		return number;
	}
}

static void uid_give(struct pop3_drop *drop, const struct candidate *list)
{
	struct taken taken = {.bases = xcalloc(drop->count + 1, sizeof(uint32_t)),
		.given = xcalloc(drop->count + 1, sizeof(uint32_t))};

	for (size_t i = 0; i < drop->count; i++) {
		if (i && list[i].base == list[i - 1].base)
			continue;
		drop->mails[list[i].index].uid = list[i].base;
		taken.bases[taken.base_count++] = list[i].base;
	}
	for (size_t i = 1; i < drop->count; i++)
		if (list[i].base == list[i - 1].base)
			drop->mails[list[i].index].uid = taken_next(&taken, list[i].base);
	free(taken.bases);
	free(taken.given);
}

void pop3_uid_assign(struct pop3_drop *drop)
{
	struct candidate *list = xcalloc(drop->count + 1, sizeof(*list));

	drop->by_name = xcalloc(drop->count + 1, sizeof(*drop->by_name));
	drop->by_uid = xcalloc(drop->count + 1, sizeof(*drop->by_uid));
	for (size_t i = 0; i < drop->count; i++)
		list[i] = (struct candidate){drop, (uint32_t)i,
			pop3_uid_number(pop3_mail_name(drop, &drop->mails[i]), 0)};
	qsort(list, drop->count, sizeof(*list), candidate_compare);
	uid_count_equals(drop, list);
	qsort(list, drop->count, sizeof(*list), candidate_compare);
	uid_give(drop, list);
	for (size_t i = 0; i < drop->count; i++)
		list[i].base = drop->mails[list[i].index].uid;
	qsort(list, drop->count, sizeof(*list), candidate_compare);
	for (size_t i = 0; i < drop->count; i++)
		drop->by_uid[i] = list[i].index;
	free(list);
}

struct pop3_mail *pop3_uid_find(const struct pop3_drop *drop, uint32_t uid)
{
	size_t low = 0, high = drop->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (drop->mails[drop->by_uid[middle]].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == drop->count || drop->mails[drop->by_uid[low]].uid != uid)
		return NULL;
	return &drop->mails[drop->by_uid[low]];
}
