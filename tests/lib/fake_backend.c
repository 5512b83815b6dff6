#include "fake_backend.h"
#include <mountmail/base/buf.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_message {
	struct mail_message mail; /* owned */
	char *body;		  /* owned */
	size_t len;
	enum backend_status status;
	unsigned fetches;
};

struct fake_folder {
	struct mail_folder mail; /* owned */
	uint64_t epoch;
	uint32_t uidnext;
	struct fake_message *messages; /* owned; by UID */
	size_t count, cap;
};

struct fake_entry {
	struct fake_fault fault; /* raw is owned */
	struct fake_entry *next;
};

struct fake_account {
	pthread_mutex_t lock; /* guards everything below; not held in a callback */
	pthread_cond_t changed;
	struct fake_folder **folders; /* owned */
	size_t count;
	struct fake_entry *script; /* owned; oldest first */
	struct fake_counts counts;
	struct buf log;
	unsigned batch;
	size_t piece;
	unsigned blocked;
	unsigned releases;
};

struct fake_backend {
	struct backend backend; /* first */
	struct fake_account *account;
	bool opened; /* open was called */
	bool ready;  /* it succeeded, and the connection is not lost */
	bool lost, cancelled, busy;
};

/* A call in progress. */
struct fake_run {
	struct fake_backend *fake;
	struct fake_account *account;
	struct backend_result *result;
	struct fake_fault fault;
	bool armed; /* fault has not struck yet */
};

__attribute__((format(printf, 1, 2), noreturn)) static void fake_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("fake backend: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	abort();
}

static void fake_lock(struct fake_account *account)
{
	pthread_mutex_lock(&account->lock);
}

static void fake_unlock(struct fake_account *account)
{
	pthread_mutex_unlock(&account->lock);
}

/* The account. */

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

static struct fake_folder *fake_find(struct fake_account *account, const char *raw)
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

static struct fake_message *fake_message_find(struct fake_folder *folder, uint32_t uid)
{
	size_t at = fake_position(folder, uid);

	if (at == folder->count || folder->messages[at].mail.uid != uid)
		return NULL;
	return &folder->messages[at];
}

static void fake_mail_copy(struct mail_message *to, const struct mail_message *from)
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
	fake_unlock(account);
	mail_fields_finish(&fields);
	return uid;
}

