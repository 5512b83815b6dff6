#include "commands_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <string.h>

#define QUEUE_TIMEOUT_MS 60000

/* The request, owned; NULL when the options contradict one another. */
static char *queue_request(const struct args *args)
{
	int verbs = (args->undo != NULL) + args->release + (args->discard != NULL);

	if (args->operand_count != 1 || verbs + args->json > 1)
		return NULL;
	if (args->undo)
		return xasprintf("queue undo %s", args->undo);
	if (args->discard)
		return xasprintf("queue discard %s", args->discard);
	if (args->release)
		return xstrdup("queue release");
	return xstrdup(args->json ? "queue json" : "queue text");
}

enum exit_status command_queue(const struct args *args, struct error *err)
{
	_cleanup_free_ char *request = queue_request(args);
	_cleanup_free_ char *path = NULL;
	struct buf payload = BUF_INIT;
	enum exit_status status;

	if (!request) {
		error_set(err, EINVAL,
			"of which mount? mountmail queue MOUNTPOINT [--json | --undo ID|all | "
			"--release | --discard ID|all]");
		return STATUS_USAGE;
	}
	status = command_find(args->operands[0], &path, err);
	if (status != STATUS_OK)
		return status;
	if (control_ask(path, request, QUEUE_TIMEOUT_MS, &payload, err) < 0)
		status = STATUS_FAILED;
	else
		status = command_print(payload.data, payload.len, err);
	buf_finish(&payload);
	return status;
}
