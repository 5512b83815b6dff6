#include "config_p.h"
#include <errno.h>
#include <ini.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an account has besides its options. */
enum config_key { KEY_URL, KEY_HOST, KEY_USER, KEY_PORT, KEY_COUNT };

static const char *const key_names[] = {"url", "host", "user", "port"};

struct config {
	const char *path;
	const char *account;
	struct options *options;
	char *keys[KEY_COUNT]; /* owned */
	struct buf seen;       /* "\nname\n..." of the section's keys */
	FILE *file;
	unsigned line;
	bool found;	    /* the section is there */
	char *nearest;	    /* owned; the section's name nearest to account */
	struct error error; /* the first one, its code 0 while there is none */
};

__attribute__((format(printf, 2, 3))) static int complain(
	struct config *config, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!config->error.code)
		error_set(
			&config->error, EINVAL, "%s:%u: %s", config->path, config->line, text);
	return 0; /* what inih takes for an error */
}

/* Called by inih for the next line; counts, and notices what does not fit into its buffer. */
static char *next_line(char *room, int size, void *ctx)
{
	struct config *config = ctx;
	char *line = fgets(room, size, config->file);

	if (!line)
		return NULL;
	config->line++;
	if (!strchr(line, '\n') && !feof(config->file)) {
		complain(config, "the line is longer than %d bytes", size - 2);
		return NULL;
	}
	return line;
}

static bool seen_before(struct config *config, const char *name)
{
	char *needle _cleanup_free_ = xasprintf("\n%s\n", name);

	if (config->seen.data && strstr(config->seen.data, needle))
		return true;
	buf_append_str(&config->seen, needle);
	return false;
}

static void note_section(struct config *config, const char *section)
{
	if (!config->nearest || str_distance(section, config->account) <
					str_distance(config->nearest, config->account)) {
		free(config->nearest);
		config->nearest = xstrdup(section);
	}
}

/* Called by inih for each "name = value". */
static int take(void *ctx, const char *section, const char *name, const char *value)
{
	struct config *config = ctx;
	struct error err;

	if (config->error.code)
		return 0;
	if (!*section)
		return complain(config,
			"'%s' stands before the first section; an account begins with its name "
			"in "
			"brackets: [work]",
			name);
	note_section(config, section);
	if (strcmp(section, config->account) != 0)
		return 1;
	config->found = true;
	if (seen_before(config, name))
		return complain(config, "%s is given twice in [%s]", name, section);
	for (int i = 0; i < KEY_COUNT; i++)
		if (strcmp(name, key_names[i]) == 0) {
			config->keys[i] = xstrdup(value);
			return 1;
		}
	if (options_set(config->options, name, value, OPTIONS_FROM_CONFIG, &err) < 0)
		return complain(config, "%s", err.text);
	return 1;
}

static int url_from_keys(struct config *config, struct url *url_out, struct error *err)
{
	const char *user = config->keys[KEY_USER], *host = config->keys[KEY_HOST];
	const char *port = config->keys[KEY_PORT];
	int result;

	if (!host || !user)
		return error_set(err, EINVAL,
			"it needs url = imaps://user@host, or host and user by themselves");
	url_out->implicit = config->options->tls == OPTIONS_TLS_BY_URL ||
			    config->options->tls == OPTIONS_TLS_IMPLICIT;
	result = url_set_host(url_out, host, err);
	if (result == 0)
		result = url_set_user(url_out, user, err);
	if (result == 0 && port)
		result = url_set_port(url_out, port, err);
	return result;
}

static int make_url(struct config *config, struct url *url_out, struct error *err)
{
	const char *url = config->keys[KEY_URL];
	struct error why;
	int result;

	*url_out = (struct url){0};
	if (url && (config->keys[KEY_HOST] || config->keys[KEY_USER] || config->keys[KEY_PORT]))
		result = error_set(&why, EINVAL,
			"url says it all: host, user and port cannot stand beside it");
	else if (url)
		result = url_parse(url, url_out, &why);
	else
		result = url_from_keys(config, url_out, &why);
	if (result == 0)
		return 0;
	return error_set(
		err, why.code, "%s: [%s]: %s", config->path, config->account, why.text);
}

static int no_section(const struct config *config, struct error *err)
{
	const char *nearest = config->nearest;

	if (nearest && str_distance(nearest, config->account) < 4)
		return error_set(err, ENOENT,
			"there is no account [%s] in the config file %s; did you mean '%s'?",
			config->account, config->path, nearest);
	return error_set(err, ENOENT,
		"there is no account [%s] in the config file %s, and '%s' is no URL (such as "
		"imaps://user@host)",
		config->account, config->path, config->account);
}

int config_load(const char *path, const char *account, struct options *options,
	struct url *url_out, struct error *err)
{
	struct config config = {.path = path, .account = account, .options = options};
	int bad_line, result;

	*url_out = (struct url){0};
	config.file = fopen(path, "re");
	if (!config.file)
		return error_set(err, errno,
			"'%s' is no URL (such as imaps://user@host), and the config file %s "
			"that "
			"could name it cannot be read: %s",
			account, path, strerror(errno));
	bad_line = ini_parse_stream(next_line, &config, take, &config);
	config.line = (unsigned)bad_line;
	if (bad_line > 0)
		complain(&config, "neither [account] nor option = value");
	if (config.error.code)
		result = error_set(err, config.error.code, "%s", config.error.text);
	else if (!config.found)
		result = no_section(&config, err);
	else
		result = make_url(&config, url_out, err);
	fclose(config.file);
	buf_finish(&config.seen);
	for (int i = 0; i < KEY_COUNT; i++)
		free(config.keys[i]);
	free(config.nearest);
	return result;
}
