#include "imap_remove_rig.h"
#include <unistd.h>

static const uint32_t two[] = {3, 5};

static struct backend_removal step_of(enum backend_step step)
{
	bool goes = step == BACKEND_STEP_MOVE || step == BACKEND_STEP_COPY;

	return (struct backend_removal){.step = step,
		.raw = "INBOX",
		.epoch = 7,
		.uids = two,
		.count = 2,
		.to = goes ? "Trash" : NULL};
}

#define CAPS "* CAPABILITY IMAP4rev1 UIDPLUS MOVE\r\n\1 OK done\r\n"

static void start_with(struct script *script, const char *caps, const struct turn *turns)
{
	const struct turn login[] = {{"CAPABILITY", caps},
		{"LOGIN \"alice\" \"sesame\"", "\1 OK welcome\r\n"}, {"CAPABILITY", caps},
		{NULL}};

	script_init(script);
	script->hold = false;
	script_add(script, login);
	script_add(script, turns);
	script_open(script);
	if (script->result.status != BACKEND_OK)
		fail_msg("open: %s", script->result.text);
}

static void take(struct script *script, const struct backend_removal *removal)
{
	script->backend->ops->remove(script->backend, removal, &script->result);
}

static void finish(struct script *script)
{
	unsigned turned = script->turned, count = (unsigned)script->count;

	script_close(script);
	assert_int_equal(turned, count);
}

static void expect_removal(const struct turn *turns, const struct backend_removal *removal,
	enum backend_status status, const char *text)
{
	struct script script;

	start_with(&script, CAPS, turns);
	take(&script, removal);
	assert_status(&script, status);
	assert_text(&script, text);
	finish(&script);
}

static void expect_step(const struct turn *turns, enum backend_step step,
	enum backend_status status, const char *text)
{
	const struct backend_removal removal = step_of(step);

	expect_removal(turns, &removal, status, text);
}

/* One after the other, with one SELECT, and with all that may come in between. */
static void test_steps(void **state)
{
	static const enum backend_step steps[] = {BACKEND_STEP_MOVE, BACKEND_STEP_COPY,
		BACKEND_STEP_MARK, BACKEND_STEP_EXPUNGE, BACKEND_STEP_EXPUNGE_ALL};
	static const struct turn turns[] = {SELECT,
		{"UID MOVE 3,5 \"Trash\"\r",
			"* OK [COPYUID 432432 3,5 12:13] moved\r\n* 2 EXPUNGE\r\n"
			"* 1 EXPUNGE\r\n* VANISHED 405,407:409\r\n\1 OK x\r\n"},
		{"UID COPY 3,5 \"Trash\"\r",
			"* OK [COPYUID (1 {3} *] x\r\n\1 OK [COPYUID 1 3:* 99999999999] x\r\n"},
		{"UID STORE 3,5 +FLAGS.SILENT (\\Deleted)\r",
			"* 3 FETCH (FLAGS (\\Deleted \\Seen))\r\n* 1 FETCH (UID 3 FLAGS "
			"NONSENSE)\r\n* 9 EXISTS\r\n\1 OK x\r\n"},
		{"UID EXPUNGE 3,5\r",
			"* 3 EXPUNGE\r\n* 3 EXPUNGE\r\n\1 OK [EXPUNGEISSUED]\r\n"},
		{"EXPUNGE\r", "* VANISHED (EARLIER) 1:5\r\n* 0 EXPUNGE\r\n\1 OK x\r\n"},
		{NULL}};
	struct script script;

	start_with(&script, CAPS, turns);
	assert_int_equal(script.server.caps, BACKEND_CAP_UIDPLUS | BACKEND_CAP_MOVE);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct backend_removal removal = step_of(steps[i]);

		take(&script, &removal);
		assert_status(&script, BACKEND_OK);
		assert_string_equal(script.result.text, "");
	}
	finish(&script);
}

/* A look in between leaves the folder open for reading. */
static void test_opens_for_writing_again(void **state)
{
	static const struct turn turns[] = {SELECT, {"UID STORE", "\1 OK x\r\n"},
		EXAMINE("3", "10"), {"UID SEARCH UID 3,5", "* SEARCH 3\r\n\1 OK x\r\n"}, SELECT,
		{"UID EXPUNGE", "\1 OK x\r\n"},
		{"SELECT \"Other\"", OPENED("3", "10", "READ-WRITE")},
		{"UID EXPUNGE", "\1 OK x\r\n"}, {NULL}};
	const struct backend_verify look = {
		.raw = "INBOX", .epoch = 7, .uids = two, .count = 2};
	struct backend_removal removal = step_of(BACKEND_STEP_MARK);
	struct told told = {0};
	struct script script;

	start_with(&script, CAPS, turns);
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	verify(&script, &look, &told);
	assert_string_equal(told.log.data, "begin 7 3 10|3|");
	removal.step = BACKEND_STEP_EXPUNGE;
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	removal.raw = "Other";
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	buf_finish(&told.log);
	finish(&script);
}

