#include <inttypes.h>
#include <mountmail/base/json.h>
#include <string.h>
#include <unistr.h>

void json_init(struct json *json, struct buf *out)
{
	json->out = out;
	json->comma = false;
}

static void json_quote(struct buf *out, const char *text)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);

	buf_append_char(out, '"');
	while (at < end) {
		ucs4_t c;
		int len = u8_mbtoucr(&c, at, (size_t)(end - at));

		if (len < 1) {
			buf_append_str(out, "\xef\xbf\xbd"); /* U+FFFD */
			len = 1;
		} else if (c == '"' || c == '\\') {
			buf_printf(out, "\\%c", (char)c);
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(out, "\\u%04x", (unsigned)c);
		} else {
			buf_append(out, at, (size_t)len);
		}
		at += len;
	}
	buf_append_char(out, '"');
}

static void json_key(struct json *json, const char *key)
{
	if (json->comma)
		buf_append_char(json->out, ',');
	if (key) {
		json_quote(json->out, key);
		buf_append_char(json->out, ':');
	}
	json->comma = true;
}

void json_object_begin(struct json *json, const char *key)
{
	json_key(json, key);
	buf_append_char(json->out, '{');
	json->comma = false;
}

void json_object_end(struct json *json)
{
	buf_append_char(json->out, '}');
	json->comma = true;
}

void json_array_begin(struct json *json, const char *key)
{
	json_key(json, key);
	buf_append_char(json->out, '[');
	json->comma = false;
}

void json_array_end(struct json *json)
{
	buf_append_char(json->out, ']');
	json->comma = true;
}

void json_string(struct json *json, const char *key, const char *value)
{
	json_key(json, key);
	if (value)
		json_quote(json->out, value);
	else
		buf_append_str(json->out, "null");
}

void json_int(struct json *json, const char *key, int64_t value)
{
	json_key(json, key);
	buf_printf(json->out, "%" PRId64, value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	json_key(json, key);
	buf_append_str(json->out, value ? "true" : "false");
}
