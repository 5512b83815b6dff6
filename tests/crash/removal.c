/*
 * removal - a mount's mail process without the mount: removes messages as rm would, and tells
 * what became of them. tests/crash/test_crash.py runs it, ends it where a fault point says, and
 * runs it again.
 *
 *   removal --port PORT --dir DIR --folder RAW [OPTION..] [UID..]
 *
 * Without a UID it only goes on with what the journal in DIR holds. On standard output:
 *
 *   listed                        everything was listed; with --wait a line on standard input
 * is awaited before the first removal removed UID                   account_remove returned 0;
 * it is in the file --acked as well failed UID ERRNO shown|hidden it did not, and whether the
 * message is there all the same skipped UID                   it is not shown: nobody would
 * remove it row RAW UID STATE REASON      of the journal, in the end shown UID of the folder,
 * in the end
 *
 * Exit status: 0 all was sent; 2 usage; 3 it could not start; 4 the time limit came first.
 */
#include "account_p.h"
#include "faulty_vfs.h"
#include "imap_p.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/log.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_LIMIT_MS 20000
#define LIST_LIMIT_EARLY_MS 1000 /* a cache that cannot be written is never complete */
#define LOOK_AGAIN_US 1000

enum { EXIT_DRAINED = 0, EXIT_USAGE = 2, EXIT_START = 3, EXIT_LIMIT = 4 };

struct options {
	uint16_t port;
	const char *dir, *user, *folder, *trash, *acked;
	uint64_t limit_ms;
	bool wait, kill, early;
	char **uids; /* NULL-ended */
};

/* What one connection was made with: a login wipes its secret. */
struct dialed {
	struct wire_conf conf;
	char secret[16];
	struct dialed *next;
};

struct removal_run {
	struct options options;
	struct journal *journal;
	struct store *store;
	struct store_reader *reader;
	struct account *account;
	struct account_events events;
	atomic_bool stopping;
	pthread_mutex_t mutex; /* for dialed */
	struct dialed *dialed;
};

static struct account_tuning run_tuning = {
	.backoff_first_ms = 10,
	.backoff_max_ms = 40,
	.poke_ms = 10,
	.poke_refused_ms = 10,
	.idle_ms = 60000,
	.extra_ms = 60000,
	.proven_ms = 10000,
	.journal_sync_ms = 20,
	.quiet_ms = 20,
	.resume_ms = 20,
	.marked_ms = 60000,
};

static bool run_stopped(void *ctx)
{
	return atomic_load(&((struct removal_run *)ctx)->stopping);
}

static struct backend *run_dial(void *ctx)
{
	struct removal_run *run = ctx;
	struct dialed *dialed = xcalloc(1, sizeof(*dialed));

	strcpy(dialed->secret, "secret");
	dialed->conf = (struct wire_conf){.protocol = WIRE_IMAP,
		.tls = WIRE_TLS_NONE,
		.host = "127.0.0.1",
		.port = run->options.port,
		.user = run->options.user,
		.secret = dialed->secret,
		.timeout_ms = 5000};
	pthread_mutex_lock(&run->mutex);
	dialed->next = run->dialed;
	run->dialed = dialed;
	pthread_mutex_unlock(&run->mutex);
	return imap_create(&dialed->conf, -1, NULL, run_stopped, run);
}

static int run_open(struct removal_run *run, struct error *err)
{
	char *state = xasprintf("%s/state", run->options.dir);
	char *cache = xasprintf("%s/cache", run->options.dir);
	int result = journal_open(state, "imap://crash", &run->journal, err);

	if (result == 0)
		result = store_open(cache, "imap://crash", 0, &run->store, err);
	if (result == 0) {
		store_hide_by(run->store, run->journal);
		result = store_reader_create(run->store, &run->reader, err);
	}
	free(state);
	free(cache);
	return result;
}

static int run_start(struct removal_run *run, struct error *err)
{
	struct account_conf conf = {
		.name = "crash",
		.connections = 1,
		.timeout_ms = 5000,
		.trash = run->options.trash,
		.backend_create = run_dial,
		.backend_ctx = run,
	};
	int result = run_open(run, err);

	if (result < 0)
		return result;
	conf.journal = run->journal;
	return account_start_tuned(
		&conf, &run_tuning, run->store, &run->events, &run->account, err);
}

static void run_stop(struct removal_run *run)
{
	atomic_store(&run->stopping, true);
	account_stop(run->account);
	store_reader_destroy(run->reader);
	store_close(run->store);
	journal_close(run->journal);
	while (run->dialed) {
		struct dialed *dialed = run->dialed;

		run->dialed = dialed->next;
		free(dialed);
	}
}

