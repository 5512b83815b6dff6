#include "guard_p.h"
#include "guard_status_p.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define CODE_MAX 8192u
/* No word that a response begins with is as long as this. */
#define GUARD_WORD_MAX 12

size_t guard_status_word(const char *text, size_t len)
{
	static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t word = strlen(words[i]);

		if (len >= word && strncasecmp(text, words[i], word) == 0)
			return word;
	}
	return 0;
}

static size_t status_blanks(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (text[n] == ' ' || text[n] == '\t'))
		n++;
	return n;
}

/* An atom that no parser stumbles over. */
static bool status_is_atom_char(char c)
{
	return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && !strchr("(){}[]%*\"\\", c);
}

static size_t status_atom(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && status_is_atom_char(text[n]))
		n++;
	return n;
}

static bool status_is_number(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] >= '0' && text[n] <= '9')
		n++;
	return n && n == len && n <= 20;
}

/* "(" [flag *(SP flag)] ")"; a flag is "\*", or an atom with or without a backslash. */
static bool status_is_flag_list(const char *text, size_t len)
{
	const char *end;

	if (len < 2 || text[0] != '(' || text[len - 1] != ')')
		return false;
	end = text + len - 1;
	text++;
	while (text < end) {
		bool system = *text == '\\';
		size_t atom;

		text += system;
		atom = system && text < end && *text == '*'
			       ? 1
			       : status_atom(text, (size_t)(end - text));
		if (!atom)
			return false;
		text += atom;
		if (text < end && (*text++ != ' ' || text == end))
			return false;
	}
	return true;
}

/* Nothing that begins a string, a list or a literal. */
static bool status_is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f ||
			strchr("(){}\"\\", text[i]))
			return false;
	return true;
}

/* Whether libetpan can be shown a code: what stands between the brackets. */
static bool status_code_is_sound(const char *code, size_t len)
{
	static const char *const numbers[] = {
		"UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"};
	/* libetpan has parsers for these, for arguments as they should be; nobody needs them. */
	static const char *const unused[] = {"COPYUID", "APPENDUID", "MODIFIED"};
	size_t name = status_atom(code, len);
	size_t args_len = len > name ? len - name - 1 : 0;
	const char *args = code + len - args_len;

	if (!name || len > CODE_MAX || (len > name && (code[name] != ' ' || !args_len)))
		return false;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strlen(numbers[i]) == name && strncasecmp(code, numbers[i], name) == 0)
			return status_is_number(args, args_len);
	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
		if (strlen(unused[i]) == name && strncasecmp(code, unused[i], name) == 0)
			return false;
	if (name == 14 && strncasecmp(code, "PERMANENTFLAGS", name) == 0)
		return status_is_flag_list(args, args_len);
	return status_is_plain(args, args_len);
}

/* Office 365: "Suggested Backoff Time: 92415 milliseconds". */
static uint32_t status_backoff(const char *text, size_t len)
{
	static const char words[] = "Suggested Backoff Time:";
	uint64_t ms = 0;

	for (; len >= sizeof(words); text++, len--) {
		size_t at = sizeof(words) - 1;

		if (strncasecmp(text, words, at) != 0)
			continue;
		at += status_blanks(text + at, len - at);
		for (; at < len && text[at] >= '0' && text[at] <= '9' && ms <= UINT32_MAX; at++)
			ms = ms * 10 + (uint64_t)(text[at] - '0');
		break;
	}
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* A number beyond 64 bits is none. */
static void status_note_uidvalidity(const char *code, size_t len, struct guard_status *status)
{
	static const char name[] = "UIDVALIDITY ";
	size_t at = sizeof(name) - 1;
	uint64_t value = 0;

	if (len <= at || strncasecmp(code, name, at) != 0 ||
		!status_is_number(code + at, len - at))
		return;
	for (; at < len; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(code[at] - '0'), &value))
			return;
	status->has_uidvalidity = true;
	status->uidvalidity = value;
}

/* The code and the text behind a status word. */
static void status_mend_text(
	const char *text, size_t len, struct buf *out, struct guard_status *status)
{
	const char *close = len && text[0] == '[' ? memchr(text, ']', len) : NULL;
	size_t code, skip;

	if (close) {
		code = (size_t)(close - text) - 1;
		if (status_code_is_sound(text + 1, code)) {
			status_note_uidvalidity(text + 1, code, status);
			buf_append(out, text, code + 2);
			buf_append_char(out, ' ');
		}
		len -= code + 2;
		text = close + 1;
	}
	skip = status_blanks(text, len);
	text += skip;
	len -= skip;
	if (!len)
		buf_append_str(out, GUARD_NO_TEXT);
	for (size_t i = 0; i < len; i++) {
		/* A second code would be taken for the first where that was left out. */
		bool odd = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;

		buf_append_char(out, odd || (i == 0 && text[i] == '[') ? '?' : text[i]);
	}
}

/* Something that is no line of IMAP; it must not look like more than words. */
static void status_tame(const char *line, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++)
		buf_append_char(out, line[i] && strchr("({\"", line[i]) ? '?' : line[i]);
}

void guard_status_mend(
	const char *line, size_t len, struct buf *out, struct guard_status *status_out)
{
	size_t tag = 0, start, word;

	*status_out = (struct guard_status){.backoff_ms = status_backoff(line, len)};
	while (tag < len && line[tag] != ' ' && line[tag] != '\t' &&
		!(tag == 1 && line[0] == '*'))
		tag++;
	start = tag + status_blanks(line + tag, len - tag);
	word = guard_status_word(line + start, len - start);
	if (!word || tag == 0 || line[0] == '+') {
		status_tame(line, len, out);
	} else {
		status_tame(line, tag, out);
		buf_append_char(out, ' ');
		buf_append(out, line + start, word);
		buf_append_char(out, ' ');
		start += word;
		start += status_blanks(line + start, len - start);
		status_mend_text(line + start, len - start, out, status_out);
	}
	buf_append_str(out, "\r\n");
}

static size_t guard_blanks(const char *line, size_t len)
{
	size_t at = 1;

	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return at;
}

enum guard_kind guard_line_kind(const char *line, size_t len)
{
	size_t at = guard_blanks(line, len);

	if (line[0] != '*')
		return GUARD_KIND_STATUS;
	if (guard_status_word(line + at, len - at))
		return GUARD_KIND_STATUS;
	if (len - at >= GUARD_WORD_MAX || (at < len && !isalpha((unsigned char)line[len - 1])))
		return GUARD_KIND_DATA;
	return memchr(line, '\n', len) ? GUARD_KIND_DATA : GUARD_KIND_OPEN;
}

void guard_hide_unknown(char *line, size_t len)
{
	static const char *const known[] = {
		"CAPABILITY", "FLAGS", "LIST", "LSUB", "NAMESPACE", "SEARCH"};
	size_t at = guard_blanks(line, len);

	if (at >= len || !isalpha((unsigned char)line[at]))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncasecmp(line + at, known[i], strlen(known[i])) == 0)
			return;
	line[at] = '?';
}
