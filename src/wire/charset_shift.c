#include "charset_shift_p.h"
#include <stdbool.h>
#include <string.h>

enum jis_set { JIS_ASCII, JIS_X0208, JIS_X0212, JIS_KANA };

static const struct {
	const char *escape; /* behind ESC */
	enum jis_set set;
} jis_escapes[] = {
	{"$B", JIS_X0208},
	{"$@", JIS_X0208},
	{"$(B", JIS_X0208},
	{"$(@", JIS_X0208},
	{"$(D", JIS_X0212},
	{"(B", JIS_ASCII},
	{"(J", JIS_ASCII},
	{"(H", JIS_ASCII},
	{"(I", JIS_KANA},
};

/* The length behind ESC of the escape sequence, and its set; 0 for none that is known. */
static size_t jis_escape(const uint8_t *data, size_t len, enum jis_set *set)
{
	for (size_t i = 0; i < sizeof(jis_escapes) / sizeof(jis_escapes[0]); i++) {
		size_t n = strlen(jis_escapes[i].escape);

		if (len >= n && memcmp(data, jis_escapes[i].escape, n) == 0) {
			*set = jis_escapes[i].set;
			return n;
		}
	}
	return 0;
}

static bool shift_graphic(uint8_t c)
{
	return c >= 0x21 && c <= 0x7e;
}

static void shift_put_pair(struct buf *out, const uint8_t *pair)
{
	buf_append_char(out, (char)(pair[0] | 0x80));
	buf_append_char(out, (char)(pair[1] | 0x80));
}

/* Appends the character at data and returns how many bytes it took. */
static size_t jis_put(enum jis_set set, const uint8_t *data, size_t len, struct buf *out)
{
	bool pair = len > 1 && shift_graphic(data[0]) && shift_graphic(data[1]);

	if (pair && (set == JIS_X0208 || set == JIS_X0212)) {
		if (set == JIS_X0212)
			buf_append_char(out, (char)0x8f);
		shift_put_pair(out, data);
		return 2;
	}
	if (set == JIS_KANA && data[0] >= 0x21 && data[0] <= 0x5f) {
		buf_append_char(out, (char)0x8e);
		buf_append_char(out, (char)(data[0] | 0x80));
	} else {
		buf_append_char(out, (char)data[0]);
	}
	return 1;
}

void charset_shift_jis7(const uint8_t *data, size_t len, struct buf *out)
{
	enum jis_set set = JIS_ASCII;

	for (size_t i = 0; i < len;) {
		if (data[i] == 0x1b)
			i += 1 + jis_escape(data + i + 1, len - i - 1, &set);
		else if (data[i] == 0x0e || data[i] == 0x0f)
			set = data[i++] == 0x0e ? JIS_KANA : JIS_ASCII;
		else
			i += jis_put(set, data + i, len - i, out);
	}
}

void charset_shift_hz(const uint8_t *data, size_t len, struct buf *out)
{
	bool shifted = false;

	for (size_t i = 0; i < len;) {
		bool two = i + 1 < len;

		if (two && data[i] == '~' && strchr("{}~\n", data[i + 1]) && data[i + 1]) {
			if (data[i + 1] == '~')
				buf_append_char(out, '~');
			else if (data[i + 1] != '\n')
				shifted = data[i + 1] == '{';
			i += 2;
		} else if (two && shifted && shift_graphic(data[i]) &&
			   shift_graphic(data[i + 1])) {
			shift_put_pair(out, data + i);
			i += 2;
		} else {
			buf_append_char(out, (char)data[i++]);
		}
	}
}
