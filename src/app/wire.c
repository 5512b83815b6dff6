#include "process_p.h"
#include "sandbox_p.h"
#include "secret_p.h"
#include "wire_p.h"
#include <mountmail/wire/child.h>
#include <stdlib.h>

_Noreturn void wire_process(int channel, const struct setup *setup, pid_t supervisor)
{
	process_die_with(supervisor);
	process_become("mountmail: wire", "wire");
	process_close_all_but(channel);
	secret_lock(&setup->secret);
	exit(wire_child_run(channel, &setup->wire, sandbox_wire));
}
