#include "header_p.h"
#include "pop3_internal_p.h"
#include <inttypes.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

struct verify {
	struct pop3 *pop3;
	const struct backend_verify *want;
	const struct backend_verify_sink *sink;
	struct backend_result *result;
	uint32_t *there; /* owned; indices into drop.mails, by UID */
	size_t count;
	bool missing; /* one that was asked for is not listed */
};

static bool verify_tell(struct verify *verify, const struct backend_identity *identity)
{
	return verify->sink->found(verify->sink->ctx, identity);
}

/* A twin may be the other one: who it is remains unsaid. */
static bool verify_header(void *ctx, uint32_t index, const char *data, size_t len)
{
	struct verify *verify = ctx;
	const struct pop3_drop *drop = &verify->pop3->drop;
	const struct pop3_mail *mail = &drop->mails[index];
	struct backend_identity identity = {.uid = mail->uid};
	struct mail_fields fields = {0};
	bool going;

	if (data && !pop3_mail_is_twin(mail)) {
		header_parse(data, len, &fields);
		identity.known = true;
		identity.size = mail->size;
		identity.date = pop3_date(&fields);
		identity.message_id = fields.message_id;
		identity.uidl = pop3_mail_name(drop, mail);
	}
	going = verify_tell(verify, &identity);
	mail_fields_finish(&fields);
	return going;
}

static bool verify_plainly(struct verify *verify)
{
	for (size_t i = 0; i < verify->count; i++) {
		const struct backend_identity identity = {
			.uid = verify->pop3->drop.mails[verify->there[i]].uid};

		if (!verify_tell(verify, &identity))
			return pop3_stop(verify->result);
	}
	return true;
}

static void verify_find(struct verify *verify)
{
	const struct backend_verify *want = verify->want;
	const struct pop3_drop *drop = &verify->pop3->drop;

	for (size_t i = 0; i < want->count; i++) {
		const struct pop3_mail *mail = pop3_uid_find(drop, want->uids[i]);

		if (mail)
			verify->there[verify->count++] = (uint32_t)(mail - drop->mails);
		else
			verify->missing = true;
	}
	for (size_t i = 0; !want->count && want->from_uid && i < drop->count; i++)
		if (drop->mails[drop->by_uid[i]].uid >= want->from_uid)
			verify->there[verify->count++] = drop->by_uid[i];
	verify->missing |= !want->count && want->from_uid;
}

static bool verify_run(struct verify *verify)
{
	const struct pop3_drop *drop = &verify->pop3->drop;

	verify_find(verify);
	if (!(verify->want->identify ? pop3_headers(verify->pop3, verify->there, verify->count,
					       verify_header, verify, verify->result)
				     : verify_plainly(verify)))
		return false;
	if (!verify->missing || drop->whole)
		return true;
	backend_result_set(verify->result, BACKEND_THROTTLED,
		"%s has %" PRIu32
		" messages and lists %zu: what it does not list may be there, "
		"and is not taken for gone",
		verify->pop3->conf->host, drop->exists, drop->count);
	return false;
}

void pop3_verify(struct backend *backend, const struct backend_verify *verify,
	const struct backend_verify_sink *sink, struct backend_result *result)
{
	struct verify run = {
		.pop3 = pop3_of(backend), .want = verify, .sink = sink, .result = result};
	struct backend_folder_state state;

	if (!pop3_is_folder(run.pop3, verify->raw, result))
		return;
	pop3_folder_state(run.pop3, &state);
	if (!sink->begin(sink->ctx, &state)) {
		pop3_stop(result);
		return;
	}
	if (!pop3_is_epoch(run.pop3, verify->epoch, result) || !pop3_identify(run.pop3, result))
		return;
	run.there = xcalloc(run.pop3->drop.count + 1, sizeof(*run.there));
	if (verify_run(&run))
		backend_result_ok(result);
	free(run.there);
}
