#include "options_p.h"
#include "paths_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/sync/account.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option_kind {
	OPTION_TEXT,
	OPTION_PATH,
	OPTION_SIZE,   /* bytes, with K, M, G or T */
	OPTION_NUMBER, /* min to max */
	OPTION_OCTAL,  /* at most max */
	OPTION_TLS,
	OPTION_BRAKE,	/* min to max, or off: 0 */
	OPTION_FLAG,	/* takes no value */
	OPTION_IGNORED, /* accepted for the sake of fstab, with or without a value */
};

struct option_spec {
	const char *name;
	enum option_kind kind;
	size_t where; /* offset in struct options */
	uint64_t min, max;
	const char *argument; /* as shown by --help, NULL when it takes none */
	const char *help;     /* NULL: not listed by itself; '\n' separates lines */
};

#define WHERE(field) offsetof(struct options, field)
#define ID_MAX (UINT32_MAX - 1) /* (uid_t)-1 means "no change" to the kernel */

static const struct option_spec specs[] = {
	{"passfile", OPTION_PATH, WHERE(passfile), 0, 0, "FILE",
		"read the password from the first line of FILE, which only you may read"},
	{"passcmd", OPTION_TEXT, WHERE(passcmd), 0, 0, "COMMAND",
		"read the password from the first line that COMMAND prints"},
	{"cafile", OPTION_PATH, WHERE(cafile), 0, 0, "FILE",
		"trust the certificate authorities in FILE (PEM) instead of the system's"},
	{"tls", OPTION_TLS, WHERE(tls), 0, 0, "MODE",
		"implicit (imaps), starttls (imap), or none: no encryption at all"},
	{"cache", OPTION_PATH, WHERE(cache), 0, 0, "DIR",
		"keep the account's cache in DIR (default: ~/.cache/mountmail/ACCOUNT)"},
	{"state", OPTION_PATH, WHERE(state), 0, 0, "DIR",
		"keep what must survive the cache in DIR\n"
		"(default: ~/.local/state/mountmail/ACCOUNT)"},
	{"cachesize", OPTION_SIZE, WHERE(cachesize), 0, UINT64_MAX >> 1, "SIZE",
		"keep at most SIZE of message bodies: 500M, 2G (default: 4G; 0: no limit)"},
	{"folders", OPTION_TEXT, WHERE(folders), 0, 0, "GLOB",
		"show only the folders whose path matches GLOB"},
	{"exclude", OPTION_TEXT, WHERE(exclude), 0, 0, "GLOB",
		"do not show the folders whose path matches GLOB"},
	{"trash", OPTION_TEXT, WHERE(trash), 0, 0, "FOLDER",
		"move what is removed to FOLDER; auto: to the account's Trash; none: remove\n"
		"it for good (default: auto)"},
	{"brake", OPTION_BRAKE, WHERE(brake), 1, 1000000000, "N",
		"hold back what is removed for good when it is more than N messages in a\n"
		"minute, or half of a folder, until it is released (default: 1000; off)"},
	{"ro", OPTION_FLAG, WHERE(ro), 0, 0, NULL, "read-only: nothing can be removed"},
	{"connections", OPTION_NUMBER, WHERE(connections), 1, ACCOUNT_CONNECTIONS_MAX, "N",
		"use at most N connections to the server, 1 to 16 (default: 4)"},
	{"poll", OPTION_NUMBER, WHERE(poll), 0, 7 * 24 * 3600, "SECONDS",
		"look for new mail this often (default: 60; 0: only when asked)"},
	{"timeout", OPTION_NUMBER, WHERE(timeout), 1, 3600, "SECONDS",
		"give up on a silent server after this long (default: 30)"},
	{"allow_other", OPTION_FLAG, WHERE(allow_other), 0, 0, NULL,
		"let other users see the mount (as uid, gid and umask say)"},
	{"uid", OPTION_NUMBER, WHERE(uid), 0, ID_MAX, "UID",
		"let files belong to this user id (default: yours)"},
	{"gid", OPTION_NUMBER, WHERE(gid), 0, ID_MAX, "GID",
		"let files belong to this group id (default: yours)"},
	{"umask", OPTION_OCTAL, WHERE(umask), 0, 0777, "MASK",
		"take these permissions from files and folders (default: 077)"},
	{"debug", OPTION_FLAG, WHERE(debug), 0, 0, NULL,
		"as -d, with a trace of every request of the kernel"},
	{"rw", OPTION_IGNORED},
	{"defaults", OPTION_IGNORED},
	{"_netdev", OPTION_IGNORED},
	{"auto", OPTION_IGNORED},
	{"noauto", OPTION_IGNORED},
	{"user", OPTION_IGNORED},
	{"nouser", OPTION_IGNORED},
	{"users", OPTION_IGNORED},
	{"owner", OPTION_IGNORED},
	{"group", OPTION_IGNORED},
	{"nofail", OPTION_IGNORED},
	{"dev", OPTION_IGNORED},
	{"nodev", OPTION_IGNORED},
	{"suid", OPTION_IGNORED},
	{"nosuid", OPTION_IGNORED},
	{"exec", OPTION_IGNORED},
	{"noexec", OPTION_IGNORED},
	{"atime", OPTION_IGNORED},
	{"noatime", OPTION_IGNORED},
	{"relatime", OPTION_IGNORED},
	{"norelatime", OPTION_IGNORED},
	{"strictatime", OPTION_IGNORED},
	{"diratime", OPTION_IGNORED},
	{"nodiratime", OPTION_IGNORED},
	{"lazytime", OPTION_IGNORED},
	{"sync", OPTION_IGNORED},
	{"async", OPTION_IGNORED},
	{"dirsync", OPTION_IGNORED},
	{"comment", OPTION_IGNORED},
};

