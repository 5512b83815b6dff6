/*
 * config_p.h - the configuration file: a section for each account.
 * Called by setup.c in the starting process. One thread.
 *
 *   [work]
 *   url = imaps://alice@imap.example.org      or host, user and port by themselves
 *   passcmd = pass show mail/work             and every option of options.c
 */
#ifndef MOUNTMAIL_APP_CONFIG_P_H
#define MOUNTMAIL_APP_CONFIG_P_H

#include "options_p.h"
#include "url_p.h"
#include <mountmail/base/error.h>

/*
 * Reads the section account of the file at path. url_out is the caller's to finish, also after an
 * error. 0; -ENOENT when file or section are not there, with the nearest section in the text;
 * -EINVAL with file and line in the text.
 */
int config_load(const char *path, const char *account, struct options *options,
	struct url *url_out, struct error *err);

#endif
