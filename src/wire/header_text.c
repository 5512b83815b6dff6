#include "charset_p.h"
#include "header_p.h"
#include "header_text_p.h"
#include <stdint.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

void header_text_begin(struct header_text *text, struct buf *out, size_t max)
{
	*text = (struct header_text){.out = out, .end = out->len + max};
}

/*
 * Characters that do something instead of being something. Directional marks and joiners stay:
 * Arabic, Hebrew, Indic scripts and emoji need them.
 */
static bool text_is_active(ucs4_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ||
	       (c >= 0x202a && c <= 0x202e) || /* embeddings and overrides */
	       (c >= 0x2066 && c <= 0x2069) || /* isolates */
	       (c >= 0x206a && c <= 0x206f) || /* deprecated format characters */
	       (c >= 0xfff9 && c <= 0xfffb) || /* interlinear annotation */
	       c == 0xfeff || (c & 0xfffe) == 0xfffe;
}

static bool text_is_blank(ucs4_t c)
{
	/* The ideographic space is part of how names are written. */
	return c == ' ' || (c >= '\t' && c <= '\r') ||
	       (c >= 0x80 && c != 0x3000 && uc_is_property_white_space(c));
}

static void text_put_char(struct header_text *text, const uint8_t *bytes, size_t len)
{
	size_t need = len + (text->blank && text->begun);

	if (text->full || need > text->end - text->out->len) {
		text->full = true;
		return;
	}
	if (text->blank && text->begun)
		buf_append_char(text->out, ' ');
	buf_append(text->out, bytes, len);
	text->begun = true;
	text->blank = false;
}

static bool text_is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f;
}

/* Printable ASCII with single blanks between: most of all text. How much of data is. */
static size_t text_plain_run(const struct header_text *text, const uint8_t *data, size_t len)
{
	size_t n = 0, room = text->end - text->out->len;

	if (text->blank || text->full)
		return 0;
	if (len > room)
		len = room;
	while (n < len) {
		if (text_is_plain(data[n]))
			n++;
		else if (data[n] == ' ' && n && n + 1 < len && text_is_plain(data[n + 1]))
			n += 2;
		else
			break;
	}
	return n;
}

void header_text_put(struct header_text *text, const void *data, size_t len)
{
	const uint8_t *at = data, *end = len ? at + len : at; /* nothing may be NULL */

	while (at < end && !text->full) {
		size_t run = text_plain_run(text, at, (size_t)(end - at));
		ucs4_t c;
		int n;

		if (run) {
			buf_append(text->out, at, run);
			text->begun = true;
			at += run;
			continue;
		}
		n = u8_mbtouc(&c, at, (size_t)(end - at));
		if (text_is_blank(c))
			text->blank = true;
		else if (!text_is_active(c))
			text_put_char(text, at, (size_t)n);
		at += n;
	}
}

/* JIS as it is, without an encoded word around it, was the custom once. */
static bool text_is_jis(const char *data, size_t len)
{
	return memmem(data, len, "\x1b$B", 3) || memmem(data, len, "\x1b$@", 3);
}

void header_text_put_raw(struct header_text *text, const char *data, size_t len)
{
	struct buf utf8 = BUF_INIT;
	size_t plain;
	bool jis;

	/* The blank behind the colon, then what is plain: nearly always that is all. */
	while (len && *data == ' ')
		data++, len--, text->blank = true;
	if (!text->begun)
		text->blank = false;
	plain = text_plain_run(text, (const uint8_t *)data, len);
	if (plain) {
		buf_append(text->out, data, plain);
		text->begun = true;
		data += plain;
		len -= plain;
	}
	if (text->full || !len)
		return;
	jis = memchr(data, 0x1b, len) && text_is_jis(data, len);
	if (!jis && !u8_check((const uint8_t *)data, len)) {
		header_text_put(text, data, len);
		return;
	}
	charset_decode(
		jis ? charset_find("iso-2022-jp", 11) : charset_guess(), data, len, &utf8);
	header_text_put(text, utf8.data, utf8.len);
	buf_finish(&utf8);
}

void header_clean(const char *data, size_t len, struct buf *out)
{
	struct header_text text;

	header_text_begin(&text, out, MAIL_FIELD_MAX);
	header_text_put_raw(&text, data, len);
}
