#include "commands_p.h"
#include "mountpoint_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <stdlib.h>
#include <string.h>

/*
 * Cuts path (resolved) in two: the mountpoint above it, which stays in path, and what is below,
 * owned. NULL when there is no mount of ours above it.
 */
static char *split_at_mount(char *path)
{
	char *whole _cleanup_free_ = xstrdup(path);

	for (;;) {
		char *slash = strrchr(path, '/');

		if (mountpoint_is_ours(path)) {
			const char *below = whole + strlen(path);

			return xstrdup(*below == '/' ? below + 1 : below);
		}
		if (!slash || slash == path)
			return NULL;
		*slash = '\0';
	}
}

static enum exit_status unreachable(const char *path, int code, struct error *err)
{
	if (code == ENOENT)
		error_set(err, code, "there is no folder %s", path);
	else if (code == ENOTCONN)
		error_set(err, code, "the mount at %s is dead: its processes are gone", path);
	else
		error_set(err, code, "%s cannot be reached: %s", path, strerror(code));
	return STATUS_MOUNTPOINT;
}

enum exit_status command_refresh(const struct args *args, struct error *err)
{
	char *path _cleanup_free_ = NULL;
	char *below _cleanup_free_ = NULL;
	char *request _cleanup_free_ = NULL;
	struct buf payload = BUF_INIT;
	int result;

	if (args->operand_count != 1) {
		error_set(err, EINVAL, "of which mount? mountmail refresh MOUNTPOINT[/FOLDER]");
		return STATUS_USAGE;
	}
	path = realpath(args->operands[0], NULL);
	if (!path)
		return unreachable(args->operands[0], errno, err);
	below = split_at_mount(path);
	if (!below)
		return command_not_ours(args->operands[0], err);
	if (strchr(below, '\n'))
		return unreachable(args->operands[0], ENOENT, err);
	request = *below ? xasprintf("refresh %s", below) : xstrdup("refresh");
	/* However long it takes: the connection has its own deadlines, and there is Ctrl-C. */
	result = control_ask(path, request, -1, &payload, err);
	buf_finish(&payload);
	return result < 0 ? STATUS_FAILED : STATUS_OK;
}
