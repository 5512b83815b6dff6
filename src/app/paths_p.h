/*
 * paths_p.h - where an account's files are, and whether they are ours alone.
 * Called by setup.c and options.c in the starting process. One thread.
 */
#ifndef MOUNTMAIL_APP_PATHS_P_H
#define MOUNTMAIL_APP_PATHS_P_H

#include <mountmail/base/error.h>

enum paths_base {
	PATHS_CACHE,  /* $XDG_CACHE_HOME, ~/.cache */
	PATHS_STATE,  /* $XDG_STATE_HOME, ~/.local/state */
	PATHS_CONFIG, /* $XDG_CONFIG_HOME, ~/.config */
};

/* BASE/mountmail/NAME; owned. name is taken as it is. */
char *paths_in(enum paths_base base, const char *name);

/* An account's name as the name of a directory: what cannot stand there becomes %XX. Owned. */
char *paths_account_name(const char *account);

/* With "~/" and relative paths resolved, text only; owned. */
char *paths_absolute(const char *path);

/*
 * The mountpoint's real path, owned by the caller. Works on a dead mountpoint too.
 * 0, -ENOENT, -ENOTDIR, ..., with a text.
 */
int paths_mountpoint(const char *path, char **path_out, struct error *err);

/*
 * Makes path and its parents where they are missing (0700), and checks that the last is a
 * directory, no link, ours and nobody else's. 0 or -errno with a text.
 */
int paths_private_dir(const char *path, struct error *err);

/*
 * Where the control socket of a mount is, owned: below $XDG_RUNTIME_DIR when that is ours, else in
 * the state directory (which must exist). 0; -ENAMETOOLONG when no socket can have this name.
 */
int paths_control(
	const char *state, const char *mountpoint, char **path_out, struct error *err);

#endif
