#include "ops_p.h"
#include <errno.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <mountmail/fs/control.h>
#include <mountmail/view/inode.h>
#include <string.h>

/* Size 0 asks how much room is needed. */
static void xattr_reply(fuse_req_t req, const char *value, size_t len, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, len);
	else if (size < len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, len);
}

static bool xattr_is_message(uint64_t inode)
{
	uint32_t tag, uid;

	return inode_parse(inode, &tag, &uid) == INODE_KIND_MESSAGE;
}

void ops_getxattr(fuse_req_t req, fuse_ino_t inode, const char *name, size_t size)
{
	struct fs_thread *thread = fs_thread_self();
	_cleanup_free_ char *value = NULL;
	size_t len = 0;
	int result = -ENODATA;

	/* ls asks for security and ACLs of each file until it hears that there are none at all.
	 */
	if (!str_starts(name, "user.")) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	if (inode == INODE_ROOT && strcmp(name, CONTROL_XATTR) == 0) {
		value = xstrdup(thread->fs->host.control_path);
		len = strlen(value);
		result = 0;
	} else if (xattr_is_message(inode)) {
		result = view_xattr_get(thread->view, inode, name, &value, &len);
	}
	if (result < 0)
		fuse_reply_err(req, ops_errno_inode(result));
	else
		xattr_reply(req, value, len, size);
}

void ops_listxattr(fuse_req_t req, fuse_ino_t inode, size_t size)
{
	struct fs_thread *thread = fs_thread_self();
	_cleanup_free_ char *names = NULL;
	size_t len = 0;
	int result = 0;

	if (inode == INODE_ROOT) {
		names = xstrdup(CONTROL_XATTR);
		len = sizeof(CONTROL_XATTR);
	} else if (xattr_is_message(inode)) {
		result = view_xattr_list(thread->view, inode, &names, &len);
	}
	if (result < 0)
		fuse_reply_err(req, ops_errno_inode(result));
	else
		xattr_reply(req, names, len, size);
}
