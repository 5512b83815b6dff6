#include "url_p.h"
#include <arpa/inet.h>
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

/* Of the schemes; the one with the s first. */
static const struct scheme {
	const char *name;
	enum wire_protocol protocol;
	bool implicit;
	uint16_t port;
} schemes[] = {
	{"imaps", WIRE_IMAP, true, 993},
	{"imap", WIRE_IMAP, false, 143},
	{"pop3s", WIRE_POP3, true, 995},
	{"pop3", WIRE_POP3, false, 110},
};

#define SCHEME_COUNT (sizeof(schemes) / sizeof(schemes[0]))

static const struct scheme *scheme_of(const struct url *url, bool implicit)
{
	const struct scheme *scheme = schemes;

	while (scheme->protocol != url->protocol || scheme->implicit != implicit)
		scheme++;
	return scheme;
}

void url_finish(struct url *url)
{
	free(url->user);
	free(url->host);
	free(url->folder);
	*url = (struct url){0};
}

bool url_is_one(const char *text)
{
	return strstr(text, "://") != NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Undoes %XX. What comes out goes into commands to the server, where a line break would begin
 * another command: control characters are refused however they are written.
 */
static int decode(const char *text, size_t len, const char *what, char **out, struct error *err)
{
	char *decoded _cleanup_free_ = xmalloc(len + 1);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return error_set(err, EINVAL,
					"the %s in the URL has a '%%' without two hexadecimal "
					"digits behind it; a '%%' itself is written %%25",
					what);
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return error_set(err, EINVAL,
				"the %s in the URL has a control character in it", what);
		decoded[at++] = (char)c;
	}
	decoded[at] = '\0';
	*out = steal_pointer(&decoded);
	return 0;
}

