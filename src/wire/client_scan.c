#include "client_p.h"
#include <assert.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

struct client_scan {
	struct client_call call; /* first */
	const struct backend_scan *want;
	const struct backend_scan_sink *sink;
	bool begun;
	bool changed;	   /* another epoch: nothing but the result may follow */
	bool surveyed;	   /* or none was asked for, or it may no longer come */
	bool scattered;	   /* known UIDs take the place of last_uid */
	bool *told;	   /* owned; which of the known ones the survey named */
	size_t at;	   /* of the known ones: where the next UID is looked for */
	uint32_t existing; /* the last one named by the survey */
	uint32_t message;  /* the last message reported, or where reports begin */
	uint32_t through;  /* what the last batch reached */
};

static bool client_scan_state(struct client_scan *scan, struct frame *frame)
{
	struct backend_folder_state state;

	if (!client_get_state(frame, &state) || scan->begun)
		return client_broken(&scan->call, "a folder's state comes once, and first");
	scan->begun = true;
	scan->changed = scan->want->epoch && state.epoch != scan->want->epoch;
	if (scan->changed)
		scan->call.statuses |= CLIENT_STATUS(BACKEND_FOLDER_CHANGED);
	if (!scan->sink->begin(scan->sink->ctx, &state))
		scan->call.stop = true;
	return true;
}

/* Where a UID is among the known ones, known_count when it is not. UIDs ascend. */
static size_t client_scan_known(struct client_scan *scan, uint32_t uid)
{
	const struct backend_scan *want = scan->want;

	while (scan->at < want->known_count && want->known[scan->at] < uid)
		scan->at++;
	return scan->at < want->known_count && want->known[scan->at] == uid ? scan->at
									    : want->known_count;
}

/* Whether the survey may name it. */
static bool client_scan_names(struct client_scan *scan, uint32_t uid)
{
	size_t at;

	if (!scan->scattered)
		return uid > scan->existing && uid <= scan->want->last_uid;
	if (uid <= scan->existing)
		return false;
	at = client_scan_known(scan, uid);
	if (at == scan->want->known_count)
		return false;
	scan->told[at] = true;
	return true;
}

/* Whether it may be reported as new. */
static bool client_scan_reports(struct client_scan *scan, uint32_t uid)
{
	size_t at;

	if (uid <= scan->message || !scan->scattered)
		return uid > scan->message;
	at = client_scan_known(scan, uid);
	return at == scan->want->known_count || !scan->told[at];
}

/* The survey is over; it may have ended without a word when UIDs are scattered. */
static bool client_scan_end_survey(struct client_scan *scan)
{
	if (!scan->surveyed && !scan->scattered)
		return client_broken(&scan->call, "messages come after the survey");
	if (!scan->surveyed || !scan->message)
		scan->at = 0;
	scan->surveyed = true;
	return true;
}

static bool client_scan_existing(struct client_scan *scan, struct frame *frame)
{
	uint32_t count = frame_get_u32(frame);

	if (scan->surveyed)
		return client_broken(&scan->call, "a survey comes when asked for, and once");
	for (uint32_t i = 0; i < count && !scan->call.stop; i++) {
		uint32_t uid = frame_get_u32(frame), flags = frame_get_u32(frame);

		if (frame->broken || !client_flags_sound(flags) ||
			!client_scan_names(scan, uid))
			return client_broken(
				&scan->call, "a survey ascends, and names what was known");
		scan->existing = uid;
		if (!scan->sink->existing(scan->sink->ctx, uid, flags))
			scan->call.stop = true;
	}
	return scan->call.stop || frame_at_end(frame) ||
	       client_broken(&scan->call, "a survey is well-formed");
}

static bool client_scan_surveyed(struct client_scan *scan, struct frame *frame)
{
	if (scan->surveyed || !frame_at_end(frame))
		return client_broken(&scan->call, "a survey ends when asked for, and once");
	scan->surveyed = true;
	if (!scan->sink->surveyed(scan->sink->ctx))
		scan->call.stop = true;
	return true;
}

/* Owned by message_out, also when it is not sound. */
static bool client_scan_read_message(struct frame *frame, struct mail_message *message_out)
{
	struct mail_fields *fields = &message_out->fields;
	char **texts[] = {&message_out->uidl, &fields->sender, &fields->from, &fields->to,
		&fields->cc, &fields->subject, &fields->date, &fields->message_id,
		&fields->references, &fields->list_id};

	*message_out = (struct mail_message){0};
	message_out->uid = frame_get_u32(frame);
	message_out->size = frame_get_u64(frame);
	message_out->date = (int64_t)frame_get_u64(frame);
	message_out->flags = frame_get_u32(frame);
	message_out->bad = frame_get_u8(frame);
	message_out->twin = frame_get_u8(frame);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = frame_get_str(frame, MAIL_FIELD_MAX);
	return !frame->broken && client_message_sound(message_out);
}

