#include "guard_brace_p.h"
#include "guard_p.h"
#include "guard_status_p.h"
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/xalloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum guard_state {
	GUARD_START,  /* of a line; which kind is not known yet */
	GUARD_STATUS, /* a status line, or one that is nothing known: held until it is whole */
	GUARD_DATA,   /* a line of an untagged response: passed on as it comes */
	GUARD_LITERAL,
};

struct guard {
	struct guard_limits limits;
	uint64_t bytes, lines; /* since the command, or the last tagged line */

	enum guard_state state;
	size_t line; /* bytes of this line so far */
	unsigned depth;
	bool quoted, escaped;
	struct brace brace;
	uint64_t literal; /* bytes that are left of it */

	struct buf held; /* the line so far, while it may not be passed on */
	struct buf out;	 /* passed */
	size_t taken;	 /* of out */

	uint64_t uidvalidity;
	uint32_t backoff_ms;
	char failure[160];
};

static const struct guard_limits guard_limits_first = {.line = GUARD_STATUS_MAX,
	.depth = GUARD_DEPTH_MAX,
	.literal = GUARD_STATUS_MAX,
	.response = 1u << 20,
	.lines = 1000};

/* Bytes of a data line that change something: outside of quotes, and inside. */
#define OUTSIDE 1
#define INSIDE 2
static const unsigned char guard_class[256] = {
	['"'] = OUTSIDE | INSIDE,
	['{'] = OUTSIDE | INSIDE,
	['('] = OUTSIDE,
	[')'] = OUTSIDE,
	['\\'] = INSIDE,
};

struct guard *guard_create(void)
{
	struct guard *guard = xcalloc(1, sizeof(*guard));

	guard->limits = guard_limits_first;
	return guard;
}

void guard_destroy(struct guard *guard)
{
	if (!guard)
		return;
	buf_finish(&guard->held);
	buf_finish(&guard->out);
	free(guard);
}

void guard_expect(struct guard *guard, const struct guard_limits *limits)
{
	guard->limits = *limits;
	guard->bytes = 0;
	guard->lines = 0;
	guard->backoff_ms = 0;
}

static __attribute__((format(printf, 2, 3))) int guard_fail(
	struct guard *guard, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(guard->failure, sizeof(guard->failure), format, args);
	va_end(args);
	return -EPROTO;
}

/* The line ended; the response goes on with the literal that it announced. */
static int guard_literal_begin(struct guard *guard, uint64_t size)
{
	if (guard->quoted)
		return guard_fail(guard, "the server began a literal inside a quoted string");
	/* libetpan counts in 32 bits. */
	if (size > guard->limits.literal || size >= UINT32_MAX)
		return guard_fail(guard,
			"the server announced a string of %llu bytes where %llu at most can be",
			(unsigned long long)size, (unsigned long long)guard->limits.literal);
	guard->line = 0;
	guard->escaped = false;
	guard->literal = size;
	guard->state = size ? GUARD_LITERAL : GUARD_DATA;
	return 0;
}

/* The response ended. */
static void guard_response_end(struct guard *guard)
{
	guard->state = GUARD_START;
	guard->line = 0;
	guard->depth = 0;
	guard->quoted = false;
	guard->escaped = false;
	guard->brace = (struct brace){BRACE_NONE};
}

/* One byte behind a brace. 1: it belongs to the brace; 0: it is yet to be looked at; else
 * fails. */
static int guard_brace(struct guard *guard, char c)
{
	enum brace_step step = brace_step(&guard->brace, c);
	int r;

	switch (step) {
	case BRACE_STEP_TAKEN:
		return 1;
	case BRACE_STEP_LITERAL:
		r = guard_literal_begin(guard, guard->brace.number);
		return r < 0 ? r : 1;
	case BRACE_STEP_DOUBTFUL:
		if (!guard->quoted)
			return guard_fail(
				guard, "the server sent something that is half a literal");
		return 0;
	case BRACE_STEP_OTHER:
		return 0;
	}
	return 0;
}