int url_set_user(struct url *url, const char *user, struct error *err)
{
	if (!*user)
		return error_set(err, EINVAL, "the user is missing: imaps://user@host");
	if (strlen(user) > URL_USER_MAX)
		return error_set(err, EINVAL, "the user is longer than %d bytes", URL_USER_MAX);
	for (const char *at = user; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return error_set(err, EINVAL, "the user has a control character in it");
	free(url->user);
	url->user = xstrdup(user);
	return 0;
}

/* A name made of letters, digits and hyphens, or an IPv4 address. */
static bool host_name_valid(const char *host)
{
	for (const char *at = host; *at; at++) {
		bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
		bool digit = *at >= '0' && *at <= '9';

		if (!letter && !digit && *at != '-' && *at != '.' && *at != '_')
			return false;
	}
	return *host != '-' && *host != '.';
}

/* An IPv6 address, with a zone ("fe80::1%eth0") or without. */
static bool host_ipv6_valid(const char *host)
{
	char *address _cleanup_free_ = xstrndup(host, strcspn(host, "%"));
	struct in6_addr binary;

	return inet_pton(AF_INET6, address, &binary) == 1;
}

int url_set_host(struct url *url, const char *host, struct error *err)
{
	if (!*host)
		return error_set(err, EINVAL, "the host is missing: imaps://user@host[:port]");
	if (strlen(host) > URL_HOST_MAX)
		return error_set(err, EINVAL, "the host is longer than %d bytes", URL_HOST_MAX);
	if (strchr(host, ':') ? !host_ipv6_valid(host) : !host_name_valid(host))
		return error_set(err, EINVAL,
			"'%s' is no name of a host and no address (a name in another script is "
			"written in its xn-- form, an IPv6 address in brackets)",
			host);
	free(url->host);
	url->host = xstrdup(host);
	for (char *at = url->host; *at && *at != '%'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return 0;
}

int url_set_port(struct url *url, const char *port, struct error *err)
{
	uint64_t number;

	if (str_to_u64(port, UINT16_MAX, &number) < 0 || number == 0)
		return error_set(err, EINVAL, "'%s' is no port: ports are 1 to 65535", port);
	url->port = (uint16_t)number;
	return 0;
}

/* Sets the flavour; *rest_out is what stands behind "://". */
static int parse_scheme(
	struct url *url, const char *text, const char **rest_out, struct error *err)
{
	const char *end = strstr(text, "://");
	char *scheme _cleanup_free_ = NULL;

	if (!end)
		return error_set(err, EINVAL, "this is no URL: imaps://user@host is one");
	scheme = xstrndup(text, (size_t)(end - text));
	*rest_out = end + 3;
	for (size_t i = 0; i < SCHEME_COUNT; i++)
		if (str_equal_nocase(scheme, schemes[i].name)) {
			url->protocol = schemes[i].protocol;
			url->implicit = schemes[i].implicit;
			return 0;
		}
	return error_set(err, EINVAL,
		"mountmail does not speak %s://: a URL begins with imaps:// or pop3s:// (or "
		"imap://, pop3:// for STARTTLS)",
		scheme);
}

static int parse_user(struct url *url, const char *text, size_t len, struct error *err)
{
	char *user _cleanup_free_ = NULL;
	int result;

	if (memchr(text, ':', len))
		return error_set(err, EINVAL,
			"the URL holds a password, and everybody can see a command line: take "
			"it "
			"out (and change it), and use -o passfile=FILE or -o passcmd=COMMAND; "
			"a "
			"':' in a user's name is written %%3A");
	result = decode(text, len, "user", &user, err);
	return result < 0 ? result : url_set_user(url, user, err);
}

static int parse_bracketed(
	struct url *url, const char *text, const char *close_bracket, struct error *err)
{
	char *host _cleanup_free_ = NULL;
	int result = decode(text + 1, (size_t)(close_bracket - text - 1), "host", &host, err);

	if (result < 0)
		return result;
	if (!strchr(host, ':'))
		return error_set(err, EINVAL, "'[%s]' in the URL is no IPv6 address", host);
	return url_set_host(url, host, err);
}

static int parse_host_port(struct url *url, const char *text, size_t len, struct error *err)
{
	char *authority _cleanup_free_ = xstrndup(text, len);
	char *host _cleanup_free_ = NULL;
	char *colon, *close_bracket;
	int result;

	if (*authority == '[') {
		close_bracket = strchr(authority, ']');
		if (!close_bracket || (close_bracket[1] && close_bracket[1] != ':'))
			return error_set(err, EINVAL,
				"the IPv6 address in the URL is written [ADDRESS] or "
				"[ADDRESS]:PORT");
		colon = close_bracket[1] ? close_bracket + 1 : NULL;
		result = parse_bracketed(url, authority, close_bracket, err);
	} else {
		colon = strchr(authority, ':');
		if (colon && strchr(colon + 1, ':'))
			return error_set(err, EINVAL,
				"an IPv6 address in a URL stands in brackets: "
				"imaps://user@[ADDRESS]:PORT");
		result = decode(authority,
			colon ? (size_t)(colon - authority) : strlen(authority), "host", &host,
			err);
		if (result == 0)
			result = url_set_host(url, host, err);
	}
	if (result == 0 && colon)
		result = url_set_port(url, colon + 1, err);
	return result;
}

static int parse_folder(struct url *url, const char *text, struct error *err)
{
	size_t len = strlen(text);
	int result;

	while (len && text[len - 1] == '/')
		len--;
	if (!len)
		return 0;
	result = decode(text, len, "folder", &url->folder, err);
	if (result < 0)
		return result;
	if (url->protocol == WIRE_POP3)
		return error_set(err, EINVAL,
			"a POP3 account has no folders: leave out what stands behind the host");
	if (!utf8_valid(url->folder, strlen(url->folder)))
		return error_set(err, EINVAL, "the folder in the URL is not UTF-8");
	return 0;
}

int url_parse(const char *text, struct url *url_out, struct error *err)
{
	const char *rest = text, *slash, *at;
	size_t len;
	int result;

	*url_out = (struct url){0};
	result = parse_scheme(url_out, text, &rest, err);
	if (result < 0)
		return result;
	slash = strchr(rest, '/');
	len = slash ? (size_t)(slash - rest) : strlen(rest);
	/* The last one, so that user@domain@host means what it looks like. */
	at = memrchr(rest, '@', len);
	if (!at)
		return error_set(err, EINVAL,
			"the user is missing in the URL: imaps://user@host (an '@' in a user's "
			"name "
			"is written %%40)");
	result = parse_user(url_out, rest, (size_t)(at - rest), err);
	if (result == 0)
		result = parse_host_port(url_out, at + 1, len - (size_t)(at + 1 - rest), err);
	if (result == 0 && slash)
		result = parse_folder(url_out, slash + 1, err);
	return result;
}

uint16_t url_port(const struct url *url, enum wire_tls tls)
{
	return url->port ? url->port : scheme_of(url, tls == WIRE_TLS_IMPLICIT)->port;
}

static void append_encoded(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		if (strchr("@:/%?#[] ", *text))
			buf_printf(buf, "%%%02X", (unsigned char)*text);
		else
			buf_append_char(buf, *text);
	}
}

static void append_host(struct buf *buf, const char *host)
{
	buf_printf(buf, strchr(host, ':') ? "[%s]" : "%s", host);
}

char *url_identity(const struct url *url, enum wire_tls tls)
{
	struct buf buf = BUF_INIT;

	buf_printf(&buf, "%s://", scheme_of(url, tls == WIRE_TLS_IMPLICIT)->name);
	append_encoded(&buf, url->user);
	buf_append_char(&buf, '@');
	append_host(&buf, url->host);
	buf_printf(&buf, ":%u", url_port(url, tls));
	return buf_steal(&buf);
}

char *url_label(const struct url *url, enum wire_tls tls)
{
	struct buf buf = BUF_INIT;

	buf_printf(&buf, "%s@", url->user);
	append_host(&buf, url->host);
	/* The same person's IMAP account at this host is another one. */
	if (url->protocol == WIRE_POP3)
		buf_append_str(&buf, ":pop3");
	if (url_port(url, tls) != scheme_of(url, tls == WIRE_TLS_IMPLICIT)->port)
		buf_printf(&buf, ":%u", url_port(url, tls));
	return buf_steal(&buf);
}
