#include "stream_internal_p.h"
#include <arpa/inet.h>
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Why SSL said r, in words. */
static void tls_fail(struct stream *stream, int error, int code)
{
	unsigned long reason = ERR_peek_last_error();

	if (error == SSL_ERROR_ZERO_RETURN ||
		ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		stream_fail(stream, "the server closed it");
	else if (error == SSL_ERROR_SYSCALL && code)
		stream_fail_errno(stream, code);
	else
		stream_fail(stream, "TLS: %s",
			(reason ? ERR_reason_error_string(reason) : NULL) ?: "unknown fault");
}

/* 0 when it only has to wait, else -1. */
static ssize_t tls_not_yet(struct stream *stream, int r, short *events_out)
{
	int code = errno, error = SSL_get_error(stream->ssl, r);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		*events_out = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		return 0;
	}
	tls_fail(stream, error, code);
	return -1;
}

ssize_t stream_tls_read(struct stream *stream, void *data, size_t len, short *events_out)
{
	size_t got = 0;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read_ex(stream->ssl, data, len, &got);
	return r == 1 ? (ssize_t)got : tls_not_yet(stream, r, events_out);
}

ssize_t stream_tls_write(struct stream *stream, const void *data, size_t len, short *events_out)
{
	size_t put = 0;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write_ex(stream->ssl, data, len, &put);
	return r == 1 ? (ssize_t)put : tls_not_yet(stream, r, events_out);
}

void stream_tls_end(struct stream *stream)
{
	if (!stream->ssl || stream->failure[0])
		return;
	ERR_clear_error();
	/* What the server says to that is of no interest, nor whether it can be said now. */
	(void)SSL_shutdown(stream->ssl);
}

static void tls_tell_plain_text(
	const struct stream *stream, const char *how, struct backend_result *result)
{
	backend_result_set(result, BACKEND_REFUSED,
		"What answers at %s port %u does not speak TLS (%s). The password was not "
		"sent. If it is a mail server that wants STARTTLS or STLS, use tls=starttls",
		stream->conf->host, (unsigned)stream->conf->port, how);
}

/* The server has no business to say anything before TLS. */
static bool tls_is_clean(struct stream *stream, struct backend_result *result)
{
	char byte;

	if ((!stream->guard || !guard_holds(stream->guard)) &&
		recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return true;
	if (stream->conf->tls == WIRE_TLS_IMPLICIT)
		tls_tell_plain_text(stream, "it speaks first", result);
	else
		backend_result_set(result, BACKEND_REFUSED,
			"%s sent more in clear text after it agreed to TLS: somebody may be "
			"injecting answers. The password was not sent",
			stream->conf->host);
	return false;
}

/* Whom the certificate has to name. */
static bool tls_expect_name(SSL *ssl, const char *host)
{
	unsigned char address[16];
	char *name;
	bool set;

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	/* "imap.example.org." is that name too, but certificates leave the dot out. */
	name = xstrdup(host);
	if (name[0] && name[strlen(name) - 1] == '.')
		name[strlen(name) - 1] = '\0';
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	set = SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
	free(name);
	return set;
}

static bool tls_prepare(struct stream *stream, struct backend_result *result)
{
	ERR_clear_error();
	stream->ssl = SSL_new(stream->trust);
	if (stream->ssl && SSL_set_app_data(stream->ssl, stream) == 1 &&
		SSL_set_fd(stream->ssl, stream->fd) == 1 &&
		tls_expect_name(stream->ssl, stream->conf->host))
		return true;
	backend_result_set(result, BACKEND_REFUSED,
		"No certificate can be verified for the host %s: it is not a name that one "
		"could "
		"hold. Check its spelling",
		stream->conf->host);
	return false;
}

/* The server speaks no TLS that is safe. */
static bool tls_is_too_old(unsigned long reason)
{
	switch (ERR_GET_REASON(reason)) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_VERSION_TOO_LOW:
		return true;
	default: /* of hundreds */
		return false;
	}
}

static bool tls_is_plain_text(unsigned long reason)
{
	switch (ERR_GET_REASON(reason)) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_HTTP_REQUEST:
		return true;
	default: /* of hundreds */
		return false;
	}
}

static void tls_tell(const struct stream *stream, struct backend_result *result)
{
	const struct wire_conf *conf = stream->conf;
	unsigned long reason = ERR_peek_last_error();

	if (stream->refusal[0])
		backend_result_set(result, BACKEND_REFUSED,
			"The certificate of %s was refused: %s", conf->host, stream->refusal);
	else if (tls_is_too_old(reason))
		backend_result_set(result, BACKEND_REFUSED,
			"%s offers no TLS 1.2 or newer; what is older is not safe. Its "
			"administrator "
			"can change that",
			conf->host);
	else if (tls_is_plain_text(reason))
		tls_tell_plain_text(stream, ERR_reason_error_string(reason), result);
	else
		backend_result_set(result, BACKEND_CONNECTION_LOST,
			"TLS could not be established with %s: %s", conf->host,
			stream->failure[0] ? stream->failure : "unknown fault");
}

bool stream_start_tls(struct stream *stream, struct backend_result *result)
{
	if (!tls_is_clean(stream, result) || !tls_prepare(stream, result))
		return false;
	stream_deadline(stream);
	for (;;) {
		short events = 0;
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_connect(stream->ssl);
		if (r == 1)
			return true;
		if (tls_not_yet(stream, r, &events) < 0 || !stream_wait(stream, events))
			break;
	}
	tls_tell(stream, result);
	return false;
}
