/*
 * tests/unit/wire/pop3_rig.h - calls to a scripted maildrop, and what was told, as text.
 * Used by test_pop3_scan.c, test_pop3_fetch.c and test_pop3_remove.c.
 *
 * UIDs are hashes: in the text a message's is its UIDL, as far as it is one of a to i.
 */
#ifndef MOUNTMAIL_TESTS_POP3_RIG_H
#define MOUNTMAIL_TESTS_POP3_RIG_H

#include "pop3_script.h"

struct seen {
	struct buf log;
	const char *stop_at; /* a word after which to want no more */
	struct buf body;     /* data since the last done or failed */
	uint32_t last;	     /* UID */
};

static inline uint32_t uid_of(const char *uidl)
{
	return pop3_uid_number(uidl, 0);
}

/* "a", "a'" for the second of that UIDL, or the number. */
static inline const char *name_of(uint32_t uid)
{
	static char names[8][16];
	static unsigned at;
	char *name = names[at++ % 8];

	for (char c = 'a'; c <= 'i'; c++) {
		const char uidl[] = {c, '\0'};

		for (uint32_t ordinal = 0; ordinal < 3; ordinal++) {
			if (pop3_uid_number(uidl, ordinal) != uid)
				continue;
			snprintf(name, 16, "%c%s", c, ordinal == 2 ? "''" : ordinal ? "'" : "");
			return name;
		}
	}
	snprintf(name, 16, "%u", uid);
	return name;
}

static inline bool seen_add(struct seen *seen, const char *word)
{
	buf_append_char(&seen->log, '|');
	return !seen->stop_at || strcmp(seen->stop_at, word) != 0;
}

static inline void seen_finish(struct seen *seen)
{
	buf_finish(&seen->log);
	buf_finish(&seen->body);
}

static inline bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct seen *seen = ctx;

	assert_int_equal(state->epoch, 1);
	assert_int_equal(state->uidnext, 0);
	buf_printf(&seen->log, "begin %u", state->exists);
	return seen_add(seen, "begin");
}

static inline bool on_existing(void *ctx, uint32_t uid, uint32_t flags)
{
	struct seen *seen = ctx;

	assert_int_equal(flags, 0);
	assert_true(uid > seen->last);
	seen->last = uid;
	buf_printf(&seen->log, "have %s", name_of(uid));
	return seen_add(seen, "have");
}

static inline bool on_surveyed(void *ctx)
{
	struct seen *seen = ctx;

	seen->last = 0;
	buf_append_str(&seen->log, "all");
	return seen_add(seen, "all");
}

static inline bool on_message(void *ctx, const struct mail_message *message)
{
	struct seen *seen = ctx;

	buf_printf(&seen->log, "new %s %s %llu %lld %s%s%s", name_of(message->uid),
		message->uidl ? message->uidl : "-", (unsigned long long)message->size,
		(long long)message->date,
		message->fields.subject ? message->fields.subject : "-",
		message->bad ? " bad" : "", message->twin ? " twin" : "");
	return seen_add(seen, "new");
}

static inline bool on_batch(void *ctx, uint32_t through)
{
	struct seen *seen = ctx;

	buf_printf(&seen->log, "upto %s", name_of(through));
	return seen_add(seen, "upto");
}

static inline bool on_data(void *ctx, const void *data, size_t len)
{
	struct seen *seen = ctx;

	buf_append(&seen->body, data, len);
	return !seen->stop_at || strcmp(seen->stop_at, "data") != 0;
}

static inline bool on_done(void *ctx, uint32_t uid, uint64_t size)
{
	struct seen *seen = ctx;

	assert_int_equal(size, seen->body.len);
	buf_printf(&seen->log, "done %s ", name_of(uid));
	for (size_t i = 0; i < seen->body.len; i++) {
		char c = seen->body.data[i];

		if (c == '\r' || c == '\n' || !c)
			buf_append_str(&seen->log, c == '\r' ? "\\r" : c ? "\\n" : "\\0");
		else
			buf_append_char(&seen->log, c);
	}
	buf_clear(&seen->body);
	return seen_add(seen, "done");
}

