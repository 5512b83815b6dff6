#include "utf7_p.h"
#include <errno.h>
#include <mountmail/base/str.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistr.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int utf7_digit(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* UTF-16 on its way to UTF-8. */
struct utf16 {
	struct buf *out;
	ucs4_t high; /* a high surrogate that waits for its low one, 0 for none */
};

static bool utf16_put(struct utf16 *utf16, ucs4_t unit)
{
	uint8_t bytes[6];
	ucs4_t c = unit;
	int len;

	if (utf16->high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		c = 0x10000 + ((utf16->high - 0xd800) << 10) + (unit - 0xdc00);
		utf16->high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		utf16->high = unit;
		return true;
	}
	len = u8_uctomb(bytes, c, sizeof(bytes));
	/* A name that hides NUL or plain ASCII in base64 is somebody's trick. */
	if (len < 1 || (c >= 0x20 && c < 0x7f) || c == 0)
		return false;
	buf_append(utf16->out, bytes, (size_t)len);
	return true;
}

/* The base64 between '&' and '-'. */
static bool utf7_decode_run(const char *data, size_t len, struct buf *out)
{
	struct utf16 utf16 = {.out = out};
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < len; i++) {
		int digit = utf7_digit(data[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		if (!utf16_put(&utf16, bits >> count & 0xffff))
			return false;
	}
	/* What is left over is padding: less than a digit, and zero. */
	return count < 6 && !(bits & ((1u << count) - 1)) && !utf16.high;
}

static bool utf7_decode_all(const char *data, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len;) {
		const char *end;
		size_t run;

		if (data[i] != '&') {
			buf_append_char(out, data[i++]);
			continue;
		}
		end = memchr(data + i, '-', len - i);
		if (!end)
			return false;
		run = (size_t)(end - data) - i - 1;
		if (run == 0)
			buf_append_char(out, '&');
		else if (!utf7_decode_run(data + i + 1, run, out))
			return false;
		i += run + 2;
	}
	return true;
}

int utf7_decode(const char *data, size_t len, struct buf *out)
{
	size_t start = out->len;

	if (utf7_decode_all(data, len, out) &&
		utf8_valid(out->len > start ? out->data + start : "", out->len - start))
		return 0;
	buf_reserve(out, 0);
	out->len = start;
	out->data[start] = '\0';
	return -EILSEQ;
}

/* One run of characters outside printable ASCII, as UTF-16 in base64. */
struct run {
	struct buf *out;
	uint32_t bits;
	unsigned count;
	bool open;
};

static void run_put(struct run *run, uint16_t unit)
{
	if (!run->open)
		buf_append_char(run->out, '&');
	run->open = true;
	run->bits = run->bits << 16 | unit;
	run->count += 16;
	while (run->count >= 6) {
		run->count -= 6;
		buf_append_char(run->out, alphabet[run->bits >> run->count & 63]);
	}
}

static void run_end(struct run *run)
{
	if (!run->open)
		return;
	if (run->count)
		buf_append_char(run->out, alphabet[run->bits << (6 - run->count) & 63]);
	buf_append_char(run->out, '-');
	*run = (struct run){.out = run->out};
}

int utf7_encode(const char *data, size_t len, struct buf *out)
{
	struct run run = {.out = out};

	if (!utf8_valid(data, len))
		return -EILSEQ;
	while (len) {
		ucs4_t c;
		int n = u8_mbtouc(&c, (const uint8_t *)data, len);

		if (c >= 0x20 && c < 0x7f) {
			run_end(&run);
			buf_append_str(out, c == '&' ? "&-" : (char[]){(char)c, '\0'});
		} else if (c > 0xffff) {
			run_put(&run, (uint16_t)(0xd800 + ((c - 0x10000) >> 10)));
			run_put(&run, (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff)));
		} else {
			run_put(&run, (uint16_t)c);
		}
		data += n;
		len -= (size_t)n;
	}
	run_end(&run);
	return 0;
}