/* A byte that changes something. */
static int guard_special(struct guard *guard, char c)
{
	switch (c) {
	case '"':
		guard->quoted = !guard->quoted;
		return 0;
	case '\\':
		guard->escaped = true;
		return 0;
	case '{':
		guard->brace.state = BRACE_OPEN;
		return 0;
	case ')':
		guard->depth -= guard->depth > 0;
		return 0;
	case '(':
		if (++guard->depth > guard->limits.depth)
			return guard_fail(guard,
				"the server sent lists within lists, more than %u deep",
				guard->limits.depth);
		return 0;
	}
	return 0;
}

/* A piece of a data line, up to its '\n' at most. */
static int guard_scan(struct guard *guard, const char *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		unsigned char mask = guard->quoted ? INSIDE : OUTSIDE;
		int r;

		if (guard->brace.state != BRACE_NONE) {
			r = guard_brace(guard, data[i]);
			if (r < 0)
				return r;
			i += r > 0;
			continue;
		}
		if (guard->escaped) {
			guard->escaped = false;
			/* For guard_line_literal() a brace is a brace. */
			if (data[i++] == '{')
				guard->brace.state = BRACE_OPEN;
			continue;
		}
		while (i < len && !(guard_class[(unsigned char)data[i]] & mask))
			i++;
		if (i == len)
			break;
		r = guard_special(guard, data[i++]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* How much of data belongs to the line that is being read. */
static size_t guard_line_piece(const char *data, size_t len, bool *ended_out)
{
	const char *newline = memchr(data, '\n', len);

	*ended_out = newline != NULL;
	return newline ? (size_t)(newline - data) + 1 : len;
}

static int guard_count_line(struct guard *guard, size_t len)
{
	size_t max = guard->state == GUARD_STATUS && guard->limits.line > GUARD_STATUS_MAX
			     ? GUARD_STATUS_MAX
			     : guard->limits.line;

	guard->line += len;
	if (guard->line <= max)
		return 0;
	return guard_fail(guard, "the server sent a line of more than %zu bytes", max);
}

static ssize_t guard_data(struct guard *guard, const char *data, size_t len)
{
	bool ended;
	size_t piece = guard_line_piece(data, len, &ended);
	int r = guard_count_line(guard, piece);

	if (r == 0)
		r = guard_scan(guard, data, piece);
	if (r < 0)
		return r;
	buf_append(&guard->out, data, piece);
	/* Else a literal began with the line's end. */
	if (ended && guard->line)
		guard_response_end(guard);
	return (ssize_t)piece;
}

static size_t guard_line_length(const struct buf *line)
{
	size_t len = line->len;

	while (len && (line->data[len - 1] == '\n' || line->data[len - 1] == '\r'))
		len--;
	return len;
}

static void guard_status_end(struct guard *guard)
{
	struct guard_status status;

	guard_status_mend(
		guard->held.data, guard_line_length(&guard->held), &guard->out, &status);
	if (status.has_uidvalidity)
		guard->uidvalidity = status.uidvalidity;
	if (status.backoff_ms)
		guard->backoff_ms = status.backoff_ms;
	if (guard->held.data[0] != '*' && guard->held.data[0] != '+')
		guard->bytes = guard->lines = 0;
	buf_clear(&guard->held);
	guard_response_end(guard);
}

static ssize_t guard_status(struct guard *guard, const char *data, size_t len)
{
	bool ended;
	size_t piece = guard_line_piece(data, len, &ended);
	int r = guard_count_line(guard, piece);

	if (r < 0)
		return r;
	buf_append(&guard->held, data, piece);
	if (ended)
		guard_status_end(guard);
	return (ssize_t)piece;
}

/* The kind of the line is known: what was held of it is looked at. */
static int guard_replay(struct guard *guard, enum guard_kind kind)
{
	struct buf first = guard->held;
	ssize_t r = 0;

	guard->held = (struct buf)BUF_INIT;
	guard->state = kind == GUARD_KIND_DATA ? GUARD_DATA : GUARD_STATUS;
	if (kind == GUARD_KIND_DATA)
		guard_hide_unknown(first.data, first.len);
	for (size_t at = 0; r >= 0 && at < first.len; at += (size_t)r) {
		const char *rest = first.data + at;
		size_t len = first.len - at;

		r = kind == GUARD_KIND_DATA ? guard_data(guard, rest, len)
					    : guard_status(guard, rest, len);
	}
	buf_finish(&first);
	return r < 0 ? (int)r : 0;
}

/* The first bytes of a line, one at a time until they tell its kind. */
static ssize_t guard_start(struct guard *guard, const char *data, size_t len)
{
	enum guard_kind kind = GUARD_KIND_OPEN;
	size_t used = 0;

	if (guard->held.len == 0) {
		if (guard->limits.lines && ++guard->lines > guard->limits.lines)
			return guard_fail(guard, "the server sent more than %llu lines at once",
				(unsigned long long)guard->limits.lines);
		if (data[0] == ' ' || data[0] == '\t')
			return guard_fail(
				guard, "the server sent a line that begins with a blank");
	}
	while (kind == GUARD_KIND_OPEN && used < len) {
		buf_append_char(&guard->held, data[used++]);
		if (guard->held.len > 64)
			return guard_fail(guard, "the server sent a line of blanks");
		kind = guard_line_kind(guard->held.data, guard->held.len);
	}
	if (kind != GUARD_KIND_OPEN && guard_replay(guard, kind) < 0)
		return -EPROTO;
	return (ssize_t)used;
}

static ssize_t guard_literal(struct guard *guard, const char *data, size_t len)
{
	size_t piece = len < guard->literal ? len : (size_t)guard->literal;

	buf_append(&guard->out, data, piece);
	guard->literal -= piece;
	if (!guard->literal)
		guard->state = GUARD_DATA;
	return (ssize_t)piece;
}

static ssize_t guard_step(struct guard *guard, const char *data, size_t len)
{
	switch (guard->state) {
	case GUARD_START:
		/* What nearly every line is: "* 123 FETCH ...". */
		if (len > 2 && !guard->held.len && memcmp(data, "* ", 2) == 0 &&
			data[2] >= '0' && data[2] <= '9' &&
			(!guard->limits.lines || guard->lines < guard->limits.lines)) {
			guard->lines++;
			guard->state = GUARD_DATA;
			return guard_data(guard, data, len);
		}
		return guard_start(guard, data, len);
	case GUARD_STATUS:
		return guard_status(guard, data, len);
	case GUARD_DATA:
		return guard_data(guard, data, len);
	case GUARD_LITERAL:
		return guard_literal(guard, data, len);
	}
	return -EPROTO;
}

int guard_push(struct guard *guard, const void *data, size_t len)
{
	const char *next = data;

	if (guard->failure[0])
		return -EPROTO;
	if (guard->taken == guard->out.len) {
		buf_clear(&guard->out);
		guard->taken = 0;
	}
	while (len) {
		ssize_t used = guard_step(guard, next, len);

		if (used < 0)
			return (int)used;
		next += used;
		len -= (size_t)used;
		guard->bytes += (uint64_t)used;
		if (guard->limits.response && guard->bytes > guard->limits.response)
			return guard_fail(guard,
				"the server's answer is longer than %llu bytes",
				(unsigned long long)guard->limits.response);
	}
	return 0;
}

size_t guard_take(struct guard *guard, void *data, size_t len)
{
	size_t left = guard->out.len - guard->taken;

	if (len > left)
		len = left;
	if (len)
		memcpy(data, guard->out.data + guard->taken, len);
	guard->taken += len;
	return len;
}

bool guard_has_line(const struct guard *guard)
{
	size_t left = guard->out.len - guard->taken;

	return left && memchr(guard->out.data + guard->taken, '\n', left);
}

bool guard_holds(const struct guard *guard)
{
	return guard->taken < guard->out.len || guard->held.len || guard->state != GUARD_START;
}

uint64_t guard_uidvalidity(const struct guard *guard)
{
	return guard->uidvalidity;
}

void guard_forget_uidvalidity(struct guard *guard)
{
	guard->uidvalidity = 0;
}

uint32_t guard_backoff_ms(const struct guard *guard)
{
	return guard->backoff_ms;
}

const char *guard_failure(const struct guard *guard)
{
	return guard->failure;
}
