/*
 * args_p.h - a command's arguments, taken apart.
 * Called by main.c and the commands in the starting process. One thread.
 */
#ifndef MOUNTMAIL_APP_ARGS_P_H
#define MOUNTMAIL_APP_ARGS_P_H

#include <mountmail/base/error.h>
#include <stdbool.h>
#include <stddef.h>

/* What a command understands, besides --help and --version. */
enum args_known {
	ARGS_FOREGROUND = 1 << 0, /* -f */
	ARGS_DEBUG = 1 << 1,	  /* -d */
	ARGS_OPTIONS = 1 << 2,	  /* -o LIST */
	ARGS_JSON = 1 << 3,	  /* --json */
	ARGS_FORCE = 1 << 4,	  /* --force */
	ARGS_UNDO = 1 << 5,	  /* --undo ID */
	ARGS_RELEASE = 1 << 6,	  /* --release */
	ARGS_DISCARD = 1 << 7,	  /* --discard ID */
	ARGS_TIMEOUT = 1 << 8,	  /* --timeout SECONDS */
};

/* Texts are borrowed from argv. */
struct args {
	bool foreground, debug, json, force, release, help, version;
	const char *undo, *discard, *timeout; /* NULL when not given */
	const char **lists;		      /* owned array; every -o, in order */
	size_t list_count;
	char **operands; /* borrowed, behind the last option */
	size_t operand_count;
};

/*
 * Takes argv[1] and up apart; options may stand behind operands, "--" ends them. args_out is
 * the caller's to finish, also after an error. 0 or -EINVAL, with the nearest option in the
 * text.
 */
int args_parse(struct args *args_out, int argc, char **argv, unsigned known, struct error *err);
void args_finish(struct args *args);

#endif
