#include "catchall_p.h"
#include "frame_p.h"
#include "imap_internal_p.h"
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct guard_limits imap_list_limits = {
	.line = 256u << 10,
	.depth = GUARD_DEPTH_MAX,
	.literal = 64u << 10,
	.response = 64u << 20,
	.lines = FRAME_FOLDERS_MAX,
};

static const struct {
	const char *name;
	uint32_t flag;
} imap_folder_flags[] = {
	{"Noselect", MAIL_FOLDER_NOSELECT},
	{"NonExistent", MAIL_FOLDER_NOSELECT},
	{"All", MAIL_FOLDER_ALL},
	{"AllMail", MAIL_FOLDER_ALL}, /* Gmail before RFC 6154 */
	{"Archive", MAIL_FOLDER_ARCHIVE},
	{"Drafts", MAIL_FOLDER_DRAFTS},
	{"Flagged", MAIL_FOLDER_FLAGGED},
	{"Starred", MAIL_FOLDER_FLAGGED},
	{"Junk", MAIL_FOLDER_JUNK},
	{"Spam", MAIL_FOLDER_JUNK},
	{"Sent", MAIL_FOLDER_SENT},
	{"Trash", MAIL_FOLDER_TRASH},
};

static uint32_t imap_list_flag(const char *name)
{
	if (*name == '\\')
		name++;
	for (size_t i = 0; i < sizeof(imap_folder_flags) / sizeof(imap_folder_flags[0]); i++)
		if (strcasecmp(imap_folder_flags[i].name, name) == 0)
			return imap_folder_flags[i].flag;
	return 0;
}

/* libetpan puts one of the flags in mbf_sflag and the others in a list, whatever they are. */
static uint32_t imap_list_flags(const struct mailimap_mbx_list_flags *flags)
{
	uint32_t bits = 0;
	clistiter *cur;

	if (!flags)
		return 0;
	if (flags->mbf_type == MAILIMAP_MBX_LIST_FLAGS_SFLAG &&
		flags->mbf_sflag == MAILIMAP_MBX_LIST_SFLAG_NOSELECT)
		bits |= MAIL_FOLDER_NOSELECT;
	cur = flags->mbf_oflags ? clist_begin(flags->mbf_oflags) : NULL;
	for (; cur; cur = clist_next(cur)) {
		const struct mailimap_mbx_list_oflag *flag = clist_content(cur);

		if (flag->of_type == MAILIMAP_MBX_LIST_OFLAG_FLAG_EXT && flag->of_flag_ext)
			bits |= imap_list_flag(flag->of_flag_ext);
	}
	return bits;
}

/*
 * The prefix of the first personal namespace, from "(("INBOX." ".")) NIL NIL" (RFC 2342).
 * "" for none, and for what is not written so.
 */
static void imap_namespace_prefix(const char *text, size_t len, struct buf *prefix_out)
{
	const char *end = text + len;

	if (len < 3 || strncmp(text, "((\"", 3) != 0)
		return;
	for (text += 3; text < end && *text != '"'; text++) {
		if (*text == '\\' && text + 1 < end)
			text++;
		buf_append_char(prefix_out, *text);
	}
}

static bool imap_read_namespace(
	struct imap *imap, struct buf *prefix_out, struct backend_result *result)
{
	enum imap_reply reply;
	const char *line;
	size_t len, at = 0;

	buf_reserve(prefix_out, 1);
	if (!(imap->caps & IMAP_CAP_NAMESPACE))
		return true;
	reply = imap_command_text(imap, NULL, "NAMESPACE");
	if (reply == IMAP_LOST) {
		imap_result_fail(
			imap, result, reply, BACKEND_REFUSED, "asking for its namespaces");
		return false;
	}
	if (reply == IMAP_OK && imap_answer_line(imap, "* NAMESPACE ", &at, &line, &len))
		imap_namespace_prefix(line, len, prefix_out);
	return true;
}

/* LIST with special use where it has to be asked for; plainly when that does not work. */
static enum imap_reply imap_send_list(struct imap *imap)
{
	uint64_t swallowed = catchall_count();
	enum imap_reply reply;

	if ((imap->caps & IMAP_CAP_LIST_EXTENDED) && (imap->caps & BACKEND_CAP_SPECIAL_USE)) {
		reply = imap_command_text(
			imap, &imap_list_limits, "LIST \"\" \"*\" RETURN (SPECIAL-USE)");
		if (reply == IMAP_LOST || (reply == IMAP_OK && catchall_count() == swallowed))
			return reply;
		swallowed = catchall_count();
	}
	reply = imap_command_text(imap, &imap_list_limits, "LIST \"\" \"*\"");
	if (reply == IMAP_OK && catchall_count() != swallowed)
		log_warning("%s: %llu lines of the folder list could not be understood",
			imap->conf->host, (unsigned long long)(catchall_count() - swallowed));
	return reply;
}

/* The mail process takes no others. */
static bool imap_list_fits(const struct mail_folder *folder)
{
	unsigned levels = 1;

	for (const char *at = folder->path; (at = strchr(at, '\n')); at++)
		levels++;
	return strlen(folder->raw) <= FRAME_NAME_MAX &&
	       strlen(folder->path) <= FRAME_NAME_MAX && levels <= FRAME_LEVELS_MAX;
}

static bool imap_list_one(const struct mailimap_mailbox_list *item, const char *prefix,
	const struct backend_list_sink *sink)
{
	struct mail_folder folder = {0};
	bool more;

	if (!item->mb_name || !item->mb_name[0] || strpbrk(item->mb_name, "\r\n")) {
		log_warning("a folder without a usable name is left out");
		return true;
	}
	folder.raw = xstrdup(item->mb_name);
	folder.path = imap_path_decode(item->mb_name, item->mb_delimiter, prefix);
	if (!imap_list_fits(&folder)) {
		log_warning("a folder is left out: its name is too long, or its path too deep");
		mail_folder_finish(&folder);
		return true;
	}
	folder.flags = imap_list_flags(item->mb_flag);
	if (strcmp(folder.path, "INBOX") == 0)
		folder.flags |= MAIL_FOLDER_INBOX;
	more = sink->folder(sink->ctx, &folder);
	mail_folder_finish(&folder);
	return more;
}

static void imap_list_folders(struct imap *imap, const char *prefix,
	const struct backend_list_sink *sink, struct backend_result *result)
{
	clist *folders = imap->session->imap_response_info->rsp_mailbox_list;

	for (clistiter *cur = folders ? clist_begin(folders) : NULL; cur;
		cur = clist_next(cur)) {
		if (!imap_list_one(clist_content(cur), prefix, sink)) {
			backend_result_set(result, BACKEND_STOPPED, "Stopped on request");
			return;
		}
	}
	backend_result_ok(result);
}

void imap_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	struct imap *imap = imap_of(backend);
	struct buf prefix = BUF_INIT;
	enum imap_reply reply;

	if (!imap_is_ready(imap, result))
		return;
	if (imap_read_namespace(imap, &prefix, result)) {
		reply = imap_send_list(imap);
		if (reply == IMAP_OK)
			imap_list_folders(imap, prefix.data, sink, result);
		else
			imap_result_fail(
				imap, result, reply, BACKEND_REFUSED, "listing the folders");
		/* As many folders will be there the next time. */
		if (reply == IMAP_LOST && guard_failure(imap->guard)[0])
			result->status = BACKEND_REFUSED;
	}
	buf_finish(&prefix);
}
