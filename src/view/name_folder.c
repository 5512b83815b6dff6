#include "name_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/view/name.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>
#include <xxhash.h>

/* No other name holds a '%' that is not followed by two digits: a hash cannot be mistaken. */
#define HASH_MARK "%~"
#define HASH_DIGITS 32
#define HASH_TAIL (sizeof(HASH_MARK) - 1 + HASH_DIGITS) /* bytes */

/* A level cannot hold a NUL, so this is free for the one that is empty. */
#define NAME_EMPTY "%00"

static const char digits[] = "0123456789ABCDEF";

static size_t folder_escape(const char *bytes, size_t count, char *out)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char c = (unsigned char)bytes[i];

		*out++ = '%';
		*out++ = digits[c >> 4];
		*out++ = digits[c & 15];
	}
	return 3 * count;
}

/* The next character or invalid byte of a level, as it stands in the name. Moves *at behind it.
 */
static size_t folder_put_next(const char *level, size_t level_len, size_t *at, char out[12])
{
	const char *from = level + *at;
	bool first = *at == 0;
	ucs4_t c;
	int n = u8_mbtoucr(&c, (const uint8_t *)from, level_len - *at);

	if (n < 1) {
		*at += 1;
		return folder_escape(from, 1, out);
	}
	*at += (size_t)n;
	if (c == '%' || name_char_unsafe(c) || (first && (c == '.' || c == '-')))
		return folder_escape(from, (size_t)n, out);
	memcpy(out, from, (size_t)n);
	return (size_t)n;
}

/* The end of a name that keeps its first len bytes. */
static size_t folder_put_hash(const char *level, char *name_out, size_t len)
{
	XXH128_hash_t hash = XXH3_128bits(level, strlen(level));

	snprintf(name_out + len, HASH_TAIL + 1, "%s%016llx%016llx", HASH_MARK,
		(unsigned long long)hash.high64, (unsigned long long)hash.low64);
	return len + HASH_TAIL;
}

size_t name_of_folder(const char *level, char name_out[NAME_MAX_BYTES + 1])
{
	size_t level_len = strlen(level), len = 0, cut = 0;
	uint32_t uid;

	for (size_t at = 0; at < level_len;) {
		char next[12];
		size_t count = folder_put_next(level, level_len, &at, next);

		if (len + count > NAME_MAX_BYTES)
			return folder_put_hash(level, name_out, cut);
		memcpy(name_out + len, next, count);
		len += count;
		if (len <= NAME_MAX_BYTES - HASH_TAIL)
			cut = len;
	}
	if (!len)
		len = (size_t)(stpcpy(name_out, NAME_EMPTY) - name_out);
	name_out[len] = '\0';
	if (!name_parse_message(name_out, &uid))
		return len;
	if (len + 2 > NAME_MAX_BYTES)
		return folder_put_hash(level, name_out, cut);
	strcpy(name_out + len - strlen(".eml"), "%2Eeml");
	return len + 2;
}

static bool folder_has_hash(const char *name, size_t len)
{
	const char *tail;

	if (len <= HASH_TAIL)
		return false;
	tail = name + len - HASH_TAIL;
	return memcmp(tail, HASH_MARK, strlen(HASH_MARK)) == 0 &&
	       strspn(tail + strlen(HASH_MARK), "0123456789abcdef") == HASH_DIGITS;
}

/* The value of a digit, -1 for none. Only upper case is ever written. */
static int folder_digit(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Writes into level, which has room for as many bytes as name. */
static bool folder_unescape(const char *name, char *level)
{
	while (*name) {
		int high, low;

		if (*name != '%') {
			*level++ = *name++;
			continue;
		}
		high = folder_digit(name[1]);
		low = high < 0 ? -1 : folder_digit(name[2]);
		if (low < 0)
			return false;
		*level++ = (char)(high << 4 | low);
		name += 3;
	}
	*level = '\0';
	return true;
}

int name_parse_folder(const char *name, char **level_out)
{
	size_t len = strlen(name);
	_cleanup_free_ char *level = NULL;
	char again[NAME_MAX_BYTES + 1];

	if (!len || len > NAME_MAX_BYTES)
		return -ENOENT;
	if (folder_has_hash(name, len))
		return -E2BIG;
	level = xmalloc(len + 1);
	/* One name a level: "%41" is no other way to write "A". */
	if (!folder_unescape(name, level) || name_of_folder(level, again) != len ||
		memcmp(name, again, len) != 0)
		return -ENOENT;
	*level_out = steal_pointer(&level);
	return 0;
}
