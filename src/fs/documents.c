#include "documents_p.h"
#include "queue_p.h"
#include "status_p.h"
#include <errno.h>
#include <mountmail/base/xalloc.h>
#include <pthread.h>
#include <stdlib.h>

/* Rows of the queue that the file shows; "mountmail queue --json" shows more. */
enum { DOCUMENT_ROWS_MAX = 1000 };

struct document {
	uint64_t handle;
	struct buf text;
	struct document *next;
};

struct documents {
	pthread_mutex_t mutex;
	struct document *first;
	uint64_t last_handle;
};

struct documents *documents_create(void)
{
	struct documents *documents = xcalloc(1, sizeof(*documents));

	pthread_mutex_init(&documents->mutex, NULL);
	return documents;
}

static void document_free(struct document *document)
{
	buf_finish(&document->text);
	free(document);
}

void documents_destroy(struct documents *documents)
{
	if (!documents)
		return;
	while (documents->first) {
		struct document *document = documents->first;

		documents->first = document->next;
		document_free(document);
	}
	pthread_mutex_destroy(&documents->mutex);
	free(documents);
}

static void document_make(struct fs_thread *thread, uint64_t inode, struct buf *out)
{
	if (inode == INODE_QUEUE)
		queue_json(thread, DOCUMENT_ROWS_MAX, out);
	else
		status_json(thread, out);
}

uint64_t documents_open(struct fs_thread *thread, uint64_t inode)
{
	struct documents *documents = thread->fs->documents;
	struct document *document = xcalloc(1, sizeof(*document));

	document_make(thread, inode, &document->text);
	pthread_mutex_lock(&documents->mutex);
	document->handle = ++documents->last_handle;
	document->next = documents->first;
	documents->first = document;
	pthread_mutex_unlock(&documents->mutex);
	return document->handle;
}

size_t documents_size(struct fs_thread *thread, uint64_t inode)
{
	struct buf text = BUF_INIT;
	size_t len;

	document_make(thread, inode, &text);
	len = text.len;
	buf_finish(&text);
	return len;
}

/* Under the lock: where the pointer to the document is, or would be. */
static struct document **documents_find(struct documents *documents, uint64_t handle)
{
	struct document **at = &documents->first;

	while (*at && (*at)->handle != handle)
		at = &(*at)->next;
	return at;
}

void documents_read(struct documents *documents, uint64_t handle, fuse_req_t req, size_t size,
	uint64_t offset)
{
	struct document *document;

	pthread_mutex_lock(&documents->mutex);
	document = *documents_find(documents, handle);
	if (!document) {
		fuse_reply_err(req, EBADF);
	} else if (offset >= document->text.len) {
		fuse_reply_buf(req, NULL, 0);
	} else {
		size_t left = document->text.len - (size_t)offset;

		fuse_reply_buf(req, document->text.data + offset, size < left ? size : left);
	}
	pthread_mutex_unlock(&documents->mutex);
}

void documents_close(struct documents *documents, uint64_t handle)
{
	struct document **at, *document;

	pthread_mutex_lock(&documents->mutex);
	at = documents_find(documents, handle);
	document = *at;
	if (document)
		*at = document->next;
	pthread_mutex_unlock(&documents->mutex);
	if (document)
		document_free(document);
}
