/*
 * view/name_p.h - figures of the naming of files.
 * Used by name.c and its tests.
 */
#ifndef MOUNTMAIL_VIEW_NAME_P_H
#define MOUNTMAIL_VIEW_NAME_P_H

#include <stdint.h>

/* 9999-12-31T23:59:59Z: a year has four digits. */
#define NAME_DATE_MAX INT64_C(253402300799)

#endif
