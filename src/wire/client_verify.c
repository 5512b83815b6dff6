#include "client_p.h"
#include <stdlib.h>

struct client_verify {
	struct client_call call; /* first */
	const struct backend_verify *want;
	const struct backend_verify_sink *sink;
	bool begun;
	bool changed;	  /* another epoch: nothing but the result may follow */
	size_t at;	  /* of the wanted UIDs: those before were found, or passed over */
	uint32_t found;	  /* the last one */
	uint32_t deleted; /* the last one; nothing is found any more then */
};

static bool client_verify_state(struct client_verify *verify, struct frame *frame)
{
	struct backend_folder_state state;

	if (!client_get_state(frame, &state) || verify->begun)
		return client_broken(&verify->call, "a folder's state comes once, and first");
	verify->begun = true;
	verify->changed = verify->want->epoch && state.epoch != verify->want->epoch;
	if (verify->changed)
		verify->call.statuses |= CLIENT_STATUS(BACKEND_FOLDER_CHANGED);
	if (!verify->sink->begin(verify->sink->ctx, &state))
		verify->call.stop = true;
	return true;
}

/* Whether it was asked for, and is above those that were found. */
static bool client_verify_wanted(struct client_verify *verify, uint32_t uid)
{
	const struct backend_verify *want = verify->want;

	if (!uid || uid <= verify->found || verify->deleted)
		return false;
	verify->found = uid;
	if (!want->count)
		return want->from_uid && uid >= want->from_uid;
	while (verify->at < want->count && want->uids[verify->at] < uid)
		verify->at++;
	return verify->at < want->count && want->uids[verify->at++] == uid;
}

/* Its texts are owned by ids_out, also when it is not sound. */
static bool client_verify_read(struct client_verify *verify, struct frame *frame,
	struct backend_identity *identity, char *ids_out[2])
{
	uint8_t known;

	identity->uid = frame_get_u32(frame);
	known = frame_get_u8(frame);
	identity->known = known != 0;
	identity->size = frame_get_u64(frame);
	identity->date = (int64_t)frame_get_u64(frame);
	identity->message_id = ids_out[0] = frame_get_str(frame, MAIL_FIELD_MAX);
	identity->uidl = ids_out[1] = frame_get_str(frame, MAIL_FIELD_MAX);
	if (frame->broken || known > verify->want->identify)
		return false;
	if (!known)
		return !identity->size && !identity->date && !identity->message_id &&
		       !identity->uidl;
	return identity->size <= INT64_MAX && client_date_sound(identity->date) &&
	       client_text_sound(identity->message_id) && client_uidl_sound(identity->uidl);
}

static bool client_verify_found(struct client_verify *verify, struct frame *frame)
{
	struct backend_identity identity;
	char *ids[2];
	bool sound = client_verify_read(verify, frame, &identity, ids);

	if (!sound)
		client_broken(&verify->call, "identities are sound");
	else if (!client_verify_wanted(verify, identity.uid))
		sound = client_broken(
			&verify->call, "what is found was asked for, and ascends");
	else if (!verify->sink->found(verify->sink->ctx, &identity))
		verify->call.stop = true;
	free(ids[0]);
	free(ids[1]);
	return sound;
}

static bool client_verify_identities(struct client_verify *verify, struct frame *frame)
{
	uint32_t count = frame_get_u32(frame);

	for (uint32_t i = 0; i < count && !verify->call.stop; i++)
		if (!client_verify_found(verify, frame))
			return false;
	return verify->call.stop || frame_at_end(frame) ||
	       client_broken(&verify->call, "identities are well-formed");
}

static bool client_verify_deleted(struct client_verify *verify, struct frame *frame)
{
	uint32_t count = frame_get_u32(frame);

	if (!verify->want->deleted)
		return client_broken(&verify->call, "marks are told when asked for");
	for (uint32_t i = 0; i < count && !verify->call.stop; i++) {
		uint32_t uid = frame_get_u32(frame);

		if (frame->broken || uid <= verify->deleted)
			return client_broken(&verify->call, "marks ascend");
		verify->deleted = uid;
		if (!verify->sink->deleted(verify->sink->ctx, uid))
			verify->call.stop = true;
	}
	return verify->call.stop || frame_at_end(frame) ||
	       client_broken(&verify->call, "marks are well-formed");
}

static bool client_verify_take(struct client_call *call, struct frame *frame)
{
	struct client_verify *verify = (struct client_verify *)call;

	if (frame->type == FRAME_STATE)
		return client_verify_state(verify, frame);
	if (!verify->begun || verify->changed)
		return client_broken(call, "nothing is told of a folder in another state");
	if (frame->type == FRAME_IDENTITIES)
		return client_verify_identities(verify, frame);
	if (frame->type == FRAME_DELETED)
		return client_verify_deleted(verify, frame);
	return client_broken(call, "a look tells what is there");
}

static bool client_verify_complete(struct client_call *call)
{
	struct client_verify *verify = (struct client_verify *)call;

	return (verify->begun && !verify->changed) ||
	       client_broken(call, "a look is done when the folder was opened");
}

void client_verify(struct backend *backend, const struct backend_verify *want,
	const struct backend_verify_sink *sink, struct backend_result *result)
{
	struct client_verify verify = {
		.call = {.take = client_verify_take,
			.complete = client_verify_complete,
			.statuses = CLIENT_FOLDER_STATUSES},
		.want = want,
		.sink = sink,
	};
	struct frame_writer *writer = &client_of(backend)->writer;

	if (!client_begin(&verify.call, backend, FRAME_VERIFY, result))
		return;
	frame_put_str(writer, want->raw);
	frame_put_u64(writer, want->epoch);
	frame_put_u32(writer, want->from_uid);
	frame_put_u8(writer, want->again);
	frame_put_u8(writer, want->writing);
	frame_put_u8(writer, want->identify);
	frame_put_u8(writer, want->deleted);
	client_put_uids(writer, want->uids, want->count);
	client_finish(&verify.call);
}