bool fake_message_remove(struct fake_account *account, const char *raw, uint32_t uid)
{
	struct fake_folder *folder = fake_lock_folder(account, raw);
	struct fake_message *message = fake_message_find(folder, uid);

	if (message) {
		size_t at = (size_t)(message - folder->messages);

		fake_message_finish(message);
		folder->count--;
		memmove(message, message + 1, (folder->count - at) * sizeof(*message));
	}
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

void fake_set_piece(struct fake_account *account, size_t bytes)
{
	fake_lock(account);
	account->piece = bytes;
	fake_unlock(account);
}

/* The script. */

void fake_script(struct fake_account *account, const struct fake_fault *fault)
{
	struct fake_entry *entry = xcalloc(1, sizeof(*entry));
	struct fake_entry **at = &account->script;

	entry->fault = *fault;
	entry->fault.raw = xstrdup(fault->raw);
	if (!fault->times)
		entry->fault.times = 1;
	fake_lock(account);
	while (*at)
		at = &(*at)->next;
	*at = entry;
	fake_unlock(account);
}

void fake_fail(struct fake_account *account, enum fake_call call, enum backend_status status,
	uint32_t retry_ms)
{
	fake_script(account,
		&(struct fake_fault){.call = call, .status = status, .retry_ms = retry_ms});
}

static void fake_entry_destroy(struct fake_entry *entry)
{
	free((char *)(uintptr_t)entry->fault.raw);
	free(entry);
}

void fake_script_clear(struct fake_account *account)
{
	fake_lock(account);
	while (account->script) {
		struct fake_entry *entry = account->script;

		account->script = entry->next;
		fake_entry_destroy(entry);
	}
	fake_unlock(account);
}

/* Takes the oldest fault that fits. The account is locked. */
static bool fake_take_fault(struct fake_account *account, enum fake_call call, const char *raw,
	struct fake_fault *fault_out)
{
	for (struct fake_entry **at = &account->script; *at; at = &(*at)->next) {
		struct fake_entry *entry = *at;

		if (entry->fault.call != call ||
			(entry->fault.raw && (!raw || strcmp(entry->fault.raw, raw) != 0)))
			continue;
		*fault_out = entry->fault;
		fault_out->raw = NULL; /* it may go with the entry */
		if (entry->fault.times != FAKE_ALWAYS && --entry->fault.times == 0) {
			*at = entry->next;
			fake_entry_destroy(entry);
		}
		return true;
	}
	return false;
}

void fake_release(struct fake_account *account)
{
	fake_lock(account);
	account->releases++;
	pthread_cond_broadcast(&account->changed);
	fake_unlock(account);
}

/* The account is locked. False when the time is up. */
static bool fake_wait_until(struct fake_account *account, int64_t end_ms)
{
	struct timespec end = clock_at_ms(end_ms);

	return pthread_cond_timedwait(&account->changed, &account->lock, &end) == 0;
}

static bool fake_wait_at_least(struct fake_account *account, const unsigned *value,
	unsigned wanted, uint32_t timeout_ms)
{
	int64_t end_ms = clock_now_ms() + timeout_ms;
	bool reached;

	fake_lock(account);
	while (*value < wanted && fake_wait_until(account, end_ms))
		;
	reached = *value >= wanted;
	fake_unlock(account);
	return reached;
}

bool fake_wait_blocked(struct fake_account *account, unsigned calls, uint32_t timeout_ms)
{
	return fake_wait_at_least(account, &account->blocked, calls, timeout_ms);
}

bool fake_wait_calls(
	struct fake_account *account, enum fake_call call, unsigned calls, uint32_t timeout_ms)
{
	return fake_wait_at_least(account, &account->counts.calls[call], calls, timeout_ms);
}

void fake_counts(struct fake_account *account, struct fake_counts *counts_out)
{
	fake_lock(account);
	*counts_out = account->counts;
	fake_unlock(account);
}

char *fake_log(struct fake_account *account)
{
	char *copy;

	fake_lock(account);
	copy = xstrndup(account->log.len ? account->log.data : "", account->log.len);
	fake_unlock(account);
	return copy;
}

void fake_log_clear(struct fake_account *account)
{
	fake_lock(account);
	buf_clear(&account->log);
	fake_unlock(account);
}

/* Calls: what all have in common. */

static struct fake_backend *fake_of(struct backend *backend)
{
	return (struct fake_backend *)backend;
}

/* False, with result, when the call is over at once. */
static bool fake_begin(struct fake_run *run, struct backend *backend, enum fake_call call,
	const char *raw, struct backend_result *result)
{
	struct fake_backend *fake = fake_of(backend);
	bool cancelled;

	*run = (struct fake_run){.fake = fake, .account = fake->account, .result = result};
	fake_lock(run->account);
	if (fake->busy)
		fake_die("two calls at once in one backend");
	if (fake->lost)
		fake_die("a call after the connection was lost");
	if (fake->opened == (call == FAKE_OPEN))
		fake_die(fake->opened ? "open called twice" : "a call before open");
	fake->busy = true;
	fake->opened = true;
	cancelled = fake->cancelled;
	run->armed = fake_take_fault(run->account, call, raw, &run->fault);
	run->account->counts.calls[call]++;
	pthread_cond_broadcast(&run->account->changed);
	fake_unlock(run->account);
	backend_result_ok(result);
	if (cancelled)
		backend_result_set(result, BACKEND_CONNECTION_LOST, "cancelled");
	return !cancelled;
}

static void fake_end(struct fake_run *run, bool opening)
{
	enum backend_status status = run->result->status;
	bool fatal = status == BACKEND_CONNECTION_LOST || (opening && status != BACKEND_OK);
	struct fake_backend *fake = run->fake;

	fake_lock(run->account);
	fake->busy = false;
	if (opening && !fatal) {
		fake->ready = true;
		run->account->counts.logged_in++;
	} else if (fatal) {
		run->account->counts.logged_in -= fake->ready;
		fake->ready = false;
		/* Who calls a cancelled one again may not know yet. */
		fake->lost = !fake->cancelled;
	}
	fake_unlock(run->account);
}

/* The fault's delay and block. The account is locked. */
static void fake_suffer(struct fake_run *run)
{
	struct fake_account *account = run->account;
	int64_t end_ms = clock_now_ms() + run->fault.delay_ms;
	unsigned releases = account->releases;

	while (!run->fake->cancelled && run->fault.delay_ms && clock_now_ms() < end_ms)
		(void)fake_wait_until(account, end_ms);
	if (!run->fault.block)
		return;
	account->blocked++;
	pthread_cond_broadcast(&account->changed);
	while (!run->fake->cancelled && account->releases == releases)
		pthread_cond_wait(&account->changed, &account->lock);
	account->blocked--;
}

/* With so much delivered: whether to go on. False with result. */
static bool fake_at(struct fake_run *run, uint64_t delivered)
{
	bool strikes = run->armed && delivered >= run->fault.after;
	bool cancelled;

	fake_lock(run->account);
	if (strikes)
		fake_suffer(run);
	cancelled = run->fake->cancelled;
	fake_unlock(run->account);
	if (strikes)
		run->armed = false;
	if (cancelled) {
		backend_result_set(run->result, BACKEND_CONNECTION_LOST, "cancelled");
		return false;
	}
	if (!strikes || run->fault.status == BACKEND_OK)
		return true;
	backend_result_set(run->result, run->fault.status, "scripted: %s",
		backend_status_name(run->fault.status));
	run->result->retry_ms = run->fault.retry_ms;
	return false;
}

static bool fake_stopped(struct fake_run *run)
{
	backend_result_set(run->result, BACKEND_STOPPED, "Stopped on request");
	return false;
}

__attribute__((format(printf, 2, 3))) static void fake_note(
	struct fake_account *account, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fake_lock(account);
	buf_vprintf(&account->log, format, args);
	buf_append_char(&account->log, '\n');
	fake_unlock(account);
	va_end(args);
}

/* Calls: each of them. */

static void fake_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	struct fake_run run;

	fake_note(fake_of(backend)->account, "open");
	*server_out = (struct backend_server){.name = "fake.example.org"};
	if (fake_begin(&run, backend, FAKE_OPEN, NULL, result))
		fake_at(&run, 0);
	fake_end(&run, true);
}

