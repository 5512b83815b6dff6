#include "text_p.h"
#include <errno.h>
#include <mountmail/base/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

/* Set once before the first thread, only read afterwards. */
static enum log_level log_threshold = LOG_LEVEL_INFO;
static const char *log_role = "mountmail";

static const char *const log_level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_setup(enum log_level threshold, const char *role)
{
	log_threshold = threshold;
	log_role = role;
}

void log_setup_role(const char *role)
{
	log_role = role;
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	va_list args;
	size_t len;
	int head;

	if (level > log_threshold)
		return;
	head = snprintf(line, sizeof(line), "%s: %s: ", log_role, log_level_names[level]);
	if (head < 0 || (size_t)head >= sizeof(line) / 2)
		head = 0;
	va_start(args, format);
	vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
	va_end(args);
	len = strlen(line);
	text_tame(line, len);
	line[len++] = '\n';
	/* One write, so that lines of several processes do not mix. Where the log itself
	 * cannot be written there is nobody left to tell. */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}