struct listing {
	unsigned folders, open;
};

static bool run_count_folder(void *ctx, const struct store_folder *folder)
{
	struct listing *listing = ctx;

	listing->folders++;
	listing->open +=
		!(folder->flags & MAIL_FOLDER_NOSELECT) && folder->listed != STORE_LISTED_FULLY;
	return true;
}

/* Waits for the first listing of every folder. */
static bool run_wait_listed(struct removal_run *run)
{
	int64_t end =
		clock_now_ms() + (run->options.early ? LIST_LIMIT_EARLY_MS : LIST_LIMIT_MS);

	while (clock_now_ms() < end) {
		struct listing listing = {0};

		if (store_folders_all(run->reader, run_count_folder, &listing) == 0 &&
			listing.folders && !listing.open)
			return true;
		usleep(LOOK_AGAIN_US);
	}
	fprintf(stderr, "not everything was listed in time\n");
	return false;
}

/* 1, 0, -errno: whether a message is shown. */
static int run_shows(struct removal_run *run, const struct store_folder *folder, uint32_t uid)
{
	struct store_message message;
	int result =
		store_message_get(run->reader, folder->id, uid, STORE_COLUMNS_NAME, &message);

	if (result < 0)
		return result == -ENOENT ? 0 : result;
	store_message_finish(&message);
	result = store_message_hidden(run->reader, folder, uid);
	return result < 0 ? result : !result;
}

/* On disk before anybody says so. */
static void run_acknowledge(struct removal_run *run, int fd, uint32_t uid)
{
	char line[16];
	int len = snprintf(line, sizeof(line), "%" PRIu32 "\n", uid);

	if (fd >= 0 && (write(fd, line, (size_t)len) != len || fsync(fd) < 0)) {
		perror(run->options.acked);
		abort();
	}
	printf("removed %" PRIu32 "\n", uid);
}

static void run_remove_one(
	struct removal_run *run, const struct store_folder *folder, uint32_t uid, int acked)
{
	char name[32];
	int result, shows = run_shows(run, folder, uid);

	if (shows <= 0) {
		printf("skipped %" PRIu32 "\n", uid);
		return;
	}
	snprintf(name, sizeof(name), "message.%" PRIu32 ".eml", uid);
	result =
		account_remove(run->account, run->reader, folder->id, folder->epoch, uid, name);
	if (result == 0) {
		run_acknowledge(run, acked, uid);
		return;
	}
	shows = run_shows(run, folder, uid);
	printf("failed %" PRIu32 " %s %s\n", uid, strerrorname_np(-result),
		shows == 1 ? "shown" : (shows == 0 ? "hidden" : "unreadable"));
}

