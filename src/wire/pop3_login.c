#include "pop3_internal_p.h"
#include "scram_p.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Longer turns than that are no login. */
#define LOGIN_TURN_MAX 4096u

static void login_wipe(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->cap);
	buf_finish(buf);
}

/* Sends one turn of a SASL exchange, in base64. */
static bool login_send_base64(struct pop3 *pop3, const struct buf *data)
{
	struct buf line = BUF_INIT;
	bool sent;

	buf_reserve(&line, data->len / 3 * 4 + 8);
	line.len = (size_t)EVP_EncodeBlock(
		(unsigned char *)line.data, (const unsigned char *)data->data, (int)data->len);
	sent = pop3_send_turn(pop3, line.data, line.len);
	login_wipe(&line);
	return sent;
}

/* Appends what the server's turn says. False when it is not base64. */
static bool login_decode_base64(const char *text, struct buf *out)
{
	size_t len = strlen(text);
	int got;

	buf_reserve(out, len + 1);
	if (len % 4 || len > LOGIN_TURN_MAX)
		return false;
	if (len == 0)
		return true;
	got = EVP_DecodeBlock(
		(unsigned char *)out->data + out->len, (const unsigned char *)text, (int)len);
	if (got < 0)
		return false;
	for (size_t i = len; i > len - 2 && text[i - 1] == '='; i--)
		got--;
	out->len += (size_t)got;
	out->data[out->len] = '\0';
	return true;
}

/* RFC 5034. */
static enum pop3_reply login_auth(struct pop3 *pop3, const char *command, const char **text_out)
{
	return pop3_send(pop3, command) ? pop3_read_reply(pop3, text_out) : POP3_LOST;
}

static enum pop3_reply login_plain(struct pop3 *pop3)
{
	struct buf data = BUF_INIT;
	enum pop3_reply reply = login_auth(pop3, "AUTH PLAIN", NULL);

	if (reply == POP3_MORE) {
		buf_reserve(&data, strlen(pop3->conf->user) + strlen(pop3->conf->secret) + 2);
		buf_append_char(&data, '\0');
		buf_append(&data, pop3->conf->user, strlen(pop3->conf->user) + 1);
		buf_append_str(&data, pop3->conf->secret);
		reply = login_send_base64(pop3, &data) ? pop3_read_answer(pop3) : POP3_LOST;
	}
	login_wipe(&data);
	return reply;
}

static enum pop3_reply login_user(struct pop3 *pop3)
{
	struct buf command = BUF_INIT;
	enum pop3_reply reply;

	buf_printf(&command, "USER %s", pop3->conf->user);
	reply = pop3_command(pop3, command.data);
	buf_clear(&command);
	if (reply == POP3_OK) {
		buf_reserve(&command, strlen(pop3->conf->secret) + 8);
		buf_append_str(&command, "PASS ");
		buf_append_str(&command, pop3->conf->secret);
		reply = pop3_command(pop3, command.data);
	}
	login_wipe(&command);
	return reply;
}

/* A SCRAM exchange, and how far it came. */
struct login_scram {
	struct scram scram;
	bool cancelled; /* by us, since the server broke a rule */
	bool proven;	/* the server knows the password as well */
};

/* The server's last turn: its proof. */
static enum pop3_reply scram_end(
	struct pop3 *pop3, struct login_scram *exchange, const char *text)
{
	struct buf said = BUF_INIT;

	exchange->proven = login_decode_base64(text, &said) &&
			   scram_verify(&exchange->scram, said.data, said.len);
	buf_finish(&said);
	return pop3_send_turn(pop3, "", 0) ? pop3_read_answer(pop3) : POP3_LOST;
}

/* The server's first turn, our answer, and on to the end. data: our first message. */
static enum pop3_reply scram_turns(
	struct pop3 *pop3, struct login_scram *exchange, struct buf *data)
{
	struct buf said = BUF_INIT;
	enum pop3_reply reply;
	const char *text;
	bool fine;

	reply = login_send_base64(pop3, data) ? pop3_read_reply(pop3, &text) : POP3_LOST;
	if (reply != POP3_MORE)
		return reply;
	buf_clear(data);
	fine = login_decode_base64(text, &said) &&
	       scram_answer(&exchange->scram, pop3->conf->secret, said.data, said.len, data);
	buf_finish(&said);
	if (!fine) {
		exchange->cancelled = true;
		return pop3_send_turn(pop3, "*", 1) ? pop3_read_answer(pop3) : POP3_LOST;
	}
	reply = login_send_base64(pop3, data) ? pop3_read_reply(pop3, &text) : POP3_LOST;
	return reply == POP3_MORE ? scram_end(pop3, exchange, text) : reply;
}

