/*
 * url_p.h - where an account is: imaps://user@host[:port][/folder], pop3s://user@host[:port].
 * Called by setup.c and config.c in the starting process, before anything is forked. One thread.
 */
#ifndef MOUNTMAIL_APP_URL_P_H
#define MOUNTMAIL_APP_URL_P_H

#include <mountmail/base/error.h>
#include <mountmail/wire/conf.h>
#include <stdbool.h>
#include <stdint.h>

#define URL_USER_MAX 255
#define URL_HOST_MAX 253 /* RFC 1035 section 2.3.4, without the root's dot */

struct url {
	enum wire_protocol protocol;
	bool implicit;   /* imaps, pop3s: TLS from the first byte */
	char *user;      /* owned; decoded, no control characters */
	char *host;      /* owned; lower case, a literal without its brackets */
	uint16_t port;   /* 0: the usual one */
	char *folder;    /* owned; decoded UTF-8, levels separated by '/'; NULL for all folders */
};

void url_finish(struct url *url);

/* Whether text is meant as a URL, right or wrong, and not as an account's name. */
bool url_is_one(const char *text);

/*
 * Takes text apart, decoding %XX. url_out is the caller's to finish, also after an error.
 * 0 or -EINVAL with a text, which never repeats text: it may hold a password.
 */
int url_parse(const char *text, struct url *url_out, struct error *err);

/* The same checks for what a configuration file gives by itself. 0 or -EINVAL. */
int url_set_user(struct url *url, const char *user, struct error *err);
int url_set_host(struct url *url, const char *host, struct error *err);
int url_set_port(struct url *url, const char *port, struct error *err);

/* The port to use when the server is spoken to with tls. */
uint16_t url_port(const struct url *url, enum wire_tls tls);

/* "imaps://user@host:port" in one way of writing it; owned. */
char *url_identity(const struct url *url, enum wire_tls tls);

/*
 * "user@host", ":pop3" behind it for POP3, and ":port" when it is not the usual one: for people, and
 * for names of folders. Owned.
 */
char *url_label(const struct url *url, enum wire_tls tls);

#endif
