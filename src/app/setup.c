#include "config_p.h"
#include "mountpoint_p.h"
#include "paths_p.h"
#include "setup_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSCMD_TIMEOUT_MS 120000 /* a person may have to unlock a key */

void setup_finish(struct setup *setup)
{
	char **texts[] = {&setup->account, &setup->identity, &setup->folders,
		&setup->mountpoint, &setup->cache, &setup->state, &setup->control};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(*texts[i]);
	secret_finish(&setup->secret);
	url_finish(&setup->url);
	options_finish(&setup->options);
	*setup = (struct setup){0};
}

static int one_source(const struct options *options, const char *where, struct error *err)
{
	if (options->passfile && options->passcmd)
		return error_set(err, EINVAL,
			"%s give both passfile and passcmd; one of them has to go", where);
	return 0;
}

/* The options of -o. A source of the password there replaces the one in the configuration. */
static int apply_lists(struct options *options, const struct args *args, struct error *err)
{
	char *passfile = steal_pointer(&options->passfile);
	char *passcmd = steal_pointer(&options->passcmd);
	int result = 0;

	for (size_t i = 0; i < args->list_count && result == 0; i++)
		result = options_set_list(options, args->lists[i], err);
	if (result == 0)
		result = one_source(options, "the options", err);
	if (result == 0 && !options->passfile && !options->passcmd) {
		options->passfile = steal_pointer(&passfile);
		options->passcmd = steal_pointer(&passcmd);
	}
	free(passfile);
	free(passcmd);
	return result;
}

static int read_source(struct setup *setup, const char *source, struct error *err)
{
	char *path _cleanup_free_ = NULL;
	int result;

	if (url_is_one(source))
		return url_parse(source, &setup->url, err);
	path = paths_in(PATHS_CONFIG, "config");
	result = config_load(path, source, &setup->options, &setup->url, err);
	if (result == 0)
		result = one_source(&setup->options, "the lines of that account", err);
	return result;
}

static int choose_tls(const struct setup *setup, enum wire_tls *tls_out, struct error *err)
{
	switch (setup->options.tls) {
	case OPTIONS_TLS_BY_URL:
		*tls_out = setup->url.implicit ? WIRE_TLS_IMPLICIT : WIRE_TLS_STARTTLS;
		return 0;
	case OPTIONS_TLS_IMPLICIT:
		*tls_out = WIRE_TLS_IMPLICIT;
		return 0;
	case OPTIONS_TLS_STARTTLS:
	case OPTIONS_TLS_NONE:
		break;
	}
	if (setup->url.implicit)
		return error_set(err, EINVAL,
			"imaps:// is TLS from the first byte and does not go with tls=%s: "
			"write "
			"imap://, or leave tls= away",
			setup->options.tls == OPTIONS_TLS_NONE ? "none" : "starttls");
	*tls_out = setup->options.tls == OPTIONS_TLS_NONE ? WIRE_TLS_NONE : WIRE_TLS_STARTTLS;
	return 0;
}

/* The folder of a URL as a glob that matches it and nothing else. */
static char *glob_of(const char *folder)
{
	struct buf buf = BUF_INIT;

	for (; *folder; folder++) {
		if (strchr("*?[]\\", *folder))
			buf_append_char(&buf, '\\');
		buf_append_char(&buf, *folder);
	}
	return buf_steal(&buf);
}

static int choose_folders(struct setup *setup, struct error *err)
{
	if (setup->url.folder && setup->options.folders)
		return error_set(err, EINVAL,
			"the URL names the folder %s, and folders=%s others; one of them has "
			"to go",
			setup->url.folder, setup->options.folders);
	setup->folders = setup->url.folder ? glob_of(setup->url.folder)
					   : xstrdup(setup->options.folders);
	return 0;
}

static int check_cafile(const char *cafile, struct error *err)
{
	if (cafile && access(cafile, R_OK) < 0)
		return error_set(
			err, errno, "cafile=%s cannot be read: %s", cafile, strerror(errno));
	return 0;
}

/* What people, df and the directories call it. One folder by itself has a cache by itself: what
 * it leaves out is not to be dropped from that of the whole account. */
