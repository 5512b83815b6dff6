#include "header_p.h"
#include "pop3_internal_p.h"
#include <mountmail/base/str.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One word of a line of CAPA (RFC 2449 section 6). under: what its first word has to be, or
 * NULL. */
static const struct {
	const char *under;
	const char *name;
	uint32_t caps;
} cap_names[] = {
	{NULL, "STLS", POP3_CAP_STLS},
	{NULL, "USER", POP3_CAP_USER},
	{NULL, "SASL", POP3_CAP_SASL},
	{NULL, "TOP", POP3_CAP_TOP},
	{NULL, "UIDL", POP3_CAP_UIDL},
	{NULL, "PIPELINING", POP3_CAP_PIPELINING},
	{"SASL", "PLAIN", POP3_CAP_PLAIN},
	{"SASL", "SCRAM-SHA-256", POP3_CAP_SCRAM_SHA_256},
};

static uint32_t cap_of(const char *under, const char *word)
{
	for (size_t i = 0; i < sizeof(cap_names) / sizeof(cap_names[0]); i++)
		if (str_equal_nocase(cap_names[i].name, word) &&
			(under ? cap_names[i].under &&
						strcasecmp(cap_names[i].under, under) == 0
			       : !cap_names[i].under))
			return cap_names[i].caps;
	return 0;
}

static bool caps_line(void *ctx, const char *text, size_t len)
{
	struct pop3 *pop3 = ctx;
	char line[512], *rest = line, *first, *word;
	uint64_t seconds;

	snprintf(line, sizeof(line), "%s", text);
	first = strsep(&rest, " ");
	pop3->caps |= cap_of(NULL, first);
	while ((word = strsep(&rest, " "))) {
		pop3->caps |= cap_of(first, word);
		if (str_equal_nocase(first, "LOGIN-DELAY") &&
			str_to_u64(word, UINT32_MAX, &seconds) == 0)
			pop3->delay_s = (uint32_t)seconds;
	}
	return true;
}

/* A server that does not know CAPA keeps the abilities it has; there are none then. */
static bool open_read_caps(struct pop3 *pop3, struct backend_result *result)
{
	enum pop3_reply reply = pop3_command(pop3, "CAPA");
	bool holes = false; /* a line that says nothing to us is fine */

	if (reply == POP3_ERR && !pop3_answer_is_busy(pop3))
		return true;
	if (reply == POP3_OK) {
		pop3->caps = POP3_CAP_KNOWN;
		if (pop3_read_list(pop3, caps_line, pop3, &holes))
			return true;
		reply = POP3_LOST;
	}
	pop3_result_fail(pop3, result, reply, BACKEND_REFUSED, "asking what the server can do");
	return false;
}

/* Connects and prepares everything that comes from files, then gives the files up. */
static bool open_connect(struct pop3 *pop3, struct backend_result *result)
{
	const struct wire_conf *conf = pop3->conf;

	if (pop3->fd >= 0)
		pop3->stream = stream_from_fd(pop3->fd, conf, pop3->watch_fd);
	else
		pop3->stream = stream_connect(conf, pop3->watch_fd, result);
	pop3->fd = -1;
	if (!pop3->stream)
		return false;
	stream_on_progress(pop3->stream, pop3_alive, pop3);
	pop3_alive(pop3);
	header_prepare();
	if (!stream_load_trust(pop3->stream, result))
		return false;
	if (pop3->enter_sandbox && pop3->enter_sandbox() != 0) {
		backend_result_set(result, BACKEND_REFUSED,
			"The sandbox for the connection to %s could not be entered; nothing "
			"was read from the server",
			conf->host);
		return false;
	}
	return conf->tls != WIRE_TLS_IMPLICIT || stream_start_tls(pop3->stream, result);
}

static bool open_read_greeting(struct pop3 *pop3, struct backend_result *result)
{
	const struct wire_conf *conf = pop3->conf;
	enum pop3_reply reply;

	snprintf(pop3->command, sizeof(pop3->command), "greeting");
	pop3->in_flight++;
	reply = pop3_read_reply(pop3, NULL);
	if (reply == POP3_OK)
		return true;
	if (reply == POP3_MORE || (reply == POP3_LOST && pop3->wrong[0]))
		backend_result_set(result, BACKEND_REFUSED,
			"What answers at %s port %u is no POP3 server. Check the host, the "
			"port and the tls option of the account",
			conf->host, (unsigned)conf->port);
	else
		pop3_result_fail(pop3, result, reply, BACKEND_CONNECTION_LOST,
			conf->tls == WIRE_TLS_IMPLICIT
				? "waiting for its greeting"
				: "waiting for its greeting (a port where TLS comes first "
				  "needs tls=implicit)");
	return false;
}

/* RFC 2595 section 4. */
static bool open_start_tls(struct pop3 *pop3, struct backend_result *result)
{
	const struct wire_conf *conf = pop3->conf;
	enum pop3_reply reply;

	if (!(pop3->caps & POP3_CAP_STLS)) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s offers no STLS on port %u, so the connection would be readable by "
			"everybody on the way. The password was not sent. Use tls=implicit "
			"(port 995) if the server has it",
			conf->host, (unsigned)conf->port);
		return false;
	}
	reply = pop3_command(pop3, "STLS");
	if (reply != POP3_OK) {
		pop3_result_fail(pop3, result, reply, BACKEND_REFUSED, "starting TLS");
		return false;
	}
	if (pop3->in_len) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s sent more in clear text after it agreed to TLS: somebody may be "
			"injecting answers. The password was not sent",
			conf->host);
		return false;
	}
	if (!stream_start_tls(pop3->stream, result))
		return false;
	/* What was said in clear text counts for nothing. */
	pop3->caps = 0;
	pop3->delay_s = 0;
	return open_read_caps(pop3, result);
}

static bool open_session(struct pop3 *pop3, struct backend_result *result)
{
	if (!open_connect(pop3, result) || !open_read_greeting(pop3, result) ||
		!open_read_caps(pop3, result))
		return false;
	if (pop3->conf->tls == WIRE_TLS_STARTTLS && !open_start_tls(pop3, result))
		return false;
	if (!pop3_login(pop3, result) || !open_read_caps(pop3, result))
		return false;
	pop3->top = pop3->caps & POP3_CAP_TOP ? POP3_TOP_YES : POP3_TOP_UNKNOWN;
	return pop3_list(pop3, result);
}

/* Whatever became of the login: the secret is not needed twice. */
static void open_wipe_secret(const struct wire_conf *conf)
{
	if (conf->secret)
		explicit_bzero((char *)(uintptr_t)conf->secret, strlen(conf->secret));
}

void pop3_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	struct pop3 *pop3 = pop3_of(backend);

	*server_out = (struct backend_server){0};
	pop3->ready = true; /* for what goes wrong on the way */
	pop3->ready = open_session(pop3, result) && pop3->ready;
	open_wipe_secret(pop3->conf);
	if (!pop3->ready)
		return;
	server_out->caps = pop3->caps & (POP3_CAP_KNOWN - 1);
	snprintf(server_out->name, sizeof(server_out->name), "%s", pop3->conf->host);
	backend_result_ok(result);
}
