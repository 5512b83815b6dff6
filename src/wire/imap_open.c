#include "catchall_p.h"
#include "header_p.h"
#include "imap_internal_p.h"
#include <mountmail/base/str.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint32_t caps;
} imap_cap_names[] = {
	{"IMAP4rev1", IMAP_CAP_REV1},
	{"IMAP4rev2", IMAP_CAP_REV1 | IMAP_CAP_NAMESPACE | IMAP_CAP_LIST_EXTENDED |
			      BACKEND_CAP_SPECIAL_USE},
	{"STARTTLS", IMAP_CAP_STARTTLS},
	{"LOGINDISABLED", IMAP_CAP_LOGINDISABLED},
	{"AUTH=SCRAM-SHA-256", IMAP_CAP_SCRAM_SHA_256},
	{"AUTH=PLAIN", IMAP_CAP_PLAIN},
	{"LITERAL+", IMAP_CAP_LITERAL_PLUS},
	{"NAMESPACE", IMAP_CAP_NAMESPACE},
	{"LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED},
	{"UIDPLUS", BACKEND_CAP_UIDPLUS},
	{"MOVE", BACKEND_CAP_MOVE},
	{"CONDSTORE", BACKEND_CAP_CONDSTORE},
	{"QRESYNC", BACKEND_CAP_QRESYNC | BACKEND_CAP_CONDSTORE},
	{"IDLE", BACKEND_CAP_IDLE},
	{"NOTIFY", BACKEND_CAP_NOTIFY},
	{"ESEARCH", BACKEND_CAP_ESEARCH},
	{"SPECIAL-USE", BACKEND_CAP_SPECIAL_USE},
	{"LIST-STATUS", BACKEND_CAP_LIST_STATUS},
	{"X-GM-EXT-1", BACKEND_CAP_GMAIL},
	{"COMPRESS=DEFLATE", BACKEND_CAP_COMPRESS},
};

static uint32_t imap_cap_of(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(imap_cap_names) / sizeof(imap_cap_names[0]); i++)
		if (strlen(imap_cap_names[i].name) == len &&
			strncasecmp(imap_cap_names[i].name, name, len) == 0)
			return imap_cap_names[i].caps;
	return 0;
}

bool imap_read_caps(struct imap *imap, struct backend_result *result)
{
	enum imap_reply reply = imap_command_text(imap, NULL, "CAPABILITY");
	const char *line;
	size_t len, at = 0;

	if (reply != IMAP_OK) {
		imap_result_fail(
			imap, result, reply, BACKEND_REFUSED, "asking what the server can do");
		return false;
	}
	imap->caps = 0;
	while (imap_answer_line(imap, "* CAPABILITY ", &at, &line, &len)) {
		const char *end = line + len;

		while (line < end) {
			const char *space = memchr(line, ' ', (size_t)(end - line));
			const char *stop = space ? space : end;

			imap->caps |= imap_cap_of(line, (size_t)(stop - line));
			line = stop + 1;
		}
	}
	if (imap->caps & IMAP_CAP_REV1)
		return true;
	backend_result_set(result, BACKEND_REFUSED,
		"%s does not speak IMAP4rev1, the only version of IMAP spoken here. Check the "
		"host and the port of the account",
		imap->conf->host);
	return false;
}

/* Connects and prepares everything that comes from files, then gives the files up. */
static bool imap_connect(struct imap *imap, struct backend_result *result)
{
	const struct wire_conf *conf = imap->conf;
	struct stream *stream;

	if (imap->fd >= 0)
		stream = stream_from_fd(imap->fd, conf, imap->watch_fd);
	else
		stream = stream_connect(conf, imap->watch_fd, result);
	imap->fd = -1;
	if (!stream)
		return false;
	imap->stream = stream;
	stream_on_progress(stream, imap_alive, imap);
	imap_alive(imap);
	imap->guard = guard_create();
	imap->mailstream = stream_mailstream(stream, imap->guard);
	imap->session = mailimap_new(0, NULL);
	if (!imap->mailstream || !imap->session)
		abort(); /* out of memory, as in xalloc */
	imap->session->imap_stream = imap->mailstream;
	catchall_register();
	header_prepare();
	if (!stream_load_trust(stream, result))
		return false;
	if (imap->enter_sandbox && imap->enter_sandbox() != 0) {
		backend_result_set(result, BACKEND_REFUSED,
			"The sandbox for the connection to %s could not be entered; nothing "
			"was read from the server",
			conf->host);
		return false;
	}
	return conf->tls != WIRE_TLS_IMPLICIT || stream_start_tls(stream, result);
}

