/*
 * sandbox_p.h - doors that a process closes behind itself for good.
 * Called in the mail process and in wire processes, each while it has one thread.
 *
 * Two walls, each enough by itself: Landlock (which files can be reached; Linux 5.13) and seccomp
 * (which system calls can be made: a list of those that are needed, all others fail with EPERM, and
 * those that only an intruder makes end the process). A kernel without Landlock is told in the log.
 *
 * Programs built with a sanitizer are let to do what LeakSanitizer needs at their end: read /proc,
 * make and trace a process; they have no limit on their address space, which is used for shadows.
 */
#ifndef MOUNTMAIL_APP_SANDBOX_P_H
#define MOUNTMAIL_APP_SANDBOX_P_H

#include <mountmail/base/error.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                   \
	__has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* The mail process: files below dirs, threads, what is open already. 0 or -errno with a text. */
int sandbox_mail(const char *const *dirs, size_t count, struct error *err);

/* A wire process: what is open already, and nothing else. 0 or -errno; the log says why. */
int sandbox_wire(void);

/* Parts of the above. */

/* Files below dirs can be read and written, no other file be reached. */
int landlock_enter(const char *const *dirs, size_t count, struct error *err);

enum seccomp_role { SECCOMP_MAIL, SECCOMP_WIRE };

int seccomp_enter(enum seccomp_role role, struct error *err);

#endif