#define SPEC_COUNT (sizeof(specs) / sizeof(specs[0]))

void options_init(struct options *options)
{
	*options = (struct options){
		.cachesize = UINT64_C(4) << 30,
		.connections = 4,
		.poll = 60,
		.brake = 1000,
		.timeout = 30,
		.uid = geteuid(),
		.gid = getegid(),
		.umask = 077,
	};
}

void options_finish(struct options *options)
{
	char **texts[] = {&options->passfile, &options->passcmd, &options->cafile,
		&options->cache, &options->state, &options->folders, &options->exclude,
		&options->trash};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
}

static const struct option_spec *spec_find(const char *name)
{
	for (size_t i = 0; i < SPEC_COUNT; i++)
		if (strcmp(specs[i].name, name) == 0)
			return &specs[i];
	return NULL;
}

const char *options_nearest(const char *name)
{
	const char *nearest = NULL;
	unsigned least = 4; /* what is further away is no slip of a finger */

	for (size_t i = 0; i < SPEC_COUNT; i++) {
		unsigned distance = str_distance(name, specs[i].name);

		if (distance < least && distance < strlen(name)) {
			least = distance;
			nearest = specs[i].name;
		}
	}
	return nearest;
}

static void set_text(char **where, char *text)
{
	free(*where);
	*where = text;
}

static int set_path(const struct option_spec *spec, char **where, const char *value,
	enum options_origin origin, struct error *err)
{
	if (origin == OPTIONS_FROM_CONFIG && value[0] != '/' && !str_starts(value, "~/"))
		return error_set(err, EINVAL,
			"%s=%s must be a whole path, beginning with '/' or '~/'", spec->name,
			value);
	set_text(where, paths_absolute(value));
	return 0;
}

static int set_number(
	const struct option_spec *spec, uint64_t *where, const char *value, struct error *err)
{
	uint64_t number;

	if (str_to_u64(value, spec->max, &number) < 0 || number < spec->min)
		return error_set(err, EINVAL, "%s=%s must be a number from %llu to %llu",
			spec->name, value, (unsigned long long)spec->min,
			(unsigned long long)spec->max);
	*where = number;
	return 0;
}

static int set_size(
	const struct option_spec *spec, uint64_t *where, const char *value, struct error *err)
{
	static const char units[] = "KMGT";
	size_t len = strlen(value);
	char *digits _cleanup_free_ = xstrdup(value);
	const char *unit;
	unsigned shift = 0;
	uint64_t number;

	/* 2G, 2g, 2GB and 2GiB are all the same. */
	if (len > 2 && str_equal_nocase(digits + len - 2, "iB"))
		len -= 2;
	else if (len > 1 && (digits[len - 1] == 'B' || digits[len - 1] == 'b'))
		len -= 1;
	digits[len] = '\0';
	unit = len ? strchr(units, digits[len - 1] & ~0x20) : NULL;
	if (unit && *unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		digits[len - 1] = '\0';
	}
	if (str_to_u64(digits, spec->max >> shift, &number) < 0)
		return error_set(err, EINVAL,
			"%s=%s is no size: write bytes, or 500M, or 2G, or 0 for no limit",
			spec->name, value);
	*where = number << shift;
	return 0;
}

static int set_octal(
	const struct option_spec *spec, uint64_t *where, const char *value, struct error *err)
{
	uint64_t number = 0;
	bool bad = !*value;

	for (const char *at = value; *at; at++) {
		bad = bad || *at < '0' || *at > '7' || number > spec->max;
		number = number * 8 + (uint64_t)(*at - '0');
	}
	if (bad || number > spec->max)
		return error_set(
			err, EINVAL, "%s=%s must be octal, 000 to 777", spec->name, value);
	*where = number;
	return 0;
}

static int set_brake(
	const struct option_spec *spec, uint64_t *where, const char *value, struct error *err)
{
	if (strcmp(value, "off") == 0) {
		*where = 0;
		return 0;
	}
	if (set_number(spec, where, value, NULL) == 0)
		return 0;
	return error_set(err, EINVAL,
		"brake=%s must be off, or how many messages may be removed for good in a "
		"minute, from %llu to %llu",
		value, (unsigned long long)spec->min, (unsigned long long)spec->max);
}

