#include <mountmail/mail/folder.h>
#include <stdlib.h>

void mail_folder_finish(struct mail_folder *folder)
{
	free(folder->raw);
	free(folder->path);
	*folder = (struct mail_folder){0};
}
