#include "documents_p.h"
#include "opens_p.h"
#include "ops_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/folders.h>
#include <mountmail/view/inode.h>
#include <mountmail/view/name.h>
#include <stdlib.h>
#include <string.h>

int ops_errno_inode(int result)
{
	return result == -ENOENT ? ESTALE : -result;
}

void ops_note_activity(struct fs *fs, uint64_t directory)
{
	atomic_store_explicit(&fs->activity[fs_hash(directory) % FS_ACTIVITY_SLOTS],
		clock_now_ms(), memory_order_relaxed);
}

/* Made when it is read; only then is its size known. */
static void entry_of_document(struct fs_thread *thread, struct view_entry *entry)
{
	int64_t changed = atomic_load(&thread->fs->status_changed);

	entry->stat.st_size = (off_t)documents_size(thread, entry->stat.st_ino);
	entry->stat.st_mtime = entry->stat.st_ctime = (time_t)changed;
}

int ops_entry(struct fs_thread *thread, uint64_t inode, struct view_entry *entry_out)
{
	int result = view_get(thread->view, inode, entry_out);

	if (result == 0 && documents_is_one(inode))
		entry_of_document(thread, entry_out);
	if (result == -ENOENT && opens_stat(thread->fs->opens, inode, &entry_out->stat))
		result = 0;
	return result;
}

static double entry_timeout(uint64_t inode)
{
	return documents_is_one(inode) ? 0 : FS_FOREVER;
}

static struct fuse_entry_param entry_param(const struct view_entry *entry)
{
	return (struct fuse_entry_param){
		.ino = entry->stat.st_ino,
		.generation = 1,
		.attr = entry->stat,
		.attr_timeout = entry_timeout(entry->stat.st_ino),
		.entry_timeout = FS_FOREVER,
	};
}

bool ops_must_wait(
	struct fs_thread *thread, uint64_t parent, const char *name, int64_t *folder_id_out)
{
	uint32_t uid;

	return name_parse_message(name, &uid) &&
	       view_list_ready(thread->view, parent, folder_id_out) == -EAGAIN;
}

static int lookup_reply(
	struct fs_thread *thread, fuse_req_t req, uint64_t parent, const char *name)
{
	struct view_entry entry;
	struct fuse_entry_param param;
	int result = view_lookup(thread->view, parent, name, &entry);

	if (result < 0)
		return result;
	if (documents_is_one(entry.stat.st_ino))
		entry_of_document(thread, &entry);
	param = entry_param(&entry);
	fuse_reply_entry(req, &param);
	return 0;
}

static void lookup_answer(struct fs_thread *thread, struct park_request *request, int result)
{
	if (result == 0) {
		ops_note_activity(thread->fs, request->inode);
		result = lookup_reply(thread, request->req, request->inode, request->name);
	}
	if (result < 0)
		fuse_reply_err(request->req, result == -ESHUTDOWN ? EIO : -result);
}

void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs_thread *thread = fs_thread_self();
	struct park_request request = {.req = req, .answer = lookup_answer, .inode = parent};
	int result;

	ops_note_activity(thread->fs, parent);
	result = lookup_reply(thread, req, parent, name);
	if (result == -ENOENT && ops_must_wait(thread, parent, name, &request.folder_id)) {
		request.name = xstrdup(name);
		park_add(thread->fs->park, &request);
	} else if (result < 0) {
		/* No negative entry: it would have to be found again when the message comes. */
		fuse_reply_err(req, -result);
	}
}

void ops_getattr(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file)
{
	struct fs_thread *thread = fs_thread_self();
	struct view_entry entry;
	int result = ops_entry(thread, inode, &entry);

	if (result < 0)
		fuse_reply_err(req, ops_errno_inode(result));
	else
		fuse_reply_attr(req, &entry.stat, entry_timeout(inode));
}

/* Told that often that a folder is listed, when it is not, is no accident any more. */
enum { LISTING_ATTEMPTS = 3 };

