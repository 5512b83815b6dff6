/*
 * private-dovecot-modules.c - lets an unpacked Dovecot find its TLS module.
 * Built and preloaded by contrib/private-dovecot; no part of mountmail.
 *
 * Dovecot can be told where its parts are, but for the module that holds TLS: that folder's name is
 * compiled in. Calls that ask for it are led to $DOVECOT_MODULES.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char compiled_in[] = "/usr/lib/dovecot/modules";

static const char *led_to(const char *path, char *room, size_t size)
{
	const char *modules = getenv("DOVECOT_MODULES");
	size_t len = sizeof(compiled_in) - 1;

	if (!path || !modules || strncmp(path, compiled_in, len))
		return path;
	snprintf(room, size, "%s%s", modules, path + len);
	return room;
}

DIR *opendir(const char *path)
{
	DIR *(*next)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
	char room[PATH_MAX];

	return next(led_to(path, room, sizeof(room)));
}

void *dlopen(const char *path, int flags)
{
	void *(*next)(const char *, int) =
		(void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
	char room[PATH_MAX];

	return next(led_to(path, room, sizeof(room)), flags);
}
