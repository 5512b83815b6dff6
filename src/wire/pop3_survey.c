#include "pop3_uid_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* Where uid would stand in known. */
static size_t survey_place(const uint32_t *known, size_t count, uint32_t uid)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (known[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool survey_is_known(const uint32_t *known, size_t count, uint32_t uid)
{
	size_t at = survey_place(known, count, uid);

	return at < count && known[at] == uid;
}

/*
 * Numbers in a row, whether they are known or listed. Who gives way in a collision stands in a
 * row with who does not, so that a row that is as it was has nobody in another's place. One
 * that is not is told anew: nearly always these are strangers whose numbers happen to be
 * neighbours.
 */
struct row {
	uint64_t last; /* its last number */
	size_t length;
	size_t first; /* the first listed one of it */
	bool changed; /* one of its numbers is known or listed, but not both */
};

static void row_end(const struct row *row, size_t end, bool *kept)
{
	if (row->length < 2 || !row->changed)
		return;
	for (size_t i = row->first; i < end; i++)
		kept[i] = false;
}

/* Compares what is listed with what is known, row by row. */
static void survey_rows(
	const struct pop3_drop *drop, const uint32_t *known, size_t count, bool *kept)
{
	struct row row = {0};
	size_t at = 0, i = 0;

	while (at < count || i < drop->count) {
		uint32_t listed =
			i < drop->count ? drop->mails[drop->by_uid[i]].uid : UINT32_MAX;
		bool is_listed = i < drop->count && (at == count || listed <= known[at]);
		bool is_known = at < count && (i == drop->count || known[at] <= listed);
		uint32_t uid = is_listed ? listed : known[at];

		if (!row.length || uid != row.last + 1) {
			row_end(&row, i, kept);
			row = (struct row){.first = i};
		}
		row.last = uid;
		row.length++;
		row.changed |= is_listed != is_known;
		if (is_listed)
			kept[i++] = is_known;
		at += is_known;
	}
	row_end(&row, i, kept);
}

/*
 * Twins are numbered in the order of the maildrop, so that when one is gone the next one is in
 * its place. When there are as many as there were, it is taken that they are the same.
 */
static void survey_twins(
	const struct pop3_drop *drop, const uint32_t *known, size_t count, bool *changed)
{
	size_t end;

	for (size_t at = 0; at < drop->count; at = end) {
		const struct pop3_mail *first = &drop->mails[drop->by_name[at]];
		const char *name = pop3_mail_name(drop, first);
		bool differs =
			survey_is_known(known, count, pop3_uid_number(name, first->equals));

		end = at + first->equals;
		for (size_t i = at; i < end && first->equals > 1; i++)
			differs |= !survey_is_known(
				known, count, drop->mails[drop->by_name[i]].uid);
		for (size_t i = at; i < end; i++)
			changed[drop->by_name[i]] = differs;
	}
}

void pop3_survey(
	const struct pop3_drop *drop, const uint32_t *known, size_t known_count, bool *kept_out)
{
	bool *changed = xcalloc(drop->count + 1, sizeof(*changed));

	survey_rows(drop, known, known_count, kept_out);
	survey_twins(drop, known, known_count, changed);
	for (size_t i = 0; i < drop->count; i++)
		kept_out[i] &= !changed[drop->by_uid[i]];
	free(changed);
}
