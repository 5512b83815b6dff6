/*
 * base/fault.h - numbered points at which tests end the process or the connection.
 * Called by every floor, on any thread, around whatever must survive being cut off: each
 * transaction, each command. Nothing is left of it in a build without -Dfaults=true.
 *
 * With it the environment decides, read at the first point:
 *   MOUNTMAIL_FAULT=die:N    SIGKILL to this process at the Nth point
 *   MOUNTMAIL_FAULT=drop:N   fault_point returns true at the Nth point, once
 *   MOUNTMAIL_FAULT_LOG=FILE a line "N WHERE" is appended for every point that was passed
 */
#ifndef MOUNTMAIL_BASE_FAULT_H
#define MOUNTMAIL_BASE_FAULT_H

#include <stdbool.h>

#ifdef MOUNTMAIL_FAULTS
/* where: "store commit", "before UID MOVE". True: a connection in use is to be dropped here. */
bool fault_point(const char *where);
#else
static inline bool fault_point(const char *where)
{
	(void)where;
	return false;
}
#endif

#endif
