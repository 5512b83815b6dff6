/*
 * The first mailbox of an address list (RFC 5322 section 3.4), as senders really write it.
 *
 * Works on the raw field, before encoded words are decoded: a display name cannot bring in an
 * address that way. One pass, each byte looked at a bounded number of times.
 */
#include "header_p.h"
#include "header_text_p.h"
#include <ctype.h>
#include <string.h>

#define TOKEN_MAX 1024 /* a longer word is no address */

struct scan {
	const char *at;
	const char *end;
	bool no_quote;	 /* no '"' closes any more: it is a character like others */
	bool no_comment; /* nor does any ')' */

	/* The word being read. */
	struct buf token;
	bool domain;  /* it has an '@' outside quotes, and something on both sides of it */
	bool literal; /* inside [127.0.0.1] */
	bool gap;     /* blanks came since */

	/* The mailbox being read. */
	bool angle;	 /* between < and > */
	bool angle_done; /* address comes from there, nothing else counts */
	unsigned words;	 /* in front of any < */
	struct buf address;
	struct buf bare; /* the last word without domain */
	bool bare_alone; /* it is all there is, or is between < and > */

	struct buf fallback; /* the first bare one of all mailboxes */
};

static void copy(struct buf *to, const struct buf *from)
{
	buf_clear(to);
	buf_append(to, from->data, from->len);
}

static void token_put(struct scan *scan, const char *data, size_t len)
{
	if (scan->token.len <= TOKEN_MAX)
		buf_append(&scan->token, data, len);
}

static bool token_ends_in_at(const struct scan *scan)
{
	return scan->token.len && scan->token.data[scan->token.len - 1] == '@';
}

/* A word that is wrapped in quotes is as good as the word. */
static void token_unwrap(struct buf *token)
{
	while (token->len > 1 && strchr("'\"", token->data[0]) &&
		token->data[token->len - 1] == token->data[0]) {
		memmove(token->data, token->data + 1, token->len - 2);
		token->len -= 2;
		token->data[token->len] = '\0';
	}
}

static void token_reset(struct scan *scan)
{
	buf_clear(&scan->token);
	scan->domain = scan->literal = scan->gap = false;
}

/* A quoted word may be an address, where there is nothing better; a phrase is none. */
static bool bare_is_name(const struct buf *token)
{
	bool letter = false;

	for (size_t i = 0; i < token->len; i++)
		letter = letter || isalnum((unsigned char)token->data[i]) ||
			 (unsigned char)token->data[i] >= 0x80;
	return letter && !memchr(token->data, ' ', token->len) && token->data[0] != '@' &&
	       token->data[token->len - 1] != '@';
}

static void token_done(struct scan *scan)
{
	struct buf *token = &scan->token;
	bool domain = scan->domain && !token_ends_in_at(scan);

	if (token->len > TOKEN_MAX)
		buf_clear(token);
	token_unwrap(token);
	if (token->len) {
		scan->words++;
		/* The first counts, but one inside <> more than one in front of it. */
		if (domain && (!scan->address.len || (scan->angle && !scan->angle_done))) {
			copy(&scan->address, token);
			scan->angle_done = scan->angle;
		} else if (!domain && !scan->angle_done && bare_is_name(token)) {
			copy(&scan->bare, token);
			scan->bare_alone = scan->angle || scan->words == 1;
		}
	}
	token_reset(scan);
}

/* Ends a mailbox. Whether it has an address, which ends the search. */
static bool mailbox_done(struct scan *scan)
{
	token_done(scan);
	if (scan->address.len)
		return true;
	if (scan->bare.len && !scan->fallback.len && scan->bare_alone)
		copy(&scan->fallback, &scan->bare);
	buf_clear(&scan->bare);
	scan->words = 0;
	scan->angle = scan->angle_done = scan->bare_alone = false;
	return false;
}

/* The end of the comment that begins at scan->at, behind its ')'; NULL when there is none. */
static const char *comment_end(const struct scan *scan)
{
	unsigned depth = 0;

	for (const char *at = scan->at; at < scan->end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && --depth == 0)
			return at + 1;
	}
	return NULL;
}

/* The same for a quoted string. */
static const char *quote_end(const struct scan *scan)
{
	for (const char *at = scan->at + 1; at < scan->end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"')
			return at + 1;
	}
	return NULL;
}

