#include "fake_p.h"
#include <mountmail/base/xalloc.h>
#include <mountmail/mail/flags.h>
#include <stdlib.h>
#include <string.h>

/* What a step does with one message; some take two rounds. False: the other folder is gone. */
typedef bool (*fake_act)(struct fake_account *account, const struct backend_removal *removal,
	struct fake_folder *folder, struct fake_message *message);

static const char *fake_step_name(enum backend_step step)
{
	switch (step) {
	case BACKEND_STEP_MOVE:
		return "move";
	case BACKEND_STEP_COPY:
		return "copy";
	case BACKEND_STEP_MARK:
		return "mark";
	case BACKEND_STEP_EXPUNGE:
		return "expunge";
	case BACKEND_STEP_EXPUNGE_ALL:
		return "expunge-all";
	}
	fake_die("a step of no kind");
}

static void fake_note_remove(
	struct fake_account *account, const struct backend_removal *removal)
{
	bool goes = removal->step == BACKEND_STEP_MOVE || removal->step == BACKEND_STEP_COPY;
	struct buf line = BUF_INIT;

	if (goes != (removal->to != NULL))
		fake_die("a %s %s another folder", fake_step_name(removal->step),
			goes ? "without" : "with");
	buf_printf(&line, "remove %s %s", removal->raw, fake_step_name(removal->step));
	if (removal->step != BACKEND_STEP_EXPUNGE_ALL) {
		buf_append_char(&line, ' ');
		fake_put_uids(&line, removal->uids, removal->count, BACKEND_REMOVE_MAX);
	}
	fake_note(account, "%s%s%s", line.data, goes ? " " : "", goes ? removal->to : "");
	buf_finish(&line);
}

static struct fake_folder *fake_find_open(struct fake_account *account, const char *raw)
{
	struct fake_folder *folder = fake_find(account, raw);

	return folder && !(folder->mail.flags & MAIL_FOLDER_NOSELECT) ? folder : NULL;
}

static bool fake_act_copy(struct fake_account *account, const struct backend_removal *removal,
	struct fake_folder *folder, struct fake_message *message)
{
	struct fake_folder *to = fake_find_open(account, removal->to);

	if (!to)
		return false;
	fake_message_copy(to, message);
	fake_folder_stir(account, to);
	return true;
}

static bool fake_act_drop(struct fake_account *account, const struct backend_removal *removal,
	struct fake_folder *folder, struct fake_message *message)
{
	fake_message_drop(folder, message);
	return true;
}

static bool fake_act_mark(struct fake_account *account, const struct backend_removal *removal,
	struct fake_folder *folder, struct fake_message *message)
{
	message->mail.flags |= MAIL_FLAG_DELETED;
	return true;
}

static bool fake_act_expunge(struct fake_account *account,
	const struct backend_removal *removal, struct fake_folder *folder,
	struct fake_message *message)
{
	if (message->mail.flags & MAIL_FLAG_DELETED)
		fake_message_drop(folder, message);
	return true;
}

static bool fake_refused(struct fake_run *run, const char *why, const char *name)
{
	backend_result_set(run->result, BACKEND_REFUSED, "%s%s", why, name);
	return false;
}

/* One message, if it is there. False with result. */
static bool fake_act_on(
	struct fake_run *run, const struct backend_removal *removal, uint32_t uid, fake_act act)
{
	struct fake_account *account = run->account;
	struct fake_message *message;
	struct fake_folder *folder;
	bool done;

	if (!fake_at(run, run->delivered++))
		return false;
	fake_lock(account);
	folder = fake_find_open(account, removal->raw);
	message = folder ? fake_message_find(folder, uid) : NULL;
	done = !message || act(account, removal, folder, message);
	if (message)
		fake_folder_stir(account, folder);
	fake_unlock(account);
	return done || fake_refused(run, "[TRYCREATE] There is no folder ", removal->to);
}

