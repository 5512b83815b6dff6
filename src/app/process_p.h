/*
 * process_p.h - what a process of ours does to itself.
 * Called by main.c, the supervisor and its children, each while it has one thread.
 */
#ifndef MOUNTMAIL_APP_PROCESS_P_H
#define MOUNTMAIL_APP_PROCESS_P_H

#include <mountmail/base/error.h>
#include <sys/types.h>

/*
 * No core dumps, no tracing by others: inherited by every child. Descriptors 0 to 2 are open
 * afterwards. First thing in main().
 */
void process_harden(void);

/* Remembers where the arguments are, so that process_title can write there. */
void process_title_init(int argc, char **argv);
/* What ps shows, in both its columns; at most 15 bytes show in the short one. */
void process_title(const char *title);

/*
 * In a child, right after the fork: its title, its role in the log, the signals of a terminal
 * ignored and the others as by default, standard input and output away.
 * title and role are borrowed for the life of the process.
 */
void process_become(const char *title, const char *role);

/* Asks for SIGKILL when the parent ends; ends at once when that is so already. */
void process_die_with(pid_t parent);

/* Closes every descriptor but 0, 1, 2 and kept. */
void process_close_all_but(int kept);

/* Reads from /dev/null, writes to /dev/null; standard error stays. */
void process_null_stdio(void);

#endif