/* Copies of what the account has now. Owned. */
static struct mail_folder *fake_copy_folders(struct fake_account *account, size_t *count_out)
{
	struct mail_folder *copies;

	fake_lock(account);
	*count_out = account->count;
	copies = xcalloc(account->count + 1, sizeof(*copies));
	for (size_t i = 0; i < account->count; i++) {
		copies[i] = account->folders[i]->mail;
		copies[i].raw = xstrdup(copies[i].raw);
		copies[i].path = xstrdup(copies[i].path);
	}
	fake_unlock(account);
	return copies;
}

static void fake_list_run(struct fake_run *run, const struct backend_list_sink *sink)
{
	size_t count;
	struct mail_folder *folders = fake_copy_folders(run->account, &count);
	bool more = true;

	for (size_t i = 0; i < count && more; i++) {
		more = fake_at(run, i);
		if (more && !sink->folder(sink->ctx, &folders[i]))
			more = fake_stopped(run);
	}
	if (more)
		fake_at(run, count);
	for (size_t i = 0; i < count; i++)
		mail_folder_finish(&folders[i]);
	free(folders);
}

static void fake_list(struct backend *backend, const struct backend_list_sink *sink,
	struct backend_result *result)
{
	struct fake_run run;

	fake_note(fake_of(backend)->account, "list");
	if (fake_begin(&run, backend, FAKE_LIST, NULL, result))
		fake_list_run(&run, sink);
	fake_end(&run, false);
}

/* A folder as it was when the scan began. */
struct fake_snapshot {
	struct backend_folder_state state;
	struct mail_message *messages; /* owned, each of them too */
	size_t count;
	unsigned batch;
};

static bool fake_snapshot_take(
	struct fake_account *account, const char *raw, struct fake_snapshot *out)
{
	struct fake_folder *folder;

	*out = (struct fake_snapshot){0};
	fake_lock(account);
	folder = fake_find(account, raw);
	if (folder && !(folder->mail.flags & MAIL_FOLDER_NOSELECT)) {
		out->messages = xcalloc(folder->count + 1, sizeof(*out->messages));
		for (; out->count < folder->count; out->count++)
			fake_mail_copy(
				&out->messages[out->count], &folder->messages[out->count].mail);
		out->state.epoch = folder->epoch;
		out->state.exists = (uint32_t)folder->count;
		out->state.uidnext = folder->uidnext;
		out->batch = account->batch;
	}
	fake_unlock(account);
	return out->messages != NULL;
}

static void fake_snapshot_finish(struct fake_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		mail_message_finish(&snapshot->messages[i]);
	free(snapshot->messages);
}

static void fake_no_folder(struct fake_run *run, const char *raw)
{
	backend_result_set(run->result, BACKEND_FOLDER_GONE, "There is no folder %s", raw);
}

