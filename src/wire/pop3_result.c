#include "pop3_internal_p.h"
#include <mountmail/base/clock.h>
#include <string.h>

#define ALIVE_MS 500
#define DELAY_MAX_S 3600u

/* RFC 2449 section 8.1.1 and RFC 3206. */
static const char *const busy_codes[] = {"IN-USE", "LOGIN-DELAY", "SYS/TEMP"};

/* Words for it, from servers that have no codes. */
static const char *const busy_words[] = {"try again", "temporar", "unavailable", "too many",
	"lock busy", "in use", "is locked", "already locked", "unable to lock", "cannot lock",
	"can't lock", "could not lock", "couldn't lock", "is busy", "too often", "overloaded"};

/* What a server says when it is about to hang up, as the answer to whatever comes next. */
static const char *const ending_words[] = {
	"disconnect", "inactiv", "shutting down", "autologout", "timed out", "timeout"};

static bool has_word(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

bool pop3_answer_is_busy(const struct pop3 *pop3)
{
	const struct pop3_answer *answer = &pop3->answer;

	for (size_t i = 0; i < sizeof(busy_codes) / sizeof(busy_codes[0]); i++)
		if (strcmp(answer->code, busy_codes[i]) == 0)
			return true;
	return !answer->code[0] &&
	       has_word(answer->text, busy_words, sizeof(busy_words) / sizeof(busy_words[0]));
}

bool pop3_answer_ends(const struct pop3 *pop3)
{
	return has_word(pop3->answer.text, ending_words,
		sizeof(ending_words) / sizeof(ending_words[0]));
}

static const char *lost_reason(const struct pop3 *pop3)
{
	const char *reason = pop3->wrong;

	if (!reason[0] && pop3->stream)
		reason = stream_failure(pop3->stream);
	return reason[0] ? reason : "the server's answer could not be understood";
}

static void result_lost(struct pop3 *pop3, struct backend_result *result, const char *doing)
{
	pop3->ready = false;
	backend_result_set(result, BACKEND_CONNECTION_LOST,
		"The connection to %s ended while %s: %s", pop3->conf->host, doing,
		lost_reason(pop3));
	result->broke = pop3->wrong[0] || (pop3->stream && !stream_is_away(pop3->stream));
}

static void result_busy(
	struct pop3 *pop3, struct backend_result *result, const char *doing, const char *words)
{
	backend_result_set(result, BACKEND_THROTTLED, "%s asked to wait while %s: %s",
		pop3->conf->host, doing, words);
	if (strcmp(pop3->answer.code, "LOGIN-DELAY") == 0)
		result->retry_ms =
			(pop3->delay_s < DELAY_MAX_S ? pop3->delay_s : DELAY_MAX_S) * 1000;
}

void pop3_result_fail(struct pop3 *pop3, struct backend_result *result, enum pop3_reply reply,
	enum backend_status otherwise, const char *doing)
{
	const char *words = pop3->answer.text[0]   ? pop3->answer.text
			    : pop3->answer.code[0] ? pop3->answer.code
						   : "no reason given";

	if (reply == POP3_LOST) {
		result_lost(pop3, result, doing);
	} else if (pop3_answer_is_busy(pop3)) {
		result_busy(pop3, result, doing, words);
	} else if (strcmp(pop3->answer.code, "SYS/PERM") == 0) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s has a fault that its administrator has to mend, it said while %s: "
			"%s",
			pop3->conf->host, doing, words);
	} else if (pop3->ready && pop3_answer_ends(pop3)) {
		pop3->ready = false;
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"%s ended the connection while %s: %s", pop3->conf->host, doing, words);
	} else {
		backend_result_set(result, otherwise, "%s said no while %s: %s",
			pop3->conf->host, doing, words);
	}
}

bool pop3_stop(struct backend_result *result)
{
	backend_result_set(result, BACKEND_STOPPED, "Stopped on request");
	return false;
}

bool pop3_stop_wanted(struct pop3 *pop3, struct backend_result *result)
{
	if (!pop3->stopped || !pop3->stopped(pop3->ctx))
		return false;
	pop3_stop(result);
	return true;
}

void pop3_alive(void *ctx)
{
	struct pop3 *pop3 = ctx;
	int64_t now = clock_now_ms();

	if (!pop3->stopped || now - pop3->alive_ms < ALIVE_MS)
		return;
	pop3->alive_ms = now;
	/* For what it tells the other side; the answer counts at the next safe point. */
	(void)pop3->stopped(pop3->ctx);
}

bool pop3_is_ready(struct pop3 *pop3, struct backend_result *result)
{
	if (pop3->ready)
		return true;
	backend_result_set(result, BACKEND_CONNECTION_LOST, "There is no connection to %s",
		pop3->conf->host);
	return false;
}
