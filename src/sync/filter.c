#include "filter_p.h"
#include <fnmatch.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <stddef.h>
#include <string.h>

/* INBOX is one folder in any case of its letters (RFC 9051 section 5.1), all others are not. */
static bool filter_matches(const char *glob, const char *path, bool inbox)
{
	return fnmatch(glob, path, inbox ? FNM_CASEFOLD : 0) == 0;
}

/* The path or one of the folders above it. path is cut meanwhile. */
static bool filter_matches_upward(const char *glob, char *path, bool inbox)
{
	for (;;) {
		char *slash;

		if (filter_matches(glob, path, inbox))
			return true;
		slash = strrchr(path, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
}

bool filter_shows(const struct filter *filter, const struct mail_folder *folder)
{
	_cleanup_free_ char *path = xstrdup(folder->path);
	bool inbox = folder->flags & MAIL_FOLDER_INBOX;

	for (char *at = strchr(path, '\n'); at; at = strchr(at, '\n'))
		*at = '/';
	if (filter->folders && !filter_matches(filter->folders, path, inbox))
		return false;
	if (!filter->folders && !filter->all_mail && (folder->flags & MAIL_FOLDER_ALL))
		return false;
	return !filter->exclude || !filter_matches_upward(filter->exclude, path, inbox);
}
