/*
 * store/row_p.h - the row of a message: its number, and the bits of its state.
 * Used by what reads and writes messages, and by the journal, whose rows are numbered alike.
 */
#ifndef MOUNTMAIL_STORE_ROW_P_H
#define MOUNTMAIL_STORE_ROW_P_H

#include <stdint.h>

/*
 * The rowid in messages and bodies: the folder above the UID. So a new message is appended at
 * the end of its folder's part of the B-tree, which is what a first listing does a million
 * times.
 */
static inline int64_t message_row(int64_t folder, uint32_t uid)
{
	return folder << 32 | uid;
}

enum message_state {
	MESSAGE_STATE_VERIFIED = 1 << 0, /* the size is that of a body that was seen */
	MESSAGE_STATE_BAD = 1 << 1,	 /* the server could not give its header */
	MESSAGE_STATE_TWIN = 1 << 2,	 /* it cannot be told from another (mail_message.twin) */
};

#endif
