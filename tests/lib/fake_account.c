#include "fake_p.h"
#include <mountmail/base/xalloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("fake backend: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

void fake_lock(struct fake_account *account)
{
	pthread_mutex_lock(&account->lock);
}

void fake_unlock(struct fake_account *account)
{
	pthread_mutex_unlock(&account->lock);
}

struct fake_account *fake_account_create(void)
{
	struct fake_account *account = xcalloc(1, sizeof(*account));
	pthread_condattr_t attr;

	pthread_mutex_init(&account->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&account->changed, &attr);
	pthread_condattr_destroy(&attr);
	account->batch = 100;
	account->piece = 16384;
	account->caps = BACKEND_CAP_UIDPLUS | BACKEND_CAP_MOVE;
	return account;
}

static void fake_message_finish(struct fake_message *message)
{
	mail_message_finish(&message->mail);
	free(message->body);
}

static void fake_folder_empty(struct fake_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		fake_message_finish(&folder->messages[i]);
	folder->count = 0;
}

static void fake_folder_destroy(struct fake_folder *folder)
{
	fake_folder_empty(folder);
	free(folder->messages);
	mail_folder_finish(&folder->mail);
	free(folder);
}

void fake_account_destroy(struct fake_account *account)
{
	if (account->counts.alive)
		fake_die("%u backends were not closed", account->counts.alive);
	for (size_t i = 0; i < account->count; i++)
		fake_folder_destroy(account->folders[i]);
	free(account->folders);
	fake_script_clear(account);
	buf_finish(&account->log);
	pthread_cond_destroy(&account->changed);
	pthread_mutex_destroy(&account->lock);
	free(account);
}

struct fake_folder *fake_find(struct fake_account *account, const char *raw)
{
	for (size_t i = 0; i < account->count; i++)
		if (strcmp(account->folders[i]->mail.raw, raw) == 0)
			return account->folders[i];
	return NULL;
}

/* Locks the account; the test must know its folders. */
static struct fake_folder *fake_lock_folder(struct fake_account *account, const char *raw)
{
	struct fake_folder *folder;

	fake_lock(account);
	folder = fake_find(account, raw);
	if (!folder)
		fake_die("no folder %s", raw);
	return folder;
}

void fake_folder_add(struct fake_account *account, const char *raw, const char *path,
	uint32_t flags, uint64_t epoch)
{
	struct fake_folder *folder = xcalloc(1, sizeof(*folder));

	folder->mail.raw = xstrdup(raw);
	folder->mail.path = xstrdup(path ? path : raw);
	folder->mail.flags = flags;
	folder->epoch = epoch;
	folder->uidnext = 1;
	fake_lock(account);
	if (fake_find(account, raw))
		fake_die("folder %s is there already", raw);
	account->folders = xreallocarray(
		account->folders, account->count + 1, sizeof(struct fake_folder *));
	account->folders[account->count++] = folder;
	fake_unlock(account);
}

void fake_folder_remove(struct fake_account *account, const char *raw)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);
	size_t at = 0;

	while (account->folders[at] != folder)
		at++;
	account->count--;
	pthread_cond_broadcast(&account->changed);
	memmove(account->folders + at, account->folders + at + 1,
		(account->count - at) * sizeof(struct fake_folder *));
	fake_unlock(account);
	fake_folder_destroy(folder);
}

void fake_folder_set_epoch(struct fake_account *account, const char *raw, uint64_t epoch)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);

	fake_folder_empty(folder);
	folder->epoch = epoch;
	folder->uidnext = 1;
	fake_folder_stir(account, folder);
	fake_unlock(account);
}

/* Where uid is, or would be. */
static size_t fake_position(const struct fake_folder *folder, uint32_t uid)
{
	size_t low = 0, high = folder->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (folder->messages[middle].mail.uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct fake_message *fake_message_find(struct fake_folder *folder, uint32_t uid)
{
	size_t at = fake_position(folder, uid);

	if (at == folder->count || folder->messages[at].mail.uid != uid)
		return NULL;
	return &folder->messages[at];
}

void fake_mail_copy(struct mail_message *to, const struct mail_message *from)
{
	*to = *from;
	to->uidl = xstrdup(from->uidl);
	to->fields.sender = xstrdup(from->fields.sender);
	to->fields.from = xstrdup(from->fields.from);
	to->fields.to = xstrdup(from->fields.to);
	to->fields.cc = xstrdup(from->fields.cc);
	to->fields.subject = xstrdup(from->fields.subject);
	to->fields.date = xstrdup(from->fields.date);
	to->fields.message_id = xstrdup(from->fields.message_id);
	to->fields.references = xstrdup(from->fields.references);
	to->fields.list_id = xstrdup(from->fields.list_id);
}

/* Room for uid, its old content released. */
static struct fake_message *fake_message_slot(struct fake_folder *folder, uint32_t uid)
{
	size_t at = fake_position(folder, uid);

	if (at < folder->count && folder->messages[at].mail.uid == uid) {
		fake_message_finish(&folder->messages[at]);
		return &folder->messages[at];
	}
	if (folder->count == folder->cap) {
		folder->cap = folder->cap ? folder->cap * 2 : 16;
		folder->messages =
			xreallocarray(folder->messages, folder->cap, sizeof(*folder->messages));
	}
	memmove(folder->messages + at + 1, folder->messages + at,
		(folder->count - at) * sizeof(*folder->messages));
	folder->count++;
	return &folder->messages[at];
}

/* The account is locked. */
static uint32_t fake_put(struct fake_folder *folder, const struct mail_message *mail,
	const void *body, size_t len)
{
	uint32_t uid = mail->uid ? mail->uid : folder->uidnext;
	struct fake_message *message = fake_message_slot(folder, uid);

	*message = (struct fake_message){.body = xmalloc(len + 1), .len = len};
	memcpy(message->body, body, len);
	fake_mail_copy(&message->mail, mail);
	message->mail.uid = uid;
	if (uid >= folder->uidnext)
		folder->uidnext = uid + 1;
	return uid;
}

uint32_t fake_message_put(struct fake_account *account, const char *raw,
	const struct mail_message *message, const void *body, size_t len)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);
	uint32_t uid = fake_put(folder, message, body, len);

	fake_folder_stir(account, folder);
	fake_unlock(account);
	return uid;
}

