#include "commands_p.h"
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
	status = command_find(args->operands[0], &path, err);
	if (status != STATUS_OK)
		return status;
	if (control_ask(path, args->json ? "status json" : "status text", STATUS_TIMEOUT_MS,
		    &payload, err) < 0)
		status = STATUS_FAILED;
	else
		status = command_print(payload.data, payload.len, err);
	buf_finish(&payload);
	return status;
}
