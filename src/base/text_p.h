/*
 * base/text_p.h - what error.c and log.c do alike to text that may reach a terminal.
 * Any thread.
 */
#ifndef MOUNTMAIL_BASE_TEXT_P_H
#define MOUNTMAIL_BASE_TEXT_P_H

#include <stddef.h>

/* Replaces control characters in len bytes by '?', in place; UTF-8 is left alone. */
void text_tame(char *text, size_t len);

#endif
