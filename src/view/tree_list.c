#include "tree_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <stdlib.h>

/*
 * A cookie says which entry was given last, not how many: it leads on though entries come and
 * go, the one it names among them. In the order of the listing; 63 bits, as d_off is signed.
 */
#define COOKIE_DOT UINT64_C(1)
#define COOKIE_DOTDOT UINT64_C(2)
#define COOKIE_STATUS UINT64_C(3)
#define COOKIE_QUEUE UINT64_C(4)
#define COOKIE_FOLDER (UINT64_C(1) << 61)  /* | its id */
#define COOKIE_MESSAGE (UINT64_C(1) << 62) /* | 29 bits of the folder's tag << 32 | its UID */

/*
 * The tag is another in another epoch: a walk that began among other messages is told apart
 * from one that goes on.
 */
static uint64_t cookie_of_message(uint32_t tag, uint32_t uid)
{
	return COOKIE_MESSAGE | (uint64_t)(tag & 0x1fffffff) << 32 | uid;
}

/* One call of view_list. */
struct listing {
	struct view *view;
	struct store_folder folder; /* the directory's */
	bool (*each)(void *ctx, const char *name, const struct view_entry *entry,
		uint64_t next_cookie);
	void *ctx;
	bool stopped;
	int result; /* -EIO when an entry cannot be made */
};

/*
 * Gives one entry; false when the caller has enough. An unsafe name would cost the whole
 * directory (the kernel answers EIO); no maker of names makes one, and if one did, only that
 * entry is left out.
 */
static bool listing_give(struct listing *listing, const char *name, size_t len,
	const struct view_entry *entry, uint64_t cookie)
{
	if (!name_is_safe(name, len)) {
		log_error("folder %lld: the name of inode %llu is unsafe, it is not listed",
			(long long)listing->folder.id, (unsigned long long)entry->stat.st_ino);
		return true;
	}
	listing->stopped = !listing->each(listing->ctx, name, entry, cookie);
	return !listing->stopped;
}

static bool listing_folder(void *ctx, const struct store_folder *folder)
{
	struct listing *listing = ctx;
	struct view_entry entry;
	char name[NAME_MAX_BYTES + 1];
	size_t len = name_of_folder(folder->level, name);

	listing->result = tree_folder_entry(listing->view, folder, &entry);
	if (listing->result < 0)
		return false;
	return listing_give(listing, name, len, &entry, COOKIE_FOLDER | (uint64_t)folder->id);
}

static bool listing_message(void *ctx, const struct store_message *message)
{
	struct listing *listing = ctx;
	struct view_entry entry;
	char name[NAME_MAX_BYTES + 1];
	size_t len = tree_message_name(message, name);

	tree_message_entry(listing->view, &listing->folder, message, &entry);
	return listing_give(listing, name, len, &entry,
		cookie_of_message(listing->folder.message_tag, message->mail.uid));
}

static int listing_self_entry(const struct listing *listing, struct view_entry *entry_out)
{
	switch (listing->folder.id) {
	case TREE_NO_FOLDER:
		return tree_fixed_entry(listing->view, INODE_CONTROL_DIR, entry_out);
	case STORE_ROOT:
		return tree_fixed_entry(listing->view, INODE_ROOT, entry_out);
	}
	return tree_folder_entry(listing->view, &listing->folder, entry_out);
}

static int listing_parent_entry(const struct listing *listing, struct view_entry *entry_out)
{
	struct store_folder parent;
	int result;

	if (listing->folder.id <= STORE_ROOT || listing->folder.parent == STORE_ROOT)
		return tree_fixed_entry(listing->view, INODE_ROOT, entry_out);
	result = store_folder_by_id(listing->view->reader, listing->folder.parent, &parent);
	if (result < 0)
		return result;
	result = tree_folder_entry(listing->view, &parent, entry_out);
	store_folder_finish(&parent);
	return result;
}

static int listing_dots(struct listing *listing, uint64_t cookie)
{
	struct view_entry entry;
	int result = 0;

	if (cookie < COOKIE_DOT) {
		result = listing_self_entry(listing, &entry);
		if (result < 0 || !listing->each(listing->ctx, ".", &entry, COOKIE_DOT)) {
			listing->stopped = true;
			return result;
		}
	}
	if (cookie < COOKIE_DOTDOT) {
		result = listing_parent_entry(listing, &entry);
		listing->stopped =
			result < 0 || !listing->each(listing->ctx, "..", &entry, COOKIE_DOTDOT);
	}
	return result;
}