static inline bool on_failed(
	void *ctx, uint32_t uid, enum backend_status status, const char *text)
{
	struct seen *seen = ctx;

	assert_true(text[0]);
	buf_clear(&seen->body);
	buf_printf(&seen->log, "%s %s", name_of(uid), backend_status_name(status));
	return seen_add(seen, "failed");
}

static inline bool on_found(void *ctx, const struct backend_identity *identity)
{
	struct seen *seen = ctx;

	buf_printf(&seen->log, "found %s", name_of(identity->uid));
	if (identity->known)
		buf_printf(&seen->log, " %s %llu %lld %s", identity->uidl,
			(unsigned long long)identity->size, (long long)identity->date,
			identity->message_id ? identity->message_id : "-");
	return seen_add(seen, "found");
}

static inline int rig_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* The UIDs of UIDLs of one letter each, ascending. */
static inline size_t rig_uids(const char *letters, uint32_t *uids)
{
	size_t count = strlen(letters);

	for (size_t i = 0; i < count; i++)
		uids[i] = uid_of((const char[]){letters[i], '\0'});
	qsort(uids, count, sizeof(*uids), rig_compare);
	return count;
}

/* The letters in the order of their UIDs, each put into text in place of '?'; owned. */
static inline char *in_order(const char *letters, const char *text)
{
	struct buf out = BUF_INIT;
	uint32_t uids[16];
	size_t count = rig_uids(letters, uids);

	for (size_t i = 0; i < count; i++)
		for (const char *at = text; *at; at++)
			if (*at == '?')
				buf_append_str(&out, name_of(uids[i]));
			else
				buf_append_char(&out, *at);
	return buf_steal(&out);
}

static inline void rig_scan(
	struct script *script, struct backend_scan *scan, const char *known, struct seen *seen)
{
	const struct backend_scan_sink sink = {
		seen, on_begin, on_existing, on_surveyed, on_message, on_batch};
	uint32_t uids[16];

	buf_reserve(&seen->log, 1);
	seen->log.data[0] = '\0';
	scan->raw = "INBOX";
	scan->known_count = rig_uids(known, uids);
	scan->known = uids;
	script->backend->ops->scan(script->backend, scan, &sink, &script->result);
}

static inline void rig_fetch(struct script *script, const struct backend_want *wants,
	size_t count, struct seen *seen)
{
	const struct backend_fetch fetch = {"INBOX", 1, wants, count};
	const struct backend_fetch_sink sink = {seen, on_data, on_done, on_failed, NULL};

	buf_reserve(&seen->log, 1);
	seen->log.data[0] = '\0';
	script->backend->ops->fetch(script->backend, &fetch, &sink, &script->result);
}

static inline void rig_verify(
	struct script *script, const char *letters, bool identify, struct seen *seen)
{
	const struct backend_verify_sink sink = {seen, on_begin, on_found, NULL};
	uint32_t uids[16];
	const struct backend_verify verify = {.raw = "INBOX",
		.epoch = 1,
		.count = rig_uids(letters, uids),
		.uids = uids,
		.identify = identify};

	buf_reserve(&seen->log, 1);
	script->backend->ops->verify(script->backend, &verify, &sink, &script->result);
}

static inline void rig_remove(
	struct script *script, enum backend_step step, const char *letters)
{
	uint32_t uids[16];
	const struct backend_removal removal = {.step = step,
		.raw = "INBOX",
		.epoch = 1,
		.count = rig_uids(letters, uids),
		.uids = uids,
		.to = step <= BACKEND_STEP_COPY ? "Trash" : NULL};

	script->backend->ops->remove(script->backend, &removal, &script->result);
}

#endif
