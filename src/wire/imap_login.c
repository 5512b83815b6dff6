#include "imap_internal_p.h"
#include "scram_p.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Codes after which another way to send the same password would only be another failure. */
static const char *const imap_final_codes[] = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED",
	"EXPIRED", "CONTACTADMIN", "NOPERM", "WEBALERT"};

static bool imap_answer_is_final(const struct imap *imap)
{
	for (size_t i = 0; i < sizeof(imap_final_codes) / sizeof(imap_final_codes[0]); i++)
		if (strcmp(imap->answer.code, imap_final_codes[i]) == 0)
			return true;
	return false;
}

/* What held the password, our own and libetpan's copy. */
static void imap_wipe(struct imap *imap, struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->cap);
	buf_finish(buf);
	if (imap->mailstream && imap->mailstream->write_buffer)
		explicit_bzero(
			imap->mailstream->write_buffer, imap->mailstream->buffer_max_size);
}

/* Sends one turn of a SASL exchange, in base64. */
static bool imap_send_base64(struct imap *imap, const struct buf *data)
{
	struct buf line = BUF_INIT;
	int len;
	bool sent;

	buf_reserve(&line, data->len / 3 * 4 + 8);
	len = EVP_EncodeBlock((unsigned char *)line.data, (const unsigned char *)data->data,
		(int)data->len);
	line.len = (size_t)len;
	buf_append_str(&line, "\r\n");
	sent = imap_send(imap, line.data, line.len);
	imap_wipe(imap, &line);
	return sent;
}

/* Appends what the server's turn says. False when it is not base64. */
static bool imap_decode_base64(const char *text, struct buf *out)
{
	size_t len = strcspn(text, "\r\n");
	int got;

	if (len % 4 || len > 16384)
		return false;
	if (len == 0)
		return true;
	buf_reserve(out, len);
	got = EVP_DecodeBlock((unsigned char *)out->data + out->len, (const unsigned char *)text,
		(int)len);
	if (got < 0)
		return false;
	for (size_t i = len; i > len - 2 && text[i - 1] == '='; i--)
		got--;
	out->len += (size_t)got;
	out->data[out->len] = '\0';
	return true;
}

/* Starts AUTHENTICATE: 1 when the server asks for the first turn; else as imap_read_continue. */
static int imap_authenticate(struct imap *imap, const char *command, const char **text_out)
{
	if (!imap_send_tag(imap, NULL, command) || !imap_send(imap, command, strlen(command)))
		return -1;
	return imap_read_continue(imap, text_out);
}

/* The answer to an exchange whose last turn the server took as more. */
static enum imap_reply imap_exchange_end(struct imap *imap, int more)
{
	return more < 0 ? IMAP_LOST : imap_read_answer(imap, more == 0);
}

static enum imap_reply imap_login_plain(struct imap *imap)
{
	struct buf data = BUF_INIT;
	const char *text;
	int more = imap_authenticate(imap, "AUTHENTICATE PLAIN\r\n", &text);

	if (more > 0) {
		buf_append_char(&data, '\0');
		buf_append(&data, imap->conf->user, strlen(imap->conf->user) + 1);
		buf_append_str(&data, imap->conf->secret);
		more = imap_send_base64(imap, &data) ? 1 : -1;
	}
	imap_wipe(imap, &data);
	return imap_exchange_end(imap, more);
}

static enum imap_reply imap_login_login(struct imap *imap)
{
	struct buf command = BUF_INIT;
	enum imap_reply reply = IMAP_LOST;

	buf_append_str(&command, "LOGIN ");
	if (imap_put_string(imap, &command, imap->conf->user)) {
		buf_append_char(&command, ' ');
		if (imap_put_string(imap, &command, imap->conf->secret))
			reply = imap_command(imap, NULL, &command);
	}
	imap_wipe(imap, &command);
	return reply;
}

/* A SCRAM exchange, and how far it came. */
struct imap_scram {
	struct scram scram;
	bool cancelled; /* by us, since the server broke a rule */
	bool proven;    /* the server knows the password as well */
};

/* Ends an exchange that we do not want to go on with (RFC 9051 section 6.2.2). */
static enum imap_reply imap_scram_cancel(struct imap *imap, struct imap_scram *exchange)
{
	exchange->cancelled = true;
	return imap_send(imap, "*\r\n", 3) ? imap_read_answer(imap, false) : IMAP_LOST;
}

/* The server's last turn: its proof. An e= is followed by a NO that tells the same in words. */
static enum imap_reply imap_scram_end(
	struct imap *imap, struct imap_scram *exchange, const char *text)
{
	struct buf said = BUF_INIT;

	buf_reserve(&said, 1);
	exchange->proven = imap_decode_base64(text, &said) &&
		scram_verify(&exchange->scram, said.data, said.len);
	buf_finish(&said);
	return imap_send(imap, "\r\n", 2) ? imap_read_answer(imap, false) : IMAP_LOST;
}

