#include "charset_p.h"
#include "header_p.h"
#include "header_text_p.h"
#include <mountmail/base/xalloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Nothing worth a look fits behind so much. */
#define FIELD_FULL (MAIL_FIELD_MAX - 8)

typedef void field_reader(const char *data, size_t len, struct buf *out);

static const struct field_spec {
	const char *name;
	size_t where; /* offset in struct mail_fields */
	field_reader *read;
	bool joined; /* all that occur, not only the first */
} specs[] = {
	{"From", offsetof(struct mail_fields, from), header_decode, false},
	{"From", offsetof(struct mail_fields, sender), header_sender, false},
	{"To", offsetof(struct mail_fields, to), header_decode, true},
	{"Cc", offsetof(struct mail_fields, cc), header_decode, true},
	{"Subject", offsetof(struct mail_fields, subject), header_decode, false},
	{"Date", offsetof(struct mail_fields, date), header_clean, false},
	{"Message-ID", offsetof(struct mail_fields, message_id), header_clean, false},
	{"References", offsetof(struct mail_fields, references), header_clean, false},
	{"List-ID", offsetof(struct mail_fields, list_id), header_decode, false},
};

void header_prepare(void)
{
	charset_prepare();
}

/* A field with its folded lines; the last line's end is not part of it. */
struct field {
	const char *name;
	size_t name_len;
	const char *value;
	size_t len;
};

/*
 * Behind the line that begins at at. A CR alone ends a line too, but however many are in front
 * of a LF, they end one line: "CR CR LF" is what some gateways make of every line end.
 */
static const char *line_end(const char *at, const char *end)
{
	while (at < end && *at != '\r' && *at != '\n')
		at++;
	if (at < end && *at == '\r') {
		const char *lf = at;

		while (lf < end && *lf == '\r')
			lf++;
		at = lf < end && *lf == '\n' ? lf : at;
	}
	return at < end ? at + 1 : at;
}

static bool line_is_empty(const char *at, const char *end)
{
	return at == end || *at == '\r' || *at == '\n';
}

/* Whether the line is a field's first: a name of printable characters, perhaps blanks, a colon.
 */
static bool field_split(const char *at, const char *end, struct field *field)
{
	const char *name = at;

	while (at<end && * at> ' ' && *at < 0x7f && *at != ':')
		at++;
	field->name = name;
	field->name_len = (size_t)(at - name);
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at == end || *at != ':' || !field->name_len)
		return false;
	field->value = at + 1;
	field->len = (size_t)(end - field->value);
	return true;
}

static void field_store(
	const struct field_spec *spec, const struct field *field, struct mail_fields *fields)
{
	char **where = (char **)(void *)((char *)fields + spec->where);
	struct buf value = BUF_INIT;

	if (*where && (!spec->joined || strlen(*where) >= FIELD_FULL))
		return;
	spec->read(field->value, field->len, &value);
	if (!value.len) {
		buf_finish(&value); /* an empty field says no more than none */
		return;
	}
	if (*where) {
		struct buf both = BUF_INIT, clean = BUF_INIT;

		buf_printf(&both, "%s, %s", *where, value.data);
		header_clean(both.data, both.len, &clean);
		buf_finish(&both);
		buf_finish(&value);
		value = clean;
	}
	free(*where);
	*where = buf_steal(&value);
}

static void field_read(const struct field *field, struct mail_fields *fields)
{
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		if (strlen(specs[i].name) == field->name_len &&
			strncasecmp(specs[i].name, field->name, field->name_len) == 0)
			field_store(&specs[i], field, fields);
}

void header_parse(const char *data, size_t len, struct mail_fields *fields_out)
{
	const char *at = data, *end = data + (len < HEADER_SIZE_MAX ? len : HEADER_SIZE_MAX);

	*fields_out = (struct mail_fields){0};
	while (at < end && !line_is_empty(at, end)) {
		const char *next = line_end(at, end);
		struct field field;

		while (next < end && (*next == ' ' || *next == '\t'))
			next = line_end(next, end);
		if (field_split(at, next, &field))
			field_read(&field, fields_out);
		at = next;
	}
}