static int listing_control(struct listing *listing, uint64_t cookie)
{
	static const struct {
		uint64_t inode, cookie;
		const char *name;
	} documents[] = {{INODE_STATUS, COOKIE_STATUS, TREE_STATUS_NAME},
		{INODE_QUEUE, COOKIE_QUEUE, TREE_QUEUE_NAME}};
	int result = 0;

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct view_entry entry;

		if (cookie >= documents[i].cookie || result < 0 || listing->stopped)
			continue;
		result = tree_fixed_entry(listing->view, documents[i].inode, &entry);
		if (result == 0)
			listing->stopped = !listing->each(
				listing->ctx, documents[i].name, &entry, documents[i].cookie);
	}
	return result;
}

static int listing_run(struct listing *listing, uint64_t cookie)
{
	uint64_t after;
	int result = 0;

	if (cookie < COOKIE_DOTDOT)
		result = listing_dots(listing, cookie);
	if (result < 0 || listing->stopped)
		return result;
	if (listing->folder.id == TREE_NO_FOLDER)
		return listing_control(listing, cookie);
	if (cookie < COOKIE_MESSAGE) {
		after = cookie > COOKIE_FOLDER ? cookie & ~COOKIE_FOLDER : 0;
		result = store_folders_under(listing->view->reader, listing->folder.id,
			(int64_t)after, listing_folder, listing);
		result = result < 0 ? result : listing->result;
	}
	if (result < 0 || listing->stopped || listing->folder.id == STORE_ROOT)
		return result;
	after = cookie >= COOKIE_MESSAGE ? (uint32_t)cookie : 0;
	if (cookie >= COOKIE_MESSAGE &&
		cookie != cookie_of_message(listing->folder.message_tag, (uint32_t)after))
		return -ESTALE;
	if (after >= UINT32_MAX) /* behind the last UID there can be */
		return 0;
	return store_messages_walk_shown(listing->view->reader, &listing->folder,
		(uint32_t)after, STORE_COLUMNS_NAME, listing_message, listing);
}

int view_list(struct view *view, uint64_t inode, uint64_t cookie,
	bool (*each)(void *ctx, const char *name, const struct view_entry *entry,
		uint64_t next_cookie),
	void *ctx)
{
	struct listing listing = {.view = view, .each = each, .ctx = ctx};
	int result = store_reader_begin(view->reader);

	if (result < 0)
		return result;
	result = tree_directory(view, inode, &listing.folder);
	if (result == 0)
		result = listing_run(&listing, cookie);
	store_folder_finish(&listing.folder);
	store_reader_end(view->reader);
	return result;
}

int view_list_ready(struct view *view, uint64_t inode, int64_t *folder_id_out)
{
	struct store_folder folder;
	int result = tree_directory(view, inode, &folder);

	if (result < 0)
		return result;
	*folder_id_out = folder.id;
	if (folder.id > STORE_ROOT && !(folder.flags & MAIL_FOLDER_NOSELECT) &&
		folder.listed != STORE_LISTED_FULLY)
		result = -EAGAIN;
	store_folder_finish(&folder);
	return result;
}

static bool empty_met_folder(void *ctx, const struct store_folder *folder)
{
	*(bool *)ctx = true;
	return false;
}

static bool empty_met_message(void *ctx, const struct store_message *message)
{
	*(bool *)ctx = true;
	return false;
}

static int empty_look(struct view *view, const struct store_folder *folder)
{
	bool any = folder->id <= STORE_ROOT;
	int result = 0;

	if (!any && !(folder->flags & MAIL_FOLDER_NOSELECT))
		any = folder->listed != STORE_LISTED_FULLY;
	if (!any)
		result = store_folders_under(
			view->reader, folder->id, 0, empty_met_folder, &any);
	if (result == 0 && !any)
		result = store_messages_walk_shown(
			view->reader, folder, 0, STORE_COLUMNS_NAME, empty_met_message, &any);
	return result == 0 && any ? -ENOTEMPTY : result;
}

int view_empty(struct view *view, uint64_t inode)
{
	struct store_folder folder;
	int result = store_reader_begin(view->reader);

	if (result < 0)
		return result;
	result = tree_directory(view, inode, &folder);
	if (result == 0)
		result = empty_look(view, &folder);
	store_folder_finish(&folder);
	store_reader_end(view->reader);
	return result;
}
