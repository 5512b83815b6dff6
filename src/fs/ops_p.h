/*
 * ops_p.h - what the kernel asks, each answered once or parked.
 * Called by libfuse on the threads that serve requests, and by park.c on its own.
 *
 * None of these waits for the network. Each resolves, makes one call of the view or the store,
 * and replies; what is not there yet is parked.
 */
#ifndef MOUNTMAIL_FS_OPS_P_H
#define MOUNTMAIL_FS_OPS_P_H

#include "fs_p.h"
#include "park_p.h"

/* All operations; for fuse_session_new. */
const struct fuse_lowlevel_ops *ops_table(void);

/* ops_tree.c */
void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_getattr(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file);
void ops_readdir(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
	struct fuse_file_info *file);
void ops_readdirplus(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
	struct fuse_file_info *file);
void ops_statfs(fuse_req_t req, fuse_ino_t inode);

/* ops_file.c */
void ops_open(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file);
void ops_read(fuse_req_t req, fuse_ino_t inode, size_t size, off_t offset,
	struct fuse_file_info *file);
void ops_release(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file);

/* ops_xattr.c */
void ops_getxattr(fuse_req_t req, fuse_ino_t inode, const char *name, size_t size);
void ops_listxattr(fuse_req_t req, fuse_ino_t inode, size_t size);

/* ops_remove.c */
void ops_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void ops_fsync(fuse_req_t req, fuse_ino_t inode, int only_data, struct fuse_file_info *file);

/* ops_refuse.c: all else that would change something */
void ops_refuse_mknod(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev);
void ops_refuse_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void ops_refuse_symlink(
	fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void ops_refuse_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	fuse_ino_t new_parent, const char *new_name, unsigned flags);
void ops_refuse_link(
	fuse_req_t req, fuse_ino_t inode, fuse_ino_t new_parent, const char *new_name);
void ops_refuse_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *file);
void ops_refuse_setattr(fuse_req_t req, fuse_ino_t inode, struct stat *stat, int what,
	struct fuse_file_info *file);
void ops_refuse_write(fuse_req_t req, fuse_ino_t inode, const char *data, size_t size,
	off_t offset, struct fuse_file_info *file);
void ops_refuse_fallocate(fuse_req_t req, fuse_ino_t inode, int mode, off_t offset,
	off_t length, struct fuse_file_info *file);
void ops_refuse_setxattr(fuse_req_t req, fuse_ino_t inode, const char *name, const char *value,
	size_t size, int flags);
void ops_refuse_removexattr(fuse_req_t req, fuse_ino_t inode, const char *name);
/* What they say: EPERM, or EROFS where nothing at all can be changed. */
int ops_errno_refused(void);

/*
 * The errno for an inode that is not there (any more): ESTALE makes the kernel look the path up
 * again, once, and the caller sees what is there now, or ENOENT.
 */
int ops_errno_inode(int result);

/* What the view says of an inode, with what only fs knows put in. 0 or -errno. */
int ops_entry(struct fs_thread *thread, uint64_t inode, struct view_entry *entry_out);

/* Whether a name that was not found may be that of a message not listed yet. */
bool ops_must_wait(
	struct fs_thread *thread, uint64_t parent, const char *name, int64_t *folder_id_out);

/* Somebody looks into a directory: see notify.c about replies on their way. */
void ops_note_activity(struct fs *fs, uint64_t directory);

#endif
