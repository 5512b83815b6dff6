#include "relay_p.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define READS_AT_ONCE 16

int relay_begin(struct relay *relay, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return error_set(
			err, errno, "the log cannot be led to syslog: %s", strerror(errno));
	close(ends[1]);
	relay->fd = ends[0];
	relay->len = 0;
	openlog("mountmail", LOG_PID, LOG_DAEMON);
	return 0;
}

/* "mail: warning: what happened" */
static int level_of(const char *line)
{
	const char *colon = strstr(line, ": ");

	if (colon && strncmp(colon, ": error: ", 9) == 0)
		return LOG_ERR;
	if (colon && strncmp(colon, ": warning: ", 11) == 0)
		return LOG_WARNING;
	if (colon && strncmp(colon, ": debug: ", 9) == 0)
		return LOG_DEBUG;
	return LOG_INFO;
}

/* Not every line comes from log_write: libraries write too. */
static void pass_line(char *line)
{
	for (char *at = line; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	syslog(level_of(line), "%s", line);
}

static void pass_lines(struct relay *relay)
{
	char *start = relay->line, *line_break;
	char *end = relay->line + relay->len;

	while ((line_break = memchr(start, '\n', (size_t)(end - start)))) {
		*line_break = '\0';
		pass_line(start);
		start = line_break + 1;
	}
	relay->len = (size_t)(end - start);
	memmove(relay->line, start, relay->len);
	if (relay->len == sizeof(relay->line) - 1) {
		relay->line[relay->len] = '\0';
		pass_line(relay->line);
		relay->len = 0;
	}
}

void relay_pass(struct relay *relay)
{
	for (int i = 0; i < READS_AT_ONCE && relay->fd >= 0; i++) {
		ssize_t got = read(relay->fd, relay->line + relay->len,
			sizeof(relay->line) - 1 - relay->len);

		if (got <= 0)
			return;
		relay->len += (size_t)got;
		pass_lines(relay);
	}
}

void relay_finish(struct relay *relay)
{
	if (relay->fd < 0)
		return;
	relay_pass(relay);
	close(relay->fd);
	relay->fd = -1;
	closelog();
}
