#include "fake_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is known of a wanted message now; body is an owned copy. */
static enum backend_status fake_look_up(struct fake_account *account,
	const struct backend_fetch *fetch, const struct backend_want *want, char **body_out,
	size_t *len_out)
{
	enum backend_status status = BACKEND_MESSAGE_GONE;
	struct fake_message *message;
	struct fake_folder *folder;

	*body_out = NULL;
	*len_out = 0;
	fake_lock(account);
	folder = fake_find(account, fetch->raw);
	message = folder ? fake_message_find(folder, want->uid) : NULL;
	if (message) {
		const char *id = message->mail.fields.message_id;

		status = message->status;
		if ((want->message_id && id && strcmp(want->message_id, id) != 0) ||
			(want->date && want->date != message->mail.date))
			status = BACKEND_MESSAGE_BAD; /* another one than the caller knows */
		*body_out = xmalloc(message->len + 1);
		memcpy(*body_out, message->body, message->len);
		*len_out = message->len;
	}
	fake_unlock(account);
	return status;
}

static void fake_pace(struct fake_run *run, const struct backend_fetch_sink *sink)
{
	uint32_t ms;

	fake_lock(run->account);
	ms = run->account->pace_ms;
	fake_unlock(run->account);
	if (!ms)
		return;
	usleep(ms * 500);
	if (sink->alive)
		sink->alive(sink->ctx);
	usleep(ms * 500);
}

static bool fake_give(struct fake_run *run, const char *body, size_t len, size_t piece,
	uint64_t *delivered, const struct backend_fetch_sink *sink)
{
	while (len) {
		size_t part = len < piece ? len : piece;

		fake_pace(run, sink);
		if (!fake_at(run, *delivered))
			return false;
		if (run->armed && run->fault.after - *delivered < part)
			part = (size_t)(run->fault.after - *delivered);
		if (!sink->data(sink->ctx, body, part))
			return fake_stopped(run);
		body += part;
		len -= part;
		*delivered += part;
	}
	return fake_at(run, *delivered);
}

static void fake_count_body(struct fake_account *account, const char *raw, uint32_t uid)
{
	struct fake_folder *folder;
	struct fake_message *message;

	fake_lock(account);
	folder = fake_find(account, raw);
	message = folder ? fake_message_find(folder, uid) : NULL;
	if (message)
		message->fetches++;
	account->counts.bodies++;
	fake_unlock(account);
}

static bool fake_fetch_one(struct fake_run *run, const struct backend_fetch *fetch,
	const struct backend_want *want, uint64_t *delivered,
	const struct backend_fetch_sink *sink)
{
	enum backend_status status;
	size_t len, piece;
	bool more = true;
	char *body;

	status = fake_look_up(run->account, fetch, want, &body, &len);
	fake_lock(run->account);
	piece = run->account->piece;
	fake_unlock(run->account);
	if (status == BACKEND_MESSAGE_BAD)
		len /= 2;
	if (status != BACKEND_MESSAGE_GONE)
		more = fake_give(run, body, len, piece, delivered, sink);
	free(body);
	if (!more)
		return false;
	if (status != BACKEND_OK)
		return sink->failed(
			       sink->ctx, want->uid, status, backend_status_name(status)) ||
		       fake_stopped(run);
	fake_count_body(run->account, fetch->raw, want->uid);
	return sink->done(sink->ctx, want->uid, len) || fake_stopped(run);
}

static int fake_compare_wants(const void *a, const void *b)
{
	const struct backend_want *left = a, *right = b;

	return (left->uid > right->uid) - (left->uid < right->uid);
}

static void fake_fetch_run(struct fake_run *run, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink)
{
	struct backend_want *wants = xcalloc(fetch->count, sizeof(*wants));
	uint64_t delivered = 0;
	bool more = true;

	/* In the server's order, whatever the caller's was. */
	memcpy(wants, fetch->wants, fetch->count * sizeof(*wants));
	qsort(wants, fetch->count, sizeof(*wants), fake_compare_wants);
	for (size_t i = 0; i < fetch->count && more; i++)
		more = fake_at(run, delivered) &&
		       fake_fetch_one(run, fetch, &wants[i], &delivered, sink);
	free(wants);
}

static void fake_note_fetch(struct fake_account *account, const struct backend_fetch *fetch)
{
	struct buf uids = BUF_INIT;

	if (fetch->count < 1 || fetch->count > BACKEND_FETCH_MAX)
		fake_die("%zu messages wanted at once", fetch->count);
	for (size_t i = 0; i < fetch->count; i++)
		buf_printf(&uids, "%s%u", i ? "," : "", fetch->wants[i].uid);
	fake_note(account, "fetch %s %s", fetch->raw, uids.data);
	buf_finish(&uids);
}

void fake_fetch(struct backend *backend, const struct backend_fetch *fetch,
	const struct backend_fetch_sink *sink, struct backend_result *result)
{
	struct fake_folder *folder;
	struct fake_run run;
	uint64_t epoch;
	bool there;

	fake_note_fetch(fake_of(backend)->account, fetch);
	if (fake_begin(&run, backend, FAKE_FETCH, fetch->raw, result) &&
		(!run.armed || run.fault.after || fake_at(&run, 0))) {
		fake_lock(run.account);
		folder = fake_find(run.account, fetch->raw);
		there = folder && !(folder->mail.flags & MAIL_FOLDER_NOSELECT);
		epoch = there ? folder->epoch : 0;
		fake_unlock(run.account);
		if (!there)
			fake_no_folder(&run, fetch->raw);
		else if (epoch != fetch->epoch)
			fake_new_epoch(&run, fetch->raw);
		else
			fake_fetch_run(&run, fetch, sink);
	}
	fake_end(&run, false);
}
