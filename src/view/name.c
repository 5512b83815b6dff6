#include "name_p.h"
#include <mountmail/base/log.h>
#include <mountmail/view/name.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define NAME_SENDER_MAX 64
#define NAME_MARKS_MAX 2 /* combining marks in a row */

static bool name_ascii_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool name_ascii_allowed(unsigned char c)
{
	return name_ascii_plain(c) || strchr("._-@+=,", c) != NULL;
}

/* Marks join what is before them; letters and numbers stand for themselves; the rest goes. */
static bool name_char_allowed(ucs4_t c, unsigned *marks)
{
	if (c < 0x80) {
		*marks = 0;
		return c && name_ascii_allowed((unsigned char)c);
	}
	if (uc_is_general_category(c, UC_CATEGORY_M))
		return ++*marks <= NAME_MARKS_MAX;
	*marks = 0;
	return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N);
}

/* As u8_mbtoucr, which is a call too many for the characters that most names are made of. */
static inline int name_next_char(ucs4_t *c, const uint8_t *text, size_t len)
{
	if (*text >= 0x80)
		return u8_mbtoucr(c, text, len);
	*c = *text;
	return 1;
}

/* What is being written, with a '-' owed for the characters left out since the last one kept.
 */
struct part {
	char *out;
	size_t len;
	size_t max;
	bool gap;
};

static bool part_put(struct part *part, const void *bytes, size_t len)
{
	bool dash = part->gap && part->len && part->out[part->len - 1] != '-';

	if (part->len + dash + len > part->max)
		return false;
	if (dash)
		part->out[part->len++] = '-';
	memcpy(part->out + part->len, bytes, len);
	part->len += len;
	part->gap = false;
	return true;
}

/* Puts the ASCII letters and digits that text begins with, as many as fit. How many there are.
 */
static size_t part_put_plain(struct part *part, const uint8_t *text, size_t len, bool *full)
{
	size_t run = 0, room = part->max - part->len;

	while (run < len && name_ascii_plain(text[run]))
		run++;
	if (!run)
		return 0;
	if (part->gap && part->len && part->out[part->len - 1] != '-' && room)
		room--; /* for the dash */
	*full = run > room;
	if (room)
		part_put(part, text, run < room ? run : room);
	return run;
}

static void part_clean(struct part *part, const uint8_t *text, size_t len)
{
	unsigned marks = NAME_MARKS_MAX; /* a mark has nothing to join at the beginning */
	bool full = false;

	while (len) {
		size_t plain = part_put_plain(part, text, len, &full);
		ucs4_t c;
		int n;

		if (plain) {
			if (full)
				break;
			marks = 0;
			text += plain;
			len -= plain;
			continue;
		}
		n = name_next_char(&c, text, len);
		if (n < 1) {
			n = 1;
			part->gap = true;
		} else if (!name_char_allowed(c, &marks)) {
			part->gap = true;
		} else if (c == '-') {
			part->gap = true; /* runs of dashes become one */
		} else if (c == '.' && part->len == 0) {
			part->gap = true; /* a part does not begin with a dot */
		} else if (!part_put(part, text, (size_t)n)) {
			break;
		}
		text += n;
		len -= (size_t)n;
	}
	while (part->len && strchr(".-", part->out[part->len - 1]))
		part->len--;
}

static bool name_is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* Appends a cleaned part behind a '_'; nothing where nothing is left of it. */
static size_t name_add_part(char *out, size_t len, size_t max, const char *text)
{
	/* Four times: what is cut later need not be normalised, and a cut never changes what
	 * stands before it by more than the last character's marks. */
	size_t text_len = text ? strnlen(text, max * 4) : 0;
	uint8_t room[NAME_MAX_BYTES * 16]; /* NFC of a text is at most three times as long */
	struct part part = {.out = out + len + 1, .max = max};
	size_t room_len = sizeof(room);

	if (name_is_ascii(text, text_len)) {
		part_clean(&part, (const uint8_t *)text, text_len);
	} else {
		/* There is room, so NULL is memory that ran out: a name cannot be another for
		 * that. */
		if (u8_normalize(UNINORM_NFC, (const uint8_t *)text, text_len, room,
			    &room_len) != room) {
			log_error("out of memory while a name was normalised");
			abort();
		}
		part_clean(&part, room, room_len);
	}
	if (!part.len)
		return len;
	out[len] = '_';
	return len + 1 + part.len;
}

size_t name_of_message(uint32_t uid, int64_t date, const char *sender, const char *subject,
	char name_out[NAME_MAX_BYTES + 1])
{
	time_t when = date < 0 ? 0 : date > NAME_DATE_MAX ? NAME_DATE_MAX : (time_t)date;
	char tail[24];
	int tail_len = snprintf(tail, sizeof(tail), ".%u.eml", uid);
	size_t len, room = NAME_MAX_BYTES - (size_t)tail_len;
	struct tm day;

	gmtime_r(&when, &day);
	len = strftime(name_out, NAME_MAX_BYTES, "%Y-%m-%d", &day);
	len = name_add_part(name_out, len, NAME_SENDER_MAX, sender);
	len = name_add_part(name_out, len, room - len - 1, subject);
	memcpy(name_out + len, tail, (size_t)tail_len + 1);
	return len + (size_t)tail_len;
}

bool name_parse_message(const char *name, uint32_t *uid_out)
{
	size_t len = strlen(name), end, at;
	uint64_t uid = 0;

	if (len < 7 || strcmp(name + len - 4, ".eml") != 0)
		return false;
	end = at = len - 4;
	while (at && name[at - 1] >= '0' && name[at - 1] <= '9')
		at--;
	if (at == end || end - at > 10 || at < 2 || name[at - 1] != '.' || name[at] == '0')
		return false;
	for (size_t i = at; i < end; i++)
		uid = uid * 10 + (uint64_t)(name[i] - '0');
	if (uid > UINT32_MAX)
		return false;
	*uid_out = (uint32_t)uid;
	return true;
}

bool name_char_unsafe(ucs4_t c)
{
	if (c < 0x20 || c == '/' || (c >= 0x7f && c < 0xa0))
		return true;
	return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

bool name_is_safe(const char *name, size_t len)
{
	if (!len || len > 255 || (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return false;
	for (size_t at = 0; at < len;) {
		ucs4_t c;
		int n = 1;

		if (name[at] < ' ' || name[at] >= 0x7f || name[at] == '/') {
			n = name_next_char(&c, (const uint8_t *)name + at, len - at);
			if (n < 1 || name_char_unsafe(c))
				return false;
		}
		at += (size_t)n;
	}
	return true;
}