static char *account_name(const struct setup *setup, const char *source, enum wire_tls tls)
{
	char *label _cleanup_free_ = NULL;

	if (!url_is_one(source))
		return xstrdup(source);
	label = url_label(&setup->url, tls);
	if (!setup->url.folder)
		return steal_pointer(&label);
	return xasprintf("%s/%s", label, setup->url.folder);
}

static int configure(struct setup *setup, const struct args *args, struct error *err)
{
	const char *source = args->operands[0];
	enum wire_tls tls = WIRE_TLS_IMPLICIT;
	int result = read_source(setup, source, err);

	if (result == 0)
		result = apply_lists(&setup->options, args, err);
	if (result == 0)
		result = choose_tls(setup, &tls, err);
	if (result == 0)
		result = choose_folders(setup, err);
	if (result == 0)
		result = check_cafile(setup->options.cafile, err);
	if (result < 0)
		return result;
	setup->debug = args->debug || setup->options.debug;
	setup->foreground = args->foreground || setup->debug;
	setup->account = account_name(setup, source, tls);
	setup->identity = url_identity(&setup->url, tls);
	setup->wire = (struct wire_conf){
		.protocol = setup->url.protocol,
		.tls = tls,
		.host = setup->url.host,
		.port = url_port(&setup->url, tls),
		.user = setup->url.user,
		.cafile = setup->options.cafile,
		.timeout_ms = (uint32_t)setup->options.timeout * 1000,
	};
	return 0;
}

static bool is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return str_starts(path, directory) && (path[len] == '/' || path[len] == '\0');
}

static char *account_dir(enum paths_base base, const char *given, const char *account)
{
	char *name _cleanup_free_ = paths_account_name(account);

	return given ? xstrdup(given) : paths_in(base, name);
}

static int make_dirs(struct setup *setup, struct error *err)
{
	int result;

	setup->cache = account_dir(PATHS_CACHE, setup->options.cache, setup->account);
	setup->state = account_dir(PATHS_STATE, setup->options.state, setup->account);
	if (is_below(setup->cache, setup->mountpoint) ||
		is_below(setup->state, setup->mountpoint))
		return error_set(err, EINVAL,
			"the cache (%s) and the state (%s) cannot be inside the mount itself",
			setup->cache, setup->state);
	result = paths_private_dir(setup->cache, err);
	if (result == 0)
		result = paths_private_dir(setup->state, err);
	if (result == 0)
		result = paths_control(setup->state, setup->mountpoint, &setup->control, err);
	return result;
}

static int get_secret(struct setup *setup, struct error *err)
{
	const struct options *options = &setup->options;
	char *prompt _cleanup_free_ = NULL;
	int result = secret_init(&setup->secret, err);

	if (result < 0)
		return result;
	if (options->passfile) {
		result = secret_from_file(&setup->secret, options->passfile, err);
	} else if (options->passcmd) {
		result = secret_from_command(
			&setup->secret, options->passcmd, PASSCMD_TIMEOUT_MS, err);
	} else {
		prompt = xasprintf("Password for %s at %s: ", setup->url.user, setup->url.host);
		result = secret_from_terminal(&setup->secret, prompt, err);
	}
	setup->wire.secret = setup->secret.text;
	return result;
}

enum exit_status setup_load(struct setup *setup_out, const struct args *args, struct error *err)
{
	*setup_out = (struct setup){0};
	options_init(&setup_out->options);
	if (args->operand_count != 2) {
		error_set(err, EINVAL,
			"what to mount, and where? mountmail [-o OPTIONS] ACCOUNT|URL "
			"MOUNTPOINT; "
			"mountmail --help explains it");
		return STATUS_USAGE;
	}
	if (configure(setup_out, args, err) < 0)
		return STATUS_USAGE;
	if (paths_mountpoint(args->operands[1], &setup_out->mountpoint, err) < 0 ||
		mountpoint_check(setup_out->mountpoint, err) < 0)
		return STATUS_MOUNTPOINT;
	if (make_dirs(setup_out, err) < 0 || get_secret(setup_out, err) < 0)
		return STATUS_FAILED;
	return STATUS_OK;
}
