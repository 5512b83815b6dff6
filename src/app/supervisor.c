#include "channel_p.h"
#include "mail_p.h"
#include "relay_p.h"
#include "supervisor_p.h"
#include "wires_p.h"
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/fs/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS 10000	    /* for the mail process to end when it was told to */
#define FORCE_MS 1000	    /* for the answer to reach whoever asked to unmount by force */
#define MESSAGES_AT_ONCE 64 /* then the signals' turn comes again */

struct supervisor {
	struct setup *setup;
	void (*ready)(void *ctx);
	void *ready_ctx;
	struct fs *fs;
	struct relay relay;
	int signals; /* signalfd */
	int channel; /* our end, -1 when the mail process closed its */
	struct wires wires;
	pid_t mail;	 /* 0 when it was reaped */
	int mail_status; /* as waitpid tells it, once mail is 0 */
	bool is_ready;
	bool asked;		  /* a signal or a command asked for the end */
	int64_t term_at;	  /* when to tell the mail process to stop; INT64_MAX never */
	int64_t kill_at;	  /* when to end it by force; INT64_MAX never */
	enum exit_status failure; /* what the mail process said of its start */
	struct error *err;
};

/* Tells the mail process to stop after delay_ms, and sees to it that it does. */
static void stop_mail(struct supervisor *supervisor, int delay_ms)
{
	int64_t at = clock_now_ms() + delay_ms;

	if (at < supervisor->term_at)
		supervisor->term_at = at;
	if (at + STOP_MS < supervisor->kill_at)
		supervisor->kill_at = at + STOP_MS;
}

/* It does what no mail process of ours does: whoever runs there now shall not go on. */
static void distrust(struct supervisor *supervisor, const char *what)
{
	log_error("the mail process %s and is ended", what);
	if (supervisor->mail)
		kill(supervisor->mail, SIGKILL);
	close(supervisor->channel);
	supervisor->channel = -1;
}

static void answer(struct supervisor *supervisor, uint32_t serial, int value, int passed,
	const struct error *err)
{
	struct channel_message message = {
		.kind = CHANNEL_ANSWER, .serial = serial, .value = value};

	if (value < 0)
		snprintf(message.text, sizeof(message.text), "%s", err->text);
	if (channel_send(supervisor->channel, &message, passed) < 0)
		distrust(supervisor, "does not read what it asked for");
}

static void dial(struct supervisor *supervisor, uint32_t serial)
{
	struct error err = {0};
	int channel = -1;
	pid_t pid = wires_begin(&supervisor->wires, supervisor->setup, &channel, &err);

	if (pid < 0)
		log_debug("%s", err.text);
	answer(supervisor, serial, pid, channel, &err);
	if (channel >= 0)
		close(channel);
}

static void unmount(struct supervisor *supervisor, uint32_t serial, bool force)
{
	struct error err = {0};
	int result = fs_unmount(supervisor->fs, force, &err);

	answer(supervisor, serial, result, -1, &err);
	/* Its device tells the mail process that the mount is no more. By force, open files
	 * keep the device alive for as long as they are open: nobody waits for them. */
	if (result == 0) {
		supervisor->asked = true;
		stop_mail(supervisor, FORCE_MS);
	}
}

static void started(struct supervisor *supervisor, const struct channel_message *message)
{
	if (supervisor->is_ready || supervisor->failure != STATUS_OK)
		return distrust(supervisor, "says twice how its start went");
	if (message->value < STATUS_OK || message->value > STATUS_MOUNTPOINT)
		return distrust(supervisor, "ends with a status that cannot be");
	if (message->value != STATUS_OK) {
		supervisor->failure = (enum exit_status)message->value;
		error_set(supervisor->err, EIO, "%s", message->text);
		stop_mail(supervisor, FORCE_MS);
		return;
	}
	supervisor->is_ready = true;
	log_info("%s is mounted at %s", supervisor->setup->account,
		supervisor->setup->mountpoint);
	supervisor->ready(supervisor->ready_ctx);
}

