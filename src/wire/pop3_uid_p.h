/*
 * wire/pop3_uid_p.h - the messages of a maildrop, and the numbers they have for us.
 * Called by pop3*.c in the wire process; one thread.
 *
 * POP3 knows a message by its UIDL, a text; everything above backend.h knows it by a UID, a
 * number of 32 bits. That is XXH3 of the UIDL in 64 bits, the upper half xored onto the lower,
 * and 1 instead of 0: the same on any machine and without any cache.
 *
 * - When two UIDLs come to one number, the one that sorts first keeps it, and the other has the
 * next number that is free (after UINT32_MAX: from 1 on).
 * - Of messages with one and the same UIDL the first in the maildrop has the number of the
 * UIDL; the others are hashed with their ordinal as the seed, 1 for the second. They are twins:
 * nobody can say that a number still means the same one of them tomorrow.
 * - A message without UIDL has a fingerprint in its place: size and header. It is a twin as
 * well.
 */
#ifndef MOUNTMAIL_WIRE_POP3_UID_P_H
#define MOUNTMAIL_WIRE_POP3_UID_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POP3_NO_NAME SIZE_MAX
#define POP3_UIDL_MAX 255u /* RFC 1939 section 7 says 70; some servers do not */

struct pop3_mail {
	uint32_t number; /* in commands, for this session */
	uint32_t uid;	 /* 0 before pop3_uid_assign */
	uint64_t size;	 /* as LIST claims; 0 when it did not */
	size_t name; /* its UIDL, or its fingerprint, in drop->names; POP3_NO_NAME: not yet */
	uint32_t ordinal; /* of those with the same name; 0 for the first in the maildrop */
	uint32_t equals;  /* how many those are */
	bool has_uidl;	  /* the name is a UIDL */
	bool deleted;	  /* DELE was answered with OK */
};

struct pop3_drop {
	struct pop3_mail *mails; /* owned; by number */
	size_t count;
	struct buf names;  /* all of them, each with its NUL */
	uint32_t *by_uid;  /* owned; indices into mails. NULL before pop3_uid_assign */
	uint32_t *by_name; /* owned; likewise: those with one name are together */
	uint32_t exists;   /* as STAT says */
	bool whole;	   /* the lists have as many messages as STAT says, and no holes */
};

void pop3_drop_finish(struct pop3_drop *drop);

static inline const char *pop3_mail_name(
	const struct pop3_drop *drop, const struct pop3_mail *mail)
{
	return drop->names.data + mail->name;
}

static inline bool pop3_mail_is_twin(const struct pop3_mail *mail)
{
	return !mail->has_uidl || mail->equals > 1;
}

/*
 * Notes a name. A UIDL that is no printable ASCII or longer than POP3_UIDL_MAX is kept as its
 * hash: it is never said to the server. False for an empty one.
 */
bool pop3_uid_name(
	struct pop3_drop *drop, struct pop3_mail *mail, const char *uidl, size_t len);
/*
 * The same for a message without UIDL. Lines that servers put into headers on their own
 * (Status, X-UIDL) do not count, since they change. header may be followed by the body.
 */
void pop3_uid_fingerprint(
	struct pop3_drop *drop, struct pop3_mail *mail, const char *header, size_t len);

/* The number that a name comes to when nothing is in the way. */
uint32_t pop3_uid_number(const char *name, uint32_t ordinal);
/* Gives every message its UID; all have a name. */
void pop3_uid_assign(struct pop3_drop *drop);
/* NULL when there is none. */
struct pop3_mail *pop3_uid_find(const struct pop3_drop *drop, uint32_t uid);

/*
 * pop3_survey.c: which messages are those that are stored under known (ascending): kept_out has
 * a place for each message, in the order of by_uid. False where the number is known, but may
 * have been another's then: when one of two that collided, or one of several twins, is new or
 * gone.
 */
void pop3_survey(const struct pop3_drop *drop, const uint32_t *known, size_t known_count,
	bool *kept_out);

#endif