static bool fake_act_on_all(struct fake_run *run, const struct backend_removal *removal,
	const uint32_t *uids, size_t count, fake_act act)
{
	for (size_t i = 0; i < count; i++)
		if (!fake_act_on(run, removal, uids[i], act))
			return false;
	return true;
}

/* All UIDs of the folder; owned. */
static uint32_t *fake_all_uids(struct fake_account *account, const char *raw, size_t *count_out)
{
	struct fake_folder *folder;
	uint32_t *uids;

	fake_lock(account);
	folder = fake_find_open(account, raw);
	*count_out = folder ? folder->count : 0;
	uids = xcalloc(*count_out + 1, sizeof(*uids));
	for (size_t i = 0; i < *count_out; i++)
		uids[i] = folder->messages[i].mail.uid;
	fake_unlock(account);
	return uids;
}

static bool fake_expunge_all(struct fake_run *run, const struct backend_removal *removal)
{
	size_t count;
	uint32_t *uids = fake_all_uids(run->account, removal->raw, &count);
	bool done = fake_act_on_all(run, removal, uids, count, fake_act_expunge);

	free(uids);
	return done;
}

static bool fake_remove_step(struct fake_run *run, const struct backend_removal *removal)
{
	const uint32_t *uids = removal->uids;
	size_t count = removal->count;

	switch (removal->step) {
	case BACKEND_STEP_MOVE:
		return fake_act_on_all(run, removal, uids, count, fake_act_copy) &&
		       fake_act_on_all(run, removal, uids, count, fake_act_drop);
	case BACKEND_STEP_COPY:
		return fake_act_on_all(run, removal, uids, count, fake_act_copy);
	case BACKEND_STEP_MARK:
		return fake_act_on_all(run, removal, uids, count, fake_act_mark);
	case BACKEND_STEP_EXPUNGE:
		return fake_act_on_all(run, removal, uids, count, fake_act_expunge);
	case BACKEND_STEP_EXPUNGE_ALL:
		return fake_expunge_all(run, removal);
	}
	return false;
}

/* What a server refuses before it begins. False with result. */
static bool fake_may_remove(struct fake_run *run, const struct backend_removal *removal)
{
	struct fake_account *account = run->account;
	struct fake_folder *folder;
	bool there, to_there;
	uint64_t epoch;
	uint32_t caps;

	fake_lock(account);
	folder = fake_find_open(account, removal->raw);
	there = folder != NULL;
	epoch = folder ? folder->epoch : 0;
	to_there = !removal->to || fake_find_open(account, removal->to);
	caps = account->caps;
	fake_unlock(account);
	if (!there)
		fake_no_folder(run, removal->raw);
	else if (epoch != removal->epoch)
		fake_new_epoch(run, removal->raw);
	else if (removal->step == BACKEND_STEP_MOVE && !(caps & BACKEND_CAP_MOVE))
		return fake_refused(run, "Unknown command", "");
	else if (removal->step == BACKEND_STEP_EXPUNGE && !(caps & BACKEND_CAP_UIDPLUS))
		return fake_refused(run, "Unknown command", "");
	else if (!to_there)
		return fake_refused(run, "[TRYCREATE] There is no folder ", removal->to);
	return run->result->status == BACKEND_OK;
}

static bool fake_is_lying(struct fake_account *account)
{
	bool lying;

	fake_lock(account);
	lying = account->lying;
	fake_unlock(account);
	return lying;
}

void fake_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result)
{
	struct fake_run run;

	fake_note_remove(fake_of(backend)->account, removal);
	if (fake_begin_step(&run, backend, removal->step, removal->raw, result) &&
		(!run.armed || run.fault.after || fake_at(&run, 0)) &&
		fake_may_remove(&run, removal) &&
		(fake_is_lying(run.account) || fake_remove_step(&run, removal)))
		(void)fake_late(&run);
	fake_end(&run, false);
}