static void test_folder_names(void **state)
{
	static const struct turn turns[] = {{"SELECT \"a\\\\b\\\"\"", OPENED("3", "10", "X")},
		{"UID MOVE 3,5 \"c\\\"d\\\\\"\r", "\1 OK x\r\n"},
		{"UID MOVE 3,5 {2}\r", "+ go on\r\n"}, {"\xc3\xa4\r", "\1 OK x\r\n"}, {NULL}};
	struct backend_removal removal = step_of(BACKEND_STEP_MOVE);
	struct script script;

	removal.raw = "a\\b\"";
	removal.to = "c\"d\\";
	start_with(&script, CAPS, turns);
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	removal.to = "\xc3\xa4";
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	removal.to = "x\r\n9 EXPUNGE";
	take(&script, &removal);
	assert_status(&script, BACKEND_REFUSED);
	finish(&script);
}

static void test_other_epoch(void **state)
{
	static const struct turn turns[] = {SELECT, {NULL}};
	static const struct turn none[] = {
		{"SELECT", "* 3 EXISTS\r\n\1 OK x\r\n"}, {"UID STORE", "\1 OK x\r\n"}, {NULL}};
	struct backend_removal removal = step_of(BACKEND_STEP_MARK);

	removal.epoch = 8;
	expect_removal(turns, &removal, BACKEND_FOLDER_CHANGED, "anew");
	removal.epoch = 0;
	expect_removal(turns, &removal, BACKEND_FOLDER_CHANGED, "anew");
	expect_removal(none, &removal, BACKEND_OK, "");
	removal.epoch = 7;
	expect_removal((const struct turn[]){none[0], {NULL}}, &removal, BACKEND_FOLDER_CHANGED,
		"anew");
}

static void test_read_only(void **state)
{
	static const struct turn coded[] = {{"SELECT", OPENED("3", "10", "READ-ONLY")}, {NULL}};
	static const struct turn untagged[] = {
		{"SELECT", "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"
			   "* OK [READ-ONLY] x\r\n\1 OK x\r\n"},
		{NULL}};
	/* Only readers are let in. */
	static const struct turn no[] = {
		{"SELECT", "\1 NO [NOPERM] denied\r\n"}, EXAMINE("3", "10"), {NULL}};
	static const struct turn gone[] = {{"SELECT", "\1 NO what\r\n"},
		{"EXAMINE", "\1 NO [NONEXISTENT] no such folder\r\n"}, {NULL}};
	static const struct turn busy[] = {{"SELECT", "\1 NO [INUSE] later\r\n"}, {NULL}};

	expect_step(coded, BACKEND_STEP_MARK, BACKEND_REFUSED, "the option ro");
	expect_step(untagged, BACKEND_STEP_MARK, BACKEND_REFUSED, "reading only");
	expect_step(no, BACKEND_STEP_MARK, BACKEND_REFUSED, "reading only");
	expect_step(gone, BACKEND_STEP_MARK, BACKEND_FOLDER_GONE, "no such folder");
	expect_step(busy, BACKEND_STEP_MARK, BACKEND_THROTTLED, "later");
}

static void test_refusals(void **state)
{
	static const struct turn no[] = {SELECT, {"UID MOVE", "\1 NO not today\r\n"}, {NULL}};
	static const struct turn bad[] = {SELECT, {"UID MOVE", "\1 BAD what\r\n"}, {NULL}};
	static const struct turn create[] = {
		SELECT, {"UID COPY", "\1 NO [TRYCREATE] no Trash\r\n"}, {NULL}};
	static const struct turn full[] = {
		SELECT, {"UID COPY", "\1 NO [OVERQUOTA] full\r\n"}, {NULL}};
	static const struct turn expunge[] = {SELECT, {"EXPUNGE", "\1 NO\r\n"}, {NULL}};

	expect_step(no, BACKEND_STEP_MOVE, BACKEND_REFUSED, "not today");
	expect_step(bad, BACKEND_STEP_MOVE, BACKEND_REFUSED, "does not understand");
	expect_step(create, BACKEND_STEP_COPY, BACKEND_REFUSED, "is not there (no Trash)");
	expect_step(full, BACKEND_STEP_COPY, BACKEND_REFUSED, "no room");
	expect_step(expunge, BACKEND_STEP_EXPUNGE_ALL, BACKEND_REFUSED, "no reason given");
}

