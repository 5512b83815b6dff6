#include "imap_internal_p.h"
#include <mountmail/base/clock.h>
#include <string.h>
#include <strings.h>

#define IMAP_ALIVE_MS 500

/*
 * Codes for "not now" (RFC 5530 and what providers made up). SERVERBUG is one: the same command
 * usually works later.
 */
static const char *const imap_busy_codes[] = {"UNAVAILABLE", "INUSE", "IN-USE", "LIMIT",
	"THROTTLED", "SERVERBUG", "OVERQUOTA", "SYS"};

/* Words for it, from servers that give no code, or only ALERT. */
static const char *const imap_busy_words[] = {
	"too many", "try again", "temporar", "unavailable", "throttled", "maximum number"};

bool imap_answer_is_busy(const struct imap *imap)
{
	const struct imap_answer *answer = &imap->answer;

	if (imap->guard && guard_backoff_ms(imap->guard))
		return true;
	for (size_t i = 0; i < sizeof(imap_busy_codes) / sizeof(imap_busy_codes[0]); i++)
		if (strcmp(answer->code, imap_busy_codes[i]) == 0)
			return true;
	if (answer->code[0] && strcmp(answer->code, "ALERT") != 0)
		return false;
	for (size_t i = 0; i < sizeof(imap_busy_words) / sizeof(imap_busy_words[0]); i++)
		if (strcasestr(answer->text, imap_busy_words[i]))
			return true;
	return false;
}

bool imap_answer_broke(const struct imap *imap)
{
	return !imap->answer.text[0] &&
	       (guard_failure(imap->guard)[0] || !stream_failure(imap->stream)[0]);
}

const char *imap_lost_reason(struct imap *imap)
{
	const char *reason = "";

	if (imap->answer.text[0])
		return imap->answer.text;
	if (imap->guard)
		reason = guard_failure(imap->guard);
	if (!reason[0] && imap->stream)
		reason = stream_failure(imap->stream);
	return reason[0] ? reason : "the server's answer could not be understood";
}

static void imap_result_lost(
	struct imap *imap, struct backend_result *result, const char *doing)
{
	bool busy = imap_answer_is_busy(imap);
	uint32_t wait = imap->guard ? guard_backoff_ms(imap->guard) : 0;

	imap->ready = false;
	backend_result_set(result, BACKEND_CONNECTION_LOST,
		"The connection to %s ended while %s: %s%s", imap->conf->host, doing,
		imap_lost_reason(imap),
		busy ? " (the server is busy; wait before trying again)" : "");
	result->retry_ms = wait;
	result->broke = !busy && imap->stream && !stream_is_away(imap->stream);
}

void imap_result_fail(struct imap *imap, struct backend_result *result, enum imap_reply reply,
	enum backend_status otherwise, const char *doing)
{
	const char *words = imap->answer.text[0] ? imap->answer.text : "no reason given";
	const char *host = imap->conf->host;

	if (reply == IMAP_LOST) {
		imap_result_lost(imap, result, doing);
		return;
	}
	/* Exchange, for an account it has no mailbox for. */
	if (strcasestr(words, "authenticated but not connected")) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s accepted the login but has no mailbox for it: %s. Ask its "
			"administrator whether IMAP is enabled for this account",
			host, words);
		return;
	}
	if (imap_answer_is_busy(imap)) {
		backend_result_set(result, BACKEND_THROTTLED, "%s asked to wait while %s: %s",
			host, doing, words);
		result->retry_ms = guard_backoff_ms(imap->guard);
		return;
	}
	backend_result_set(result, otherwise, "%s said %s while %s: %s", host,
		reply == IMAP_NO ? "no" : "that it does not understand", doing, words);
}

bool imap_stop_wanted(struct imap *imap, struct backend_result *result)
{
	if (!imap->stopped || !imap->stopped(imap->ctx))
		return false;
	backend_result_set(result, BACKEND_STOPPED, "Stopped on request");
	return true;
}

void imap_alive(void *ctx)
{
	struct imap *imap = ctx;
	int64_t now = clock_now_ms();

	if (!imap->stopped || now - imap->alive_ms < IMAP_ALIVE_MS)
		return;
	imap->alive_ms = now;
	/* For what it tells the other side; the answer counts at the next safe point. */
	(void)imap->stopped(imap->ctx);
}

bool imap_is_ready(struct imap *imap, struct backend_result *result)
{
	if (imap->ready)
		return true;
	backend_result_set(result, BACKEND_CONNECTION_LOST, "There is no connection to %s",
		imap->conf->host);
	return false;
}
