/*
 * settle_p.h - messages whose claimed size was, or may have been, replaced by a true one that
 * the kernel was not told of. Called by ops_file.c on any thread.
 *
 * A message enters when its body is asked for while the size is only the server's claim, and
 * leaves when an OPEN has told the kernel to ask again. Between the two every OPEN tells the
 * kernel, so that nobody reads by the claim: not even when the first reader was interrupted and
 * the body came all the same.
 */
#ifndef MOUNTMAIL_FS_SETTLE_P_H
#define MOUNTMAIL_FS_SETTLE_P_H

#include <stdbool.h>
#include <stdint.h>

struct settle;

struct settle *settle_create(void);
void settle_destroy(struct settle *settle); /* takes NULL */

void settle_add(struct settle *settle, uint64_t inode);
bool settle_has(struct settle *settle, uint64_t inode);
void settle_remove(struct settle *settle, uint64_t inode);

#endif
