#include "charset_p.h"
#include "charset_shift_p.h"
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistr.h>

#define CHARSET_NAME_MAX 32

enum charset_kind {
	CHARSET_GUESS,
	CHARSET_1252,
	CHARSET_ICONV,
	CHARSET_JIS7,
	CHARSET_HZ,
};

/*
 * Supersets stand for what senders call by the smaller name: Windows-1252 for ISO-8859-1, GB
 * 18030 for GB 2312, and so on, as browsers and mail readers do. names: all that mean this one,
 * as name_key makes them, a blank around each.
 */
struct charset {
	enum charset_kind kind;
	const char *iconv; /* the name that iconv knows, NULL when it is not needed */
	const char *names;
	iconv_t cd; /* charset_none until prepared, and when the system lacks it */
};

#define charset_none ((iconv_t)-1)

static struct charset charsets[] = {
	{CHARSET_GUESS, NULL, " utf8 unicode11utf8 cp65001 65001 usascii ascii ansix341968 "},
	{CHARSET_1252, NULL,
		" iso88591 iso885911987 88591 latin1 l1 isolatin1 cp1252 cp819 ansi western "},
	{CHARSET_JIS7, "EUC-JP-MS",
		" iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jpms iso2022jp2004 cp50220 "
		"cp50221 cp50222 jis "},
	{CHARSET_HZ, "GB18030", " hzgb2312 hz "},
	{CHARSET_ICONV, "GB18030",
		" gb2312 gb18030 gbk gb231280 euccn cp936 chinese isoir58 iso58gb231280 "},
	{CHARSET_ICONV, "BIG5-HKSCS", " big5 big5hkscs cnbig5 cp950 big5eten "},
	{CHARSET_ICONV, "CP949",
		" euckr ksc56011987 ksc56011989 ksc5601 ks5601 ksx1001 korean cp949 uhc "},
	{CHARSET_ICONV, "ISO-2022-KR", " iso2022kr "},
	{CHARSET_ICONV, "CP932", " shiftjis sjis cp932 mskanji cp31j windows31j "},
	{CHARSET_ICONV, "EUC-JP-MS", " eucjp eucjpms cp51932 "},
	{CHARSET_ICONV, "ISO-8859-2", " iso88592 iso885921987 latin2 l2 isolatin2 "},
	{CHARSET_ICONV, "ISO-8859-3", " iso88593 iso885931988 latin3 l3 "},
	{CHARSET_ICONV, "ISO-8859-4", " iso88594 iso885941988 latin4 l4 "},
	{CHARSET_ICONV, "ISO-8859-5", " iso88595 iso885951988 cyrillic isocyrillic "},
	{CHARSET_ICONV, "ISO-8859-6", " iso88596 iso885961987 arabic iso88596i iso88596e "},
	{CHARSET_ICONV, "ISO-8859-7", " iso88597 iso885971987 greek greek8 "},
	{CHARSET_ICONV, "ISO-8859-8",
		" iso88598 iso885981988 iso88598i iso88598e hebrew logical visual "},
	{CHARSET_ICONV, "ISO-8859-10", " iso885910 latin6 l6 "},
	{CHARSET_ICONV, "ISO-8859-13", " iso885913 latin7 "},
	{CHARSET_ICONV, "ISO-8859-14", " iso885914 latin8 "},
	{CHARSET_ICONV, "ISO-8859-15", " iso885915 latin9 latin0 "},
	{CHARSET_ICONV, "ISO-8859-16", " iso885916 latin10 "},
	{CHARSET_ICONV, "CP1250", " cp1250 "},
	{CHARSET_ICONV, "CP1251", " cp1251 "},
	{CHARSET_ICONV, "CP1253", " cp1253 "},
	{CHARSET_ICONV, "CP1254", " cp1254 iso88599 iso885991989 latin5 l5 turkish "},
	{CHARSET_ICONV, "CP1255", " cp1255 "},
	{CHARSET_ICONV, "CP1256", " cp1256 "},
	{CHARSET_ICONV, "CP1257", " cp1257 "},
	{CHARSET_ICONV, "CP1258", " cp1258 "},
	{CHARSET_ICONV, "CP874", " cp874 tis620 iso885911 thai "},
	{CHARSET_ICONV, "KOI8-R", " koi8r koi8 koi "},
	{CHARSET_ICONV, "KOI8-U", " koi8u koi8ru "},
	{CHARSET_ICONV, "CP437", " cp437 "},
	{CHARSET_ICONV, "CP850", " cp850 cp858 "},
	{CHARSET_ICONV, "CP852", " cp852 "},
	{CHARSET_ICONV, "CP866", " cp866 "},
	{CHARSET_ICONV, "MACINTOSH", " macintosh macroman mac "},
	{CHARSET_ICONV, "UTF-7", " utf7 unicode11utf7 unicode20utf7 cp65000 "},
	{CHARSET_ICONV, "UTF-16", " utf16 ucs2 iso10646ucs2 unicode "},
	{CHARSET_ICONV, "UTF-16BE", " utf16be unicodefffe "},
	{CHARSET_ICONV, "UTF-16LE", " utf16le "},
};

#define CHARSET_COUNT (sizeof(charsets) / sizeof(charsets[0]))

void charset_prepare(void)
{
	static bool prepared;

	if (prepared)
		return;
	prepared = true;
	for (size_t i = 0; i < CHARSET_COUNT; i++)
		charsets[i].cd = charsets[i].iconv ? iconv_open("UTF-8", charsets[i].iconv)
						   : charset_none;
}

