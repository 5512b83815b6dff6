/*
 * wire/guard_brace_p.h - reads the head of a literal, "{5}" at the end of a line.
 * Called by guard.c; one thread.
 *
 * It knows two things apart: what is the head of a literal, and what libetpan could take for
 * one although it is none: blanks and signs before the number, and anything between the brace
 * and the line's end.
 */
#ifndef MOUNTMAIL_WIRE_GUARD_BRACE_P_H
#define MOUNTMAIL_WIRE_GUARD_BRACE_P_H

#include <stdbool.h>
#include <stdint.h>

enum brace_state {
	BRACE_NONE,
	BRACE_OPEN,  /* { */
	BRACE_BLANK, /* { and what libetpan skips */
	BRACE_MINUS, /* {-: some servers mean an empty literal by that; libetpan knows it */
	BRACE_DIGITS,
	BRACE_PLUS,   /* {5+ */
	BRACE_CLOSED, /* {5} */
	BRACE_CR,     /* {5} and CR */
};

struct brace {
	enum brace_state state;
	bool negative;
	uint64_t number; /* above every limit once it is above 2^59 */
};

enum brace_step {
	BRACE_STEP_TAKEN,    /* the byte belongs to it */
	BRACE_STEP_LITERAL,  /* the byte ended the line: a literal of .number bytes follows */
	BRACE_STEP_OTHER,    /* no head of a literal; the byte was not looked at */
	BRACE_STEP_DOUBTFUL, /* none, but it could be taken for one */
};

/* The next byte, when state is not BRACE_NONE. */
enum brace_step brace_step(struct brace *brace, char c);

#endif