uint32_t fake_message_add(
	struct fake_account *account, const char *raw, const char *subject, const char *body)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);
	uint32_t uid = folder->uidnext;
	char id[64];
	struct mail_message mail = {
		.size = strlen(body), .date = 1700000000 + (int64_t)uid * 60};
	struct mail_fields fields = {.subject = xstrdup(subject),
		.sender = xstrdup("alice@example.org"),
		.from = xstrdup("Alice <alice@example.org>"),
		.to = xstrdup("bob@example.net"),
		.date = xstrdup("Tue, 14 Nov 2023 22:13:20 +0000")};

	snprintf(id, sizeof(id), "<%u.%llu@example.org>", uid,
		(unsigned long long)folder->epoch);
	fields.message_id = xstrdup(id);
	mail.fields = fields;
	fake_put(folder, &mail, body, strlen(body));
	fake_folder_stir(account, folder);
	fake_unlock(account);
	mail_fields_finish(&fields);
	return uid;
}

void fake_message_copy(struct fake_folder *folder, const struct fake_message *message)
{
	struct fake_message copy = *message; /* it may move when there is one more */
	struct fake_message *added;
	struct mail_message mail;
	uint32_t uid;

	fake_mail_copy(&mail, &message->mail);
	mail.uid = 0;
	uid = fake_put(folder, &mail, copy.body, copy.len);
	mail_message_finish(&mail);
	added = fake_message_find(folder, uid);
	added->status = copy.status;
	added->poison = copy.poison;
}

void fake_message_drop(struct fake_folder *folder, struct fake_message *message)
{
	size_t at = (size_t)(message - folder->messages);

	fake_message_finish(message);
	folder->count--;
	memmove(message, message + 1, (folder->count - at) * sizeof(*message));
}

bool fake_message_remove(struct fake_account *account, const char *raw, uint32_t uid)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);
	struct fake_message *message = fake_message_find(folder, uid);

	if (message)
		fake_message_drop(folder, message);
	fake_folder_stir(account, folder);
	fake_unlock(account);
	return message != NULL;
}

/* Locks the account; the test must know its messages. */
static struct fake_message *fake_lock_message(
	struct fake_account *account, const char *raw, uint32_t uid)
{
	struct fake_message *message = fake_message_find(fake_lock_folder(account, raw), uid);

	if (!message)
		fake_die("no message %u in %s", uid, raw);
	return message;
}

void fake_message_set_flags(
	struct fake_account *account, const char *raw, uint32_t uid, uint32_t flags)
{
	fake_lock_message(account, raw, uid)->mail.flags = flags;
	fake_folder_stir(account, fake_find(account, raw));
	fake_unlock(account);
}

void fake_message_claim_size(
	struct fake_account *account, const char *raw, uint32_t uid, uint64_t size)
{
	fake_lock_message(account, raw, uid)->mail.size = size;
	fake_unlock(account);
}

void fake_message_set_status(
	struct fake_account *account, const char *raw, uint32_t uid, enum backend_status status)
{
	fake_lock_message(account, raw, uid)->status = status;
	fake_unlock(account);
}

void fake_message_set_poison(
	struct fake_account *account, const char *raw, uint32_t uid, bool poison)
{
	fake_lock_message(account, raw, uid)->poison = poison;
	fake_unlock(account);
}

void fake_message_set_bad(struct fake_account *account, const char *raw, uint32_t uid, bool bad)
{
	fake_lock_message(account, raw, uid)->mail.bad = bad;
	fake_unlock(account);
}

uint32_t fake_message_flags(struct fake_account *account, const char *raw, uint32_t uid)
{
	uint32_t flags = fake_lock_message(account, raw, uid)->mail.flags;

	fake_unlock(account);
	return flags;
}

char *fake_folder_uids(struct fake_account *account, const char *raw)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);
	struct buf text = BUF_INIT;

	buf_reserve(&text, 1);
	for (size_t i = 0; i < folder->count; i++)
		buf_printf(&text, "%s%u", i ? "," : "", folder->messages[i].mail.uid);
	fake_unlock(account);
	return buf_steal(&text);
}

unsigned fake_message_fetches(struct fake_account *account, const char *raw, uint32_t uid)
{
	unsigned fetches = fake_lock_message(account, raw, uid)->fetches;

	fake_unlock(account);
	return fetches;
}

void fake_set_batch(struct fake_account *account, unsigned messages)
{
	fake_lock(account);
	account->batch = messages;
	fake_unlock(account);
}

void fake_set_pace(struct fake_account *account, uint32_t ms)
{
	fake_lock(account);
	account->pace_ms = ms;
	fake_unlock(account);
}

void fake_set_partial(struct fake_account *account, bool partial)
{
	fake_lock(account);
	account->partial = partial;
	fake_unlock(account);
}

void fake_set_caps(struct fake_account *account, uint32_t caps)
{
	fake_lock(account);
	account->caps = caps;
	fake_unlock(account);
}

void fake_set_lying(struct fake_account *account, bool lying)
{
	fake_lock(account);
	account->lying = lying;
	fake_unlock(account);
}

void fake_set_piece(struct fake_account *account, size_t bytes)
{
	fake_lock(account);
	account->piece = bytes;
	fake_unlock(account);
}
