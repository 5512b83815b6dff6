#include "commands_p.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum exit_status command_print(const char *data, size_t len, struct error *err)
{
	if (len == 0 || (fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0))
		return STATUS_OK;
	error_set(err, errno, "the answer cannot be written: %s", strerror(errno));
	return STATUS_FAILED;
}

enum exit_status command_not_ours(const char *path, struct error *err)
{
	error_set(err, EINVAL, "%s is not a mountmail mount", path);
	return STATUS_MOUNTPOINT;
}
