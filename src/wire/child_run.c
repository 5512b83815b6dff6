#include "child_p.h"
#include "imap_p.h"
#include "pop3_p.h"
#include <mountmail/wire/child.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int wire_child_run(int channel, const struct wire_conf *conf, int (*enter_sandbox)(void))
{
	struct child *child = child_create(channel);
	struct backend *backend;

	signal(SIGPIPE, SIG_IGN);
	if (conf->protocol == WIRE_POP3)
		backend = pop3_create(conf, channel, enter_sandbox, child_stop_wanted, child);
	else
		backend = imap_create(conf, channel, enter_sandbox, child_stop_wanted, child);
	child_serve(child, backend);
	backend->ops->close(backend);
	child_destroy(child);
	close(channel);
	return EXIT_SUCCESS;
}
