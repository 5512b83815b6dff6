/*
 * rm. The message is in the journal, on disk as far as a process can tell, before the reply;
 * the server hears of it later and nobody waits for that. fsync is what waits for the disk
 * itself.
 */
#include "documents_p.h"
#include "notify_p.h"
#include "opens_p.h"
#include "ops_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/store/bodies.h>
#include <mountmail/store/journal.h>
#include <mountmail/view/inode.h>
#include <string.h>

/* Somebody has it open, and may read on when the store has it no more. */
static void unlink_keep(struct fs_thread *thread, const struct view_entry *entry)
{
	struct opens *opens = thread->fs->opens;
	uint64_t inode = entry->stat.st_ino;
	size_t size = (size_t)entry->stat.st_size;
	struct buf body = BUF_INIT;
	ssize_t got = 0;

	if (!opens_wants(opens, inode))
		return;
	if (size <= OPENS_BYTES_MAX && entry->verified &&
		body_check(thread->reader, entry->folder_id, entry->uid) == 0) {
		buf_reserve(&body, size + 1);
		got = body_read(
			thread->reader, entry->folder_id, entry->uid, body.data, size, 0);
		body.len = got > 0 ? (size_t)got : 0;
	}
	opens_keep(opens, inode, &entry->stat, &body);
}

/* 0 or -errno. */
static int unlink_try(struct fs_thread *thread, uint64_t parent, const char *name)
{
	struct fs *fs = thread->fs;
	struct view_entry entry;
	int result = view_lookup(thread->view, parent, name, &entry);

	if (result < 0)
		return result;
	if (fs->read_only)
		return -EROFS;
	if (S_ISDIR(entry.stat.st_mode))
		return -EISDIR;
	if (!entry.message)
		return -EPERM;
	unlink_keep(thread, &entry);
	result = account_remove(fs->host.account, thread->reader, entry.folder_id, entry.epoch,
		entry.uid, name);
	if (result == 0)
		notify_removed(fs->notify, parent);
	return result;
}

static void unlink_answer(struct fs_thread *thread, struct park_request *request, int result)
{
	if (result == 0)
		result = unlink_try(thread, request->inode, request->name);
	fuse_reply_err(request->req, result == -ESHUTDOWN ? EIO : -result);
}

void ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs_thread *thread = fs_thread_self();
	struct park_request request = {.req = req, .answer = unlink_answer, .inode = parent};
	int result = unlink_try(thread, parent, name);

	if (result == -ENOENT && ops_must_wait(thread, parent, name, &request.folder_id)) {
		request.name = xstrdup(name);
		park_add(thread->fs->park, &request);
	} else {
		fuse_reply_err(req, -result);
	}
}

/* Folders are not removed; why not depends on what is in them, as rmdir(2) has it. */
static int rmdir_refusal(struct fs_thread *thread, uint64_t parent, const char *name)
{
	struct view_entry entry;
	int result = view_lookup(thread->view, parent, name, &entry);

	if (result < 0)
		return result;
	if (!S_ISDIR(entry.stat.st_mode))
		return -ENOTDIR;
	if (thread->fs->read_only)
		return -EROFS;
	if (entry.stat.st_ino == INODE_CONTROL_DIR)
		return -EPERM;
	result = view_empty(thread->view, entry.stat.st_ino);
	return result < 0 ? result : -EPERM;
}

void ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, -rmdir_refusal(fs_thread_self(), parent, name));
}

/* Of a directory or a file: all removals are in one journal. */
void ops_fsync(fuse_req_t req, fuse_ino_t inode, int only_data, struct fuse_file_info *file)
{
	struct journal *journal = fs_thread_self()->fs->host.journal;
	int result = journal ? journal_sync(journal) : 0;

	if (result < 0)
		log_error("removals cannot be made safe on disk: %s", strerror(-result));
	fuse_reply_err(req, -result);
}
