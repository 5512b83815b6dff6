/*
 * removal_rig.h - the account of sync_fixture.h with a journal, and a Trash on the server.
 */
#ifndef MOUNTMAIL_TESTS_REMOVAL_RIG_H
#define MOUNTMAIL_TESTS_REMOVAL_RIG_H

#include "sync_fixture.h"
#include <mountmail/mail/flags.h>

#define CAPS_ALL (BACKEND_CAP_UIDPLUS | BACKEND_CAP_MOVE)

struct rig {
	struct fixture *fixture;
	struct journal *journal;
	int64_t inbox;
};

static inline void rig_open_journal(struct rig *rig)
{
	char dir[96];
	struct error err = {0};

	snprintf(dir, sizeof(dir), "%s/state", rig->fixture->dir);
	if (journal_open(dir, "imaps://a@b", &rig->journal, &err) < 0)
		fail_msg("%s", err.text);
}

/* The store and its readers as they are after a restart; the journal, too. */
static inline void rig_open(struct rig *rig)
{
	struct fixture *fixture = rig->fixture;
	struct error err = {0};

	rig_open_journal(rig);
	if (store_open(fixture->dir, "imaps://a@b", 0, &fixture->store, &err) < 0)
		fail_msg("%s", err.text);
	store_hide_by(fixture->store, rig->journal);
	assert_int_equal(store_reader_create(fixture->store, &fixture->reader, &err), 0);
	fixture->conf.journal = rig->journal;
}

static inline void rig_close(struct rig *rig)
{
	fixture_stop(rig->fixture);
	store_reader_destroy(rig->fixture->reader);
	store_close(rig->fixture->store);
	journal_close(rig->journal);
	rig->fixture->reader = NULL;
	rig->fixture->store = NULL;
	rig->journal = NULL;
}

static inline int rig_setup(void **state)
{
	struct rig *rig = xcalloc(1, sizeof(*rig));

	assert_int_equal(fixture_setup(state), 0);
	rig->fixture = *state;
	store_reader_destroy(rig->fixture->reader);
	store_close(rig->fixture->store);
	rig_open(rig);
	fake_set_caps(rig->fixture->fake, CAPS_ALL);
	fake_folder_add(rig->fixture->fake, "Trash", NULL, MAIL_FOLDER_TRASH, 9);
	fixture_fill(rig->fixture, "INBOX", 6);
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	rig_open(rig); /* it can be opened after all that, and the fixture closes it */
	*state = rig->fixture;
	fixture_stop(rig->fixture);
	store_reader_destroy(rig->fixture->reader);
	store_close(rig->fixture->store);
	rig->fixture->reader = NULL;
	rig->fixture->store = NULL;
	journal_close(rig->journal);
	free(rig);
	return fixture_teardown(state);
}

static inline void rig_start(struct rig *rig)
{
	rig->inbox = fixture_start_listed(rig->fixture);
	UNTIL(fixture_is_listed(rig->fixture, "Trash"));
	fake_log_clear(rig->fixture->fake);
}

static inline int rig_remove(struct rig *rig, uint32_t uid)
{
	return account_remove(rig->fixture->account, rig->fixture->reader, rig->inbox, 7, uid,
		"a.name.eml");
}

static inline struct journal_counts rig_counts(struct rig *rig)
{
	struct journal_counts counts;

	journal_counts(rig->journal, &counts);
	return counts;
}

static inline bool rig_is_quiet(struct rig *rig)
{
	struct journal_counts counts = rig_counts(rig);

	return !counts.queued && !counts.sent;
}

/* What the server has, and whether INBOX's message is shown. */
static inline void rig_expect(struct rig *rig, const char *raw, const char *uids)
{
	char *have = fake_folder_uids(rig->fixture->fake, raw);

	assert_string_equal(have, uids);
	free(have);
}

static inline bool rig_shows(struct rig *rig, uint32_t uid)
{
	struct store_reader *reader = rig->fixture->reader;
	struct store_folder folder;
	struct store_message message;
	bool shown;

	assert_int_equal(store_folder_by_id(reader, rig->inbox, &folder), 0);
	shown = store_message_get(reader, rig->inbox, uid, STORE_COLUMNS_NAME, &message) == 0;
	if (shown) {
		store_message_finish(&message);
		shown = store_message_hidden(reader, &folder, uid) == 0;
	}
	store_folder_finish(&folder);
	return shown;
}

static inline bool rig_first_row(
	void *ctx, const struct journal_place *place, const struct journal_row *row)
{
	struct journal_row *out = ctx;

	*out = *row;
	out->message_id = out->name = out->copy_raw = NULL;
	out->reason = xstrdup(row->reason);
	return false;
}

/* The first row; its reason is owned, its other texts are NULL. */
static inline struct journal_row rig_row(struct rig *rig)
{
	struct journal_row row = {0};

	assert_int_equal(journal_walk(rig->journal, rig_first_row, &row), 0);
	assert_int_not_equal(row.state, 0);
	return row;
}

static inline void rig_expect_row(
	struct rig *rig, enum journal_state expected, const char *part)
{
	struct journal_row row = rig_row(rig);

	assert_string_equal(journal_state_name(row.state), journal_state_name(expected));
	if (part && !strstr(row.reason, part))
		fail_msg("\"%s\" is not in \"%s\"", part, row.reason);
	free(row.reason);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

#endif