/* *broken_out: the server played false, or could not prove what it has to. */
static enum pop3_reply login_scram(struct pop3 *pop3, bool *broken_out)
{
	struct login_scram exchange = {.cancelled = false};
	struct buf data = BUF_INIT;
	enum pop3_reply reply = POP3_LOST;

	if (scram_begin(&exchange.scram, pop3->conf->user, NULL, &data)) {
		reply = login_auth(pop3, "AUTH SCRAM-SHA-256", NULL);
		if (reply == POP3_MORE)
			reply = scram_turns(pop3, &exchange, &data);
	}
	scram_finish(&exchange.scram);
	login_wipe(&data);
	*broken_out = reply != POP3_LOST &&
		      (exchange.cancelled || (reply == POP3_OK && !exchange.proven));
	return reply;
}

static bool login_is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* Another way to send the same password would only be another failure. */
static bool login_is_final(const struct pop3 *pop3)
{
	return strcmp(pop3->answer.code, "AUTH") == 0 ||
	       strcmp(pop3->answer.code, "SYS/PERM") == 0 || pop3_answer_is_busy(pop3);
}

/* As in IMAP: see imap_try_scram. True when the login is decided, with reply_out. */
static bool login_try_scram(
	struct pop3 *pop3, enum pop3_reply *reply_out, struct backend_result *result)
{
	bool broken;

	if (!(pop3->caps & POP3_CAP_SCRAM_SHA_256) ||
		(pop3->conf->tls != WIRE_TLS_NONE && !login_is_ascii(pop3->conf->secret)))
		return false;
	*reply_out = login_scram(pop3, &broken);
	if (broken) {
		backend_result_set(result, BACKEND_REFUSED,
			"%s could not prove that it knows the password (SCRAM-SHA-256): it may "
			"not be the server it says. The password was not sent",
			pop3->conf->host);
		return true;
	}
	return *reply_out != POP3_ERR || login_is_final(pop3);
}

/* The result of a login that was tried. */
static bool login_result(
	struct pop3 *pop3, enum pop3_reply reply, struct backend_result *result)
{
	if (reply == POP3_OK)
		return true;
	pop3_result_fail(pop3, result, reply, BACKEND_AUTH_FAILED, "logging in");
	if (result->status == BACKEND_AUTH_FAILED)
		backend_result_set(result, BACKEND_AUTH_FAILED,
			"%s did not accept the login of %s: %s. Check the user name and the "
			"password (some providers want one made for this program, and POP3 "
			"switched on in their settings)",
			pop3->conf->host, pop3->conf->user,
			pop3->answer.text[0] ? pop3->answer.text : "no reason given");
	return false;
}

static bool login_refuse(struct pop3 *pop3, struct backend_result *result)
{
	backend_result_set(result, BACKEND_REFUSED,
		"%s offers no way to log in that is known here: neither USER nor PLAIN nor "
		"SCRAM-SHA-256%s. The password was not sent",
		pop3->conf->host,
		pop3->conf->tls == WIRE_TLS_NONE ? ". It may want TLS first: remove tls=none"
						 : "");
	return false;
}

bool pop3_login(struct pop3 *pop3, struct backend_result *result)
{
	const char *user = pop3->conf->user, *secret = pop3->conf->secret;
	enum pop3_reply reply;

	if (!secret || strpbrk(user, "\r\n") || strpbrk(secret, "\r\n")) {
		backend_result_set(result, BACKEND_AUTH_FAILED,
			"The user name or the password for %s is missing or holds a line "
			"break; "
			"nothing was sent. Check the password file or command",
			pop3->conf->host);
		return false;
	}
	backend_result_ok(result);
	if (login_try_scram(pop3, &reply, result))
		return result->status == BACKEND_OK && login_result(pop3, reply, result);
	if (pop3->caps & POP3_CAP_PLAIN)
		return login_result(pop3, login_plain(pop3), result);
	/* USER need not be announced, but who announces something else means it. */
	if (!(pop3->caps & POP3_CAP_USER) && (pop3->caps & (POP3_CAP_SASL | POP3_CAP_STLS)))
		return login_refuse(pop3, result);
	return login_result(pop3, login_user(pop3), result);
}
