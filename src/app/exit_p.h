/*
 * exit_p.h - the exit statuses that scripts rely on (in the man page, section EXIT STATUS).
 * Used by the commands, the supervisor and the mail process.
 */
#ifndef MOUNTMAIL_APP_EXIT_P_H
#define MOUNTMAIL_APP_EXIT_P_H

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	/* whatever has no status of its own */
	STATUS_USAGE = 2,	/* a wrong option, URL or configuration */
	STATUS_UNREACHABLE = 3, /* no connection to the server */
	STATUS_LOGIN = 4,	/* the server refused user or password */
	STATUS_REFUSED = 5,	/* certificate, TLS, protocol: we will not deal */
	STATUS_MOUNTPOINT = 6,	/* nothing can be mounted there, or nothing is */
	STATUS_LEFT = 7,	/* removals are left that the server does not have */
};

#endif