static bool imap_greeting_refused(
	struct imap *imap, const char *line, struct backend_result *result)
{
	bool bye = strncasecmp(line, "* BYE", 5) == 0;

	snprintf(imap->answer.text, sizeof(imap->answer.text), "%s", line + (bye ? 5 : 0));
	imap->answer.text[strcspn(imap->answer.text, "\r\n")] = '\0';
	if (!bye) {
		backend_result_set(result, BACKEND_REFUSED,
			"What answers at %s port %u is no IMAP server. Check the host, the "
			"port and the tls option of the account",
			imap->conf->host, (unsigned)imap->conf->port);
	} else if (imap_answer_is_busy(imap)) {
		backend_result_set(result, BACKEND_THROTTLED, "%s takes no connection now:%s",
			imap->conf->host, imap->answer.text);
	} else {
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"%s refused the connection:%s", imap->conf->host, imap->answer.text);
	}
	return false;
}

/* The first line. RFC 9051 section 7.1.4 on why PREAUTH ends it when TLS is to follow. */
static bool imap_read_greeting(
	struct imap *imap, bool *preauth_out, struct backend_result *result)
{
	static const struct guard_limits limits = {.line = 65536,
		.depth = GUARD_DEPTH_MAX,
		.literal = 1,
		.response = 65536,
		.lines = 10};
	const char *line;

	guard_expect(imap->guard, &limits);
	stream_deadline(imap->stream);
	line = mailimap_read_line(imap->session);
	if (!line) {
		imap_result_fail(imap, result, IMAP_LOST, BACKEND_CONNECTION_LOST,
			imap->conf->tls == WIRE_TLS_IMPLICIT
				? "waiting for its greeting"
				: "waiting for its greeting (a port where TLS comes first "
				  "needs "
				  "tls=implicit)");
		return false;
	}
	*preauth_out = strncasecmp(line, "* PREAUTH", 9) == 0;
	if (!*preauth_out && strncasecmp(line, "* OK", 4) != 0)
		return imap_greeting_refused(imap, line, result);
	if (!*preauth_out || imap->conf->tls != WIRE_TLS_STARTTLS)
		return true;
	backend_result_set(result, BACKEND_REFUSED,
		"%s greeted us as logged in already, which makes TLS impossible: this may be "
		"somebody between you and the server. Nothing was sent. Use tls=implicit",
		imap->conf->host);
	return false;
}

static bool imap_starttls(struct imap *imap, struct backend_result *result)
{
	enum imap_reply reply;

	if (!(imap->caps & IMAP_CAP_STARTTLS)) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s offers no STARTTLS on port %u, so the connection would be readable "
			"by everybody on the way. The password was not sent. Use tls=implicit "
			"(port 993) if the server has it",
			imap->conf->host, (unsigned)imap->conf->port);
		return false;
	}
	reply = imap_command_text(imap, NULL, "STARTTLS");
	if (reply != IMAP_OK) {
		imap_result_fail(imap, result, reply, BACKEND_REFUSED, "starting TLS");
		return false;
	}
	/* The stream looks at its own buffers; these two lie above it. */
	if (imap->mailstream->read_buffer_len || guard_holds(imap->guard)) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s sent more in clear text after it agreed to TLS: somebody may be "
			"injecting answers. The password was not sent",
			imap->conf->host);
		return false;
	}
	/* What was said in clear text counts for nothing. */
	return stream_start_tls(imap->stream, result) && imap_read_caps(imap, result);
}

static bool imap_open_session(struct imap *imap, struct backend_result *result)
{
	bool preauth;

	if (!imap_connect(imap, result) || !imap_read_greeting(imap, &preauth, result) ||
		!imap_read_caps(imap, result))
		return false;
	if (imap->conf->tls == WIRE_TLS_STARTTLS && !imap_starttls(imap, result))
		return false;
	if (preauth)
		return true;
	return imap_login(imap, result) && imap_read_caps(imap, result);
}

/* Whatever became of the login: the secret is not needed twice. */
static void imap_wipe_secret(const struct wire_conf *conf)
{
	if (conf->secret)
		explicit_bzero((char *)(uintptr_t)conf->secret, strlen(conf->secret));
}

void imap_open(struct backend *backend, struct backend_server *server_out,
	struct backend_result *result)
{
	struct imap *imap = imap_of(backend);

	*server_out = (struct backend_server){0};
	imap->ready = imap_open_session(imap, result);
	imap_wipe_secret(imap->conf);
	if (!imap->ready)
		return;
	server_out->caps = imap->caps & (IMAP_CAP_REV1 - 1);
	snprintf(server_out->name, sizeof(server_out->name), "%s", imap->conf->host);
	backend_result_ok(result);
}
