#include "catchall_p.h"
#include "imap_internal_p.h"
#include <mountmail/mail/flags.h>
#include <string.h>
#include <time.h>

static uint32_t imap_flag_bit(const struct mailimap_flag *flag)
{
	switch (flag->fl_type) {
	case MAILIMAP_FLAG_ANSWERED:
		return MAIL_FLAG_ANSWERED;
	case MAILIMAP_FLAG_FLAGGED:
		return MAIL_FLAG_FLAGGED;
	case MAILIMAP_FLAG_DELETED:
		return MAIL_FLAG_DELETED;
	case MAILIMAP_FLAG_SEEN:
		return MAIL_FLAG_SEEN;
	case MAILIMAP_FLAG_DRAFT:
		return MAIL_FLAG_DRAFT;
	case MAILIMAP_FLAG_KEYWORD:
		return flag->fl_data.fl_keyword
			       ? mail_flag_from_keyword(flag->fl_data.fl_keyword)
			       : 0;
	}
	return 0;
}

static void imap_att_read_flags(
	const struct mailimap_msg_att_dynamic *dynamic, struct imap_att *out)
{
	clistiter *cur = dynamic->att_list ? clist_begin(dynamic->att_list) : NULL;

	out->has_flags = true;
	for (; cur; cur = clist_next(cur)) {
		const struct mailimap_flag_fetch *flag = clist_content(cur);

		if (flag->fl_type == MAILIMAP_FLAG_FETCH_OTHER && flag->fl_flag)
			out->flags |= imap_flag_bit(flag->fl_flag);
	}
}

/* dt_zone is what was written: +0130 is 130. */
static int64_t imap_date_seconds(const struct mailimap_date_time *date)
{
	struct tm tm = {
		.tm_year = date->dt_year - 1900,
		.tm_mon = date->dt_month - 1,
		.tm_mday = date->dt_day,
		.tm_hour = date->dt_hour,
		.tm_min = date->dt_min,
		.tm_sec = date->dt_sec,
	};

	return (int64_t)timegm(&tm) - (date->dt_zone / 100 * 3600 + date->dt_zone % 100 * 60);
}

/* BODY[], that is; libetpan gives it no section at all, or one without a specification. */
static bool imap_section_is_whole(const struct mailimap_msg_att_body_section *section)
{
	return !section->sec_section || !section->sec_section->sec_spec;
}

static void imap_att_read_static(
	const struct mailimap_msg_att_static *item, bool whole, struct imap_att *out)
{
	const struct mailimap_msg_att_body_section *section;

	switch (item->att_type) {
	case MAILIMAP_MSG_ATT_UID:
		out->uid = out->uid && out->uid != item->att_data.att_uid
				   ? UINT32_MAX
				   : item->att_data.att_uid;
		break;
	case MAILIMAP_MSG_ATT_INTERNALDATE:
		out->date = imap_date_seconds(item->att_data.att_internal_date);
		out->has_date = true;
		break;
	case MAILIMAP_MSG_ATT_RFC822_SIZE:
		out->size = item->att_data.att_rfc822_size;
		out->has_size = true;
		break;
	case MAILIMAP_MSG_ATT_BODY_SECTION:
		section = item->att_data.att_body_section;
		if (imap_section_is_whole(section) != whole)
			break;
		out->sections++;
		out->nil |= !section->sec_body_part || section->sec_origin_octet;
		break;
	}
}

void imap_att_read(const struct mailimap_msg_att *msg_att, bool whole, struct imap_att *out)
{
	*out = (struct imap_att){0};
	for (clistiter *cur = clist_begin(msg_att->att_list); cur; cur = clist_next(cur)) {
		const struct mailimap_msg_att_item *item = clist_content(cur);

		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_DYNAMIC)
			imap_att_read_flags(item->att_data.att_dyn, out);
		else if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC)
			imap_att_read_static(item->att_data.att_static, whole, out);
	}
	/* No mailbox can reach this UID, so it serves for "two at once". */
	if (out->uid == UINT32_MAX)
		out->uid = 0;
}

/* A response that the catch-all swallowed may have left bytes behind. */
static void imap_fetch_check_void(struct imap_fetch_handler *handler)
{
	uint64_t swallowed = catchall_count();

	if (swallowed != handler->swallowed && handler->fed) {
		handler->voided(handler->ctx);
		handler->fed = false;
	}
	handler->swallowed = swallowed;
}

static bool imap_fetch_on_body(int type, struct mailimap_msg_att_body_section *section,
	const char *bytes, size_t length, void *context)
{
	struct imap_fetch_handler *handler = context;

	imap_fetch_check_void(handler);
	if (type == MAILIMAP_MSG_ATT_BODY_SECTION && section &&
		imap_section_is_whole(section) == handler->whole) {
		handler->fed = true;
		handler->body(handler->ctx, bytes, length);
	}
	return true; /* false would cost the session */
}

static void imap_fetch_on_att(struct mailimap_msg_att *msg_att, void *context)
{
	struct imap_fetch_handler *handler = context;
	struct imap_att att;

	imap_fetch_check_void(handler);
	imap_att_read(msg_att, handler->whole, &att);
	/* Flags without what was asked for: they changed. */
	if (handler->body && att.has_flags && !att.sections)
		handler->imap->stirred = true;
	handler->att(handler->ctx, &att);
	handler->fed = false;
}

/* The att handler is only called when there is one of these as well. */
static void imap_fetch_on_progress(size_t current, size_t maximum, void *context)
{
}

bool imap_uid_fetch_send(struct imap *imap, const struct guard_limits *limits, const char *set,
	const char *items)
{
	struct buf command = BUF_INIT;
	bool sent;

	/* There is no literal in it, so that it goes out whole or not at all. */
	buf_printf(&command, "UID FETCH %s %s", set, items);
	sent = imap_command_send(imap, limits, &command) > 0;
	buf_finish(&command);
	return sent;
}

enum imap_reply imap_uid_fetch_read(struct imap_fetch_handler *handler)
{
	mailimap *session = handler->imap->session;
	enum imap_reply reply;

	handler->fed = false;
	handler->swallowed = catchall_count();
	mailimap_set_progress_callback(
		session, imap_fetch_on_progress, imap_fetch_on_progress, NULL);
	mailimap_set_msg_att_handler(session, imap_fetch_on_att, handler);
	mailimap_set_msg_body_handler(session, imap_fetch_on_body, handler);
	reply = imap_read_answer(handler->imap, false);
	mailimap_set_progress_callback(session, NULL, NULL, NULL);
	mailimap_set_msg_att_handler(session, NULL, NULL);
	mailimap_set_msg_body_handler(session, NULL, NULL);
	if (handler->fed)
		handler->voided(handler->ctx);
	return reply;
}

enum imap_reply imap_uid_fetch(struct imap_fetch_handler *handler,
	const struct guard_limits *limits, const char *set, const char *items)
{
	if (!imap_uid_fetch_send(handler->imap, limits, set, items))
		return IMAP_LOST;
	return imap_uid_fetch_read(handler);
}
