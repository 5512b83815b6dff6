#include <mountmail/view/inode.h>
#include <stddef.h>

#define INODE_TAG_SHIFT 32

uint64_t inode_of_folder(uint32_t dir_tag)
{
	return (uint64_t)dir_tag << INODE_TAG_SHIFT;
}

uint64_t inode_of_message(uint32_t message_tag, uint32_t uid)
{
	return (uint64_t)message_tag << INODE_TAG_SHIFT | uid;
}

enum inode_kind inode_parse(uint64_t inode, uint32_t *tag_out, uint32_t *uid_out)
{
	uint64_t tag = inode >> INODE_TAG_SHIFT;

	*tag_out = (uint32_t)tag;
	*uid_out = (uint32_t)inode;
	if (tag == 0) {
		*uid_out = 0;
		return inode >= INODE_ROOT && inode <= INODE_QUEUE ? INODE_KIND_FIXED
								   : INODE_KIND_NONE;
	}
	if (tag > INT32_MAX) {
		*tag_out = *uid_out = 0;
		return INODE_KIND_NONE;
	}
	return *uid_out ? INODE_KIND_MESSAGE : INODE_KIND_FOLDER;
}
