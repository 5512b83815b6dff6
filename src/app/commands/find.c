#include "commands_p.h"
#include "mountpoint_p.h"
#include "paths_p.h"
#include <errno.h>

enum exit_status command_find(const char *given, char **path_out, struct error *err)
{
	if (paths_mountpoint(given, path_out, err) < 0)
		return STATUS_MOUNTPOINT;
	switch (mountpoint_state(*path_out)) {
	case MOUNTPOINT_OTHER:
		return command_not_ours(given, err);
	case MOUNTPOINT_DEAD:
		error_set(err, ENOTCONN,
			"the mount at %s is dead: its processes are gone; mountmail umount %s "
			"takes it away, and mounting again does too",
			*path_out, *path_out);
		return STATUS_MOUNTPOINT;
	case MOUNTPOINT_ALIVE:
		break;
	}
	return STATUS_OK;
}
