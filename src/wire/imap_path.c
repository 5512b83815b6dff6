#include "imap_internal_p.h"
#include "utf7_p.h"
#include <mountmail/base/str.h>
#include <string.h>
#include <strings.h>

/* Marks a level that is not what the server means a person to read. */
#define IMAP_PATH_RAW '\x01'

/*
 * One level. What does not decode, or decodes to something that has a meaning in a path,
 * is kept as it came, behind a mark that no decoded level begins with.
 */
static void imap_path_put_level(struct buf *out, const char *level, size_t len)
{
	struct buf text = BUF_INIT;

	if (utf7_decode(level, len, &text) == 0 && text.len && text.data[0] != IMAP_PATH_RAW &&
		!memchr(text.data, '\n', text.len) && !memchr(text.data, '\0', text.len)) {
		buf_append(out, text.data, text.len);
	} else {
		buf_append_char(out, IMAP_PATH_RAW);
		buf_append(out, level, len);
	}
	buf_finish(&text);
}

static bool imap_path_is_inbox(const char *level, size_t len)
{
	return len == 5 && strncasecmp(level, "INBOX", 5) == 0;
}

static size_t imap_path_level_length(const char *text, char delimiter)
{
	const char *end = delimiter ? strchr(text, delimiter) : NULL;

	return end ? (size_t)(end - text) : strlen(text);
}

/*
 * Without the prefix of the personal namespace ("INBOX."), unless what is left would be taken
 * for INBOX itself. INBOX is INBOX in any case, also inside the prefix.
 */
static const char *imap_path_skip_prefix(const char *raw, char delimiter, const char *prefix)
{
	size_t len = strlen(prefix);
	size_t loose = strncasecmp(prefix, "INBOX", 5) == 0 ? 5 : 0;
	const char *rest = raw + len;

	if (len == 0 || strlen(raw) <= len || strncasecmp(raw, prefix, loose) != 0 ||
		memcmp(raw + loose, prefix + loose, len - loose) != 0)
		return raw;
	return imap_path_is_inbox(rest, imap_path_level_length(rest, delimiter)) ? raw : rest;
}

char *imap_path_decode(const char *raw, char delimiter, const char *prefix)
{
	struct buf path = BUF_INIT;
	const char *at = imap_path_skip_prefix(raw, delimiter, prefix);

	do {
		size_t len = imap_path_level_length(at, delimiter);

		if (path.len)
			buf_append_char(&path, '\n');
		if (path.len == 0 && imap_path_is_inbox(at, len))
			buf_append_str(&path, "INBOX");
		else
			imap_path_put_level(&path, at, len);
		at += len;
		at += *at != '\0';
	} while (*at); /* a delimiter at the end is no level */
	return buf_steal(&path);
}
