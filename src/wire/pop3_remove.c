#include "pop3_internal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

static int remove_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* How many have DELE, and are not among these. */
static size_t remove_strangers(const struct pop3 *pop3, const struct backend_removal *removal)
{
	const struct pop3_drop *drop = &pop3->drop;
	size_t count = 0;

	for (size_t i = 0; pop3->marked && i < drop->count; i++)
		count += drop->mails[i].deleted &&
			 !bsearch(&drop->mails[i].uid, removal->uids, removal->count,
				 sizeof(uint32_t), remove_compare);
	return count;
}

/* Takes back what an earlier removal marked and did not go through with. */
static bool remove_reset(struct pop3 *pop3, struct backend_result *result)
{
	enum pop3_reply reply = pop3_command(pop3, "RSET");

	if (reply != POP3_OK) {
		pop3_result_fail(
			pop3, result, reply, BACKEND_REFUSED, "taking back earlier removals");
		return false;
	}
	for (size_t i = 0; i < pop3->drop.count; i++)
		pop3->drop.mails[i].deleted = false;
	pop3->marked = 0;
	pop3->tried = false;
	return true;
}

/* Those to be marked: there, and not marked yet. False, with result, for one that must not be.
 */
static bool remove_find(struct pop3 *pop3, const struct backend_removal *removal,
	uint32_t *wanted, size_t *count_out, struct backend_result *result)
{
	const struct pop3_drop *drop = &pop3->drop;

	*count_out = 0;
	for (size_t i = 0; i < removal->count; i++) {
		const struct pop3_mail *mail = pop3_uid_find(drop, removal->uids[i]);

		if (mail && pop3_mail_is_twin(mail)) {
			backend_result_set(result, BACKEND_REFUSED,
				"%s has several messages under one identity (UIDL), or none "
				"for "
				"them: none of these can be removed without risk to another",
				pop3->conf->host);
			return false;
		}
		if (mail && !mail->deleted)
			wanted[(*count_out)++] = (uint32_t)(mail - drop->mails);
	}
	return true;
}

/*
 * DELE for each. A no to one of them is no reason to leave the others: a later look tells what
 * was done. All answers are read, so that what is marked is known.
 */
static void remove_dele(
	struct pop3 *pop3, const uint32_t *wanted, size_t count, struct backend_result *result)
{
	struct pop3_pipe pipe = {
		.pop3 = pop3, .verb = "DELE", .tail = "", .wanted = wanted, .count = count};
	size_t marked = 0;

	backend_result_ok(result);
	pop3->tried |= count > 0;
	while (pipe.read < count) {
		uint32_t index = wanted[pipe.read];
		enum pop3_reply reply = pop3_pipe_next(&pipe);

		if (reply == POP3_OK) {
			pop3->drop.mails[index].deleted = true;
			pop3->marked++;
			marked++;
			continue;
		}
		pop3_result_fail(pop3, result, reply, BACKEND_REFUSED, "removing messages");
		if (result->status == BACKEND_CONNECTION_LOST)
			return;
	}
	if (marked && result->status == BACKEND_REFUSED)
		backend_result_ok(result);
}

static void remove_mark(
	struct pop3 *pop3, const struct backend_removal *removal, struct backend_result *result)
{
	uint32_t *wanted = xcalloc(removal->count + 1, sizeof(*wanted));
	size_t count;

	if (remove_find(pop3, removal, wanted, &count, result) &&
		(!remove_strangers(pop3, removal) || remove_reset(pop3, result)) &&
		remove_find(pop3, removal, wanted, &count, result))
		remove_dele(pop3, wanted, count, result);
	free(wanted);
}

/* The maildrop enters the UPDATE state: RFC 1939 section 6. */
static void remove_quit(
	struct pop3 *pop3, const struct backend_removal *removal, struct backend_result *result)
{
	enum pop3_reply reply;

	if (remove_strangers(pop3, removal)) {
		backend_result_set(result, BACKEND_REFUSED,
			"Other messages at %s are marked for removal in this session; nothing "
			"was removed",
			pop3->conf->host);
		return;
	}
	backend_result_ok(result);
	if (!pop3->marked) /* all of them were gone before */
		return;
	reply = pop3_command(pop3, "QUIT");
	if (reply != POP3_OK)
		pop3_result_fail(pop3, result, reply, BACKEND_THROTTLED,
			"making removals come true (some may have)");
	pop3_hang_up(pop3);
}

void pop3_remove(struct backend *backend, const struct backend_removal *removal,
	struct backend_result *result)
{
	struct pop3 *pop3 = pop3_of(backend);

	if (!pop3_is_folder(pop3, removal->raw, result) ||
		!pop3_is_epoch(pop3, removal->epoch, result) || !pop3_identify(pop3, result))
		return;
	switch (removal->step) {
	case BACKEND_STEP_MARK:
		remove_mark(pop3, removal, result);
		return;
	case BACKEND_STEP_EXPUNGE:
		remove_quit(pop3, removal, result);
		return;
	case BACKEND_STEP_MOVE:
	case BACKEND_STEP_COPY:
	case BACKEND_STEP_EXPUNGE_ALL:
		break;
	}
	backend_result_set(result, BACKEND_REFUSED,
		"%s is spoken to in POP3, which can neither copy messages nor remove what "
		"others marked",
		pop3->conf->host);
}
