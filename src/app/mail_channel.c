#include "channel_p.h"
#include "mail_p.h"
#include <errno.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A fork is quick; a fusermount3 on a busy machine may be not. */
#define ANSWER_TIMEOUT_MS 30000

void mail_channel_init(struct mail_channel *channel, int fd)
{
	*channel = (struct mail_channel){.fd = fd, .timeout_ms = ANSWER_TIMEOUT_MS};
	pthread_mutex_init(&channel->lock, NULL);
}

/* Waits for the answer to serial. 0 or -errno. */
static int await(struct mail_channel *channel, uint32_t serial, struct channel_message *answer,
	int *passed_out)
{
	int64_t end = clock_now_ms() + channel->timeout_ms;

	for (;;) {
		struct pollfd poller = {.fd = channel->fd, .events = POLLIN};
		int64_t left = end - clock_now_ms();
		int got;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&poller, 1, (int)left) <= 0)
			continue;
		got = channel_receive(channel->fd, answer, passed_out);
		if (got == 0)
			return -ESHUTDOWN;
		if (got < 0)
			return got;
		if (answer->kind == CHANNEL_ANSWER && answer->serial == serial)
			return 0;
		/* The answer to a question that was given up. */
		if (*passed_out >= 0)
			close(*passed_out);
		*passed_out = -1;
	}
}

static int ask(struct mail_channel *channel, enum channel_kind kind, int32_t value,
	struct channel_message *answer, int *passed_out, struct error *err)
{
	struct channel_message question = {.kind = kind, .value = value};
	int result;

	*passed_out = -1;
	pthread_mutex_lock(&channel->lock);
	question.serial = ++channel->serial;
	result = channel_send(channel->fd, &question, -1);
	if (result == 0)
		result = await(channel, question.serial, answer, passed_out);
	pthread_mutex_unlock(&channel->lock);
	if (result < 0)
		return error_set(
			err, -result, "the supervisor does not answer: %s", strerror(-result));
	if (answer->value < 0)
		return error_set(err, -answer->value, "%s", answer->text);
	return 0;
}

int mail_channel_dial(void *ctx, int *pid_out, struct error *err)
{
	struct channel_message answer;
	int passed;
	int result = ask(ctx, CHANNEL_DIAL, 0, &answer, &passed, err);

	if (result == 0 && passed < 0)
		return error_set(
			err, EMFILE, "there is no file descriptor left for a connection");
	if (result < 0) {
		if (passed >= 0)
			close(passed);
		return result;
	}
	*pid_out = answer.value;
	return passed;
}

void mail_channel_hangup(void *ctx, int pid)
{
	const struct channel_message message = {.kind = CHANNEL_HANGUP, .value = pid};
	struct mail_channel *channel = ctx;
	int result = channel_send(channel->fd, &message, -1);

	if (result < 0)
		log_warning("the supervisor cannot be told to end wire process %d: %s", pid,
			strerror(-result));
}

int mail_channel_unmount(void *ctx, bool force, struct error *err)
{
	struct channel_message answer;
	int passed;
	int result = ask(ctx, CHANNEL_UNMOUNT, force, &answer, &passed, err);

	if (passed >= 0)
		close(passed);
	return result;
}

void mail_channel_ready(struct mail_channel *channel, enum exit_status status, const char *text)
{
	struct channel_message message = {.kind = CHANNEL_READY, .value = (int32_t)status};
	int result;

	snprintf(message.text, sizeof(message.text), "%s", text);
	result = channel_send(channel->fd, &message, -1);
	if (result < 0)
		log_error("the supervisor cannot be told how the start went: %s",
			strerror(-result));
}
