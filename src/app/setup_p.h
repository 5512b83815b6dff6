/*
 * setup_p.h - everything a mount needs to know, from the command line, the configuration file and
 * the password's source.
 * Filled by mount.c in the starting process; read by supervisor, mail and wire processes, which
 * inherit it through fork.
 */
#ifndef MOUNTMAIL_APP_SETUP_P_H
#define MOUNTMAIL_APP_SETUP_P_H

#include "args_p.h"
#include "exit_p.h"
#include "options_p.h"
#include "secret_p.h"
#include "url_p.h"
#include <mountmail/base/error.h>
#include <mountmail/wire/conf.h>
#include <stdbool.h>

/* Texts are owned. */
struct setup {
	struct options options;
	struct url url;
	struct secret secret;
	struct wire_conf wire; /* borrows from the three above */
	char *account;	       /* as the user names it: a section, or "user@host" */
	char *identity;	       /* whose cache it is: "imaps://user@host:port" */
	char *folders;	       /* glob on folder paths, NULL for all */
	char *mountpoint;      /* resolved */
	char *cache, *state;   /* directories of this account */
	char *control;	       /* path of the control socket */
	bool foreground;
	bool debug;
};

/*
 * Reads what args say, in the order in which a refusal is cheapest: options and configuration, the
 * mountpoint, the directories; the password comes last, since somebody may have to type it.
 * setup_out is the caller's to finish, also after an error. STATUS_OK, or what to exit with and
 * a text.
 */
enum exit_status setup_load(struct setup *setup_out, const struct args *args, struct error *err);
void setup_finish(struct setup *setup);

#endif