static bool client_scan_message(struct client_scan *scan, struct frame *frame)
{
	struct mail_message message;
	bool sound = client_scan_read_message(frame, &message);

	if (!sound)
		client_broken(&scan->call, "messages are sound");
	else if (!client_scan_reports(scan, message.uid))
		sound = client_broken(&scan->call, "messages ascend, and were not known");
	else if (!scan->sink->message(scan->sink->ctx, &message))
		scan->call.stop = true;
	scan->message = message.uid;
	mail_message_finish(&message);
	return sound;
}

static bool client_scan_messages(struct client_scan *scan, struct frame *frame)
{
	uint32_t count = frame_get_u32(frame);

	if (!client_scan_end_survey(scan))
		return false;
	for (uint32_t i = 0; i < count && !scan->call.stop; i++)
		if (!client_scan_message(scan, frame))
			return false;
	return scan->call.stop || frame_at_end(frame) ||
	       client_broken(&scan->call, "messages are well-formed");
}

static bool client_scan_batch(struct client_scan *scan, struct frame *frame)
{
	uint32_t through = frame_get_u32(frame);

	if (!client_scan_end_survey(scan))
		return false;
	if (!frame_at_end(frame) || through <= scan->through || through < scan->message)
		return client_broken(
			&scan->call, "batches ascend, and end behind their messages");
	scan->through = scan->message = through;
	if (!scan->sink->batch(scan->sink->ctx, through))
		scan->call.stop = true;
	return true;
}

static bool client_scan_take(struct client_call *call, struct frame *frame)
{
	struct client_scan *scan = (struct client_scan *)call;

	if (frame->type == FRAME_STATE)
		return client_scan_state(scan, frame);
	if (!scan->begun || scan->changed)
		return client_broken(call, "nothing is told of a folder in another state");
	if (frame->type == FRAME_EXISTING)
		return client_scan_existing(scan, frame);
	if (frame->type == FRAME_SURVEYED)
		return client_scan_surveyed(scan, frame);
	if (frame->type == FRAME_MESSAGES)
		return client_scan_messages(scan, frame);
	if (frame->type == FRAME_BATCH)
		return client_scan_batch(scan, frame);
	return client_broken(call, "a scan tells of a folder");
}

static bool client_scan_complete(struct client_call *call)
{
	struct client_scan *scan = (struct client_scan *)call;

	return (scan->begun && !scan->changed && (scan->surveyed || scan->scattered) &&
		       scan->message == scan->through) ||
	       client_broken(call, "a scan is done when all of it was told");
}

static void client_scan_put_known(struct frame_writer *writer, const struct backend_scan *want)
{
	size_t end;

	assert(want->known_count <= BACKEND_KNOWN_MAX);
	for (size_t at = 0; at < want->known_count; at = end) {
		end = want->known_count - at < FRAME_KNOWN_UIDS ? want->known_count
								: at + FRAME_KNOWN_UIDS;
		frame_begin(writer, FRAME_KNOWN);
		frame_put_u32(writer, (uint32_t)(end - at));
		for (size_t i = at; i < end; i++) {
			assert(want->known[i] > (i ? want->known[i - 1] : 0));
			frame_put_u32(writer, want->known[i]);
		}
		frame_end(writer);
	}
}

static void client_scan_put(struct frame_writer *writer, const struct backend_scan *want)
{
	frame_put_str(writer, want->raw);
	frame_put_u64(writer, want->epoch);
	frame_put_u32(writer, want->last_uid);
	frame_put_u8(writer, want->survey);
	frame_put_u32(writer, want->most);
	frame_put_u8(writer, want->stub_first);
	frame_put_u32(writer, (uint32_t)want->known_count);
}

void client_scan(struct backend *backend, const struct backend_scan *want,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct client_scan scan = {
		.call = {.take = client_scan_take,
			.complete = client_scan_complete,
			.statuses = CLIENT_FOLDER_STATUSES},
		.want = want,
		.sink = sink,
		.surveyed = !want->survey,
		.message = want->last_uid,
		.through = want->last_uid,
	};
	struct client *client = client_of(backend);

	/* Without a channel, what is put here would wait for another one. */
	if (client->fd >= 0)
		client_scan_put_known(&client->writer, want);
	if (!client_begin(&scan.call, backend, FRAME_SCAN, result))
		return;
	client_scan_put(&client->writer, want);
	scan.scattered = client->caps & BACKEND_CAP_SCATTERED;
	assert(!want->known_count || scan.scattered);
	scan.told = xcalloc(want->known_count + 1, sizeof(*scan.told));
	client_finish(&scan.call);
	free(scan.told);
}
