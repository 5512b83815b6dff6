/*
 * store/schema_p.h - the tables, how older ones become the present ones, and whose they are.
 * Used by store.c, journal.c and kept.c at opening.
 */
#ifndef MOUNTMAIL_STORE_SCHEMA_P_H
#define MOUNTMAIL_STORE_SCHEMA_P_H

#include "db_p.h"

struct schema {
	const char *what;    /* "cache", for people */
	const char *option;  /* that names its folder */
	const char *foreign; /* what else there is to do about another's */
	/*
	 * Only ever appended to: the number of an entry is the version it leads to. What stands
	 * here was run on people's machines and does not change any more.
	 */
	const char *const *steps;
	int64_t version; /* the count of steps */
};

extern const struct schema schema_cache;
extern const struct schema schema_journal;
extern const struct schema schema_kept;

/*
 * Brings the database to the present version, each step a transaction of its own.
 * -ENOTSUP, with nothing touched, when a newer version of mountmail made it; -EUCLEAN when it
 * is damaged; other -errno.
 */
int schema_migrate(struct db *db, const struct schema *schema, struct error *err);

/*
 * Notes that the database in dir belongs to identity. -EBUSY when it is another's; other
 * -errno.
 */
int schema_claim(struct db *db, const struct schema *schema, const char *dir,
	const char *identity, struct error *err);

#endif
