/*
 * What a server sends, in pieces of any size, through the guard to libetpan: whatever it is,
 * neither may fall over, and the size of the pieces may make no difference.
 */
#include "catchall_p.h"
#include "guard_p.h"
#include <errno.h>
#include <libetpan/libetpan.h>
#include <mountmail/base/buf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* It forgets what it had of a line that it gives up; a wire process does not live for long. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libetpan";
}

static const struct guard_limits limits = {.line = 1u << 20,
	.depth = GUARD_DEPTH_MAX,
	.literal = 1u << 20,
	.response = 8u << 20,
	.lines = 10000};

/* Passes data through a guard; piece(at) tells the size of the next piece. */
static int pass(const uint8_t *data, size_t size, size_t seed, struct buf *out)
{
	struct guard *guard = guard_create();
	char taken[300];
	size_t at = 0, got;
	int r = 0;

	guard_expect(guard, &limits);
	while (at < size && r == 0) {
		size_t piece = seed ? 1 + (at * 7 + seed) % 9 : size;

		if (piece > size - at)
			piece = size - at;
		r = guard_push(guard, data + at, piece);
		at += piece;
		while ((got = guard_take(guard, taken, sizeof(taken))))
			buf_append(out, taken, got);
	}
	if ((r < 0) != (guard_failure(guard)[0] != '\0'))
		abort();
	guard_destroy(guard);
	return r;
}

struct feed {
	const char *data;
	size_t len;
};

static ssize_t feed_read(mailstream_low *low, void *data, size_t len)
{
	struct feed *feed = low->data;

	if (!feed->len)
		return -1;
	if (len > feed->len)
		len = feed->len;
	memcpy(data, feed->data, len);
	feed->data += len;
	feed->len -= len;
	return (ssize_t)len;
}

static ssize_t feed_write(mailstream_low *low, const void *data, size_t len)
{
	return (ssize_t)len;
}

static int feed_close(mailstream_low *low)
{
	return 0;
}

static int feed_fd(mailstream_low *low)
{
	return -1;
}

static void feed_free(mailstream_low *low)
{
	free(low);
}

static void feed_cancel(mailstream_low *low)
{
}

static mailstream_low_driver feed_driver = {
	.mailstream_read = feed_read,
	.mailstream_write = feed_write,
	.mailstream_close = feed_close,
	.mailstream_get_fd = feed_fd,
	.mailstream_free = feed_free,
	.mailstream_cancel = feed_cancel,
};

static bool on_body(int type, struct mailimap_msg_att_body_section *section, const char *bytes,
	size_t length, void *context)
{
	return true;
}

static void on_att(struct mailimap_msg_att *att, void *context)
{
}

static void on_progress(size_t current, size_t maximum, void *context)
{
}

static void parse(const struct buf *passed)
{
	struct feed feed = {passed->data, passed->len};
	mailimap *session = mailimap_new(0, NULL);

	catchall_register();
	session->imap_stream = mailstream_new(mailstream_low_new(&feed, &feed_driver), 4096);
	session->imap_selection_info = mailimap_selection_info_new();
	session->imap_connection_info = mailimap_connection_info_new();
	session->imap_state = MAILIMAP_STATE_SELECTED;
	session->imap_tag = 1;
	mailimap_set_progress_callback(session, on_progress, on_progress, NULL);
	mailimap_set_msg_att_handler(session, on_att, NULL);
	mailimap_set_msg_body_handler(session, on_body, NULL);
	for (;;) {
		struct mailimap_response *response = NULL;

		if (!mailimap_read_line(session) ||
			mailimap_parse_response(session, &response) != MAILIMAP_NO_ERROR)
			break;
		mailimap_response_free(response);
	}
	mailstream_close(session->imap_stream);
	session->imap_stream = NULL;
	mailimap_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	size_t common;
	int r, s;

	if (!size)
		return 0;
	r = pass(data + 1, size - 1, 0, &whole);
	s = pass(data + 1, size - 1, 1 + data[0], &pieces);
	/* Of the line at fault, more or less may have been passed. */
	common = whole.len < pieces.len ? whole.len : pieces.len;
	if (r != s || (r == 0 && whole.len != pieces.len) ||
		(common && memcmp(whole.data, pieces.data, common) != 0))
		abort();
	parse(&whole);
	buf_finish(&whole);
	buf_finish(&pieces);
	return 0;
}
