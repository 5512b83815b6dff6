/*
 * base/json.h - writes JSON; reads none.
 * Called by fs and app; a writer belongs to one thread.
 *
 * Bytes that are not UTF-8 become U+FFFD, so the output always parses.
 * A NULL string is written as null. Commas are the writer's business.
 */
#ifndef MOUNTMAIL_BASE_JSON_H
#define MOUNTMAIL_BASE_JSON_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stdint.h>

struct json {
	struct buf *out; /* borrowed */
	bool comma;      /* the next value needs one before it */
};

void json_init(struct json *json, struct buf *out);
/* key is NULL inside arrays and for the outermost value. */
void json_object_begin(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *key);
void json_array_end(struct json *json);
void json_string(struct json *json, const char *key, const char *value);
void json_int(struct json *json, const char *key, int64_t value);
void json_bool(struct json *json, const char *key, bool value);

#endif
