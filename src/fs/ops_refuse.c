/*
 * What a mail account cannot do: change a message, make one, give it another name. A mount with
 * "ro" is refused this by the kernel already, unless somebody remounted it writable.
 */
#include "ops_p.h"
#include <errno.h>

int ops_errno_refused(void)
{
	return fs_thread_self()->fs->read_only ? EROFS : EPERM;
}

void ops_refuse_removexattr(fuse_req_t req, fuse_ino_t inode, const char *name)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_mknod(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_link(
	fuse_req_t req, fuse_ino_t inode, fuse_ino_t new_parent, const char *new_name)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *file)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_setattr(fuse_req_t req, fuse_ino_t inode, struct stat *stat, int what,
	struct fuse_file_info *file)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_write(fuse_req_t req, fuse_ino_t inode, const char *data, size_t size,
	off_t offset, struct fuse_file_info *file)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_fallocate(fuse_req_t req, fuse_ino_t inode, int mode, off_t offset,
	off_t length, struct fuse_file_info *file)
{
	fuse_reply_err(req, ops_errno_refused());
}

void ops_refuse_setxattr(fuse_req_t req, fuse_ino_t inode, const char *name, const char *value,
	size_t size, int flags)
{
	fuse_reply_err(req, ops_errno_refused());
}
