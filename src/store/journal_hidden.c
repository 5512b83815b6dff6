#include "journal_p.h"
#include <mountmail/base/xalloc.h>
#include <stdlib.h>

static void gone_add(struct gone *gone, int64_t row)
{
	if (gone->count == gone->cap) {
		gone->cap = gone->cap ? gone->cap * 2 : 64;
		gone->rows = xreallocarray(gone->rows, gone->cap, sizeof(*gone->rows));
	}
	gone->rows[gone->count++] = row;
}

/*
 * Readers come into the present generation. Those of the other one began before; when all of
 * them have ended, what went in their time is forgotten, and the next generation begins in its
 * place. So whatever goes stays for as long as anybody is there who had begun.
 */
static void gone_forget(struct journal *journal)
{
	while (journal->gone[0].count + journal->gone[1].count) {
		struct gone *older = &journal->gone[!journal->generation];

		if (older->readers)
			return;
		for (size_t i = 0; i < older->count; i++)
			keys_remove(&journal->hidden, older->rows[i]);
		free(older->rows);
		*older = (struct gone){0};
		journal->generation = !journal->generation;
	}
}

/* One that went is there again: it is not to be forgotten with those that went. */
static void gone_return(struct journal *journal, int64_t row)
{
	for (int i = 0; i < 2; i++) {
		struct gone *gone = &journal->gone[i];

		for (size_t j = gone->count; j-- > 0;)
			if (gone->rows[j] == row)
				gone->rows[j] = gone->rows[--gone->count];
	}
}

void hidden_move(struct journal *journal, const struct move *move)
{
	if (move->to == JOURNAL_GONE) {
		/* Also one that was shown: its message is gone all the same. */
		keys_add(&journal->hidden, move->row);
		gone_add(&journal->gone[journal->generation], move->row);
		gone_forget(journal);
	} else if (journal_hides_in(move->to)) {
		gone_return(journal, move->row);
		keys_add(&journal->hidden, move->row);
	} else {
		keys_remove(&journal->hidden, move->row);
	}
}

void hidden_finish(struct journal *journal)
{
	keys_finish(&journal->hidden);
	free(journal->gone[0].rows);
	free(journal->gone[1].rows);
}

int journal_reader_begin(struct journal *journal)
{
	int generation = -1;

	pthread_mutex_lock(&journal->tally);
	if (journal->hidden.count) {
		generation = journal->generation;
		journal->gone[generation].readers++;
	}
	pthread_mutex_unlock(&journal->tally);
	return generation;
}

void journal_reader_end(struct journal *journal, int generation)
{
	if (generation < 0)
		return;
	pthread_mutex_lock(&journal->tally);
	journal->gone[generation].readers--;
	gone_forget(journal);
	pthread_mutex_unlock(&journal->tally);
}

int64_t journal_find(struct journal *journal, const char *raw, uint64_t epoch)
{
	struct known *known;
	int64_t id = 0;

	pthread_mutex_lock(&journal->tally);
	if (journal->hidden.count) {
		known = known_by_name(journal, raw, epoch);
		id = known ? known->place.id : 0;
	}
	pthread_mutex_unlock(&journal->tally);
	return id;
}

bool journal_hides(struct journal *journal, int64_t place, uint32_t uid)
{
	bool hides;

	pthread_mutex_lock(&journal->tally);
	hides = keys_has(&journal->hidden, message_row(place, uid));
	pthread_mutex_unlock(&journal->tally);
	return hides;
}

void journal_hidden(struct journal *journal, const char *raw, uint64_t epoch,
	struct store_hidden *hidden_out)
{
	struct known *known;

	*hidden_out = (struct store_hidden){0};
	pthread_mutex_lock(&journal->tally);
	known = known_by_name(journal, raw, epoch);
	if (known) {
		hidden_out->messages =
			(uint32_t)(known_sendable(known) + known->rows[JOURNAL_BRAKED]);
		hidden_out->mtime = known->mtime;
	}
	pthread_mutex_unlock(&journal->tally);
}
