#include "guard_brace_p.h"
#include "guard_p.h"
#include "guard_status_p.h"

static bool brace_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum brace_state brace_first_digit(struct brace *brace, char c, bool negative)
{
	brace->negative = negative;
	brace->number = (uint64_t)(c - '0');
	return BRACE_DIGITS;
}

static enum brace_state brace_in_number(struct brace *brace, char c)
{
	if (brace_is_digit(c)) {
		if (brace->number < UINT64_MAX / 32)
			brace->number = brace->number * 10 + (uint64_t)(c - '0');
		return BRACE_DIGITS;
	}
	return c == '+' ? BRACE_PLUS : c == '}' ? BRACE_CLOSED : BRACE_NONE;
}

/* What c makes of it; BRACE_NONE when it does not belong to it. */
static enum brace_state brace_next(struct brace *brace, char c)
{
	bool skipped = c == ' ' || c == '\t' || c == '-';

	switch (brace->state) {
	case BRACE_OPEN:
		if (brace_is_digit(c))
			return brace_first_digit(brace, c, false);
		return c == '-' ? BRACE_MINUS : skipped ? BRACE_BLANK : BRACE_NONE;
	case BRACE_BLANK:
		return skipped ? BRACE_BLANK : BRACE_NONE;
	case BRACE_MINUS:
		if (brace_is_digit(c))
			return brace_first_digit(brace, c, true);
		return skipped ? BRACE_BLANK : BRACE_NONE;
	case BRACE_DIGITS:
		return brace_in_number(brace, c);
	case BRACE_PLUS:
		return c == '}' ? BRACE_CLOSED : BRACE_NONE;
	case BRACE_CLOSED:
		return c == '\r' ? BRACE_CR : BRACE_NONE;
	case BRACE_CR:
	case BRACE_NONE:
		return BRACE_NONE;
	}
	return BRACE_NONE;
}

enum brace_step brace_step(struct brace *brace, char c)
{
	enum brace_state state = brace->state;

	if (c == '\n' && (state == BRACE_CLOSED || state == BRACE_CR)) {
		brace->state = BRACE_NONE;
		brace->number = brace->negative ? 0 : brace->number;
		return BRACE_STEP_LITERAL;
	}
	brace->state = brace_next(brace, c);
	if (brace->state != BRACE_NONE)
		return BRACE_STEP_TAKEN;
	if (state == BRACE_BLANK)
		return brace_is_digit(c) ? BRACE_STEP_DOUBTFUL : BRACE_STEP_OTHER;
	return state == BRACE_OPEN || state == BRACE_MINUS ? BRACE_STEP_OTHER
							   : BRACE_STEP_DOUBTFUL;
}

bool guard_line_literal(const char *line, size_t len, uint64_t *literal_out)
{
	size_t digits, end = len;

	*literal_out = 0;
	if (guard_status_word(line, len) || !len || line[--end] != '}')
		return false;
	if (end && line[end - 1] == '+')
		end--;
	for (digits = end; digits && brace_is_digit(line[digits - 1]);)
		digits--;
	if (digits == end || !digits)
		return false;
	/* An empty one, whatever the number says. */
	if (digits > 1 && line[digits - 1] == '-' && line[digits - 2] == '{')
		return true;
	if (line[digits - 1] != '{')
		return false;
	for (; digits < end && *literal_out <= UINT32_MAX; digits++)
		*literal_out = *literal_out * 10 + (uint64_t)(line[digits] - '0');
	return true;
}
