#include "args_p.h"
#include <errno.h>
#include <getopt.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct args_option {
	const char *name;
	int letter;	/* what getopt_long returns; a capital letter without a short option */
	unsigned known; /* 0: every command knows it */
	const char *value; /* what it takes, NULL for nothing */
};

static const struct args_option all_options[] = {
	{"help", 'h', 0, NULL},
	{"version", 'V', 0, NULL},
	{"json", 'J', ARGS_JSON, NULL},
	{"force", 'F', ARGS_FORCE, NULL},
	{"undo", 'U', ARGS_UNDO, "ID, or all"},
	{"release", 'R', ARGS_RELEASE, NULL},
	{"discard", 'D', ARGS_DISCARD, "ID, or all"},
	{"timeout", 'T', ARGS_TIMEOUT, "SECONDS"},
};

#define OPTION_COUNT (sizeof(all_options) / sizeof(all_options[0]))

static size_t known_options(unsigned known, struct option options_out[OPTION_COUNT + 1])
{
	size_t count = 0;

	memset(options_out, 0, sizeof(*options_out) * (OPTION_COUNT + 1));
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (all_options[i].known & ~known)
			continue;
		options_out[count].name = all_options[i].name;
		options_out[count].val = all_options[i].letter;
		options_out[count].has_arg =
			all_options[i].value ? required_argument : no_argument;
		count++;
	}
	return count;
}

static int unknown_long(
	const char *text, const struct option *options, size_t count, struct error *err)
{
	size_t len = strcspn(text + 2, "=");
	char *name = xstrndup(text + 2, len);
	const char *nearest = NULL;
	unsigned least = 4;
	int result;

	for (size_t i = 0; i < count; i++) {
		unsigned distance = str_distance(name, options[i].name);

		if (distance < least && distance < len) {
			least = distance;
			nearest = options[i].name;
		}
	}
	if (nearest)
		result = error_set(err, EINVAL,
			"there is no option '--%s' here; did you mean '--%s'?", name, nearest);
	else
		result = error_set(err, EINVAL,
			"there is no option '--%s' here; mountmail --help lists them all",
			name);
	free(name);
	return result;
}

static int missing_value(struct error *err)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (optopt == all_options[i].letter && all_options[i].value)
			return error_set(err, EINVAL, "the option --%s needs a value: %s",
				all_options[i].name, all_options[i].value);
	return error_set(
		err, EINVAL, "the option -%c needs a value: -o OPTION[,OPTION...]", optopt);
}

static int complain(
	int what, char **argv, const struct option *options, size_t count, struct error *err)
{
	const char *text = argv[optind - 1];

	if (what == ':')
		return missing_value(err);
	for (size_t i = 0; i < count; i++)
		if (optopt == options[i].val && str_starts(text, "--"))
			return error_set(
				err, EINVAL, "the option --%s takes no value", options[i].name);
	if (optopt)
		return error_set(err, EINVAL,
			"there is no option '-%c' here; mountmail --help lists them all",
			optopt);
	return unknown_long(text, options, count, err);
}

static void take(struct args *args, int letter)
{
	switch (letter) {
	case 'f':
		args->foreground = true;
		break;
	case 'd':
		args->debug = true;
		break;
	case 'o':
		args->lists =
			xreallocarray(args->lists, args->list_count + 1, sizeof(*args->lists));
		args->lists[args->list_count++] = optarg;
		break;
	case 'J':
		args->json = true;
		break;
	case 'F':
		args->force = true;
		break;
	case 'U':
		args->undo = optarg;
		break;
	case 'R':
		args->release = true;
		break;
	case 'D':
		args->discard = optarg;
		break;
	case 'T':
		args->timeout = optarg;
		break;
	case 'h':
		args->help = true;
		break;
	case 'V':
		args->version = true;
		break;
	}
}

int args_parse(struct args *args_out, int argc, char **argv, unsigned known, struct error *err)
{
	struct option options[OPTION_COUNT + 1];
	size_t count = known_options(known, options);
	char letters[16];
	int letter;

	*args_out = (struct args){0};
	snprintf(letters, sizeof(letters), ":hV%s%s%s", known & ARGS_FOREGROUND ? "f" : "",
		known & ARGS_DEBUG ? "d" : "", known & ARGS_OPTIONS ? "o:" : "");
	optind = 0; /* glibc: from the start, whoever called it before */
	opterr = 0;
	while ((letter = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return complain(letter, argv, options, count, err);
		take(args_out, letter);
	}
	args_out->operands = argv + optind;
	args_out->operand_count = (size_t)(argc - optind);
	return 0;
}

void args_finish(struct args *args)
{
	free(args->lists);
	*args = (struct args){0};
}
