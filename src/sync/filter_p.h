/*
 * sync/filter_p.h - which of the server's folders the account shows (folders=, exclude=).
 * Called by tree.c in a worker; pure.
 */
#ifndef MOUNTMAIL_SYNC_FILTER_P_H
#define MOUNTMAIL_SYNC_FILTER_P_H

#include <mountmail/mail/folder.h>
#include <stdbool.h>

struct filter {
	const char *folders; /* glob on "A/B", NULL for all; borrowed */
	const char *exclude; /* glob, NULL for none; borrowed */
	bool all_mail;	     /* show \All unasked: it holds what no other folder does */
};

/*
 * Whether to show folder with its messages. A folder's parents need no asking: the store makes
 * directories of those that are missing.
 */
bool filter_shows(const struct filter *filter, const struct mail_folder *folder);

#endif
