/*
 * wire/frame_p.h - what crosses the socketpair between mail and wire process.
 * Used by child.c and client.c, each side on one thread.
 *
 * A frame is a 32-bit length of its payload, an 8-bit type, the payload. Numbers are in host
 * order (both ends are one machine and one binary); a string is a 32-bit length and bytes, with
 * 0xffffffff for NULL. A reader never trusts: every get is bounds-checked, sticky on failure.
 */
#ifndef MOUNTMAIL_WIRE_FRAME_P_H
#define MOUNTMAIL_WIRE_FRAME_P_H

#include <mountmail/base/buf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_PAYLOAD_MAX (1u << 20)

/* What the wire process passes on, and the mail process insists on. */
#define FRAME_FOLDERS_MAX 100000u
#define FRAME_NAME_MAX 4096u       /* bytes of a folder's raw name, and of its path */
#define FRAME_LEVELS_MAX 128u      /* of its path */
#define FRAME_MESSAGE_ID_MAX 1024u /* a longer one is not compared with the body's */
#define FRAME_KNOWN_UIDS 100000u   /* in one frame, at most */

enum frame_type {
	/* mail process to wire process */
	FRAME_OPEN = 1,
	FRAME_LIST,
	FRAME_KNOWN, /* UIDs, ascending from one such frame to the next: for the scan that follows */
	FRAME_SCAN,
	FRAME_FETCH,
	FRAME_VERIFY,
	FRAME_REMOVE,
	FRAME_WAIT,
	/* A sink returned false: end the call in progress with STOPPED. Or end a wait. */
	FRAME_STOP,
	/* wire process to mail process */
	FRAME_SERVER = 64,   /* result of open: caps, name */
	FRAME_FOLDER,
	FRAME_STATE,
	FRAME_EXISTING,      /* many UIDs and flags */
	FRAME_SURVEYED,
	FRAME_MESSAGES,      /* many messages */
	FRAME_BATCH,
	FRAME_BODY_DATA,
	FRAME_BODY_DONE,
	FRAME_BODY_FAILED,
	FRAME_IDENTITIES,    /* many messages that were found, and who they are */
	FRAME_DELETED,       /* many UIDs */
	FRAME_NEWS,          /* of the folder that is waited for; once */
	FRAME_ALIVE,         /* the server is sending, but nothing that can be told yet */
	FRAME_RESULT,        /* ends every call */
};

/* Writing: begin, put, end; frames pile up in out until frame_flush. */
struct frame_writer {
	int fd;          /* borrowed */
	struct buf out;
	size_t start;    /* offset of the frame being written */
};

void frame_writer_init(struct frame_writer *writer, int fd);
void frame_writer_finish(struct frame_writer *writer);
void frame_begin(struct frame_writer *writer, enum frame_type type);
void frame_put_u8(struct frame_writer *writer, uint8_t value);
void frame_put_u32(struct frame_writer *writer, uint32_t value);
void frame_put_u64(struct frame_writer *writer, uint64_t value);
void frame_put_bytes(struct frame_writer *writer, const void *data, size_t len);
/* text may be NULL. */
void frame_put_str(struct frame_writer *writer, const char *text);
/* Bytes of the frame so far, to know when to start the next one. */
size_t frame_size(const struct frame_writer *writer);
void frame_end(struct frame_writer *writer);
/*
 * Writes everything out, within timeout_ms (-1: however long it takes). Returns 0 or -errno:
 * -EPIPE when the other side is gone, -ETIMEDOUT.
 */
int frame_flush(struct frame_writer *writer, int timeout_ms);

/* A received frame; data points into the reader, until the next frame_read. */
struct frame {
	enum frame_type type;
	const uint8_t *data;
	size_t len;
	size_t at;     /* read position */
	bool broken;   /* a get went past the end: everything read since is zero */
};

struct frame_reader {
	int fd;        /* borrowed */
	struct buf in;
	size_t at;
};

void frame_reader_init(struct frame_reader *reader, int fd);
void frame_reader_finish(struct frame_reader *reader);
/* Whether a whole frame is buffered, so that frame_read will not wait. */
bool frame_ready(const struct frame_reader *reader);
/*
 * Waits up to timeout_ms (-1: for ever) for the next frame.
 * Returns 1; 0 on time-out; -EPIPE at end of file; -EPROTO for a length or type that cannot be.
 */
int frame_read(struct frame_reader *reader, struct frame *frame_out, int timeout_ms);

uint8_t frame_get_u8(struct frame *frame);
uint32_t frame_get_u32(struct frame *frame);
uint64_t frame_get_u64(struct frame *frame);
/* Borrowed from the frame. */
const void *frame_get_bytes(struct frame *frame, size_t *len_out);
/* An owned copy, NULL for NULL; NULL and broken when it holds a NUL, or more than max bytes. */
char *frame_get_str(struct frame *frame, size_t max);
bool frame_at_end(const struct frame *frame);

#endif
