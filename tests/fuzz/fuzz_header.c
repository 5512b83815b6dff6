/*
 * fuzz_header.c - whatever a header holds, its fields are clean text of bounded length.
 */
#include "header_p.h"
#include <mountmail/base/str.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t len)
{
	if (len > MAIL_FIELD_MAX || !utf8_valid(text, len))
		abort();
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
			abort();
		/* U+202A to U+202E, U+2066 to U+2069 */
		if (c == 0xe2 && next == 0x80 && (unsigned char)text[i + 2] >= 0xaa &&
			(unsigned char)text[i + 2] <= 0xae)
			abort();
		if (c == 0xe2 && next == 0x81 && (unsigned char)text[i + 2] >= 0xa6 &&
			(unsigned char)text[i + 2] <= 0xa9)
			abort();
		if (c == ' ' && (i == 0 || next == ' ' || next == '\0'))
			abort();
	}
}

static void check_fields(struct mail_fields *fields)
{
	char *const all[] = {fields->sender, fields->from, fields->to, fields->cc,
		fields->subject, fields->date, fields->message_id, fields->references,
		fields->list_id};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i])
			continue;
		if (!all[i][0]) /* NULL says that */
			abort();
		check_text(all[i], strlen(all[i]));
	}
	mail_fields_finish(fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = BUF_INIT;
	struct mail_fields fields;

	header_prepare();
	header_parse((const char *)data, size, &fields);
	check_fields(&fields);
	header_decode((const char *)data, size, &out);
	if (out.len)
		check_text(out.data, out.len);
	buf_finish(&out);
	return 0;
}