static bool run_remove(struct removal_run *run)
{
	struct store_folder folder;
	char line[8];
	int acked = -1;

	if (!run_wait_listed(run) ||
		store_folder_by_raw(run->reader, run->options.folder, &folder) < 0)
		return false;
	printf("listed\n");
	fflush(stdout);
	if (run->options.wait && !fgets(line, sizeof(line), stdin)) {
		store_folder_finish(&folder);
		return false;
	}
	faulty_vfs_arm();
	if (run->options.acked)
		acked = open(
			run->options.acked, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	for (char **text = run->options.uids; *text; text++) {
		uint64_t uid = 0;

		if (str_to_u64(*text, UINT32_MAX, &uid) < 0)
			fprintf(stderr, "%s is no UID\n", *text);
		else
			run_remove_one(run, &folder, (uint32_t)uid, acked);
	}
	if (acked >= 0)
		close(acked);
	store_folder_finish(&folder);
	return true;
}

/*
 * No run is at work, and none begins any more: one that tries marked rows again would be cut
 * off by the end of this process, and leave them as sent.
 */
static bool run_rests(struct removal_run *run)
{
	struct removals *removals = &run->account->removals;
	bool rests;

	pthread_mutex_lock(&run->account->mutex);
	rests = !removals->running;
	if (rests)
		removals->due_ms = INT64_MAX;
	pthread_mutex_unlock(&run->account->mutex);
	return rests;
}

/* Waits until nothing is to be sent. */
static bool run_drain(struct removal_run *run)
{
	int64_t end = clock_now_ms() + (int64_t)run->options.limit_ms;
	struct journal_counts counts;

	account_flush(run->account);
	do {
		journal_counts(run->journal, &counts);
		if (!counts.queued && !counts.sent && run_rests(run))
			return true;
		usleep(LOOK_AGAIN_US);
	} while (clock_now_ms() < end);
	return false;
}

static bool run_print_row(
	void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	printf("row %s %" PRIu32 " %s %s\n", place->raw, row->uid,
		journal_state_name(row->state), row->reason);
	return true;
}

static bool run_print_shown(void *ctx, const struct store_message *message)
{
	printf("shown %" PRIu32 "\n", message->mail.uid);
	return true;
}

static void run_print(struct removal_run *run)
{
	struct account_status status;
	struct store_folder folder;

	if (journal_walk(run->journal, run_print_row, NULL) < 0)
		printf("the journal cannot be read\n");
	if (store_folder_by_raw(run->reader, run->options.folder, &folder) == 0) {
		if (store_messages_walk_shown(run->reader, &folder, 0, STORE_COLUMNS_NAME,
			    run_print_shown, NULL) < 0)
			printf("the cache cannot be read\n");
		store_folder_finish(&folder);
	}
	account_status(run->account, &status);
	if (status.removal_error[0])
		printf("error %s\n", status.removal_error);
	fflush(stdout);
}

static int run_whole(struct removal_run *run)
{
	struct error err = {0};
	int status;

	if (run_start(run, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return EXIT_START;
	}
	if (account_wait_first(run->account, &err) < 0) /* it goes on trying */
		fprintf(stderr, "%s\n", err.text);
	if (run->options.uids[0] && !run_remove(run))
		return EXIT_START;
	status = run_drain(run) ? EXIT_DRAINED : EXIT_LIMIT;
	if (!run->options.uids[0] && !run_wait_listed(run))
		return EXIT_LIMIT;
	run_print(run);
	if (run->options.kill)
		kill(getpid(), SIGKILL);
	return status;
}

static bool run_parse(struct options *options, int argc, char **argv)
{
	enum { PORT = 1, DIR, USER, FOLDER, TRASH, ACKED, LIMIT, RESUME, WAIT, KILL, EARLY };
	static const struct option names[] = {
		{"port", required_argument, NULL, PORT},
		{"dir", required_argument, NULL, DIR},
		{"user", required_argument, NULL, USER},
		{"folder", required_argument, NULL, FOLDER},
		{"trash", required_argument, NULL, TRASH}, /* as trash= of the mount */
		{"acked", required_argument, NULL, ACKED},
		{"limit", required_argument, NULL, LIMIT},   /* ms */
		{"resume", required_argument, NULL, RESUME}, /* ms, see struct account_tuning */
		{"wait", no_argument, NULL, WAIT},
		{"kill", no_argument, NULL, KILL},   /* ends by SIGKILL, not by stopping */
		{"early", no_argument, NULL, EARLY}, /* SQLite may fail from the start */
		{0},
	};
	uint64_t port = 0, resume = run_tuning.resume_ms;
	int which;

	while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (which == PORT && str_to_u64(optarg, UINT16_MAX, &port) < 0)
			return false;
		else if (which == DIR)
			options->dir = optarg;
		else if (which == USER)
			options->user = optarg;
		else if (which == FOLDER)
			options->folder = optarg;
		else if (which == TRASH)
			options->trash = strcmp(optarg, "none") == 0 ? "" : optarg;
		else if (which == ACKED)
			options->acked = optarg;
		else if (which == LIMIT &&
			 str_to_u64(optarg, UINT32_MAX, &options->limit_ms) < 0)
			return false;
		else if (which == RESUME && str_to_u64(optarg, UINT32_MAX, &resume) < 0)
			return false;
		options->wait |= which == WAIT;
		options->kill |= which == KILL;
		options->early |= which == EARLY;
		if (which == '?')
			return false;
	}
	run_tuning.resume_ms = (uint32_t)resume;
	options->port = (uint16_t)port;
	options->uids = argv + optind;
	return options->port && options->dir && options->folder;
}

int main(int argc, char **argv)
{
	struct removal_run run = {
		.options = {.user = "crash", .limit_ms = 20000},
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	int status;

	if (!run_parse(&run.options, argc, argv)) {
		fprintf(stderr, "usage: removal --port PORT --dir DIR --folder RAW [UID..]\n");
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LEVEL_DEBUG, "removal");
	faulty_vfs_register();
	if (run.options.early)
		faulty_vfs_arm();
	status = run_whole(&run);
	run_stop(&run);
	return status;
}
