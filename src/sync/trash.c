#include "trash_p.h"
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* From the surest. */
#define TRASH_WANTED 3u
#define TRASH_FLAGGED 2u
#define TRASH_NAMED 1u

/* What a path is called at the top. */
static bool trash_is_named(const char *path)
{
	static const char *const names[] = {
		"Trash", "Deleted Items", "Deleted Messages", "Deleted"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(path, names[i]) == 0)
			return true;
	return false;
}

static bool trash_is_wanted(const char *wanted, const char *path)
{
	_cleanup_free_ char *slashed = xstrdup(path);

	for (char *at = strchr(slashed, '\n'); at; at = strchr(at, '\n'))
		*at = '/';
	return strcmp(slashed, wanted) == 0;
}

static unsigned trash_rank(const char *wanted, const struct mail_folder *folder)
{
	if (folder->flags & MAIL_FOLDER_NOSELECT)
		return 0;
	if (wanted)
		return wanted[0] && trash_is_wanted(wanted, folder->path) ? TRASH_WANTED : 0;
	if (folder->flags & MAIL_FOLDER_TRASH)
		return TRASH_FLAGGED;
	return trash_is_named(folder->path) ? TRASH_NAMED : 0;
}

void trash_hear(struct trash *trash, const char *wanted, const struct mail_folder *folder)
{
	unsigned rank = trash_rank(wanted, folder);

	if (rank <= trash->rank)
		return;
	free(trash->raw);
	trash->raw = xstrdup(folder->raw);
	trash->rank = rank;
}

void trash_finish(struct trash *trash)
{
	free(trash->raw);
	*trash = (struct trash){0};
}

bool trash_holds(
	const char *trash, struct store_reader *reader, const struct store_folder *folder)
{
	int64_t parent = folder->parent;
	bool holds = trash && strcmp(folder->raw, trash) == 0;

	while (trash && !holds && parent != STORE_ROOT) {
		struct store_folder above;

		if (store_folder_by_id(reader, parent, &above) < 0)
			break;
		holds = strcmp(above.raw, trash) == 0;
		parent = above.parent;
		store_folder_finish(&above);
	}
	return holds;
}
