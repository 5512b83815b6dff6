#include "imap_internal_p.h"
#include <string.h>

/* A line for each message that goes, by whomever it was marked, and news in between. */
static const struct guard_limits remove_limits = {
	.line = 1u << 20,
	.depth = GUARD_DEPTH_MAX,
	.literal = 1u << 20,
	.response = 1u << 30,
	.lines = 8u << 20,
};

static const char *remove_doing(enum backend_step step)
{
	switch (step) {
	case BACKEND_STEP_MOVE:
		return "moving messages to another folder";
	case BACKEND_STEP_COPY:
		return "copying messages to another folder";
	case BACKEND_STEP_MARK:
		return "marking messages as deleted";
	case BACKEND_STEP_EXPUNGE:
	case BACKEND_STEP_EXPUNGE_ALL:
		return "removing messages for good";
	}
	return "removing messages";
}

static bool remove_refuse_read_only(struct imap *imap, struct backend_result *result)
{
	backend_result_set(result, BACKEND_REFUSED,
		"%s opens this folder for reading only, so nothing can be removed from it. Ask "
		"its administrator for the right to delete there, or mount with the option ro",
		imap->conf->host);
	return false;
}

/* SELECT failed: the folder may be gone, or be for readers only. */
static bool remove_open_failed(
	struct imap *imap, const char *raw, struct backend_result *result)
{
	if (result->status != BACKEND_FOLDER_GONE || !imap_examine(imap, raw, result))
		return false;
	return remove_refuse_read_only(imap, result);
}

/* Makes the folder the selected one, for writing. False with result. */
static bool remove_open(
	struct imap *imap, const struct backend_removal *removal, struct backend_result *result)
{
	bool open =
		imap->writable && imap->selected && strcmp(imap->selected, removal->raw) == 0;

	if (!open && !imap_select(imap, removal->raw, result))
		return remove_open_failed(imap, removal->raw, result);
	return imap_same_epoch(imap, removal->epoch, guard_uidvalidity(imap->guard), result) &&
	       (imap->writable || remove_refuse_read_only(imap, result));
}

/*
 * A server that does not know a command must not be left to guess: one that takes UID EXPUNGE
 * for EXPUNGE removes what others marked.
 */
static bool remove_is_offered(
	struct imap *imap, enum backend_step step, struct backend_result *result)
{
	bool move = step == BACKEND_STEP_MOVE;

	if ((move && !(imap->caps & BACKEND_CAP_MOVE)) ||
		(step == BACKEND_STEP_EXPUNGE && !(imap->caps & BACKEND_CAP_UIDPLUS))) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s does not offer %s; nothing was done", imap->conf->host,
			move ? "MOVE" : "UID EXPUNGE (UIDPLUS)");
		return false;
	}
	return true;
}

/* False for a name that cannot be sent. */
static bool remove_put_command(const struct imap *imap, const struct backend_removal *removal,
	const char *set, struct buf *command)
{
	switch (removal->step) {
	case BACKEND_STEP_MOVE:
		buf_printf(command, "UID MOVE %s ", set);
		return imap_put_string(imap, command, removal->to);
	case BACKEND_STEP_COPY:
		buf_printf(command, "UID COPY %s ", set);
		return imap_put_string(imap, command, removal->to);
	case BACKEND_STEP_MARK:
		buf_printf(command, "UID STORE %s +FLAGS.SILENT (\\Deleted)", set);
		return true;
	case BACKEND_STEP_EXPUNGE:
		buf_printf(command, "UID EXPUNGE %s", set);
		return true;
	case BACKEND_STEP_EXPUNGE_ALL:
		buf_append_str(command, "EXPUNGE");
		return true;
	}
	return false;
}

/* What a NO or BAD means. False. */
static bool remove_failed(struct imap *imap, const struct backend_removal *removal,
	enum imap_reply reply, struct backend_result *result)
{
	const struct imap_answer *answer = &imap->answer;
	const char *words = answer->text[0] ? answer->text : "no reason given";

	if (reply != IMAP_LOST && removal->to && strcmp(answer->code, "TRYCREATE") == 0)
		backend_result_set(result, BACKEND_REFUSED,
			"%s says that the folder for removed mail is not there (%s). Make it, "
			"or name another one with the option trash=",
			imap->conf->host, words);
	/* Full is not busy: it stays so until somebody clears up. */
	else if (reply != IMAP_LOST && removal->to && strcmp(answer->code, "OVERQUOTA") == 0 &&
		 !guard_backoff_ms(imap->guard))
		backend_result_set(result, BACKEND_REFUSED,
			"%s has no room for another copy (%s). Empty the folder for removed "
			"mail",
			imap->conf->host, words);
	else
		imap_result_fail(
			imap, result, reply, BACKEND_REFUSED, remove_doing(removal->step));
	return false;
}

static bool remove_send(struct imap *imap, const struct backend_removal *removal,
	const char *set, struct backend_result *result)
{
	struct buf command = BUF_INIT;
	enum imap_reply reply;

	if (!remove_put_command(imap, removal, set, &command)) {
		buf_finish(&command);
		backend_result_set(result, BACKEND_REFUSED,
			"The folder of %s for removed mail has a line break in its name",
			imap->conf->host);
		return false;
	}
	reply = imap_command(imap, &remove_limits, &command);
	buf_finish(&command);
	return reply == IMAP_OK || remove_failed(imap, removal, reply, result);
}

/* As many commands of the kind as the UIDs need. False with result. */
static bool remove_all(
	struct imap *imap, const struct backend_removal *removal, struct backend_result *result)
{
	struct buf set = BUF_INIT;
	size_t at = 0;
	bool done = true;

	if (removal->step == BACKEND_STEP_EXPUNGE_ALL)
		return remove_send(imap, removal, "", result);
	while (done && at < removal->count) {
		buf_clear(&set);
		at += imap_put_some(&set, removal->uids + at, removal->count - at);
		/* When nobody waits for the answer any more, nothing more is done. */
		done = !imap_stop_wanted(imap, result) &&
		       remove_send(imap, removal, set.data, result);
	}
	buf_finish(&set);
	return done;
}

void imap_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result)
{
	struct imap *imap = imap_of(backend);

	if (imap_is_ready(imap, result) && remove_is_offered(imap, removal->step, result) &&
		remove_open(imap, removal, result) && remove_all(imap, removal, result))
		backend_result_ok(result);
}
