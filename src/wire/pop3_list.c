#include "pop3_internal_p.h"
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* What UIDL or LIST says of the messages. */
struct list {
	struct pop3 *pop3;
	struct pop3_mail *mails; /* owned */
	size_t count, cap;
	bool holes; /* a line was not understood */
};

/* Digits, then blanks; *at is behind them. False for another thing, and for zero. */
static bool list_number(const char **at, uint64_t max, uint64_t *out)
{
	char digits[24];
	size_t len = strspn(*at, "0123456789");

	if (!len || len >= sizeof(digits) ||
		((*at)[len] && (*at)[len] != ' ' && (*at)[len] != '\t'))
		return false;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	*at += len;
	*at += strspn(*at, " \t");
	return str_to_u64(digits, max, out) == 0;
}

/* A message whose line begins with its number; NULL when it does not. */
static struct pop3_mail *list_add(struct list *list, const char **at)
{
	uint64_t number;

	if (!list_number(at, UINT32_MAX, &number) || !number)
		return NULL;
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 1024;
		list->mails = xreallocarray(list->mails, list->cap, sizeof(*list->mails));
	}
	list->mails[list->count] =
		(struct pop3_mail){.number = (uint32_t)number, .name = POP3_NO_NAME};
	return &list->mails[list->count++];
}

static bool list_uidl_line(void *ctx, const char *text, size_t len)
{
	struct list *list = ctx;
	const char *at = text;
	struct pop3_mail *mail = list_add(list, &at);

	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	/* One without UIDL is there all the same. */
	if (mail && at < text + len)
		(void)pop3_uid_name(&list->pop3->drop, mail, at, (size_t)(text + len - at));
	return mail != NULL;
}

static bool list_size_line(void *ctx, const char *text, size_t len)
{
	const char *at = text;
	struct pop3_mail *mail = list_add(ctx, &at);

	/* What cannot be a size is none. */
	if (mail && !list_number(&at, INT64_MAX, &mail->size))
		mail->size = 0;
	return mail != NULL;
}

static int list_compare(const void *a, const void *b)
{
	const struct pop3_mail *left = a, *right = b;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	/* Of two lines for one message it does not matter which, but always the same. */
	return (left->name > right->name) - (left->name < right->name);
}

/* By number, each once. One that is there twice hides another. */
static void list_settle(struct list *list)
{
	bool ascending = true;
	size_t kept = 0;

	for (size_t i = 1; i < list->count && ascending; i++)
		ascending = list->mails[i - 1].number < list->mails[i].number;
	if (ascending)
		return;
	qsort(list->mails, list->count, sizeof(*list->mails), list_compare);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && list->mails[kept - 1].number == list->mails[i].number)
			list->holes = true;
		else
			list->mails[kept++] = list->mails[i];
	}
	list->count = kept;
}

/* Sizes come from the one, names from the other; a message may be in one of them alone. */
static void list_merge(struct list *names, struct list *sizes, struct pop3_drop *drop)
{
	size_t n = 0, s = 0;

	drop->mails = xcalloc(names->count + sizes->count + 1, sizeof(*drop->mails));
	while (n < names->count || s < sizes->count) {
		struct pop3_mail *mail = &drop->mails[drop->count++];
		uint64_t name = n < names->count ? names->mails[n].number : UINT64_MAX;
		uint64_t size = s < sizes->count ? sizes->mails[s].number : UINT64_MAX;

		*mail = name <= size ? names->mails[n++] : sizes->mails[s];
		if (size <= name)
			mail->size = sizes->mails[s++].size;
	}
}

static void list_fail(struct pop3 *pop3, enum pop3_reply reply, struct backend_result *result)
{
	pop3_result_fail(
		pop3, result, reply, BACKEND_THROTTLED, "asking which messages it has");
}

