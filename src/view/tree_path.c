#include "tree_p.h"
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* More levels than any server's names hold: a damaged table may go round in circles. */
#define PATH_LEVELS_MAX 4096

/* The id of the folder with this file name under parent; -errno. */
static int64_t path_step(struct view *view, int64_t parent, const char *name)
{
	struct store_folder folder;
	int64_t id;
	int result = tree_subfolder(view, parent, name, &folder);

	if (result < 0)
		return result;
	id = folder.id;
	store_folder_finish(&folder);
	return id;
}

int view_folder_by_path(struct view *view, const char *path, int64_t *folder_id_out)
{
	_cleanup_free_ char *copy = xstrdup(path);
	char *rest = copy, *name;
	int64_t id = STORE_ROOT;
	int result = store_reader_begin(view->reader);

	if (result < 0)
		return result;
	while (id >= 0 && (name = strsep(&rest, "/")))
		if (*name) /* slashes at the ends and in a row count for nothing */
			id = path_step(view, id, name);
	store_reader_end(view->reader);
	if (id < 0)
		return (int)id;
	*folder_id_out = id;
	return 0;
}

/* Puts the name of folder id before path, and moves id to its parent. */
static int path_climb(struct view *view, int64_t *id, char **path)
{
	struct store_folder folder;
	char name[NAME_MAX_BYTES + 1];
	char *longer;
	int result = store_folder_by_id(view->reader, *id, &folder);

	if (result < 0)
		return result;
	name_of_folder(folder.level, name);
	longer = **path ? xasprintf("%s/%s", name, *path) : xstrdup(name);
	free(*path);
	*path = longer;
	*id = folder.parent;
	store_folder_finish(&folder);
	return 0;
}

char *view_folder_path(struct view *view, int64_t folder_id)
{
	_cleanup_free_ char *path = xstrdup("");
	int64_t id = folder_id;
	int result = store_reader_begin(view->reader);

	if (result < 0)
		return NULL;
	for (int levels = 0; result == 0 && id != STORE_ROOT; levels++)
		result = levels < PATH_LEVELS_MAX ? path_climb(view, &id, &path) : -EIO;
	store_reader_end(view->reader);
	return result == 0 ? steal_pointer(&path) : NULL;
}
