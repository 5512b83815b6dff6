#include "kept_p.h"
#include <mountmail/base/log.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t *generation_of(struct kept *kept, uint32_t uid)
{
	return &kept->generations[uid % KEPT_GENERATIONS];
}

uint64_t kept_generation(struct kept *kept, uint32_t uid)
{
	uint64_t generation;

	pthread_mutex_lock(&kept->tally);
	generation = *generation_of(kept, uid);
	pthread_mutex_unlock(&kept->tally);
	return generation;
}

/* With tally held. */
static void file_let_go(struct kept_file *file)
{
	if (--file->users)
		return;
	close(file->fd);
	free(file);
}

/* With tally held: its place in the cache is free, and who reads from it goes on. */
static void files_forget(struct kept *kept, uint32_t uid)
{
	for (size_t i = 0; i < KEPT_FILES; i++)
		if (kept->files[i] && kept->files[i]->uid == uid) {
			file_let_go(kept->files[i]);
			kept->files[i] = NULL;
		}
}

void kept_changed(struct kept *kept, uint32_t uid)
{
	pthread_mutex_lock(&kept->tally);
	++*generation_of(kept, uid);
	files_forget(kept, uid);
	keys_remove(&kept->damaged, uid);
	pthread_mutex_unlock(&kept->tally);
}

bool kept_note_damage(struct kept *kept, uint32_t uid, uint64_t generation, const char *why)
{
	bool same, known = false;

	pthread_mutex_lock(&kept->tally);
	same = *generation_of(kept, uid) == generation;
	if (same) {
		known = keys_has(&kept->damaged, uid);
		keys_add(&kept->damaged, uid);
		files_forget(kept, uid);
	}
	pthread_mutex_unlock(&kept->tally);
	if (same && !known)
		log_error("kept mail: %s/" KEPT_FOLDER "/%u is damaged: %s. It is given to "
			  "nobody; put it back from a backup, and it is read again",
			kept->dir, uid, why);
	return same;
}

bool kept_note_whole(struct kept *kept, uint32_t uid, uint64_t generation)
{
	bool same, known = false;

	pthread_mutex_lock(&kept->tally);
	same = *generation_of(kept, uid) == generation;
	if (same) {
		known = keys_has(&kept->damaged, uid);
		keys_remove(&kept->damaged, uid);
	}
	pthread_mutex_unlock(&kept->tally);
	if (known)
		log_info("kept mail: %s/" KEPT_FOLDER "/%u is whole again", kept->dir, uid);
	return same;
}

bool kept_is_damaged(struct kept *kept, uint32_t uid)
{
	bool damaged;

	pthread_mutex_lock(&kept->tally);
	damaged = keys_has(&kept->damaged, uid);
	pthread_mutex_unlock(&kept->tally);
	return damaged;
}

/* With tally held. */
static struct kept_file *file_use(struct kept *kept, struct kept_file *file)
{
	file->users++;
	file->used = ++kept->used;
	return file;
}

struct kept_file *kept_file_get(struct kept *kept, uint32_t uid)
{
	struct kept_file *file = NULL;

	pthread_mutex_lock(&kept->tally);
	for (size_t i = 0; i < KEPT_FILES && !file; i++)
		if (kept->files[i] && kept->files[i]->uid == uid)
			file = file_use(kept, kept->files[i]);
	pthread_mutex_unlock(&kept->tally);
	return file;
}

void kept_file_put(struct kept *kept, struct kept_file *file)
{
	pthread_mutex_lock(&kept->tally);
	file_let_go(file);
	pthread_mutex_unlock(&kept->tally);
}

/* With tally held: a free place, or that of the file that was not used for the longest time. */
static struct kept_file **files_place(struct kept *kept)
{
	struct kept_file **oldest = &kept->files[0];

	for (size_t i = 0; i < KEPT_FILES; i++) {
		if (!kept->files[i])
			return &kept->files[i];
		if (kept->files[i]->used < (*oldest)->used)
			oldest = &kept->files[i];
	}
	file_let_go(*oldest);
	*oldest = NULL;
	return oldest;
}

struct kept_file *kept_file_add(
	struct kept *kept, uint32_t uid, int fd, uint64_t length, uint64_t generation)
{
	struct kept_file *file = xmalloc(sizeof(*file));

	*file = (struct kept_file){.uid = uid, .fd = fd, .length = length, .users = 1};
	pthread_mutex_lock(&kept->tally);
	if (*generation_of(kept, uid) == generation) {
		files_forget(kept, uid); /* somebody else was as fast */
		*files_place(kept) = file_use(kept, file);
	} else {
		file_let_go(file);
		file = NULL;
	}
	pthread_mutex_unlock(&kept->tally);
	return file;
}

void kept_files_finish(struct kept *kept)
{
	for (size_t i = 0; i < KEPT_FILES; i++)
		if (kept->files[i])
			file_let_go(kept->files[i]);
}