static void test_busy_and_lost(void **state)
{
	static const struct turn busy[] = {
		SELECT, {"UID MOVE", "* 1 EXPUNGE\r\n\1 NO [UNAVAILABLE] x\r\n"}, {NULL}};
	static const struct turn backoff[] = {SELECT,
		{"UID STORE", "\1 BAD Suggested Backoff Time: 9000 milliseconds\r\n"}, {NULL}};
	static const struct turn torn[] = {
		SELECT, {"UID MOVE", "* 1 EXPUNGE\r\n* 1 EXP"}, {NULL}};
	static const struct turn bye[] = {SELECT, {"UID MOVE", "* BYE going down\r\n"}, {NULL}};
	static const struct turn silent[] = {SELECT, {"UID MOVE", ""}, {NULL}};

	expect_step(busy, BACKEND_STEP_MOVE, BACKEND_THROTTLED, "asked to wait");
	expect_step(backoff, BACKEND_STEP_MARK, BACKEND_THROTTLED, "asked to wait");
	expect_step(torn, BACKEND_STEP_MOVE, BACKEND_CONNECTION_LOST, "moving messages");
	expect_step(bye, BACKEND_STEP_MOVE, BACKEND_CONNECTION_LOST, "going down");
	expect_step(silent, BACKEND_STEP_MOVE, BACKEND_CONNECTION_LOST, "moving messages");
}

/* What is not offered is not sent: who takes UID EXPUNGE for EXPUNGE removes others' mail. */
static void test_what_is_not_offered(void **state)
{
	static const struct turn turns[] = {SELECT, {"UID STORE", "\1 OK x\r\n"}, {NULL}};
	struct backend_removal removal = step_of(BACKEND_STEP_MOVE);
	struct script script;

	start_with(&script, "* CAPABILITY IMAP4rev1\r\n\1 OK x\r\n", turns);
	take(&script, &removal);
	assert_status(&script, BACKEND_REFUSED);
	removal = step_of(BACKEND_STEP_EXPUNGE);
	take(&script, &removal);
	assert_status(&script, BACKEND_REFUSED);
	removal = step_of(BACKEND_STEP_MARK);
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	finish(&script);
}

/* Several commands of one kind, none of them longer than servers take; all UIDs, each once. */
static void test_a_thousand_scattered(void **state)
{
	static const struct turn turns[] = {SELECT, {"UID MOVE 4000000000,", "\1 OK x\r\n"},
		{"UID MOVE ", "\1 OK x\r\n"}, {"UID MOVE ", "\1 OK x\r\n"}, {NULL}};
	struct backend_removal removal = step_of(BACKEND_STEP_MOVE);
	uint32_t uids[BACKEND_REMOVE_MAX], next = 4000000000u;
	struct script script;
	char *line, *save;

	for (uint32_t i = 0; i < BACKEND_REMOVE_MAX; i++)
		uids[i] = next + 2 * i;
	removal.uids = uids;
	removal.count = BACKEND_REMOVE_MAX;
	start_with(&script, CAPS, turns);
	take(&script, &removal);
	assert_status(&script, BACKEND_OK);
	line = strtok_r(script.heard.data, "\n", &save);
	for (; line; line = strtok_r(NULL, "\n", &save)) {
		char *at = strstr(line, " UID MOVE ");

		assert_true(strlen(line) < 8000);
		for (at = at ? at + strlen(" UID MOVE ") : NULL; at && *at >= '0'; at++) {
			assert_int_equal(strtoul(at, &at, 10), next);
			next += 2;
			if (*at != ',')
				break;
		}
	}
	assert_int_equal(next, 4000000000u + 2 * BACKEND_REMOVE_MAX);
	finish(&script);
}

/* The second part is refused: the first may be done, and nothing more is tried. */
static void test_refused_in_the_middle(void **state)
{
	static const struct turn turns[] = {SELECT, {"UID COPY 4000000000,", "\1 OK x\r\n"},
		{"UID COPY ", "\1 NO not these\r\n"}, {NULL}};
	struct backend_removal removal = step_of(BACKEND_STEP_COPY);
	uint32_t uids[BACKEND_REMOVE_MAX];

	for (uint32_t i = 0; i < BACKEND_REMOVE_MAX; i++)
		uids[i] = 4000000000u + 2 * i;
	removal.uids = uids;
	removal.count = BACKEND_REMOVE_MAX;
	expect_removal(turns, &removal, BACKEND_REFUSED, "not these");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_opens_for_writing_again),
		cmocka_unit_test(test_folder_names),
		cmocka_unit_test(test_other_epoch),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_busy_and_lost),
		cmocka_unit_test(test_what_is_not_offered),
		cmocka_unit_test(test_a_thousand_scattered),
		cmocka_unit_test(test_refused_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
