#include "header_p.h"
#include <string.h>
#include <strings.h>

size_t header_length(const char *data, size_t len, bool *whole_out)
{
	const char *end = data + len, *line = data;

	*whole_out = true;
	while (line < end) {
		size_t left = (size_t)(end - line);
		const char *next = memchr(line, '\n', left);

		if (line[0] == '\n')
			return (size_t)(line + 1 - data);
		if (left > 1 && line[0] == '\r' && line[1] == '\n')
			return (size_t)(line + 2 - data);
		if (!next)
			break;
		line = next + 1;
	}
	*whole_out = false;
	return len;
}

/* The Message-ID field with its folded lines, NULL when there is none. */
static const char *header_find_id(const char *head, size_t len, size_t *len_out)
{
	static const char name[] = "Message-ID";
	const char *end = head + len, *line = head;

	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		const char *stop = next ? next + 1 : end;

		if ((size_t)(stop - line) > sizeof(name) &&
			strncasecmp(line, name, sizeof(name) - 1) == 0 &&
			strchr(": \t", line[sizeof(name) - 1])) {
			while (stop < end && (*stop == ' ' || *stop == '\t')) {
				next = memchr(stop, '\n', (size_t)(end - stop));
				stop = next ? next + 1 : end;
			}
			*len_out = (size_t)(stop - line);
			return line;
		}
		line = stop;
	}
	return NULL;
}

/* As a scan has read it, for which a CR alone ends a line, too. */
static bool header_has_id(const char *data, size_t len, const char *message_id)
{
	struct mail_fields fields;
	bool same;

	header_parse(data, len, &fields);
	same = fields.message_id && strcmp(fields.message_id, message_id) == 0;
	mail_fields_finish(&fields);
	return same;
}

enum header_id header_check_id(const char *data, size_t len, const char *message_id)
{
	enum header_id answer = HEADER_ID_UNKNOWN;
	struct mail_fields fields = {0};
	const char *id;
	size_t id_len;
	bool whole;

	if (!message_id || !message_id[0])
		return HEADER_ID_UNKNOWN;
	len = header_length(data, len < HEADER_ID_REACH ? len : HEADER_ID_REACH, &whole);
	id = header_find_id(data, len, &id_len);
	if (id)
		header_parse(id, id_len, &fields);
	if (fields.message_id)
		answer = strcmp(fields.message_id, message_id) == 0 ? HEADER_ID_SAME
								    : HEADER_ID_OTHER;
	else if (!id && whole)
		answer = HEADER_ID_OTHER;
	mail_fields_finish(&fields);
	if (answer == HEADER_ID_OTHER && header_has_id(data, len, message_id))
		answer = HEADER_ID_SAME;
	return answer;
}
