/*
 * tests/unit/wire/imap_scan_rig.h - a scan against a scripted server, and what it reported.
 * Used by test_imap_scan.c and test_imap_batch.c.
 */
#ifndef MOUNTMAIL_TESTS_IMAP_SCAN_RIG_H
#define MOUNTMAIL_TESTS_IMAP_SCAN_RIG_H

#include "imap_script.h"

/* What a scan reported, as text: "begin 7 3 10 0|have 1 1|all|new 3 sub|upto 3|". */
struct seen {
	struct buf log;
	const char *stop_at; /* a word after which to want no more */
};

static inline bool seen_add(struct seen *seen, const char *word)
{
	buf_append_char(&seen->log, '|');
	return !seen->stop_at || strcmp(seen->stop_at, word) != 0;
}

static inline bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct seen *seen = ctx;

	buf_printf(&seen->log, "begin %llu %u %u %llu", (unsigned long long)state->epoch,
		state->exists, state->uidnext, (unsigned long long)state->modseq);
	return seen_add(seen, "begin");
}

static inline bool on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct seen *seen = ctx;

	buf_printf(&seen->log, "have %u %u", uid, flags);
	return seen_add(seen, "have");
}

static inline bool on_surveyed(void *ctx)
{
	struct seen *seen = ctx;

	buf_append_str(&seen->log, "all");
	return seen_add(seen, "all");
}

static inline bool on_message(void *ctx, const struct mail_message *message)
{
	struct seen *seen = ctx;

	assert_null(message->uidl);
	buf_printf(&seen->log, "new %u %u %llu %lld %s%s", message->uid, message->flags,
		(unsigned long long)message->size, (long long)message->date,
		message->fields.subject ? message->fields.subject : "-",
		message->bad ? " bad" : "");
	return seen_add(seen, "new");
}

static inline bool on_batch(void *ctx, uint32_t through)
{
	struct seen *seen = ctx;

	buf_printf(&seen->log, "upto %u", through);
	return seen_add(seen, "upto");
}

static inline void scan(struct script *script, const struct backend_scan *scan, struct seen *seen)
{
	const struct backend_scan_sink sink = {.ctx = seen,
		.begin = on_begin,
		.existing = on_existing,
		.surveyed = on_surveyed,
		.message = on_message,
		.batch = on_batch};

	script->backend->ops->scan(script->backend, scan, &sink, &script->result);
}

static inline void expect_scan_stop(const struct turn *turns, const struct backend_scan *want,
	const char *stop_at, enum backend_status status, const char *log)
{
	struct seen seen = {.stop_at = stop_at};
	struct script script;

	script_start_as(&script, turns, false);
	scan(&script, want, &seen);
	assert_status(&script, status);
	assert_string_equal(seen.log.data ? seen.log.data : "", log);
	buf_finish(&seen.log);
	script_close(&script);
}

static inline void expect_scan(const struct turn *turns, const struct backend_scan *want,
	enum backend_status status, const char *log)
{
	expect_scan_stop(turns, want, NULL, status, log);
}

#define EXAMINE(exists, uidnext)                                                             \
	{                                                                                    \
		"EXAMINE \"INBOX\"",                                                         \
			"* FLAGS (\\Seen)\r\n* " exists " EXISTS\r\n* 0 RECENT\r\n"          \
			"* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT " uidnext "] n\r\n"         \
			"* OK [HIGHESTMODSEQ 99] m\r\n\1 OK [READ-ONLY] done\r\n"            \
	}

#define DATE "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\"" /* 837596665 */
#define HEADER "BODY[HEADER.FIELDS (FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES LIST-ID)]"
#define MESSAGE(seq, uid, subject)                                                           \
	"* " seq " FETCH (UID " uid " FLAGS (\\Seen) " DATE " RFC822.SIZE 100 " HEADER       \
	" {14}\r\nSubject: " subject "\r\n\r\n)\r\n"
#define NEW(uid, subject) "new " uid " 1 100 837596665 " subject "|"

static __attribute__((unused)) const struct backend_scan first_look = {.raw = "INBOX"};

#endif