static int set_tls(enum options_tls *where, const char *value, struct error *err)
{
	if (strcmp(value, "implicit") == 0)
		*where = OPTIONS_TLS_IMPLICIT;
	else if (strcmp(value, "starttls") == 0)
		*where = OPTIONS_TLS_STARTTLS;
	else if (strcmp(value, "none") == 0)
		*where = OPTIONS_TLS_NONE;
	else
		return error_set(err, EINVAL,
			"tls=%s must be implicit, starttls or none (none sends the password "
			"and all "
			"mail for everybody to read)",
			value);
	return 0;
}

/* A flag is on as it stands, and in a configuration file also as "flag = yes". */
static int set_flag(
	const struct option_spec *spec, bool *where, const char *value, struct error *err)
{
	static const char *const yes[] = {"", "1", "yes", "true", "on"};
	static const char *const no[] = {"0", "no", "false", "off"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!value || str_equal_nocase(value, yes[i])) {
			*where = true;
			return 0;
		}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (str_equal_nocase(value, no[i])) {
			*where = false;
			return 0;
		}
	return error_set(err, EINVAL, "%s=%s must be yes or no", spec->name, value);
}

static int spec_set(const struct option_spec *spec, void *where, const char *value,
	enum options_origin origin, struct error *err)
{
	if (spec->argument && (!value || !*value))
		return error_set(err, EINVAL, "the option %s needs a value: %s=%s", spec->name,
			spec->name, spec->argument);
	switch (spec->kind) {
	case OPTION_TEXT:
		set_text(where, xstrdup(value));
		return 0;
	case OPTION_PATH:
		return set_path(spec, where, value, origin, err);
	case OPTION_SIZE:
		return set_size(spec, where, value, err);
	case OPTION_NUMBER:
		return set_number(spec, where, value, err);
	case OPTION_OCTAL:
		return set_octal(spec, where, value, err);
	case OPTION_TLS:
		return set_tls(where, value, err);
	case OPTION_BRAKE:
		return set_brake(spec, where, value, err);
	case OPTION_FLAG:
		return set_flag(spec, where, value, err);
	case OPTION_IGNORED:
		return 0;
	}
	return error_set(err, EINVAL, "the option %s cannot be set", spec->name);
}

static int unknown(const char *name, struct error *err)
{
	const char *nearest = options_nearest(name);

	if (str_equal_nocase(name, "password") || str_equal_nocase(name, "pass"))
		return error_set(err, ENOENT,
			"there is no option %s, so that no password stands where others may "
			"see it: "
			"use passfile=FILE or passcmd=COMMAND",
			name);
	if (nearest)
		return error_set(err, ENOENT, "there is no option '%s'; did you mean '%s'?",
			name, nearest);
	return error_set(
		err, ENOENT, "there is no option '%s'; mountmail --help lists them all", name);
}

int options_set(struct options *options, const char *name, const char *value,
	enum options_origin origin, struct error *err)
{
	const struct option_spec *spec;

	/* x-systemd.automount and its kind are notes for others. */
	if (str_starts(name, "x-") || str_starts(name, "X-"))
		return 0;
	spec = spec_find(name);
	if (!spec)
		return unknown(name, err);
	return spec_set(spec, (char *)options + spec->where, value, origin, err);
}

/* The next option of a list, unescaped and owned; NULL at the end. */
static char *list_next(const char **list)
{
	struct buf buf = BUF_INIT;
	const char *at = *list;

	if (!*at)
		return NULL;
	for (; *at && *at != ','; at++) {
		if (at[0] == '\\' && (at[1] == ',' || at[1] == '\\'))
			at++;
		buf_append_char(&buf, *at);
	}
	*list = *at ? at + 1 : at;
	return buf_steal(&buf);
}

int options_set_list(struct options *options, const char *list, struct error *err)
{
	int result = 0;
	char *item;

	while (result == 0 && (item = list_next(&list))) {
		char *equals = strchr(item, '=');

		if (equals)
			*equals = '\0';
		if (*item)
			result = options_set(options, item, equals ? equals + 1 : NULL,
				OPTIONS_FROM_COMMAND_LINE, err);
		free(item);
	}
	return result;
}

void options_help(struct buf *out)
{
	buf_append_str(out, "Options for -o and the configuration file:\n");
	for (size_t i = 0; i < SPEC_COUNT; i++) {
		const struct option_spec *spec = &specs[i];
		char head[32];

		if (!spec->help)
			continue;
		snprintf(head, sizeof(head), "%s%s%s", spec->name, spec->argument ? "=" : "",
			spec->argument ? spec->argument : "");
		buf_printf(out, "  %-20s ", head);
		for (const char *at = spec->help; *at; at++) {
			buf_append_char(out, *at);
			if (*at == '\n')
				buf_printf(out, "%23s", "");
		}
		buf_append_char(out, '\n');
	}
	buf_append_str(out, "    What fstab and mount(8) add (rw, user, noauto, nofail, "
			    "_netdev, nosuid, nodev,\n"
			    "    noexec, noatime, x-systemd.automount, ...) is accepted and "
			    "changes nothing.\n"
			    "    A comma in a value is written \\, there.\n");
}
