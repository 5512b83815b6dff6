#include "client_p.h"
#include <mountmail/base/str.h>
#include <mountmail/mail/flags.h>
#include <string.h>

/* RFC 1939 section 7 says 70; some servers do not. */
#define CLIENT_UIDL_MAX 255u
/* The years 0 to 9999, which is what can be written in a file's name. */
#define CLIENT_DATE_MIN (-62167219200)
#define CLIENT_DATE_MAX 253402300799

#define CLIENT_FLAGS                                                                           \
	(MAIL_FLAG_SEEN | MAIL_FLAG_ANSWERED | MAIL_FLAG_FLAGGED | MAIL_FLAG_DELETED |         \
		MAIL_FLAG_DRAFT | MAIL_FLAG_FORWARDED | MAIL_FLAG_JUNK)

#define CLIENT_FOLDER_FLAGS                                                                    \
	(MAIL_FOLDER_NOSELECT | MAIL_FOLDER_INBOX | MAIL_FOLDER_ALL | MAIL_FOLDER_ARCHIVE |    \
		MAIL_FOLDER_DRAFTS | MAIL_FOLDER_FLAGGED | MAIL_FOLDER_JUNK |                  \
		MAIL_FOLDER_SENT | MAIL_FOLDER_TRASH)

/* Begins a level of a path that is kept as the server wrote it, in whatever bytes. */
#define CLIENT_LEVEL_RAW '\x01'

/* C0, DEL, and C1 as UTF-8 writes it. */
static bool client_is_control(const char *at)
{
	unsigned char c = (unsigned char)at[0];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

bool client_text_sound(const char *text)
{
	bool plain = true;

	if (!text)
		return true;
	for (const char *at = text; *at; at++) {
		if (*at >= ' ' && *at < 0x7f)
			continue;
		if (client_is_control(at))
			return false;
		plain = false;
	}
	return plain || utf8_valid(text, strlen(text));
}

void client_text_tame(char *text)
{
	size_t left = strlen(text), len;

	for (char *at = text; left; at += len, left -= len) {
		len = 1;
		if (client_is_control(at)) {
			*at = '?';
			continue;
		}
		/* Of the four lengths at most one is a character. */
		while (len < 4 && len < left && !utf8_valid(at, len))
			len++;
		if (utf8_valid(at, len))
			continue;
		len = 1;
		*at = '?';
	}
}

static bool client_level_sound(const char *level, size_t len)
{
	return len && (level[0] == CLIENT_LEVEL_RAW || utf8_valid(level, len));
}

static bool client_path_sound(const char *path)
{
	unsigned levels = 0;

	for (;;) {
		size_t len = strcspn(path, "\n");

		if (++levels > FRAME_LEVELS_MAX || !client_level_sound(path, len))
			return false;
		path += len;
		if (!*path++)
			return true;
	}
}

/* That neither name holds a NUL or is too long was seen when they were read. */
bool client_folder_sound(const struct mail_folder *folder)
{
	return folder->raw && folder->raw[0] && !strpbrk(folder->raw, "\r\n") && folder->path &&
	       client_path_sound(folder->path) &&
	       !(folder->flags & ~(uint32_t)CLIENT_FOLDER_FLAGS);
}

bool client_flags_sound(uint32_t flags)
{
	return !(flags & ~(uint32_t)CLIENT_FLAGS);
}

bool client_date_sound(int64_t date)
{
	return date >= CLIENT_DATE_MIN && date <= CLIENT_DATE_MAX;
}

bool client_get_state(struct frame *frame, struct backend_folder_state *state_out)
{
	state_out->epoch = frame_get_u64(frame);
	state_out->exists = frame_get_u32(frame);
	state_out->uidnext = frame_get_u32(frame);
	state_out->modseq = frame_get_u64(frame);
	return frame_at_end(frame) && state_out->epoch <= INT64_MAX &&
	       state_out->modseq <= INT64_MAX;
}

bool client_uidl_sound(const char *uidl)
{
	return client_text_sound(uidl) &&
	       (!uidl || (uidl[0] && strlen(uidl) <= CLIENT_UIDL_MAX));
}

bool client_message_sound(const struct mail_message *message)
{
	const struct mail_fields *fields = &message->fields;
	const char *texts[] = {fields->sender, fields->from, fields->to, fields->cc,
		fields->subject, fields->date, fields->message_id, fields->references,
		fields->list_id};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!client_text_sound(texts[i]))
			return false;
	return client_uidl_sound(message->uidl) && message->twin <= 1 &&
	       message->size <= INT64_MAX && client_date_sound(message->date) &&
	       message->bad <= 1 && client_flags_sound(message->flags);
}
