#include "imap_internal_p.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void imap_news_begin(struct imap *imap)
{
	const struct mailimap_selection_info *info = imap->session->imap_selection_info;

	imap->told_exists = info->sel_exists;
	imap->told_recent = info->sel_has_recent ? info->sel_recent : 0;
	imap->stirred = false;
	imap->stale = false;
}

/* Whether text goes on with word, and that word ends there. */
static bool news_is(const char *text, const char *word)
{
	size_t len = strlen(word);

	return strncasecmp(text, word, len) == 0 && (!text[len] || strchr(" \r\n", text[len]));
}

/*
 * "* 12 EXISTS". Some servers tell again and again how many there are, and that is no news:
 * whatever goes is told by itself.
 */
static void news_of_number(struct imap *imap, uint32_t number, const char *word)
{
	if (news_is(word, "EXISTS")) {
		imap->stirred |= number != imap->told_exists;
		imap->told_exists = number;
	} else if (news_is(word, "RECENT")) {
		imap->stirred |= number > imap->told_recent;
		imap->told_recent = number;
	} else if (news_is(word, "EXPUNGE")) {
		imap->stirred = true;
		imap->told_exists -= imap->told_exists > 0;
	} else if (news_is(word, "FETCH")) {
		/* In the answer to a FETCH they are most likely what was asked for. */
		imap->stirred |= strcmp(imap->command, "UID FETCH") != 0;
	}
}

void imap_news_line(struct imap *imap, const char *line)
{
	char *word;
	unsigned long number;

	if (!imap->selected || line[0] != '*')
		return;
	line += 1 + strspn(line + 1, " \t");
	if (*line >= '0' && *line <= '9') {
		number = strtoul(line, &word, 10);
		word += strspn(word, " \t");
		news_of_number(
			imap, number <= UINT32_MAX ? (uint32_t)number : UINT32_MAX, word);
		return;
	}
	/* The guard hides the first letter from libetpan. How many went is not counted here. */
	if (*line && news_is(line + 1, "ANISHED") && (*line == '?' || *line == 'V')) {
		imap->stirred = true;
		imap->told_exists = UINT32_MAX;
	}
}

void imap_news_answer(struct imap *imap)
{
	const char *line;
	size_t len, at = 0;

	while (imap->selected && imap_answer_line(imap, "* ", &at, &line, &len))
		imap_news_line(imap, line - 2);
}
