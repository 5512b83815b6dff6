/*
 * options_p.h - the options of a mount: one table for -o, the configuration file and --help.
 * Called by setup.c, config.c and help.c in the starting process. One thread.
 */
#ifndef MOUNTMAIL_APP_OPTIONS_P_H
#define MOUNTMAIL_APP_OPTIONS_P_H

#include <mountmail/base/buf.h>
#include <mountmail/base/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum options_tls {
	OPTIONS_TLS_BY_URL, /* not given: what the URL's scheme says */
	OPTIONS_TLS_IMPLICIT,
	OPTIONS_TLS_STARTTLS,
	OPTIONS_TLS_NONE,
};

/* Texts are owned and NULL when not given; paths are absolute. */
struct options {
	char *passfile;
	char *passcmd;
	char *cafile;
	char *cache;
	char *state;
	char *folders;
	char *exclude;
	char *trash; /* auto, none, or a folder's path */
	enum options_tls tls;
	uint64_t cachesize; /* bytes, 0 for no limit */
	uint64_t connections;
	uint64_t poll;	  /* seconds, 0 for never */
	uint64_t timeout; /* seconds */
	uint64_t brake;	  /* messages, 0 for none */
	uint64_t uid, gid;
	uint64_t umask;
	bool allow_other;
	bool ro;
	bool debug;
};

/* The defaults. */
void options_init(struct options *options);
void options_finish(struct options *options);

enum options_origin {
	OPTIONS_FROM_COMMAND_LINE, /* a relative path begins at the working directory */
	OPTIONS_FROM_CONFIG, /* a relative path is refused: nobody knows where it begins */
};

/*
 * Sets one option; a later one wins. value is NULL when none was given.
 * 0; -ENOENT for an unknown name, with the nearest known one in the text; -EINVAL.
 */
int options_set(struct options *options, const char *name, const char *value,
	enum options_origin origin, struct error *err);

/*
 * Sets every option of "NAME[=VALUE],NAME[=VALUE]...", as mount(8) writes it. A backslash takes
 * the meaning from a comma or a backslash behind it. As options_set.
 */
int options_set_list(struct options *options, const char *list, struct error *err);

/* The nearest known name to a wrong one, NULL when none is near. */
const char *options_nearest(const char *name);

/* Appends the part of --help that explains them. */
void options_help(struct buf *out);

#endif
