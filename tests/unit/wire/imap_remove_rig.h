/*
 * tests/unit/wire/imap_remove_rig.h - a verify or a removal against a scripted server.
 * Used by test_imap_verify.c and test_imap_remove.c.
 */
#ifndef MOUNTMAIL_TESTS_IMAP_REMOVE_RIG_H
#define MOUNTMAIL_TESTS_IMAP_REMOVE_RIG_H

#include "imap_script.h"

/* What a verify told, as text: "begin 7 3 10|3|5 100 837596665 <a>|9 ?|del 5|". */
struct told {
	struct buf log;
	const char *stop_at; /* a word after which to want no more */
};

static inline bool told_more(struct told *told, const char *word)
{
	buf_append_char(&told->log, '|');
	return !told->stop_at || strcmp(told->stop_at, word) != 0;
}

static inline bool on_begin(void *ctx, const struct backend_folder_state *state)
{
	struct told *told = ctx;

	buf_printf(&told->log, "begin %llu %u %u", (unsigned long long)state->epoch,
		state->exists, state->uidnext);
	return told_more(told, "begin");
}

static inline bool on_found(void *ctx, const struct backend_identity *identity)
{
	struct told *told = ctx;

	buf_printf(&told->log, "%u", identity->uid);
	if (identity->known)
		buf_printf(&told->log, " %llu %lld %s", (unsigned long long)identity->size,
			(long long)identity->date,
			identity->message_id ? identity->message_id : "-");
	return told_more(told, "found");
}

static inline bool on_deleted(void *ctx, uint32_t uid)
{
	struct told *told = ctx;

	buf_printf(&told->log, "del %u", uid);
	return told_more(told, "del");
}

static inline void verify(
	struct script *script, const struct backend_verify *want, struct told *told)
{
	const struct backend_verify_sink sink = {told, on_begin, on_found, on_deleted};

	script->backend->ops->verify(script->backend, want, &sink, &script->result);
}

#define OPENED(exists, uidnext, code)                                                          \
	"* FLAGS (\\Seen)\r\n* " exists " EXISTS\r\n* 0 RECENT\r\n"                            \
	"* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT " uidnext "] n\r\n\1 OK [" code "] done\r\n"
#define EXAMINE(exists, uidnext)                                                               \
	{                                                                                      \
		"EXAMINE \"INBOX\"", OPENED(exists, uidnext, "READ-ONLY")                      \
	}
#define SELECT                                                                                 \
	{                                                                                      \
		"SELECT \"INBOX\"", OPENED("3", "10", "READ-WRITE")                            \
	}

#define DATE "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\"" /* 837596665 */
#define IDS "BODY[HEADER.FIELDS (MESSAGE-ID)]"
#define WHO(seq, uid, id)                                                                      \
	"* " seq " FETCH (UID " uid " " DATE " RFC822.SIZE 100 " IDS                           \
	" {19}\r\nMessage-ID: <" id ">\r\n\r\n)\r\n"
#define KNOWN(uid, id) uid " 100 837596665 <" id ">|"

#endif
