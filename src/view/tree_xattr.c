#include "tree_p.h"
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/str.h>
#include <mountmail/mail/flags.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define XATTR_PREFIX "user.mail."
#define XATTR_UID XATTR_PREFIX "uid"
#define XATTR_FLAGS XATTR_PREFIX "flags"

/* Those that are a header field. */
static const struct {
	const char *name;
	size_t field;
} xattr_fields[] = {
	{XATTR_PREFIX "from", offsetof(struct mail_fields, from)},
	{XATTR_PREFIX "to", offsetof(struct mail_fields, to)},
	{XATTR_PREFIX "cc", offsetof(struct mail_fields, cc)},
	{XATTR_PREFIX "subject", offsetof(struct mail_fields, subject)},
	{XATTR_PREFIX "date", offsetof(struct mail_fields, date)},
	{XATTR_PREFIX "message-id", offsetof(struct mail_fields, message_id)},
};

#define XATTR_FIELD_COUNT (sizeof(xattr_fields) / sizeof(xattr_fields[0]))

/* NULL when the message has none. */
static const char *xattr_field(const struct store_message *message, size_t which)
{
	const char *fields = (const char *)&message->mail.fields;
	const char *value;

	memcpy(&value, fields + xattr_fields[which].field, sizeof(value));
	return value;
}

/* Everything that has extended attributes is a message; whatever else there is has none. */
static int xattr_message(struct view *view, uint64_t inode, struct store_message *message_out)
{
	struct store_folder folder;
	uint32_t tag, uid;
	int result;

	if (inode_parse(inode, &tag, &uid) != INODE_KIND_MESSAGE)
		return -ENODATA;
	result = store_reader_begin(view->reader);
	if (result < 0)
		return result;
	result = tree_message(view, inode, STORE_COLUMNS_ALL, &folder, message_out);
	store_reader_end(view->reader);
	if (result == 0)
		store_folder_finish(&folder);
	return result;
}

/* Appends the value; -ENODATA when there is none. A message without flags has an empty one. */
static int xattr_put(const struct store_message *message, const char *name, struct buf *out)
{
	if (strcmp(name, XATTR_UID) == 0) {
		buf_printf(out, "%u", message->mail.uid);
		return 0;
	}
	if (strcmp(name, XATTR_FLAGS) == 0) {
		mail_flags_format(message->mail.flags, out);
		return 0;
	}
	for (size_t i = 0; i < XATTR_FIELD_COUNT; i++) {
		const char *value = xattr_field(message, i);

		if (strcmp(name, xattr_fields[i].name) != 0)
			continue;
		if (!value)
			return -ENODATA;
		buf_append_str(out, value);
		return 0;
	}
	return -ENODATA;
}

int view_xattr_get(
	struct view *view, uint64_t inode, const char *name, char **value_out, size_t *len_out)
{
	struct store_message message;
	struct buf value = BUF_INIT;
	int result;

	if (!str_starts(name, XATTR_PREFIX))
		return -ENODATA;
	result = xattr_message(view, inode, &message);
	if (result < 0)
		return result;
	result = xattr_put(&message, name, &value);
	store_message_finish(&message);
	if (result < 0)
		return result;
	*len_out = value.len;
	*value_out = buf_steal(&value);
	return 0;
}

static void xattr_put_name(struct buf *out, const char *name)
{
	buf_append(out, name, strlen(name) + 1);
}

int view_xattr_list(struct view *view, uint64_t inode, char **names_out, size_t *len_out)
{
	struct store_message message;
	struct buf names = BUF_INIT;
	int result = xattr_message(view, inode, &message);

	if (result < 0 && result != -ENODATA)
		return result;
	if (result == 0) {
		xattr_put_name(&names, XATTR_UID);
		xattr_put_name(&names, XATTR_FLAGS);
		for (size_t i = 0; i < XATTR_FIELD_COUNT; i++)
			if (xattr_field(&message, i))
				xattr_put_name(&names, xattr_fields[i].name);
		store_message_finish(&message);
	}
	*len_out = names.len;
	*names_out = buf_steal(&names);
	return 0;
}