static void fake_new_epoch(struct fake_run *run, const char *raw)
{
	backend_result_set(
		run->result, BACKEND_FOLDER_CHANGED, "%s numbers its messages anew", raw);
}

static bool fake_survey(struct fake_run *run, const struct fake_snapshot *snapshot,
	uint32_t last_uid, const struct backend_scan_sink *sink)
{
	for (size_t i = 0; i < snapshot->count && snapshot->messages[i].uid <= last_uid; i++)
		if (!sink->existing(
			    sink->ctx, snapshot->messages[i].uid, snapshot->messages[i].flags))
			return fake_stopped(run);
	return sink->surveyed(sink->ctx) || fake_stopped(run);
}

static bool fake_messages(struct fake_run *run, const struct fake_snapshot *snapshot,
	uint32_t last_uid, const struct backend_scan_sink *sink)
{
	uint32_t through = 0;
	uint64_t delivered = 0;

	for (size_t i = 0; i < snapshot->count; i++) {
		const struct mail_message *message = &snapshot->messages[i];

		if (message->uid <= last_uid)
			continue;
		if (!fake_at(run, delivered))
			return false;
		if (!sink->message(sink->ctx, message))
			return fake_stopped(run);
		through = message->uid;
		if (++delivered % snapshot->batch)
			continue;
		if (!sink->batch(sink->ctx, through))
			return fake_stopped(run);
		through = 0;
	}
	if (!fake_at(run, delivered))
		return false;
	return !through || sink->batch(sink->ctx, through) || fake_stopped(run);
}

static void fake_scan_run(struct fake_run *run, const struct backend_scan *scan,
	const struct fake_snapshot *snapshot, const struct backend_scan_sink *sink)
{
	if (!sink->begin(sink->ctx, &snapshot->state)) {
		fake_stopped(run);
		return;
	}
	if (scan->epoch && scan->epoch != snapshot->state.epoch) {
		fake_new_epoch(run, scan->raw);
		return;
	}
	if (!scan->survey || fake_survey(run, snapshot, scan->last_uid, sink))
		fake_messages(run, snapshot, scan->last_uid, sink);
}

static void fake_scan(struct backend *backend, const struct backend_scan *scan,
	const struct backend_scan_sink *sink, struct backend_result *result)
{
	struct fake_snapshot snapshot;
	struct fake_run run;

	fake_note(fake_of(backend)->account, "scan %s %u%s", scan->raw, scan->last_uid,
		scan->survey ? " survey" : "");
	if (fake_begin(&run, backend, FAKE_SCAN, scan->raw, result) &&
		(!run.armed || run.fault.after || fake_at(&run, 0))) {
		if (fake_snapshot_take(run.account, scan->raw, &snapshot))
			fake_scan_run(&run, scan, &snapshot, sink);
		else
			fake_no_folder(&run, scan->raw);
		fake_snapshot_finish(&snapshot);
	}
	fake_end(&run, false);
}

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

static bool fake_give(struct fake_run *run, const char *body, size_t len, size_t piece,
	uint64_t *delivered, const struct backend_fetch_sink *sink)
{
	while (len) {
		size_t part = len < piece ? len : piece;

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

static void fake_fetch(struct backend *backend, const struct backend_fetch *fetch,
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

static void fake_cancel(struct backend *backend)
{
	struct fake_backend *fake = fake_of(backend);

	fake_lock(fake->account);
	fake->cancelled = true;
	pthread_cond_broadcast(&fake->account->changed);
	fake_unlock(fake->account);
}

static void fake_close(struct backend *backend)
{
	struct fake_backend *fake = fake_of(backend);
	struct fake_account *account = fake->account;

	fake_lock(account);
	if (fake->busy)
		fake_die("close during a call");
	account->counts.alive--;
	account->counts.logged_in -= fake->ready;
	pthread_cond_broadcast(&account->changed);
	fake_unlock(account);
	free(fake);
}

static const struct backend_ops fake_ops = {
	.open = fake_open,
	.list = fake_list,
	.scan = fake_scan,
	.fetch = fake_fetch,
	.cancel = fake_cancel,
	.close = fake_close,
};

struct backend *fake_backend_create(void *ctx)
{
	struct fake_account *account = ctx;
	struct fake_backend *fake = xcalloc(1, sizeof(*fake));

	fake->backend.ops = &fake_ops;
	fake->account = account;
	fake_lock(account);
	account->counts.created++;
	account->counts.alive++;
	fake_unlock(account);
	return &fake->backend;
}
