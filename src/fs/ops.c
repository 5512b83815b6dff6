#include "ops_p.h"
#include <errno.h>
#include <string.h>

enum { BACKGROUND_MAX = 1024 }; /* reads ahead that may wait for the server at a time */

static void ops_init(void *ctx, struct fuse_conn_info *conn)
{
	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA |
				  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
	conn->want |= conn->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPLICIT_INVAL_DATA |
					      FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ);
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
}

/* Inode numbers are computed: there is no table to forget them from. */
static void ops_forget(fuse_req_t req, fuse_ino_t inode, uint64_t count)
{
	fuse_reply_none(req);
}

static void ops_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	fuse_reply_none(req);
}

/* Said once, the kernel does without: it keeps listings by itself then. */
static void ops_opendir(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file)
{
	fuse_reply_err(req, ENOSYS);
}

static void ops_flush(fuse_req_t req, fuse_ino_t inode, struct fuse_file_info *file)
{
	fuse_reply_err(req, ENOSYS);
}

const struct fuse_lowlevel_ops *ops_table(void)
{
	static const struct fuse_lowlevel_ops table = {
		.init = ops_init,
		.lookup = ops_lookup,
		.forget = ops_forget,
		.forget_multi = ops_forget_multi,
		.getattr = ops_getattr,
		.opendir = ops_opendir,
		.readdir = ops_readdir,
		.readdirplus = ops_readdirplus,
		.statfs = ops_statfs,
		.open = ops_open,
		.read = ops_read,
		.flush = ops_flush,
		.release = ops_release,
		.fsync = ops_fsync,
		.fsyncdir = ops_fsync,
		.getxattr = ops_getxattr,
		.listxattr = ops_listxattr,
		.mknod = ops_refuse_mknod,
		.mkdir = ops_refuse_mkdir,
		.symlink = ops_refuse_symlink,
		.unlink = ops_unlink,
		.rmdir = ops_rmdir,
		.rename = ops_refuse_rename,
		.link = ops_refuse_link,
		.create = ops_refuse_create,
		.setattr = ops_refuse_setattr,
		.write = ops_refuse_write,
		.fallocate = ops_refuse_fallocate,
		.setxattr = ops_refuse_setxattr,
		.removexattr = ops_refuse_removexattr,
	};

	return &table;
}