/* A comment counts as a blank, a quoted string as part of a word. False when it is neither. */
static bool scan_enclosed(struct scan *scan)
{
	bool quote = *scan->at == '"' && !scan->no_quote;
	bool comment = *scan->at == '(' && !scan->no_comment;
	const char *end = quote ? quote_end(scan) : comment ? comment_end(scan) : NULL;

	if (!end) {
		scan->no_quote = scan->no_quote || quote;
		scan->no_comment = scan->no_comment || comment;
		return false;
	}
	if (comment) {
		scan->gap = true;
	} else {
		if (scan->gap && !token_ends_in_at(scan))
			token_done(scan);
		scan->gap = false;
		token_put(scan, scan->at, (size_t)(end - scan->at));
	}
	scan->at = end;
	return true;
}

static void scan_word_char(struct scan *scan, char c)
{
	/* Blanks around '@' were allowed once. */
	if (scan->gap && c != '@' && !token_ends_in_at(scan))
		token_done(scan);
	scan->gap = false;
	if (c == '[' && token_ends_in_at(scan))
		scan->literal = true;
	else if (c == ']')
		scan->literal = false;
	else if (c == '@' && scan->token.len)
		scan->domain = true;
	token_put(scan, &c, 1);
}

/* Whether c divides words, and then what of; *found: the mailbox that it ends has an address.
 */
static bool scan_divider(struct scan *scan, char c, bool *found)
{
	switch (c) {
	case '<':
		token_done(scan);
		scan->angle = true;
		return true;
	case '>':
		token_done(scan);
		scan->angle_done = true;
		scan->angle = false;
		return true;
	case ',':
	case ';':
		if (scan->angle && scan->token.len && scan->token.data[0] == '@')
			token_reset(scan); /* a route: <@relay,@relay:alice@example.org> */
		else
			*found = mailbox_done(scan);
		return true;
	case ':': /* what is before it names a group, or is a route, or "mailto" */
		token_reset(scan);
		buf_clear(&scan->bare);
		scan->words = 0;
		return true;
	default:
		return false;
	}
}

/* Letters and the like, which mean nothing but themselves. How many there are. */
static size_t scan_plain_run(const struct scan *scan)
{
	const char *at = scan->at;

	while (at < scan->end &&
		((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
			(*at >= '0' && *at <= '9') || *at == '.' || *at == '-'))
		at++;
	return (size_t)(at - scan->at);
}

static bool scan_run(struct scan *scan)
{
	bool found = false;

	while (scan->at < scan->end && !found) {
		size_t plain = scan_plain_run(scan);
		char c = *scan->at;

		if (plain > 1) {
			scan_word_char(scan, c);
			token_put(scan, scan->at + 1, plain - 1);
			scan->at += plain;
			continue;
		}
		if ((c == '"' || c == '(') && scan_enclosed(scan))
			continue;
		scan->at++;
		if (memchr(" \t\r\n", c, 4))
			scan->gap = true;
		else if (scan->literal || !scan_divider(scan, c, &found))
			scan_word_char(scan, c);
	}
	return found || mailbox_done(scan);
}

/* Appends to out; whether it has a domain. */
static bool find_first(const char *data, size_t len, struct buf *out)
{
	struct scan scan = {.at = data, .end = data + len};
	bool found = scan_run(&scan);
	const struct buf *best = found ? &scan.address : &scan.fallback;

	buf_append(out, best->data, best->len);
	buf_finish(&scan.token);
	buf_finish(&scan.address);
	buf_finish(&scan.bare);
	buf_finish(&scan.fallback);
	return found;
}

void header_sender(const char *data, size_t len, struct buf *out)
{
	struct buf found = BUF_INIT, decoded = BUF_INIT;

	/* Some encode the address too, or the whole field. */
	if (!find_first(data, len, &found) || memmem(found.data, found.len, "=?", 2)) {
		buf_clear(&found);
		header_decode(data, len, &decoded);
		if (decoded.len)
			find_first(decoded.data, decoded.len, &found);
	}
	if (found.len)
		header_clean(found.data, found.len, out);
	buf_finish(&found);
	buf_finish(&decoded);
}
