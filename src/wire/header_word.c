/*
 * Encoded words (RFC 2047, 2231), and text with such in it.
 */
#include "charset_p.h"
#include "header_p.h"
#include "header_text_p.h"
#include <stdint.h>
#include <string.h>

#define WORD_CHARSET_MAX 64
/* More bytes than this in one run of words say nothing that MAIL_FIELD_MAX has room for. */
#define WORD_BYTES_MAX (64u << 10)

/* "=?charset*language?encoding?text?=" */
struct word {
	const char *charset; /* without the language */
	size_t charset_len;
	char encoding; /* 'b' or 'q' */
	const char *text;
	size_t len;
	const char *end; /* behind it */
};

/*
 * Words of one character set in a row are decoded together: many senders cut inside a
 * character, and some inside a base64 group.
 */
struct words {
	struct header_text text;
	bool open; /* a word came, and nothing but blanks since */
	const struct charset *charset;
	struct buf bytes;
	uint32_t bits; /* of a base64 group that the last word left unfinished */
	unsigned bit_count;
};

/*
 * Where the text of a word ends: at "?=", or, cut off, where the next word begins or the field
 * ends. Whatever it says, all up to word->end is done with, so that reading stays linear. False
 * for what only began like a word.
 */
static bool word_find_end(struct word *word, const char *end)
{
	const char *at = word->text;
	bool blank = false;

	for (; at < end; at++) {
		size_t left = (size_t)(end - at);

		if (*at == '?' && left > 1 && at[1] == '=')
			break;
		if (left > 2 && memchr(" \t\r\n", *at, 4) && at[1] == '=' && at[2] == '?')
			break;
		blank = blank || *at == ' ';
	}
	word->len = (size_t)(at - word->text);
	word->end = at < end && *at == '?' ? at + 2 : at;
	return word->end != at || !blank;
}

static const char *word_find(const char *at, const char *end)
{
	while (at < end && (at = memchr(at, '=', (size_t)(end - at)))) {
		if (end - at > 1 && at[1] == '?')
			return at;
		at++;
	}
	return NULL;
}

static bool word_charset_char(char c)
{
	return c > ' ' && c < 0x7f && c != '?' && c != '=';
}

/* at points to "=?". */
static bool word_parse(const char *at, const char *end, struct word *word)
{
	const char *star;
	size_t n = 0;

	word->charset = at + 2;
	while (word->charset + n < end && n < WORD_CHARSET_MAX &&
		word_charset_char(word->charset[n]))
		n++;
	at = word->charset + n;
	if (end - at < 3 || at[0] != '?' || at[2] != '?')
		return false;
	word->encoding = (char)(at[1] | 0x20);
	if (word->encoding != 'b' && word->encoding != 'q')
		return false;
	star = memchr(word->charset, '*', n);
	word->charset_len = star ? (size_t)(star - word->charset) : n;
	word->text = at + 3;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void word_decode_q(const struct word *word, struct buf *out)
{
	const char *text = word->text;

	for (size_t i = 0; i < word->len; i++) {
		int high = i + 2 < word->len ? hex_digit(text[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

		if (text[i] == '=' && low >= 0) {
			buf_append_char(out, (char)(high << 4 | low));
			i += 2;
		} else if (text[i] == '_') {
			buf_append_char(out, ' ');
		} else if (text[i] != '\r' && text[i] != '\n') {
			buf_append_char(out, text[i]);
		}
	}
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static void word_decode_b(struct words *words, const struct word *word)
{
	for (size_t i = 0; i < word->len; i++) {
		int digit = base64_digit(word->text[i]);

		if (word->text[i] == '=') /* another piece of base64 may follow its padding */
			words->bit_count = 0;
		if (digit < 0)
			continue;
		words->bits = words->bits << 6 | (uint32_t)digit;
		words->bit_count += 6;
		if (words->bit_count >= 8) {
			words->bit_count -= 8;
			buf_append_char(&words->bytes, (char)(words->bits >> words->bit_count));
		}
	}
	/* Missing padding leaves zeroes; anything else is a group cut in two. */
	if (words->bit_count < 6 && !(words->bits & ((1u << words->bit_count) - 1)))
		words->bit_count = 0;
}

static void words_flush(struct words *words)
{
	struct buf utf8 = BUF_INIT;

	if (words->bytes.len) {
		charset_decode(words->charset, words->bytes.data, words->bytes.len, &utf8);
		header_text_put(&words->text, utf8.data, utf8.len);
		buf_finish(&utf8);
	}
	buf_clear(&words->bytes);
	words->bit_count = 0;
	words->open = false;
}

static void words_put(struct words *words, const struct word *word)
{
	const struct charset *charset = charset_find(word->charset, word->charset_len);

	if (words->open && charset != words->charset)
		words_flush(words);
	words->open = true;
	words->charset = charset;
	if (words->bytes.len > WORD_BYTES_MAX)
		return;
	if (word->encoding == 'b') {
		word_decode_b(words, word);
	} else {
		words->bit_count = 0;
		word_decode_q(word, &words->bytes);
	}
}

static bool is_all_blank(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!memchr(" \t\r\n", data[i], 4))
			return false;
	return true;
}

/* The text before a word, or behind the last one. Blanks between two words are not text. */
static void words_put_raw(struct words *words, const char *data, size_t len, bool last)
{
	if (words->open && !last && is_all_blank(data, len))
		return;
	words_flush(words);
	header_text_put_raw(&words->text, data, len);
}

void header_decode(const char *data, size_t len, struct buf *out)
{
	struct words words = {.bytes = BUF_INIT};
	const char *end = data + len, *at = data, *start = data;

	header_text_begin(&words.text, out, MAIL_FIELD_MAX);
	while (!words.text.full && (at = word_find(at, end))) {
		struct word word;

		if (!word_parse(at, end, &word)) {
			at += 2;
			continue;
		}
		if (word_find_end(&word, end)) {
			words_put_raw(&words, start, (size_t)(at - start), false);
			words_put(&words, &word);
			start = word.end;
		}
		at = word.end;
	}
	words_put_raw(&words, start, (size_t)(end - start), true);
	buf_finish(&words.bytes);
}
