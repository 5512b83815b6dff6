#include "frame_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_HEAD 5u /* 32-bit length, 8-bit type */
#define FRAME_NULL UINT32_MAX
#define FRAME_READ_AHEAD (256u << 10)

void frame_writer_init(struct frame_writer *writer, int fd)
{
	writer->fd = fd;
	writer->start = 0;
	buf_init(&writer->out);
}

void frame_writer_finish(struct frame_writer *writer)
{
	buf_finish(&writer->out);
}

void frame_begin(struct frame_writer *writer, enum frame_type type)
{
	uint32_t length = 0; /* known at frame_end */

	writer->start = writer->out.len;
	buf_append(&writer->out, &length, sizeof(length));
	frame_put_u8(writer, (uint8_t)type);
}

void frame_put_u8(struct frame_writer *writer, uint8_t value)
{
	buf_append(&writer->out, &value, sizeof(value));
}

void frame_put_u32(struct frame_writer *writer, uint32_t value)
{
	buf_append(&writer->out, &value, sizeof(value));
}

void frame_put_u64(struct frame_writer *writer, uint64_t value)
{
	buf_append(&writer->out, &value, sizeof(value));
}

void frame_put_bytes(struct frame_writer *writer, const void *data, size_t len)
{
	frame_put_u32(writer, (uint32_t)len);
	buf_append(&writer->out, data, len);
}

void frame_put_str(struct frame_writer *writer, const char *text)
{
	if (text)
		frame_put_bytes(writer, text, strlen(text));
	else
		frame_put_u32(writer, FRAME_NULL);
}

size_t frame_size(const struct frame_writer *writer)
{
	return writer->out.len - writer->start;
}

void frame_end(struct frame_writer *writer)
{
	uint32_t length = (uint32_t)(frame_size(writer) - FRAME_HEAD);

	memcpy(writer->out.data + writer->start, &length, sizeof(length));
}

/* Waits until end_ms (-1: for ever). 0 or -errno; what is left of a time-out is none. */
static int frame_poll(int fd, short events, int64_t end_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	int64_t left = end_ms < 0 ? -1 : end_ms - clock_now_ms();
	int ready = poll(&poll_fd, 1, end_ms < 0 ? -1 : left > 0 ? (int)left : 0);

	if (ready > 0)
		return 0;
	return ready == 0 ? -ETIMEDOUT : -errno;
}

int frame_flush(struct frame_writer *writer, int timeout_ms)
{
	int64_t end_ms = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
	size_t at = 0;
	int status;

	while (at < writer->out.len) {
		ssize_t sent = send(writer->fd, writer->out.data + at, writer->out.len - at,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0) {
			at += (size_t)sent;
		} else if (errno == EAGAIN) {
			status = frame_poll(writer->fd, POLLOUT, end_ms);
			if (status < 0 && status != -EINTR)
				return status;
		} else if (errno != EINTR) {
			return errno == ECONNRESET ? -EPIPE : -errno;
		}
	}
	buf_clear(&writer->out);
	return 0;
}

void frame_reader_init(struct frame_reader *reader, int fd)
{
	reader->fd = fd;
	reader->at = 0;
	buf_init(&reader->in);
}

void frame_reader_finish(struct frame_reader *reader)
{
	buf_finish(&reader->in);
}

static size_t frame_buffered(const struct frame_reader *reader)
{
	return reader->in.len - reader->at;
}

/* Length of the payload of the frame at hand; only with FRAME_HEAD bytes buffered. */
static uint32_t frame_length(const struct frame_reader *reader)
{
	uint32_t length;

	memcpy(&length, reader->in.data + reader->at, sizeof(length));
	return length;
}

bool frame_ready(const struct frame_reader *reader)
{
	size_t have = frame_buffered(reader);

	return have >= FRAME_HEAD && have - FRAME_HEAD >= frame_length(reader);
}

static bool frame_type_known(uint8_t type)
{
	return (type >= FRAME_OPEN && type <= FRAME_STOP) ||
	       (type >= FRAME_SERVER && type <= FRAME_RESULT);
}