/* The server's first turn, our answer, and on to the end. data: our first message. */
static enum imap_reply imap_scram_turns(
	struct imap *imap, struct imap_scram *exchange, struct buf *data)
{
	struct buf said = BUF_INIT;
	const char *text;
	bool fine;
	int more = imap_send_base64(imap, data) ? imap_read_continue(imap, &text) : -1;

	if (more <= 0)
		return imap_exchange_end(imap, more);
	buf_clear(data);
	buf_reserve(&said, 1);
	fine = imap_decode_base64(text, &said) &&
		scram_answer(&exchange->scram, imap->conf->secret, said.data, said.len, data);
	buf_finish(&said);
	if (!fine)
		return imap_scram_cancel(imap, exchange);
	more = imap_send_base64(imap, data) ? imap_read_continue(imap, &text) : -1;
	if (more <= 0)
		return imap_exchange_end(imap, more);
	return imap_scram_end(imap, exchange, text);
}

/* *broken_out: the server played false, or could not prove what it has to. */
static enum imap_reply imap_login_scram(struct imap *imap, bool *broken_out)
{
	struct imap_scram exchange = {.cancelled = false};
	struct buf data = BUF_INIT;
	enum imap_reply reply = IMAP_LOST;
	const char *text;
	int more;

	if (scram_begin(&exchange.scram, imap->conf->user, NULL, &data)) {
		more = imap_authenticate(imap, "AUTHENTICATE SCRAM-SHA-256\r\n", &text);
		if (more > 0)
			reply = imap_scram_turns(imap, &exchange, &data);
		else
			reply = imap_exchange_end(imap, more);
	}
	scram_finish(&exchange.scram);
	imap_wipe(imap, &data);
	*broken_out = reply != IMAP_LOST &&
		(exchange.cancelled || (reply == IMAP_OK && !exchange.proven));
	return reply;
}

static bool imap_is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/*
 * SCRAM when it is offered: it gives nothing away. A password beyond ASCII would have to be
 * normalized first, in a way that servers disagree on: with TLS, PLAIN takes it as it is.
 * True when the login is decided, with reply_out.
 */
static bool imap_try_scram(
	struct imap *imap, enum imap_reply *reply_out, struct backend_result *result)
{
	bool broken;

	if (!(imap->caps & IMAP_CAP_SCRAM_SHA_256) ||
		(imap->conf->tls != WIRE_TLS_NONE && !imap_is_ascii(imap->conf->secret)))
		return false;
	*reply_out = imap_login_scram(imap, &broken);
	if (broken) {
		imap->ready = false;
		backend_result_set(result, BACKEND_REFUSED,
			"%s could not prove that it knows the password (SCRAM-SHA-256): it may "
			"not be the server it says. The password was not sent",
			imap->conf->host);
		return true;
	}
	backend_result_ok(result);
	return *reply_out == IMAP_OK || *reply_out == IMAP_LOST || imap_answer_is_final(imap) ||
		imap_answer_is_busy(imap);
}

/* The result of a login that was tried. */
static bool imap_login_result(
	struct imap *imap, enum imap_reply reply, struct backend_result *result)
{
	if (reply == IMAP_OK)
		return true;
	imap_result_fail(imap, result, reply, BACKEND_AUTH_FAILED, "logging in");
	if (result->status == BACKEND_AUTH_FAILED)
		backend_result_set(result, BACKEND_AUTH_FAILED,
			"%s did not accept the login of %s: %s. Check the user name and the "
			"password (some providers want one made for this program)",
			imap->conf->host, imap->conf->user,
			imap->answer.text[0] ? imap->answer.text : "no reason given");
	return false;
}

bool imap_login(struct imap *imap, struct backend_result *result)
{
	enum imap_reply reply;

	if (!imap->conf->secret || strpbrk(imap->conf->user, "\r\n") ||
		strpbrk(imap->conf->secret, "\r\n")) {
		backend_result_set(result, BACKEND_AUTH_FAILED,
			"The user name or the password for %s is missing or holds a line break; "
			"nothing was sent. Check the password file or command",
			imap->conf->host);
		return false;
	}
	if (imap_try_scram(imap, &reply, result))
		return result->status == BACKEND_OK && imap_login_result(imap, reply, result);
	reply = IMAP_BAD;
	if (imap->caps & IMAP_CAP_PLAIN)
		reply = imap_login_plain(imap);
	if (reply == IMAP_BAD && !imap_answer_is_busy(imap) &&
		!(imap->caps & IMAP_CAP_LOGINDISABLED))
		return imap_login_result(imap, imap_login_login(imap), result);
	if (imap->caps & IMAP_CAP_PLAIN)
		return imap_login_result(imap, reply, result);
	backend_result_set(result, BACKEND_REFUSED,
		"%s offers no way to log in that is known here: LOGIN is disabled and neither "
		"PLAIN nor SCRAM-SHA-256 is offered%s",
		imap->conf->host,
		imap->conf->tls == WIRE_TLS_NONE ? ". It may want TLS first: remove tls=none" : "");
	return false;
}
