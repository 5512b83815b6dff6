/*
 * channel_p.h - what supervisor and mail process say to each other.
 * Called by supervisor.c (one thread) and mail_channel.c (any thread, one at a time).
 *
 * A sequenced-packet socketpair. The mail process asks, the supervisor answers with the question's
 * serial. The supervisor takes nothing on trust: the mail process may have been taken over.
 */
#ifndef MOUNTMAIL_APP_CHANNEL_P_H
#define MOUNTMAIL_APP_CHANNEL_P_H

#include <mountmail/base/error.h>
#include <stdint.h>

enum channel_kind {
	CHANNEL_DIAL = 1, /* a new wire process, please; the answer's value is its pid or -errno,
			     and with a pid comes a descriptor */
	CHANNEL_HANGUP,	  /* value: the pid of one that is not wanted any more; no answer */
	CHANNEL_UNMOUNT,  /* value: 1 also while files are open; the answer's value is 0 or -errno */
	CHANNEL_READY,	  /* value: enum exit_status; text: why it failed; no answer */
	CHANNEL_ANSWER,	  /* from the supervisor: text when value is negative */
};

struct channel_message {
	uint32_t kind;
	uint32_t serial;
	int32_t value;
	char text[sizeof(((struct error *)0)->text)];
};

/* The two ends. 0 or -errno with a text. */
int channel_pair(int ends_out[2], struct error *err);

/* passed: a descriptor that goes along, or -1. Waits for room only on a blocking end. 0 or -errno. */
int channel_send(int channel, const struct channel_message *message, int passed);

/*
 * One message. passed_out (owned by the caller, -1 when none came) is NULL when none is wanted: it
 * is dropped then. 1; 0 when the other end is closed; -EAGAIN; -EPROTO for one that cannot be.
 */
int channel_receive(int channel, struct channel_message *message_out, int *passed_out);

#endif
