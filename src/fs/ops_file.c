#include "documents_p.h"
#include "notify_p.h"
#include "opens_p.h"
#include "ops_p.h"
#include "settle_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/store/bodies.h>
#include <mountmail/view/inode.h>

/* A body that is gone again before it can be read is given up. */
enum { READ_ATTEMPTS = 3 };

/*
 * Sizes. What the kernel believes is what read() gives out, whatever we send. So an OPEN of a
 * message whose size is only claimed waits for the body, and tells the kernel to ask again
 * before it is answered; the handle remembers the size that was true then, and a READ for which
 * another one is true fails with ESTALE rather than cut off or pad.
 */

static void open_reply(struct fs_thread *thread, fuse_req_t req, uint64_t inode, uint64_t size)
{
	struct fuse_file_info file = {.fh = size, .keep_cache = 1, .noflush = 1};

	opens_begin(thread->fs->opens, inode);
	/* Nobody holds it: no RELEASE will come. */
	if (fuse_reply_open(req, &file) < 0)
		opens_end(thread->fs->opens, inode);
}

static void open_answer(struct fs_thread *thread, struct park_request *request, int result)
{
	struct view_entry entry;

	if (result == 0)
		result = view_get(thread->view, request->inode, &entry);
	if (result == 0 && !entry.verified) {
		/* It went and came again meanwhile, or the cache lost it. */
		if (request->attempts < READ_ATTEMPTS) {
			park_add(thread->fs->park, request);
			return;
		}
		result = -EIO;
	}
	if (result < 0) {
		fuse_reply_err(
			request->req, result == -ESHUTDOWN ? EIO : ops_errno_inode(result));
		return;
	}
	settle_fetched(thread->fs->settle, request->inode);
	open_reply(thread, request->req, request->inode, (uint64_t)entry.stat.st_size);
}

static void open_message(struct fs_thread *thread, fuse_req_t req, uint64_t inode)
{
	struct fs *fs = thread->fs;
	struct view_entry entry;
	int result = view_get(thread->view, inode, &entry);

	if (result < 0) {
		fuse_reply_err(req, ops_errno_inode(result));
	} else if (!entry.message) {
		fuse_reply_err(req, EISDIR);
	} else if (entry.verified) {
		settle_found(fs->settle, inode);
		open_reply(thread, req, inode, (uint64_t)entry.stat.st_size);
	} else {
		struct park_request request = {.req = req,
			.answer = open_answer,
			.inode = inode,
			.folder_id = entry.folder_id,
			.uid = entry.uid};

		settle_begin(fs->settle, inode);
		park_add(fs->park, &request);
	}
}

static void open_document(struct fs_thread *thread, fuse_req_t req, uint64_t inode)
{
	struct fuse_file_info file = {
		.fh = documents_open(thread, inode), .direct_io = 1, .noflush = 1};

	/* Nobody holds it: no RELEASE will come. */
	if (fuse_reply_open(req, &file) < 0)
		documents_close(thread->fs->documents, file.fh);
}

void ops_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file)
{
	struct fs_thread *thread = fs_thread_self();

	if ((file->flags & O_ACCMODE) != O_RDONLY || (file->flags & O_TRUNC))
		fuse_reply_err(req, ops_errno_refused());
	else if (documents_is_one(inode))
		open_document(thread, req, inode);
	else
		open_message(thread, req, inode);
}

/* Read through once in this mount, damage is found before it is shown. */
static int read_check(struct fs_thread *thread, uint64_t inode, const struct view_entry *entry)
{
	_Atomic uint64_t *slot = &thread->fs->checked[fs_hash(inode) % FS_CHECKED_SLOTS];
	int result;

	if (atomic_load_explicit(slot, memory_order_relaxed) == inode)
		return 0;
	result = body_check(thread->reader, entry->folder_id, entry->uid);
	if (result == 0)
		atomic_store_explicit(slot, inode, memory_order_relaxed);
	return result;
}

/* 0 when replied, else -errno: -ENODATA when the body has to be fetched. */
static int read_reply(struct fs_thread *thread, const struct park_request *request,
	const struct view_entry *entry)
{
	uint64_t size = (uint64_t)entry->stat.st_size;
	size_t wanted = request->size;
	ssize_t got;
	int result;

	if (request->offset >= size)
		wanted = 0;
	else if (wanted > size - request->offset)
		wanted = (size_t)(size - request->offset);
	result = wanted ? read_check(thread, request->inode, entry) : 0;
	if (result < 0)
		return result;
	buf_clear(&thread->room);
	buf_reserve(&thread->room, wanted + 1);
	got = wanted ? body_read(thread->reader, entry->folder_id, entry->uid,
			       thread->room.data, wanted, request->offset)
		     : 0;
	if (got < 0)
		return (int)got;
	if ((size_t)got != wanted)
		return -ENODATA;
	fuse_reply_buf(request->req, thread->room.data, wanted);
	return 0;
}

/* From what is kept of a message that was removed while it was open. False: nothing is. */
static bool read_kept(struct fs_thread *thread, const struct park_request *request)
{
	buf_clear(&thread->room);
	if (!opens_read(thread->fs->opens, request->inode, request->offset, request->size,
		    &thread->room))
		return false;
	fuse_reply_buf(request->req, thread->room.data, thread->room.len);
	return true;
}

static void read_try(struct fs_thread *thread, struct park_request *request, int result);

/* request is not the caller's any more. */
static void read_park(
	struct fs_thread *thread, struct park_request *request, const struct view_entry *entry)
{
	request->folder_id = entry->folder_id;
	request->uid = entry->uid;
	request->answer = read_try;
	park_add(thread->fs->park, request);
}

static void read_try(struct fs_thread *thread, struct park_request *request, int result)
{
	struct view_entry entry;

	if (result == 0)
		result = view_get(thread->view, request->inode, &entry);
	if (result == -ENOENT && read_kept(thread, request))
		return;
	if (result == 0 && (uint64_t)entry.stat.st_size != request->handle) {
		notify_attributes(thread->fs->notify, request->inode);
		notify_contents(thread->fs->notify, request->inode);
		result = -ESTALE;
	}
	if (result == 0)
		result = read_reply(thread, request, &entry);
	if (result == -ENODATA && request->attempts < READ_ATTEMPTS) {
		read_park(thread, request, &entry);
		return;
	}
	if (result == -ENODATA || result == -ESHUTDOWN)
		result = -EIO;
	if (result < 0)
		fuse_reply_err(request->req, ops_errno_inode(result));
}

void ops_read(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
	struct fuse_file_info *file)
{
	struct fs_thread *thread = fs_thread_self();
	struct park_request request = {.req = req,
		.inode = inode,
		.size = size,
		.offset = (uint64_t)offset,
		.handle = file->fh};

	if (documents_is_one(inode))
		documents_read(thread->fs->documents, file->fh, req, size, (uint64_t)offset);
	else
		read_try(thread, &request, 0);
}

void ops_release(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file)
{
	if (documents_is_one(inode))
		documents_close(fs_thread_self()->fs->documents, file->fh);
	else
		opens_end(fs_thread_self()->fs->opens, inode);
	fuse_reply_err(req, 0);
}
