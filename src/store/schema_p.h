/*
 * store/schema_p.h - the tables, and how older ones become the present ones.
 * Used by store.c at opening.
 */
#ifndef MOUNTMAIL_STORE_SCHEMA_P_H
#define MOUNTMAIL_STORE_SCHEMA_P_H

#include "db_p.h"

/*
 * Brings the database to the present version, each step a transaction of its own.
 * -ENOTSUP, with nothing touched, when a newer version of mountmail made it; -EUCLEAN when it
 * is damaged; other -errno.
 */
int schema_migrate(struct db *db, struct error *err);

#endif
