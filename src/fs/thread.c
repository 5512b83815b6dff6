#include "fs_p.h"
#include <signal.h>

static __thread struct fs_thread *fs_thread_current;

int fs_thread_init(struct fs_thread *thread, struct fs *fs, struct error *err)
{
	int result;

	*thread = (struct fs_thread){.fs = fs};
	result = store_reader_create(fs->host.store, &thread->reader, err);
	if (result < 0) {
		thread->reader = NULL;
		return result;
	}
	thread->view = view_create(thread->reader, &fs->host.view);
	return 0;
}

void fs_thread_finish(struct fs_thread *thread)
{
	if (!thread->reader)
		return;
	view_destroy(thread->view);
	store_reader_destroy(thread->reader);
	buf_finish(&thread->room);
	*thread = (struct fs_thread){.fs = thread->fs};
}

void fs_thread_enter(struct fs_thread *thread)
{
	fs_thread_current = thread;
}

struct fs_thread *fs_thread_self(void)
{
	return fs_thread_current;
}

int fs_thread_start(pthread_t *id_out, void *(*run)(void *ctx), void *ctx)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(id_out, NULL, run, ctx);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}