/* What the head says, once it is there: 0 or -EPROTO. */
static int frame_check_head(const struct frame_reader *reader)
{
	if (frame_buffered(reader) < FRAME_HEAD)
		return 0;
	if (frame_length(reader) > FRAME_PAYLOAD_MAX ||
		!frame_type_known((uint8_t)reader->in.data[reader->at + 4]))
		return -EPROTO;
	return 0;
}

/* Room for what is coming: the frame at hand moves to the front first. */
static void frame_make_room(struct frame_reader *reader)
{
	if (reader->at) {
		memmove(reader->in.data, reader->in.data + reader->at, frame_buffered(reader));
		reader->in.len -= reader->at;
		reader->at = 0;
	}
	buf_reserve(&reader->in, FRAME_READ_AHEAD);
}

/* Waits until end_ms (-1: for ever), then takes what is there. 1, 0 on time-out, -errno. */
static int frame_fill(struct frame_reader *reader, int64_t end_ms)
{
	int status = frame_poll(reader->fd, POLLIN, end_ms);
	ssize_t got;

	if (status < 0)
		return status == -EINTR ? 1 : status == -ETIMEDOUT ? 0 : status;
	frame_make_room(reader);
	got = recv(
		reader->fd, reader->in.data + reader->in.len, FRAME_READ_AHEAD, MSG_DONTWAIT);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 1
		       : errno == ECONNRESET		 ? -EPIPE
							 : -errno;
	if (got == 0)
		return -EPIPE;
	reader->in.len += (size_t)got;
	return 1;
}

int frame_read(struct frame_reader *reader, struct frame *frame_out, int timeout_ms)
{
	int64_t end_ms = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
	int status = frame_check_head(reader);

	while (status == 0 && !frame_ready(reader)) {
		status = frame_fill(reader, end_ms);
		if (status <= 0)
			return status;
		status = frame_check_head(reader);
	}
	if (status < 0)
		return status;
	*frame_out = (struct frame){
		.type = (enum frame_type)(uint8_t)reader->in.data[reader->at + 4],
		.data = (const uint8_t *)reader->in.data + reader->at + FRAME_HEAD,
		.len = frame_length(reader),
	};
	reader->at += FRAME_HEAD + frame_out->len;
	return 1;
}

/* The next len bytes, NULL (and broken) when there are not as many. */
static const uint8_t *frame_take(struct frame *frame, size_t len)
{
	const uint8_t *data = frame->data + frame->at;

	if (frame->broken || len > frame->len - frame->at) {
		frame->broken = true;
		return NULL;
	}
	frame->at += len;
	return data;
}

uint8_t frame_get_u8(struct frame *frame)
{
	const uint8_t *data = frame_take(frame, 1);

	return data ? *data : 0;
}

uint32_t frame_get_u32(struct frame *frame)
{
	const uint8_t *data = frame_take(frame, sizeof(uint32_t));
	uint32_t value = 0;

	if (data)
		memcpy(&value, data, sizeof(value));
	return value;
}

uint64_t frame_get_u64(struct frame *frame)
{
	const uint8_t *data = frame_take(frame, sizeof(uint64_t));
	uint64_t value = 0;

	if (data)
		memcpy(&value, data, sizeof(value));
	return value;
}

const void *frame_get_bytes(struct frame *frame, size_t *len_out)
{
	uint32_t len = frame_get_u32(frame);
	const uint8_t *data = frame_take(frame, len);

	*len_out = data ? len : 0;
	return data;
}

char *frame_get_str(struct frame *frame, size_t max)
{
	uint32_t len = frame_get_u32(frame);
	const uint8_t *data;

	if (frame->broken || len == FRAME_NULL)
		return NULL;
	data = frame_take(frame, len);
	if (!data)
		return NULL;
	if (len > max || memchr(data, '\0', len)) {
		frame->broken = true;
		return NULL;
	}
	return xstrndup((const char *)data, len);
}

bool frame_at_end(const struct frame *frame)
{
	return !frame->broken && frame->at == frame->len;
}
