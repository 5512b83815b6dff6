#include "mail_p.h"
#include "process_p.h"
#include "sandbox_p.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/fs/control.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MALLOC_ARENAS 4 /* each may reserve 64 MiB of addresses, and keeps what it freed */

/* Everything the process holds, in the order in which it is made. */
struct mail {
	const struct setup *setup;
	struct mail_channel channel;
	struct fs *fs;
	struct store *store;
	struct journal *journal;
	int control;
	struct account *account;
};

/* For the signal handler alone. */
static struct fs *served;

static void stop(int number)
{
	fs_stop(served);
}

static struct backend *make_backend(void *ctx)
{
	struct mail *mail = ctx;
	const struct client_dialer dialer = {
		.ctx = &mail->channel,
		.dial = mail_channel_dial,
		.hangup = mail_channel_hangup,
	};

	return client_create(&dialer, mail->setup->wire.timeout_ms);
}

/* What would be loaded from a file later on, when no file can be reached any more. */
static void load_early(void)
{
	/* pthread_cancel() and pthread_exit() need it. */
	if (!dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_GLOBAL))
		log_debug("libgcc_s is not there: %s", dlerror());
}

/* What has to be done with files still in reach. */
static int open_files(struct mail *mail, struct error *err)
{
	const struct setup *setup = mail->setup;
	const char *dirs[] = {setup->cache, setup->state};
	int result = store_open(
		setup->cache, setup->identity, setup->options.cachesize, &mail->store, err);

	if (result < 0)
		return result;
	result = journal_open(setup->state, setup->identity, &mail->journal, err);
	if (result < 0)
		return result;
	store_hide_by(mail->store, mail->journal);
	mail->control = control_listen(setup->control, err);
	if (mail->control < 0)
		return mail->control;
	load_early();
	return sandbox_mail(dirs, sizeof(dirs) / sizeof(dirs[0]), err);
}

/* NULL for the account's Trash, "" for none, as sync has it. */
static const char *trash_of(const struct options *options)
{
	if (!options->trash || strcmp(options->trash, "auto") == 0)
		return NULL;
	return strcmp(options->trash, "none") == 0 ? "" : options->trash;
}

static int start_account(struct mail *mail, struct error *err)
{
	const struct options *options = &mail->setup->options;
	const struct account_conf conf = {
		.name = mail->setup->account,
		.folders = mail->setup->folders,
		.exclude = options->exclude,
		.connections = (unsigned)options->connections,
		.brief = mail->setup->wire.protocol == WIRE_POP3,
		.timeout_ms = mail->setup->wire.timeout_ms,
		.poll_s = (uint32_t)options->poll,
		/* With "ro" what was removed before stays hidden, and stays where it is. */
		.journal = options->ro ? NULL : mail->journal,
		.trash = trash_of(options),
		.brake = (unsigned)options->brake,
		.backend_create = make_backend,
		.backend_ctx = mail,
		.backend_pid = client_pid,
	};

	return account_start(&conf, mail->store, fs_events(mail->fs), &mail->account, err);
}

static enum exit_status status_of(int result)
{
	switch (-result) {
	case 0:
		return STATUS_OK;
	case EACCES:
		return STATUS_LOGIN;
	case EPROTO:
		return STATUS_REFUSED;
	default:
		return STATUS_UNREACHABLE;
	}
}

static enum exit_status start(struct mail *mail, struct error *err)
{
	if (open_files(mail, err) < 0 || start_account(mail, err) < 0)
		return STATUS_FAILED;
	return status_of(account_wait_first(mail->account, err));
}

static int serve(struct mail *mail, pid_t supervisor)
{
	const struct options *options = &mail->setup->options;
	const struct fs_host host = {
		.account = mail->account,
		.store = mail->store,
		.journal = mail->journal,
		.account_name = mail->setup->account,
		.version = MOUNTMAIL_VERSION,
		.control_path = mail->setup->control,
		.control_fd = mail->control,
		.view = {(uid_t)options->uid, (gid_t)options->gid, (mode_t)options->umask,
			clock_wall_s()},
		.supervisor_pid = supervisor,
		.unmount = mail_channel_unmount,
		.unmount_ctx = &mail->channel,
	};
	const struct sigaction stopping = {.sa_handler = stop, .sa_flags = SA_RESTART};
	struct error err;
	int result;

	served = mail->fs;
	sigaction(SIGTERM, &stopping, NULL);
	result = fs_serve(mail->fs, &host, &err);
	if (result < 0)
		log_error("%s: the mount cannot be served: %s", mail->setup->account, err.text);
	/* From here on it would have nothing to stop. */
	signal(SIGTERM, SIG_IGN);
	return result;
}

static void finish(struct mail *mail)
{
	account_stop(mail->account);
	fs_destroy(mail->fs);
	store_close(mail->store);
	journal_close(mail->journal);
	if (mail->control >= 0)
		close(mail->control);
}

_Noreturn void mail_process(struct setup *setup, struct fs *fs, int channel, pid_t supervisor)
{
	struct mail mail = {.setup = setup, .fs = fs, .control = -1};
	struct error err = {0};
	enum exit_status status;

	secret_finish(&setup->secret);
	setup->wire.secret = NULL;
	process_die_with(supervisor);
	process_become("mountmail: mail", "mail");
	mallopt(M_ARENA_MAX, MALLOC_ARENAS);
	mail_channel_init(&mail.channel, channel);
	status = start(&mail, &err);
	mail_channel_ready(&mail.channel, status, err.text);
	if (status == STATUS_OK && serve(&mail, supervisor) < 0)
		status = STATUS_FAILED;
	finish(&mail);
	exit((int)status);
}
