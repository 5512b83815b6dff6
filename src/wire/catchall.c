#include "catchall_p.h"
#include "guard_p.h"
#include <libetpan/mailimap.h>
#include <libetpan/mailimap_extension.h>
#include <stdlib.h>
#include <string.h>

static uint64_t catchall_swallowed;

static int catchall_parse(int calling_parser, mailstream *stream, MMAPString *buffer,
	struct mailimap_parser_context *parser, size_t *at,
	struct mailimap_extension_data **result, size_t progress,
	progress_function *on_progress);

static void catchall_free(struct mailimap_extension_data *data)
{
	free(data);
}

static char catchall_name[] = "X-MOUNTMAIL-CATCHALL";

static struct mailimap_extension_api catchall_api = {
	.ext_name = catchall_name,
	.ext_id = -1,
	.ext_parser = catchall_parse,
	.ext_free = catchall_free,
};

/* Reads a literal away. */
static bool catchall_skip(mailstream *stream, uint64_t size)
{
	char piece[4096];

	while (size) {
		size_t len = size < sizeof(piece) ? (size_t)size : sizeof(piece);
		ssize_t got = mailstream_read(stream, piece, len);

		if (got <= 0)
			return false;
		size -= (uint64_t)got;
	}
	return true;
}

/*
 * The end of the response that begins at start, before its last line end. Reads on as long as
 * lines end in literals; what libetpan read before it gave up is in the buffer, the bytes of
 * literals left out. False when the connection ended.
 */
static bool catchall_find_end(
	mailstream *stream, MMAPString *buffer, size_t start, size_t *end_out)
{
	size_t line = start;

	for (;;) {
		const char *newline = line < buffer->len ? memchr(buffer->str + line, '\n',
								   buffer->len - line)
							 : NULL;
		size_t next = newline ? (size_t)(newline + 1 - buffer->str) : buffer->len;
		size_t end = newline ? next - 1 : next;
		uint64_t literal;

		if (end > line && buffer->str[end - 1] == '\r')
			end--;
		*end_out = end;
		if (!guard_line_literal(buffer->str + start, end - start, &literal))
			return true;
		if (next >= buffer->len &&
			(!catchall_skip(stream, literal) ||
				!mailstream_read_line_append(stream, buffer)))
			return false;
		line = next;
	}
}

static int catchall_parse(int calling_parser, mailstream *stream, MMAPString *buffer,
	struct mailimap_parser_context *parser, size_t *at,
	struct mailimap_extension_data **result, size_t progress,
	progress_function *on_progress)
{
	size_t end;

	if (calling_parser != MAILIMAP_EXTENDED_PARSER_RESPONSE_DATA)
		return MAILIMAP_ERROR_PARSE;
	if (!catchall_find_end(stream, buffer, *at, &end))
		return MAILIMAP_ERROR_STREAM;
	*result = mailimap_extension_data_new(&catchall_api, calling_parser, NULL);
	if (!*result)
		return MAILIMAP_ERROR_MEMORY;
	catchall_swallowed++;
	*at = end;
	return MAILIMAP_NO_ERROR;
}

void catchall_register(void)
{
	static bool registered;

	if (registered)
		return;
	if (mailimap_extension_register(&catchall_api) != MAILIMAP_NO_ERROR)
		abort(); /* out of memory, as in xalloc */
	registered = true;
}

uint64_t catchall_count(void)
{
	return catchall_swallowed;
}
