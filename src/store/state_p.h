/*
 * store/state_p.h - the bits of messages.state.
 * Used by messages.c, batch.c and bodies.c.
 */
#ifndef MOUNTMAIL_STORE_STATE_P_H
#define MOUNTMAIL_STORE_STATE_P_H

enum message_state {
	MESSAGE_STATE_VERIFIED = 1 << 0, /* the size is that of a body that was seen */
	MESSAGE_STATE_BAD = 1 << 1,	 /* the server could not give its header */
};

#endif