/* A listing being written. */
struct listing {
	struct fs_thread *thread;
	fuse_req_t req;
	size_t size;
	size_t len;
	bool plus;
};

static bool listing_add(
	void *ctx, const char *name, const struct view_entry *entry, uint64_t next_cookie)
{
	struct listing *listing = ctx;
	char *at = listing->thread->room.data + listing->len;
	size_t left = listing->size - listing->len, need;
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	struct fuse_entry_param param;

	if (!dots && !name_is_safe(name, strlen(name))) {
		log_error("an entry (inode %llu) is not shown: its name cannot be one",
			(unsigned long long)entry->stat.st_ino);
		return true;
	}
	if (listing->plus) {
		param = entry_param(entry);
		need = fuse_add_direntry_plus(
			listing->req, at, left, name, &param, (off_t)next_cookie);
	} else {
		need = fuse_add_direntry(
			listing->req, at, left, name, &entry->stat, (off_t)next_cookie);
	}
	if (need > left)
		return false;
	listing->len += need;
	return true;
}

/* Fills the thread's room with what comes behind the offset. The length, or -errno. */
static ssize_t listing_make(struct fs_thread *thread, const struct park_request *request)
{
	struct listing listing = {.thread = thread,
		.req = request->req,
		.size = request->size,
		.plus = request->plus};
	int result;

	buf_clear(&thread->room);
	buf_reserve(&thread->room, request->size);
	result =
		view_list(thread->view, request->inode, request->offset, listing_add, &listing);
	return result < 0 ? result : (ssize_t)listing.len;
}

/*
 * What is listed so far is given out while the rest still comes; only the end has to wait for
 * it. A listing that cannot be had is an error: a backup must not take it for the end.
 */
static void listing_try(struct fs_thread *thread, struct park_request *request, int result)
{
	ssize_t len = result < 0 ? result : 0;
	bool whole = false;

	if (result == PARK_NEWS)
		request->attempts = 0;
	ops_note_activity(thread->fs, request->inode);
	if (len == 0) {
		/* Asked before the listing is made, so that its end is the end. */
		result = view_list_ready(thread->view, request->inode, &request->folder_id);
		whole = result == 0;
		len = whole || result == -EAGAIN ? listing_make(thread, request) : result;
	}
	if (len == 0 && !whole && request->attempts < LISTING_ATTEMPTS) {
		park_add(thread->fs->park, request);
		return;
	}
	if (len == 0 && !whole)
		len = -EIO;
	if (len < 0)
		fuse_reply_err(
			request->req, len == -ESHUTDOWN ? EIO : ops_errno_inode((int)len));
	else
		fuse_reply_buf(request->req, thread->room.data, (size_t)len);
	/* Once more: the reply may have been long in the making. */
	ops_note_activity(thread->fs, request->inode);
}

static void listing_begin(
	fuse_req_t req, uint64_t inode, size_t size, uint64_t offset, bool plus)
{
	struct park_request request = {.req = req,
		.answer = listing_try,
		.inode = inode,
		.size = size,
		.offset = offset,
		.plus = plus};

	listing_try(fs_thread_self(), &request, 0);
}

void ops_readdir(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
	struct fuse_file_info *file)
{
	listing_begin(req, inode, size, (uint64_t)offset, false);
}

void ops_readdirplus(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
	struct fuse_file_info *file)
{
	listing_begin(req, inode, size, (uint64_t)offset, true);
}

void ops_statfs(fuse_req_t req, fuse_ino_t inode)
{
	enum { BLOCK = 4096 };
	struct store_totals totals;
	struct statvfs statvfs = {.f_bsize = BLOCK, .f_frsize = BLOCK, .f_namemax = 255};
	int result = store_totals(fs_thread_self()->reader, &totals);

	if (result < 0) {
		fuse_reply_err(req, -result);
		return;
	}
	/* Never none: df hides what has no blocks. */
	statvfs.f_blocks = totals.message_bytes / BLOCK + 1;
	statvfs.f_files = totals.messages + totals.folders;
	fuse_reply_statfs(req, &statvfs);
}
