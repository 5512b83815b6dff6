#include "url_p.h"
#include <arpa/inet.h>
#include <errno.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/cleanup.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_IMAP = 143, PORT_IMAPS = 993 };

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
	struct buf buf = BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0) {
				buf_finish(&buf);
				return error_set(err, EINVAL,
					"the %s in the URL has a '%%' without two "
					"hexadecimal digits behind it; write a plain '%%' "
					"as %%25",
					what);
			}
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		buf_append_char(&buf, (char)c);
	}
	*out = buf_steal(&buf);
	return 0;
}

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}
