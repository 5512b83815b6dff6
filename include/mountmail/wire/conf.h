/*
 * wire/conf.h - where an account's server is and how to speak to it.
 * Filled by app in the supervisor, inherited by wire processes through fork.
 */
#ifndef MOUNTMAIL_WIRE_CONF_H
#define MOUNTMAIL_WIRE_CONF_H

#include <stddef.h>
#include <stdint.h>

enum wire_protocol { WIRE_IMAP, WIRE_POP3 };

enum wire_tls {
	WIRE_TLS_IMPLICIT, /* TLS from the first byte (imaps, pop3s) */
	WIRE_TLS_STARTTLS, /* demanded: a server that does not offer it is refused */
	WIRE_TLS_NONE,     /* only when the user wrote tls=none */
};

struct wire_conf {
	enum wire_protocol protocol;
	enum wire_tls tls;
	const char *host;     /* borrowed; name or address literal without brackets */
	uint16_t port;
	const char *user;     /* borrowed */
	const char *secret;   /* borrowed; NUL-terminated, wiped by the wire process after login */
	const char *cafile;   /* borrowed; PEM, NULL for the system's */
	uint32_t timeout_ms;  /* silence allowed while an answer is due, and per connect attempt */
};

#endif
