#include "control_request_p.h"
#include "notify_p.h"
#include "queue_p.h"
#include <errno.h>
#include <inttypes.h>
#include <mountmail/base/str.h>
#include <string.h>

enum { TELL_MS = 2000 };

/* About 250 bytes each. */
enum { QUEUE_JSON_ROWS_MAX = 100000, QUEUE_TEXT_ROWS_MAX = 2000 };

static void tell_count(struct buf *out, int64_t count, const char *what)
{
	buf_printf(out, "%" PRId64 " %s %s\n", count,
		count == 1 ? "message is" : "messages are", what);
}

/* What was asked for all, and could not be said of some. */
static void tell_rest(struct fs_thread *thread, enum journal_verb verb, struct buf *out)
{
	struct removals removals;

	removals_read(thread, &removals);
	if (verb == JOURNAL_UNDO && removals.counts.sent + removals.counts.marked)
		tell_count(out, (int64_t)(removals.counts.sent + removals.counts.marked),
			"beyond recall: the server was told already");
}

static void queue_tell(struct fs_thread *thread, enum journal_verb verb, const char *id,
	const char *done, struct buf *out)
{
	bool all = strcmp(id, "all") == 0;
	struct error err = {0};
	int64_t count;

	count = account_tell(thread->fs->host.account, verb, all ? NULL : id, &err);
	if (count < 0) {
		answer_error(out, (int)-count, err.text);
		return;
	}
	/* Who looks as soon as the command returns sees it. */
	notify_drain(thread->fs->notify, TELL_MS);
	answer_ok(out);
	tell_count(out, count, done);
	if (all)
		tell_rest(thread, verb, out);
}

static void queue_flush(struct fs_thread *thread, struct buf *out)
{
	struct removals removals;
	struct json json;

	account_flush(thread->fs->host.account);
	removals_read(thread, &removals);
	answer_ok(out);
	json_init(&json, out);
	removals_json(thread->fs, &removals, &json, NULL);
	buf_append_char(out, '\n');
}

void control_queue(struct fs_thread *thread, const char *line, struct buf *out)
{
	if (strcmp(line, "flush") == 0) {
		queue_flush(thread, out);
	} else if (strcmp(line, "queue json") == 0) {
		answer_ok(out);
		queue_json(thread, QUEUE_JSON_ROWS_MAX, out);
	} else if (strcmp(line, "queue text") == 0) {
		answer_ok(out);
		queue_text(thread, QUEUE_TEXT_ROWS_MAX, out);
	} else if (str_starts(line, "queue undo ")) {
		queue_tell(thread, JOURNAL_UNDO, line + 11, "shown again", out);
	} else if (strcmp(line, "queue release") == 0) {
		queue_tell(thread, JOURNAL_RELEASE, "all", "to be removed now", out);
	} else if (str_starts(line, "queue discard ")) {
		queue_tell(
			thread, JOURNAL_DISCARD, line + 14, "not to be removed any more", out);
	} else {
		answer_error(out, EINVAL, "this mount does not know that command");
	}
}
