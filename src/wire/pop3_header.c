#include "header_p.h"
#include "pop3_internal_p.h"
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

/* So many that are not given, and none that is: not bad mail but a server in trouble. */
#define HEADERS_BAD_MAX 16u
/* A Date field may be ahead of us by a zone that was forgotten, and some more. */
#define DATE_AHEAD_S (2 * 86400)

struct headers {
	struct pop3 *pop3;
	const uint32_t *wanted;
	size_t count, at;
	pop3_header_sink *sink;
	void *ctx;
	struct backend_result *result;
	struct buf text; /* the one that is coming in */
	unsigned good, bad;
};

static void headers_take(void *ctx, const char *data, size_t len)
{
	struct headers *headers = ctx;
	size_t room = HEADER_SIZE_MAX - headers->text.len;

	buf_append(&headers->text, data, len < room ? len : room);
}

static bool headers_fail(struct headers *headers, enum pop3_reply reply)
{
	pop3_result_fail(headers->pop3, headers->result, reply, BACKEND_THROTTLED,
		"reading the headers of messages");
	return false;
}

/* A no that is not about this message. */
static bool headers_is_trouble(const struct pop3 *pop3, enum pop3_reply reply)
{
	return reply != POP3_ERR || pop3_answer_is_busy(pop3) || pop3_answer_ends(pop3);
}

static bool headers_lost(struct headers *headers)
{
	return headers_fail(headers, POP3_LOST);
}

/* What follows OK. */
static bool headers_read(struct headers *headers, const struct pop3_pipe *pipe)
{
	uint64_t most = pipe->tail[0] ? POP3_HEADER_MAX : GUARD_LITERAL_MAX;

	buf_clear(&headers->text);
	if (!pop3_read_mail(headers->pop3, most, headers_take, headers))
		return headers_lost(headers);
	headers->good++;
	return true;
}

/*
 * TOP is optional (RFC 1939 section 7). Where nobody said that there is one, its first failure
 * may mean that there is none: RETR tells. The body that comes with it is thrown away; the
 * store could keep it, if there were a way to hand it over from here.
 */
static bool headers_try_retr(struct headers *headers, uint32_t index, bool *given_out)
{
	struct pop3_pipe pipe = {.pop3 = headers->pop3,
		.verb = "RETR",
		.tail = "",
		.wanted = &index,
		.count = 1,
		.mail = true,
		.alone = true};
	enum pop3_reply reply = pop3_pipe_next(&pipe);

	*given_out = reply == POP3_OK;
	if (reply != POP3_OK)
		return !headers_is_trouble(headers->pop3, reply) ||
		       headers_fail(headers, reply);
	headers->pop3->top = POP3_TOP_NO;
	return headers_read(headers, &pipe);
}

/* One answer. False with result. */
static bool headers_next(struct headers *headers, struct pop3_pipe *pipe)
{
	struct pop3 *pop3 = headers->pop3;
	uint32_t index = headers->wanted[headers->at];
	enum pop3_reply reply = pop3_pipe_next(pipe);
	bool given = reply == POP3_OK;

	headers->at++;
	if (!given && headers_is_trouble(pop3, reply))
		return headers_fail(headers, reply);
	if (given && !headers_read(headers, pipe))
		return false;
	if (given && pop3->top == POP3_TOP_UNKNOWN)
		pop3->top = POP3_TOP_YES;
	if (!given && pop3->top == POP3_TOP_UNKNOWN &&
		!headers_try_retr(headers, index, &given))
		return false;
	headers->bad += !given;
	if (headers->bad > HEADERS_BAD_MAX && !headers->good) {
		backend_result_set(headers->result, BACKEND_THROTTLED,
			"%s gives the header of none of %u messages; it seems to be in "
			"trouble: "
			"%s",
			pop3->conf->host, headers->bad,
			pop3->answer.text[0] ? pop3->answer.text : "no reason given");
		return false;
	}
	if (!headers->sink(headers->ctx, index, given ? headers->text.data : NULL,
		    given ? headers->text.len : 0))
		return pop3_stop(headers->result);
	return !pop3_stop_wanted(pop3, headers->result);
}

/* Until all is read, or it turns out that TOP was the wrong question. */
static bool headers_run(struct headers *headers)
{
	struct pop3 *pop3 = headers->pop3;
	enum pop3_top top = pop3->top;
	bool whole = top == POP3_TOP_NO, going = true;
	struct pop3_pipe pipe = {.pop3 = pop3,
		.verb = whole ? "RETR" : "TOP",
		.tail = whole ? "" : " 0",
		.wanted = headers->wanted + headers->at,
		.count = headers->count - headers->at,
		.mail = true,
		.alone = top == POP3_TOP_UNKNOWN};

	while (going && headers->at < headers->count && pop3->top == top)
		going = headers_next(headers, &pipe);
	/* What was asked for comes, wanted or not. */
	if (pop3->ready && !pop3_pipe_drain(&pipe))
		return headers_lost(headers);
	return going;
}

bool pop3_headers(struct pop3 *pop3, const uint32_t *wanted, size_t count,
	pop3_header_sink *sink, void *ctx, struct backend_result *result)
{
	struct headers headers = {.pop3 = pop3,
		.wanted = wanted,
		.count = count,
		.sink = sink,
		.ctx = ctx,
		.result = result};
	bool going = true;

	buf_reserve(&headers.text, 1); /* an empty header is not none */
	while (going && headers.at < count)
		going = headers_run(&headers);
	buf_finish(&headers.text);
	return going;
}

static bool identify_take(void *ctx, uint32_t index, const char *data, size_t len)
{
	struct pop3 *pop3 = ctx;

	pop3_uid_fingerprint(&pop3->drop, &pop3->drop.mails[index], data ? data : "", len);
	return true;
}

bool pop3_identify(struct pop3 *pop3, struct backend_result *result)
{
	struct pop3_drop *drop = &pop3->drop;
	uint32_t *nameless;
	size_t count = 0;
	bool done;

	if (drop->by_uid)
		return true;
	nameless = xcalloc(drop->count + 1, sizeof(*nameless));
	for (size_t i = 0; i < drop->count; i++)
		if (drop->mails[i].name == POP3_NO_NAME)
			nameless[count++] = (uint32_t)i;
	done = pop3_headers(pop3, nameless, count, identify_take, pop3, result);
	if (done)
		pop3_uid_assign(drop);
	free(nameless);
	return done;
}

int64_t pop3_date(const struct mail_fields *fields)
{
	int64_t date;

	if (!fields->date || !header_date(fields->date, &date) || date <= 0 ||
		date > clock_wall_s() + DATE_AHEAD_S)
		return 0;
	return date;
}