static void obey(struct supervisor *supervisor, const struct channel_message *message)
{
	switch ((enum channel_kind)message->kind) {
	case CHANNEL_DIAL:
		return dial(supervisor, message->serial);
	case CHANNEL_HANGUP:
		return wires_hangup(&supervisor->wires, message->value);
	case CHANNEL_UNMOUNT:
		return unmount(supervisor, message->serial, message->value == 1);
	case CHANNEL_READY:
		return started(supervisor, message);
	case CHANNEL_ANSWER:
		return distrust(supervisor, "answers what nobody asked");
	}
}

static void listen_to_mail(struct supervisor *supervisor)
{
	struct channel_message message;

	for (int i = 0; i < MESSAGES_AT_ONCE && supervisor->channel >= 0; i++) {
		int got = channel_receive(supervisor->channel, &message, NULL);

		if (got == -EAGAIN)
			return;
		if (got == -EPROTO) {
			distrust(supervisor, "sends what cannot be");
		} else if (got <= 0) {
			/* It ends, or has: SIGCHLD will tell. */
			close(supervisor->channel);
			supervisor->channel = -1;
			stop_mail(supervisor, 0);
		} else {
			obey(supervisor, &message);
		}
	}
}

static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		log_info("ending, by signal %u", info.ssi_signo);
		supervisor->asked = true;
		stop_mail(supervisor, 0);
	}
	if (waitpid(supervisor->mail, &supervisor->mail_status, WNOHANG) == supervisor->mail)
		supervisor->mail = 0;
}

static int next_timeout(const struct supervisor *supervisor, int64_t now)
{
	int64_t next = supervisor->term_at < supervisor->kill_at ? supervisor->term_at
								 : supervisor->kill_at;
	int wires = wires_timeout(&supervisor->wires, now);

	if (next == INT64_MAX)
		return wires;
	next = next <= now ? 0 : next - now;
	return wires >= 0 && wires < next ? wires : (int)next;
}

static void keep_time(struct supervisor *supervisor, int64_t now)
{
	wires_tend(&supervisor->wires, now);
	if (supervisor->mail && supervisor->term_at <= now) {
		kill(supervisor->mail, SIGTERM);
		supervisor->term_at = INT64_MAX;
	}
	if (supervisor->mail && supervisor->kill_at <= now) {
		log_warning("the mail process does not end and is ended by force");
		kill(supervisor->mail, SIGKILL);
		supervisor->kill_at = INT64_MAX;
	}
}

/* Until the mail process is no more. */
static void watch(struct supervisor *supervisor)
{
	while (supervisor->mail) {
		struct pollfd fds[] = {{.fd = supervisor->signals, .events = POLLIN},
			{.fd = supervisor->channel, .events = POLLIN},
			{.fd = supervisor->relay.fd, .events = POLLIN}};

		if (poll(fds, 3, next_timeout(supervisor, clock_now_ms())) < 0 &&
			errno != EINTR)
			log_error("poll: %s", strerror(errno));
		if (fds[2].revents)
			relay_pass(&supervisor->relay);
		if (fds[1].revents)
			listen_to_mail(supervisor);
		take_signals(supervisor);
		keep_time(supervisor, clock_now_ms());
	}
}

/* It may have said why it could not start and ended before that was read. */
static void last_words(struct supervisor *supervisor)
{
	struct channel_message message;

	while (supervisor->channel >= 0 &&
		channel_receive(supervisor->channel, &message, NULL) == 1)
		if (message.kind == CHANNEL_READY && message.value != STATUS_OK)
			started(supervisor, &message);
}

/* How the mail process ended decides how we do. */
static enum exit_status judge(struct supervisor *supervisor)
{
	int status = supervisor->mail_status;

