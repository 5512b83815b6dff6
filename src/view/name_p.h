/*
 * view/name_p.h - what the files that make names share.
 * Used by name.c, name_folder.c and their tests.
 */
#ifndef MOUNTMAIL_VIEW_NAME_P_H
#define MOUNTMAIL_VIEW_NAME_P_H

#include <stdbool.h>
#include <stdint.h>
#include <unitypes.h>

/* 9999-12-31T23:59:59Z: a year has four digits. */
#define NAME_DATE_MAX INT64_C(253402300799)

/*
 * Whether a character is kept out of every name: '/', and what changes how the rest of a line
 * is shown: controls (C0, DEL, C1), line and paragraph separators, bidi controls. Joiners stay:
 * emoji and whole scripts need them. A list of our own and not libunistring's, whose Unicode
 * grows: a folder's name must be the same after an upgrade.
 */
bool name_char_unsafe(ucs4_t c);

#endif
