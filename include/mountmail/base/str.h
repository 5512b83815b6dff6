/*
 * base/str.h - small questions about text.
 * Called by every floor, on any thread.
 */
#ifndef MOUNTMAIL_BASE_STR_H
#define MOUNTMAIL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
/* ASCII only, whatever the locale. */
bool str_equal_nocase(const char *a, const char *b);
/* NULL counts as equal to "". */
bool str_equal_or_empty(const char *a, const char *b);

/*
 * A whole decimal number without sign or blanks, at most max.
 * Returns 0, or -EINVAL / -ERANGE and leaves *out alone.
 */
int str_to_u64(const char *text, uint64_t max, uint64_t *out);

/* Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms, no NUL). */
bool utf8_valid(const char *text, size_t len);

/* Edit distance between a and b, for "did you mean"; at most 32 bytes of each count. */
unsigned str_distance(const char *a, const char *b);

#endif
