#include "args_p.h"
#include "commands_p.h"
#include "help_p.h"
#include "process_p.h"
#include <mountmail/base/log.h>
#include <stdio.h>
#include <string.h>

struct command {
	const char *name; /* NULL: no name is given, what comes is an account */
	unsigned known;	  /* enum args_known */
	enum exit_status (*run)(const struct args *args, struct error *err);
};

static const struct command commands[] = {
	{"status", ARGS_JSON, command_status},
	{"refresh", 0, command_refresh},
	{"queue", ARGS_JSON | ARGS_UNDO | ARGS_RELEASE | ARGS_DISCARD, command_queue},
	{"flush", ARGS_TIMEOUT, command_flush},
	{"umount", ARGS_FORCE | ARGS_TIMEOUT, command_umount},
	{NULL, ARGS_FOREGROUND | ARGS_DEBUG | ARGS_OPTIONS, command_mount},
};

static const struct command *find(const char *name)
{
	const struct command *command = commands;

	while (command->name && (!name || strcmp(command->name, name) != 0))
		command++;
	return command;
}

static enum exit_status run(
	const struct command *command, int argc, char **argv, struct error *err)
{
	struct args args;
	enum exit_status status = STATUS_USAGE;

	if (args_parse(&args, argc, argv, command->known, err) == 0) {
		if (args.help)
			status = help_print();
		else if (args.version)
			status = help_version();
		else
			status = command->run(&args, err);
	}
	args_finish(&args);
	return status;
}

int main(int argc, char **argv)
{
	const struct command *command = find(argc > 1 ? argv[1] : NULL);
	int skipped = command->name ? 1 : 0;
	struct error err = {0};
	enum exit_status status;

	log_setup(LOG_LEVEL_INFO, "supervisor");
	process_harden();
	process_title_init(argc, argv);
	status = run(command, argc - skipped, argv + skipped, &err);
	if (status != STATUS_OK && err.code)
		fprintf(stderr, "mountmail: %s\n", err.text);
	return (int)status;
}
