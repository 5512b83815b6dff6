/*
 * mail/message.h - what is known of a message before its body is.
 * Filled by wire, kept by store, read by sync and view. Plain data, no I/O.
 */
#ifndef MOUNTMAIL_MAIL_MESSAGE_H
#define MOUNTMAIL_MAIL_MESSAGE_H

#include <stdint.h>

/* A text field is NULL when the message has none. */
#define MAIL_FIELD_MAX 4096 /* bytes a decoded field keeps; longer ones are cut at a character */

/*
 * Header fields, decoded to valid UTF-8 without control characters, unfolded,
 * each at most MAIL_FIELD_MAX bytes. All owned.
 */
struct mail_fields {
	char *sender;     /* the first address of From, bare: "alice@example.org" */
	char *from;       /* the whole field, as a person reads it */
	char *to;
	char *cc;
	char *subject;
	char *date;       /* as written in the header, not interpreted */
	char *message_id; /* with its angle brackets, as written */
	char *references;
	char *list_id;
};

struct mail_message {
	uint32_t uid;  /* IMAP: the UID; POP3: a number made of the UIDL. Never 0. */
	char *uidl;    /* POP3 only, owned; NULL for IMAP, and where the server gave none */
	uint64_t size; /* bytes, as the server claims until the body was seen */
	int64_t date;  /* INTERNALDATE, seconds since the epoch, UTC; POP3: the Date field's, 0 when that
	                  is none, from before 1970 or from the future */
	uint32_t flags; /* enum mail_flag */
	uint8_t bad;   /* the server could not give this one's header: listed, EIO on read */
	uint8_t twin;  /* POP3: it shares its UIDL with another, or has none: it can be read, and not
	                  removed, since nobody can say that it is the right one */
	struct mail_fields fields;
};

/* Releases the strings; the struct itself stays with the caller and is left empty. */
void mail_fields_finish(struct mail_fields *fields);
void mail_message_finish(struct mail_message *message);

#endif
