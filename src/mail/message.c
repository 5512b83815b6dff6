#include <mountmail/mail/message.h>
#include <stdlib.h>

void mail_fields_finish(struct mail_fields *fields)
{
	free(fields->sender);
	free(fields->from);
	free(fields->to);
	free(fields->cc);
	free(fields->subject);
	free(fields->date);
	free(fields->message_id);
	free(fields->references);
	free(fields->list_id);
	*fields = (struct mail_fields){0};
}

void mail_message_finish(struct mail_message *message)
{
	free(message->uidl);
	mail_fields_finish(&message->fields);
	*message = (struct mail_message){0};
}
