#include "park_p.h"
#include <assert.h>
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct place {
	struct park *park;
	struct park_request request;
	struct place *prev, *next; /* in all */
	struct place *next_ready;
	struct account_wait *wait; /* once asked */
	int result;		   /* once ended */
	bool asking;		   /* the asking call has not returned */
	bool owed;		   /* done will be called */
	bool ended;
	bool answered;
};

struct park {
	struct fs *fs;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct place *all;
	struct place *ready, **ready_end;
	bool refusing;
	bool stopping; /* and refusing */
	bool started;
	pthread_t id;
	struct fs_thread thread;
};

struct park *park_create(struct fs *fs)
{
	struct park *park = xcalloc(1, sizeof(*park));

	park->fs = fs;
	park->ready_end = &park->ready;
	pthread_mutex_init(&park->mutex, NULL);
	pthread_cond_init(&park->wake, NULL);
	return park;
}

void park_destroy(struct park *park)
{
	if (!park)
		return;
	assert(!park->started && !park->all);
	pthread_cond_destroy(&park->wake);
	pthread_mutex_destroy(&park->mutex);
	free(park);
}

static void place_insert(struct place *place)
{
	struct park *park = place->park;

	place->next = park->all;
	if (place->next)
		place->next->prev = place;
	park->all = place;
}

/* Under the lock: frees the place when nobody can come back to it. */
static void place_leave(struct place *place)
{
	struct park *park = place->park;

	if (!place->answered || place->asking || place->owed)
		return;
	if (place->next)
		place->next->prev = place->prev;
	if (place->prev)
		place->prev->next = place->next;
	else
		park->all = place->next;
	free(place->request.name);
	free(place);
}

/* Under the lock: the first to come says the result. */
static void place_end(struct place *place, int result)
{
	struct park *park = place->park;

	if (place->ended)
		return;
	place->ended = true;
	place->result = result;
	*park->ready_end = place;
	park->ready_end = &place->next_ready;
	pthread_cond_signal(&park->wake);
}

/* Under the lock: nobody waits any more, so the account need not go on for our sake. */
static void place_cancel(struct place *place)
{
	if (place->answered && !place->asking && place->owed &&
		account_cancel(place->park->fs->host.account, place->wait))
		place->owed = false;
}

static void place_done(void *ctx, int result)
{
	struct place *place = ctx;
	struct park *park = place->park;

	pthread_mutex_lock(&park->mutex);
	place->owed = false;
	place_end(place, result);
	place_leave(place);
	pthread_mutex_unlock(&park->mutex);
}

/* Libfuse holds the request's lock. */
static void place_interrupted(fuse_req_t req, void *ctx)
{
	struct place *place = ctx;
	struct park *park = place->park;

	pthread_mutex_lock(&park->mutex);
	place_end(place, -EINTR);
	pthread_mutex_unlock(&park->mutex);
}

static struct account_wait *place_ask(struct place *place)
{
	struct account *account = place->park->fs->host.account;
	const struct park_request *request = &place->request;

	if (request->uid)
		return account_fetch_body(
			account, request->folder_id, request->uid, place_done, place);
	return account_list_folder(account, request->folder_id, place_done, place);
}

void park_add(struct park *park, const struct park_request *request)
{
	struct place *place = xcalloc(1, sizeof(*place));
	struct account_wait *wait;
	bool ask;

	place->park = park;
	place->request = *request;
	place->request.attempts++;
	place->asking = true;
	pthread_mutex_lock(&park->mutex);
	place_insert(place);
	pthread_mutex_unlock(&park->mutex);
	/* Before the question: afterwards the request may be gone. */
	fuse_req_interrupt_func(request->req, place_interrupted, place);

	pthread_mutex_lock(&park->mutex);
	if (park->refusing)
		place_end(place, -ESHUTDOWN);
	ask = !place->ended;
	place->owed = ask;
	pthread_mutex_unlock(&park->mutex);
	wait = ask ? place_ask(place) : NULL;

	pthread_mutex_lock(&park->mutex);
	place->wait = wait;
	place->asking = false;
	place_cancel(place);
	place_leave(place);
	pthread_mutex_unlock(&park->mutex);
}

void park_news(struct park *park, int64_t folder_id)
{
	pthread_mutex_lock(&park->mutex);
	for (struct place *place = park->all; place; place = place->next)
		if (!place->answered && !place->request.uid && !place->request.name &&
			place->request.folder_id == folder_id)
			place_end(place, PARK_NEWS);
	pthread_mutex_unlock(&park->mutex);
}

bool park_holds(struct park *park, uint64_t inode)
{
	bool holds = false;

	pthread_mutex_lock(&park->mutex);
	for (const struct place *place = park->all; place && !holds; place = place->next)
		holds = !place->answered && !place->request.uid &&
			place->request.inode == inode;
	pthread_mutex_unlock(&park->mutex);
	return holds;
}

/* Under the lock: the next to answer, NULL when the park is stopping and empty. */
static struct place *park_next(struct park *park)
{
	struct place *place;

	while (!park->ready && !park->stopping)
		pthread_cond_wait(&park->wake, &park->mutex);
	place = park->ready;
	if (place) {
		park->ready = place->next_ready;
		if (!park->ready)
			park->ready_end = &park->ready;
	}
	return place;
}

static void *park_run(void *ctx)
{
	struct park *park = ctx;
	struct place *place;

	fs_thread_enter(&park->thread);
	pthread_mutex_lock(&park->mutex);
	while ((place = park_next(park)) != NULL) {
		pthread_mutex_unlock(&park->mutex);
		/* Waits for an interrupt function that runs; none will begin after it. */
		fuse_req_interrupt_func(place->request.req, NULL, NULL);
		place->request.answer(&park->thread, &place->request, place->result);
		pthread_mutex_lock(&park->mutex);
		place->answered = true;
		place_cancel(place);
		place_leave(place);
	}
	pthread_mutex_unlock(&park->mutex);
	return NULL;
}

int park_start(struct park *park, struct error *err)
{
	int result = fs_thread_init(&park->thread, park->fs, err);

	if (result < 0)
		return result;
	result = fs_thread_start(&park->id, park_run, park);
	if (result < 0) {
		fs_thread_finish(&park->thread);
		return error_set(
			err, -result, "a thread cannot be started: %s", strerror(-result));
	}
	park->started = true;
	return 0;
}

void park_refuse(struct park *park)
{
	pthread_mutex_lock(&park->mutex);
	park->refusing = true;
	for (struct place *place = park->all; place; place = place->next)
		place_end(place, -ESHUTDOWN);
	pthread_mutex_unlock(&park->mutex);
}

void park_stop(struct park *park)
{
	if (!park || !park->started)
		return;
	park_refuse(park);
	pthread_mutex_lock(&park->mutex);
	park->stopping = true;
	pthread_cond_signal(&park->wake);
	pthread_mutex_unlock(&park->mutex);
	pthread_join(park->id, NULL);
	fs_thread_finish(&park->thread);
	park->started = false;
}
