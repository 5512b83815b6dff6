/*
 * wire/header_text_p.h - the parts of header parsing: clean text, encoded words, addresses.
 * Called by header*.c in the wire process; one thread.
 */
#ifndef MOUNTMAIL_WIRE_HEADER_TEXT_P_H
#define MOUNTMAIL_WIRE_HEADER_TEXT_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Clean text on its way into a buffer: valid UTF-8 on one line, blanks collapsed and trimmed,
 * no control or bidi-override characters, at most max bytes behind where the buffer ended
 * before.
 */
struct header_text {
	struct buf *out; /* borrowed */
	size_t end;	 /* where it has to stop */
	bool begun;	 /* something was put */
	bool blank;	 /* a blank is owed before the next character */
	bool full;	 /* what follows is dropped */
};

void header_text_begin(struct header_text *text, struct buf *out, size_t max);
/* data is valid UTF-8. */
void header_text_put(struct header_text *text, const void *data, size_t len);
/* data is anything: raw bytes as they stand in a header. */
void header_text_put_raw(struct header_text *text, const char *data, size_t len);

/* header_decode() without encoded words: for fields that are not for people. */
void header_clean(const char *data, size_t len, struct buf *out);

/*
 * header_address.c: appends the first mailbox of an address list, bare: "alice@example.org". A
 * name without a domain ("root") only if no mailbox has one. Nothing when there is none.
 * Comments, quotes, groups, routes and much that is broken are understood. Clean as
 * header_decode makes it.
 */
void header_sender(const char *data, size_t len, struct buf *out);

#endif
