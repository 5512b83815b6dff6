/*
 * base/log.h - one line a happening, on standard error.
 * Called by every floor, on any thread; log_setup() before the first thread.
 *
 * A line names the role (supervisor, mail, wire), the level, and then what the
 * caller says: account, folder, event, figures. Never credentials, never mail.
 * In the background the supervisor reads the others' standard error and hands
 * the lines to syslog.
 */
#ifndef MOUNTMAIL_BASE_LOG_H
#define MOUNTMAIL_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* role is borrowed for the life of the process. Lines above threshold are dropped. */
void log_setup(enum log_level threshold, const char *role);
/* In a process that was just forked: another role, the threshold stays. */
void log_setup_role(const char *role);

/* Writes one line with one write(2); control characters in it are replaced by '?'. */
void log_write(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