/* "ISO_8859-1" and "iso8859-1" become " iso88591 "; "windows-1251" and "ibm1251", " cp1251 ".
 */
static void name_key(const char *name, size_t len, char key[CHARSET_NAME_MAX + 4])
{
	static const char *const numbered[] = {"windows", "win", "ibm", "ms", "cp"};
	char plain[CHARSET_NAME_MAX + 1];
	size_t n = 0, skip = 0;
	const char *prefix = "";

	/* "x-sjis", "x-x-big5" */
	while (len > 2 && (name[0] | 0x20) == 'x' && name[1] == '-') {
		name += 2;
		len -= 2;
	}
	for (size_t i = 0; i < len && n < CHARSET_NAME_MAX; i++) {
		char c = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			plain[n++] = c;
	}
	plain[n] = '\0';
	for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]) && !skip; i++) {
		size_t m = strlen(numbered[i]);

		if (strncmp(plain, numbered[i], m) == 0 && plain[m] >= '0' && plain[m] <= '9') {
			skip = m;
			prefix = "cp";
		}
	}
	if (!skip && strncmp(plain, "cs", 2) == 0) /* "csISOLatin1" */
		skip = 2;
	key[0] = ' ';
	strcpy(key + 1, prefix);
	strcat(key, plain + skip);
	strcat(key, " ");
}

const struct charset *charset_guess(void)
{
	return &charsets[0];
}

const struct charset *charset_find(const char *name, size_t len)
{
	char key[CHARSET_NAME_MAX + 4];

	charset_prepare();
	name_key(name, len, key);
	for (size_t i = 0; key[1] != ' ' && i < CHARSET_COUNT; i++) {
		if (!strstr(charsets[i].names, key))
			continue;
		if (charsets[i].iconv && charsets[i].cd == charset_none)
			break;
		return &charsets[i];
	}
	return charset_guess();
}

static void put_char(struct buf *out, ucs4_t c)
{
	uint8_t bytes[6];
	int n = u8_uctomb(bytes, c, sizeof(bytes));

	buf_append(out, bytes, n > 0 ? (size_t)n : 0);
}

/*
 * A text that was cut inside its last character, or that has one odd byte among many good
 * characters, is UTF-8 still; a lone accented letter at the end of a word is not.
 */
static bool looks_like_utf8(const uint8_t *data, size_t len)
{
	size_t good = 0, bad = 0;

	for (size_t i = 0; i < len;) {
		ucs4_t c;
		int n = data[i] < 0x80 ? 1 : u8_mbtoucr(&c, data + i, len - i);

		if (n < 0)
			bad++;
		else if (n > 1)
			good++;
		i += n > 0 ? (size_t)n : 1;
	}
	return bad == 0 || good > bad;
}

static void decode_utf8(const uint8_t *data, size_t len, struct buf *out)
{
	if (!u8_check(data, len)) {
		buf_append(out, data, len);
		return;
	}
	for (size_t i = 0; i < len;) {
		ucs4_t c;
		int n = u8_mbtouc(&c, data + i, len - i); /* U+FFFD for what is none */

		put_char(out, c);
		i += (size_t)n;
	}
}

/* By hand, since it is what remains when iconv has nothing. */
static void decode_1252(const uint8_t *data, size_t len, struct buf *out)
{
	static const uint16_t high[32] = {0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026,
		0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
		0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122,
		0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178};

	for (size_t i = 0; i < len; i++)
		put_char(out,
			data[i] >= 0x80 && data[i] < 0xa0 ? high[data[i] - 0x80] : data[i]);
}

static void decode_iconv(iconv_t cd, const uint8_t *data, size_t len, struct buf *out)
{
	char room[1024], *in = (char *)(uintptr_t)data, *to = room;
	size_t left = sizeof(room);

	iconv(cd, NULL, NULL, NULL, NULL);
	while (len) {
		size_t before = len;
		int failure = iconv(cd, &in, &len, &to, &left) == (size_t)-1 ? errno : 0;
		bool stuck = left == sizeof(room) && len == before;

		buf_append(out, room, sizeof(room) - left);
		to = room;
		left = sizeof(room);
		if (!failure || (failure == E2BIG && !stuck))
			continue;
		put_char(out, 0xfffd);
		if (failure == EINVAL) /* the end of the text, inside a character */
			break;
		in++;
		len--;
	}
	/* Some hold a letter back, in case a mark follows that joins it. */
	if (iconv(cd, NULL, NULL, &to, &left) != (size_t)-1)
		buf_append(out, room, sizeof(room) - left);
}

static void decode_shifted(
	const struct charset *charset, const uint8_t *data, size_t len, struct buf *out)
{
	struct buf bytes = BUF_INIT;

	if (charset->kind == CHARSET_JIS7)
		charset_shift_jis7(data, len, &bytes);
	else
		charset_shift_hz(data, len, &bytes);
	decode_iconv(charset->cd, (const uint8_t *)bytes.data, bytes.len, out);
	buf_finish(&bytes);
}

void charset_decode(
	const struct charset *charset, const void *data, size_t len, struct buf *out)
{
	switch (charset->kind) {
	case CHARSET_GUESS:
		if (looks_like_utf8(data, len))
			decode_utf8(data, len, out);
		else
			decode_1252(data, len, out);
		break;
	case CHARSET_1252:
		decode_1252(data, len, out);
		break;
	case CHARSET_ICONV:
		decode_iconv(charset->cd, data, len, out);
		break;
	case CHARSET_JIS7:
	case CHARSET_HZ:
		decode_shifted(charset, data, len, out);
		break;
	}
}
