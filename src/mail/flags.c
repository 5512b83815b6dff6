#include <mountmail/base/str.h>
#include <mountmail/mail/flags.h>

static const struct {
	uint32_t bit;
	const char *name;
} flag_names[] = {
	{MAIL_FLAG_SEEN, "\\Seen"},
	{MAIL_FLAG_ANSWERED, "\\Answered"},
	{MAIL_FLAG_FLAGGED, "\\Flagged"},
	{MAIL_FLAG_DELETED, "\\Deleted"},
	{MAIL_FLAG_DRAFT, "\\Draft"},
	{MAIL_FLAG_FORWARDED, "$Forwarded"},
	{MAIL_FLAG_JUNK, "$Junk"},
};

#define FLAG_COUNT (sizeof(flag_names) / sizeof(flag_names[0]))

void mail_flags_format(uint32_t flags, struct buf *out)
{
	const char *space = "";

	for (size_t i = 0; i < FLAG_COUNT; i++) {
		if (!(flags & flag_names[i].bit))
			continue;
		buf_append_str(out, space);
		buf_append_str(out, flag_names[i].name);
		space = " ";
	}
}

uint32_t mail_flag_from_keyword(const char *keyword)
{
	for (size_t i = 0; i < FLAG_COUNT; i++)
		if (str_equal_nocase(keyword, flag_names[i].name))
			return flag_names[i].bit;
	return 0;
}
