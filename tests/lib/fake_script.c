#include "fake_p.h"
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fake_script(struct fake_account *account, const struct fake_fault *fault)
{
	struct fake_entry *entry = xcalloc(1, sizeof(*entry));
	struct fake_entry **at = &account->script;

	if (fault->late && fault->call != FAKE_VERIFY && fault->call != FAKE_REMOVE)
		fake_die("a late fault in a call that knows none");
	if (fault->steps && fault->call != FAKE_REMOVE)
		fake_die("a step in a call that has none");
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

bool fake_take_fault(struct fake_account *account, enum fake_call call, const char *raw,
	unsigned steps, struct fake_fault *fault_out)
{
	for (struct fake_entry **at = &account->script; *at; at = &(*at)->next) {
		struct fake_entry *entry = *at;

		if (entry->fault.call != call ||
			(entry->fault.raw && (!raw || strcmp(entry->fault.raw, raw) != 0)) ||
			(entry->fault.steps && !(entry->fault.steps & steps)))
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

bool fake_wait_until(struct fake_account *account, int64_t end_ms)
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

void fake_note(struct fake_account *account, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fake_lock(account);
	buf_vprintf(&account->log, format, args);
	buf_append_char(&account->log, '\n');
	fake_unlock(account);
	va_end(args);
}
