#include <mountmail/wire/backend.h>
#include <stdarg.h>
#include <stdio.h>

const char *backend_status_name(enum backend_status status)
{
	switch (status) {
	case BACKEND_OK:
		return "ok";
	case BACKEND_STOPPED:
		return "stopped";
	case BACKEND_MESSAGE_GONE:
		return "message gone";
	case BACKEND_MESSAGE_BAD:
		return "message bad";
	case BACKEND_FOLDER_GONE:
		return "folder gone";
	case BACKEND_FOLDER_CHANGED:
		return "folder changed";
	case BACKEND_THROTTLED:
		return "throttled";
	case BACKEND_CONNECTION_LOST:
		return "connection lost";
	case BACKEND_AUTH_FAILED:
		return "login refused";
	case BACKEND_REFUSED:
		return "refused";
	}
	return "unknown status";
}

void backend_result_ok(struct backend_result *result)
{
	result->status = BACKEND_OK;
	result->retry_ms = 0;
	result->broke = false;
	result->text[0] = '\0';
}

void backend_result_set(
	struct backend_result *result, enum backend_status status, const char *format, ...)
{
	va_list args;

	result->status = status;
	result->retry_ms = 0;
	result->broke = false;
	va_start(args, format);
	vsnprintf(result->text, sizeof(result->text), format, args);
	va_end(args);
}
