#include "commands_p.h"
#include "mountpoint_p.h"
#include "paths_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/fs/control.h>
#include <stdlib.h>

#define STATUS_TIMEOUT_MS 30000

enum exit_status command_status(const struct args *args, struct error *err)
{
	char *path _cleanup_free_ = NULL;
	struct buf payload = BUF_INIT;
	enum exit_status status;

	if (args->operand_count != 1) {
		error_set(err, EINVAL, "of which mount? mountmail status MOUNTPOINT [--json]");
		return STATUS_USAGE;
	}
	if (paths_mountpoint(args->operands[0], &path, err) < 0)
		return STATUS_MOUNTPOINT;
	switch (mountpoint_state(path)) {
	case MOUNTPOINT_OTHER:
		return command_not_ours(args->operands[0], err);
	case MOUNTPOINT_DEAD:
		error_set(err, ENOTCONN,
			"the mount at %s is dead: its processes are gone; mountmail umount %s "
			"takes "
			"it away, and mounting again does too",
			path, path);
		return STATUS_MOUNTPOINT;
	case MOUNTPOINT_ALIVE:
		break;
	}
	if (control_ask(path, args->json ? "status json" : "status text", STATUS_TIMEOUT_MS,
		    &payload, err) < 0)
		status = STATUS_FAILED;
	else
		status = command_print(payload.data, payload.len, err);
	buf_finish(&payload);
	return status;
}