	if (supervisor->failure != STATUS_OK)
		return supervisor->failure;
	if (!supervisor->is_ready && supervisor->asked) {
		error_set(supervisor->err, EINTR, "interrupted before the mount was ready");
		return STATUS_FAILED;
	}
	if (supervisor->is_ready && (supervisor->asked || status == 0))
		return STATUS_OK;
	if (WIFSIGNALED(status))
		error_set(supervisor->err, EIO,
			"the mail process was ended by signal %d; %s was unmounted",
			WTERMSIG(status), supervisor->setup->mountpoint);
	else
		error_set(supervisor->err, EIO,
			"the mail process failed with status %d; %s was unmounted",
			WEXITSTATUS(status), supervisor->setup->mountpoint);
	return STATUS_FAILED;
}

static enum exit_status clean_up(struct supervisor *supervisor)
{
	enum exit_status status = judge(supervisor);
	struct error err;

	wires_finish(&supervisor->wires);
	/* Nobody serves it any more: what is still open in it can only be cut off. */
	if (fs_unmount(supervisor->fs, true, &err) < 0) {
		log_error("%s", err.text);
		if (status == STATUS_OK) {
			error_set(supervisor->err, err.code, "%s", err.text);
			status = STATUS_FAILED;
		}
	}
	/* Last: whoever waits for the end of the mount watches it go. */
	unlink(supervisor->setup->control);
	return status;
}

static int begin_signals(struct supervisor *supervisor, struct error *err)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&mask, numbers[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	supervisor->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0)
		return error_set(
			err, errno, "no signals can be waited for: %s", strerror(errno));
	return 0;
}

static int begin_mail(struct supervisor *supervisor, struct error *err)
{
	pid_t self = getpid();
	int ends[2];
	int result = channel_pair(ends, err);

	if (result < 0)
		return result;
	supervisor->mail = fork();
	if (supervisor->mail == 0) {
		close(ends[0]);
		close(supervisor->signals);
		if (supervisor->relay.fd >= 0)
			close(supervisor->relay.fd);
		mail_process(supervisor->setup, supervisor->fs, ends[1], self);
	}
	close(ends[1]);
	supervisor->channel = ends[0];
	if (supervisor->mail < 0) {
		supervisor->mail = 0;
		return error_set(err, errno, "no process can be made: %s", strerror(errno));
	}
	fcntl(supervisor->channel, F_SETFL, O_NONBLOCK);
	fs_forget_device(supervisor->fs);
	secret_lock(&supervisor->setup->secret);
	return 0;
}

static int mount(struct supervisor *supervisor, struct error *err)
{
	static const char *const choices[2][2] = {
		{"", "allow_other"}, {"ro", "ro,allow_other"}};
	const struct setup *setup = supervisor->setup;
	const struct fs_conf conf = {
		.mountpoint = setup->mountpoint,
		.source = setup->account,
		.options = choices[setup->options.ro][setup->options.allow_other],
		.debug = setup->debug,
	};

	return fs_mount(&conf, &supervisor->fs, err);
}

enum exit_status supervisor_run(
	struct setup *setup, void (*ready)(void *ctx), void *ready_ctx, struct error *err)
{
	struct supervisor supervisor = {.setup = setup,
		.ready = ready,
		.ready_ctx = ready_ctx,
		.relay = {.fd = -1},
		.signals = -1,
		.channel = -1,
		.term_at = INT64_MAX,
		.kill_at = INT64_MAX,
		.failure = STATUS_OK,
		.err = err};
	enum exit_status status = STATUS_FAILED;

	wires_init(&supervisor.wires, (unsigned)setup->options.connections);
	if (!setup->foreground && relay_begin(&supervisor.relay, err) < 0)
		return STATUS_FAILED;
	if (begin_signals(&supervisor, err) == 0) {
		if (mount(&supervisor, err) < 0) {
			status = STATUS_MOUNTPOINT;
		} else if (begin_mail(&supervisor, err) < 0) {
			fs_unmount(supervisor.fs, true, NULL);
		} else {
			watch(&supervisor);
			last_words(&supervisor);
			status = clean_up(&supervisor);
		}
	}
	fs_destroy(supervisor.fs);
	relay_finish(&supervisor.relay);
	if (supervisor.channel >= 0)
		close(supervisor.channel);
	if (supervisor.signals >= 0)
		close(supervisor.signals);
	return status;
}
