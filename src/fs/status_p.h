/*
 * status_p.h - how the mount is, for programs and for people.
 * Called by documents.c and control.c on their threads.
 */
#ifndef MOUNTMAIL_FS_STATUS_P_H
#define MOUNTMAIL_FS_STATUS_P_H

#include "fs_p.h"

/* Appends the document that README and mountmail(1) describe, with a newline. */
void status_json(struct fs_thread *thread, struct buf *out);
/* Appends lines to read. */
void status_text(struct fs_thread *thread, struct buf *out);

#endif