/* "+OK 3 1234". Without a number that can be read no list is believed to be whole. */
static bool list_stat(struct pop3 *pop3, bool *told_out, struct backend_result *result)
{
	enum pop3_reply reply = pop3_read_answer(pop3);
	const char *at = pop3->answer.text;
	uint64_t count;

	if (reply == POP3_LOST || (reply == POP3_ERR && pop3_answer_is_busy(pop3))) {
		list_fail(pop3, reply, result);
		return false;
	}
	*told_out = reply == POP3_OK && list_number(&at, UINT32_MAX, &count);
	if (*told_out)
		pop3->drop.exists = (uint32_t)count;
	return true;
}

/*
 * UIDL. A server that never said it could, and cannot, has no UIDLs. One that said so and
 * cannot now would make strangers of all messages that are stored: that has to wait for better
 * times.
 */
static bool list_names(struct list *names, bool empty, struct backend_result *result)
{
	struct pop3 *pop3 = names->pop3;
	enum pop3_reply reply = pop3_read_answer(pop3);

	if (reply == POP3_OK && pop3_read_list(pop3, list_uidl_line, names, &names->holes))
		return true;
	if (reply == POP3_ERR && !pop3_answer_is_busy(pop3)) {
		if (empty) /* some have nothing to say then */
			return true;
		if (!(pop3->caps & POP3_CAP_UIDL)) {
			pop3->caps |= BACKEND_CAP_NO_UIDL;
			return true;
		}
	}
	list_fail(pop3, reply == POP3_OK ? POP3_LOST : reply, result);
	return false;
}

static bool list_sizes(struct list *sizes, bool empty, struct backend_result *result)
{
	struct pop3 *pop3 = sizes->pop3;
	enum pop3_reply reply = pop3_read_answer(pop3);

	if (reply == POP3_OK && pop3_read_list(pop3, list_size_line, sizes, &sizes->holes))
		return true;
	if (reply == POP3_ERR && empty && !pop3_answer_is_busy(pop3))
		return true;
	list_fail(pop3, reply == POP3_OK ? POP3_LOST : reply, result);
	return false;
}

/* The three questions, all at once if the server can take that. */
static bool list_ask(
	struct list *names, struct list *sizes, bool *told_out, struct backend_result *result)
{
	struct pop3 *pop3 = names->pop3;
	bool at_once = pop3->caps & POP3_CAP_PIPELINING;
	bool sent = pop3_send(pop3, "STAT"), empty;

	if (at_once)
		sent = sent && pop3_queue(pop3, "UIDL") && pop3_queue(pop3, "LIST") &&
		       pop3_flush(pop3);
	if (!sent) {
		list_fail(pop3, POP3_LOST, result);
		return false;
	}
	if (!list_stat(pop3, told_out, result))
		return false;
	empty = *told_out && !pop3->drop.exists;
	if (!at_once && !pop3_send(pop3, "UIDL")) {
		list_fail(pop3, POP3_LOST, result);
		return false;
	}
	if (!list_names(names, empty, result))
		return false;
	if (!at_once && !pop3_send(pop3, "LIST")) {
		list_fail(pop3, POP3_LOST, result);
		return false;
	}
	return list_sizes(sizes, empty, result);
}

bool pop3_list(struct pop3 *pop3, struct backend_result *result)
{
	struct list names = {.pop3 = pop3}, sizes = {.pop3 = pop3};
	struct pop3_drop *drop = &pop3->drop;
	bool told = false, done;

	done = list_ask(&names, &sizes, &told, result);
	if (done) {
		list_settle(&names);
		list_settle(&sizes);
		list_merge(&names, &sizes, drop);
		drop->whole =
			told && drop->exists == drop->count && !names.holes && !sizes.holes;
		if (!told)
			drop->exists = (uint32_t)drop->count;
	}
	pop3->caps |= BACKEND_CAP_BRIEF | BACKEND_CAP_SCATTERED;
	if (!(pop3->caps & BACKEND_CAP_NO_UIDL))
		pop3->caps |= BACKEND_CAP_UIDPLUS;
	free(names.mails);
	free(sizes.mails);
	return done;
}
