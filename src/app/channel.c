#include "channel_p.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

int channel_pair(int ends_out[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_out) < 0)
		return error_set(
			err, errno, "the processes cannot be connected: %s", strerror(errno));
	return 0;
}

int channel_send(int channel, const struct channel_message *message, int passed)
{
	struct channel_message copy = *message;
	struct iovec part = {&copy, sizeof(copy)};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
	union control control = {0};
	ssize_t sent;

	if (passed >= 0) {
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &passed, sizeof(passed));
	}
	do
		sent = sendmsg(channel, &packet, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* The descriptor that came along, -1 when none did. */
static int passed_descriptor(struct msghdr *packet)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(packet);
	int passed = -1;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
		head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&passed, CMSG_DATA(head), sizeof(passed));
	return passed;
}

int channel_receive(int channel, struct channel_message *message_out, int *passed_out)
{
	struct iovec part = {message_out, sizeof(*message_out)};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;
	ssize_t got;

	if (passed_out) {
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control.room);
		*passed_out = -1;
	}
	do
		got = recvmsg(channel, &packet, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (passed_out)
		*passed_out = passed_descriptor(&packet);
	if (got == 0)
		return 0;
	/* One byte more than fits is cut off, and told by the flag. */
	if (got == (ssize_t)sizeof(*message_out) && !(packet.msg_flags & MSG_TRUNC) &&
		message_out->kind >= CHANNEL_DIAL && message_out->kind <= CHANNEL_ANSWER &&
		memchr(message_out->text, '\0', sizeof(message_out->text)))
		return 1;
	if (passed_out && *passed_out >= 0) {
		close(*passed_out);
		*passed_out = -1;
	}
	return -EPROTO;
}
