#include "imap_script.h"

struct listed {
	struct mail_folder folders[64];
	size_t count;
	size_t stop_at; /* 0: never */
};

static bool on_folder(void *ctx, const struct mail_folder *folder)
{
	struct listed *listed = ctx;

	assert_true(listed->count < 64);
	listed->folders[listed->count++] = (struct mail_folder){.raw = xstrdup(folder->raw),
		.path = xstrdup(folder->path),
		.flags = folder->flags};
	return listed->count != listed->stop_at;
}

static void list(struct script *script, struct listed *listed)
{
	const struct backend_list_sink sink = {.ctx = listed, .folder = on_folder};

	script->backend->ops->list(script->backend, &sink, &script->result);
}

static void forget(struct listed *listed)
{
	for (size_t i = 0; i < listed->count; i++)
		mail_folder_finish(&listed->folders[i]);
	listed->count = 0;
}

static void check(const struct listed *listed, size_t i, const char *raw, const char *path,
	uint32_t flags)
{
	assert_true(i < listed->count);
	assert_string_equal(listed->folders[i].raw, raw);
	assert_string_equal(listed->folders[i].path, path);
	assert_int_equal(listed->folders[i].flags, flags);
}

static void test_folders_and_flags(void **state)
{
	static const struct turn turns[] = {
		{"LIST \"\" \"*\"\r\n",
			"* LIST (\\HasNoChildren \\UnMarked \\Trash) \"/\" Trash\r\n"
			"* LIST (\\Noselect \\HasChildren) \"/\" \"a b\"\r\n"
			"* LIST (\\Marked \\NoSelect) \"/\" m\r\n"
			"* LIST (\\NonExistent \\HasChildren) \"/\" gone\r\n"
			"* LIST (\\HasNoChildren \\Sent) \"/\" \"a b/Gesendet &- x\"\r\n"
			"* LIST () \"/\" inbox\r\n"
			"* LIST (\\HasNoChildren) \"/\" {11}\r\nqu\"ote\\back\r\n"
			"* LIST (\\Drafts \\Junk \\Flagged \\All \\Archive) \"/\" many\r\n"
			"\1 OK done\r\n"},
		{NULL}};
	struct listed listed = {.count = 0};
	struct script script;

	script_start(&script, turns);
	list(&script, &listed);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(listed.count, 8);
	check(&listed, 0, "Trash", "Trash", MAIL_FOLDER_TRASH);
	check(&listed, 1, "a b", "a b", MAIL_FOLDER_NOSELECT);
	check(&listed, 2, "m", "m", MAIL_FOLDER_NOSELECT);
	check(&listed, 3, "gone", "gone", MAIL_FOLDER_NOSELECT);
	check(&listed, 4, "a b/Gesendet &- x", "a b\nGesendet & x", MAIL_FOLDER_SENT);
	check(&listed, 5, "inbox", "INBOX", MAIL_FOLDER_INBOX);
	check(&listed, 6, "qu\"ote\\back", "qu\"ote\\back", 0);
	check(&listed, 7, "many", "many", MAIL_FOLDER_DRAFTS | MAIL_FOLDER_JUNK |
		MAIL_FOLDER_FLAGGED | MAIL_FOLDER_ALL | MAIL_FOLDER_ARCHIVE);
	forget(&listed);
	script_close(&script);
}

static void test_odd_names(void **state)
{
	static const struct turn turns[] = {
		{"LIST", "* LIST () NIL \"flat/with.all\"\r\n"
			 "* LIST () \".\" \"..\"\r\n"
			 "* LIST () \"\\\\\" \"a\\\\b\"\r\n"
			 "* LIST () \"/\" \"\303\274ber\"\r\n"
			 "* LIST () \"/\" \"bad&utf7\"\r\n"
			 "* LIST () \"/\" \"lat\374n\"\r\n"
			 "* LIST () \"/\" \"tail/\"\r\n"
			 "* LIST () \"/\" {8}\r\nbad\r\nnam\r\n"
			 "* LIST () \"/\" \"\"\r\n"
			 "* LIST () \"/\" \"NIL\"\r\n"
			 "\1 OK done\r\n"},
		{NULL}};
	struct listed listed = {.count = 0};
	struct script script;

	script_start(&script, turns);
	list(&script, &listed);
	assert_status(&script, BACKEND_OK);
	check(&listed, 0, "flat/with.all", "flat/with.all", 0);
	check(&listed, 1, "..", "\x01\n\x01", 0);
	check(&listed, 2, "a\\b", "a\nb", 0);
	check(&listed, 3, "\303\274ber", "\303\274ber", 0);
	check(&listed, 4, "bad&utf7", "\x01" "bad&utf7", 0);
	check(&listed, 5, "lat\374n", "\x01" "lat\374n", 0);
	check(&listed, 6, "tail/", "tail", 0);
	check(&listed, 7, "NIL", "NIL", 0); /* those before it have no usable name */
	assert_int_equal(listed.count, 8);
	forget(&listed);
	script_close(&script);
}

static void with_caps(struct script *script, const char *caps, const struct turn *turns)
{
	static char answer[256]; /* the server may look at it once more when it is sent */
	const struct turn login[] = {{"CAPABILITY", answer}, {"LOGIN", "\1 OK in\r\n"},
		{"CAPABILITY", answer}, {NULL}};

	snprintf(answer, sizeof(answer), "* CAPABILITY IMAP4rev1 %s\r\n\1 OK x\r\n", caps);
	script_init(script);
	script_add(script, login);
	script_add(script, turns);
	script_open(script);
	assert_status(script, BACKEND_OK);
}

static void test_namespace_prefix(void **state)
{
	static const struct turn turns[] = {
		{"NAMESPACE", "* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) NIL\r\n\1 OK x\r\n"},
		{"LIST", "* LIST (\\HasChildren) \".\" INBOX\r\n"
			 "* LIST () \".\" INBOX.Sent\r\n"
			 "* LIST () \".\" INBOX.INBOX\r\n"
			 "* LIST () \".\" user.bob.x\r\n"
			 "\1 OK done\r\n"},
		{NULL}};
	struct listed listed = {.count = 0};
	struct script script;

	with_caps(&script, "NAMESPACE", turns);
	list(&script, &listed);
	assert_status(&script, BACKEND_OK);
	check(&listed, 0, "INBOX", "INBOX", MAIL_FOLDER_INBOX);
	check(&listed, 1, "INBOX.Sent", "Sent", 0);
	check(&listed, 2, "INBOX.INBOX", "INBOX\nINBOX", 0);
	check(&listed, 3, "user.bob.x", "user\nbob\nx", 0);
	forget(&listed);
	script_close(&script);
}

static void test_broken_namespaces_are_none(void **state)
{
	static const char *const answers[] = {"* NAMESPACE NIL NIL NIL\r\n\1 OK x\r\n",
		"* NAMESPACE\r\n\1 OK x\r\n", "\1 NO none\r\n", "\1 BAD what\r\n",
		"* NAMESPACE ((IN\r\n\1 OK x\r\n"};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct turn turns[] = {{"NAMESPACE", answers[i]},
			{"LIST", "* LIST () \"/\" a\r\n\1 OK x\r\n"}, {NULL}};
		struct listed listed = {.count = 0};
		struct script script;

		with_caps(&script, "NAMESPACE", turns);
		list(&script, &listed);
		assert_status(&script, BACKEND_OK);
		check(&listed, 0, "a", "a", 0);
		forget(&listed);
		script_close(&script);
	}
}

static void test_special_use_is_asked_for_where_it_has_to(void **state)
{
	static const struct turn turns[] = {
		{"LIST \"\" \"*\" RETURN (SPECIAL-USE)\r\n",
			"* LIST (\\Junk) \"/\" s\r\n\1 OK x\r\n"},
		{NULL}};
	static const struct turn refused[] = {{"RETURN (SPECIAL-USE)", "\1 BAD what\r\n"},
		{"LIST \"\" \"*\"\r\n", "* LIST (\\Junk) \"/\" s\r\n\1 OK x\r\n"}, {NULL}};
	static const struct turn unreadable[] = {
		{"RETURN (SPECIAL-USE)",
			"* LIST (\\Junk) s\r\n\1 OK x\r\n"},
		{"LIST \"\" \"*\"\r\n", "* LIST (\\Junk) \"/\" s\r\n\1 OK x\r\n"}, {NULL}};
	const struct turn *const cases[] = {turns, refused, unreadable};

	for (size_t i = 0; i < 3; i++) {
		struct listed listed = {.count = 0};
		struct script script;

		with_caps(&script, "SPECIAL-USE LIST-EXTENDED", cases[i]);
		list(&script, &listed);
		assert_status(&script, BACKEND_OK);
		assert_int_equal(listed.count, 1);
		check(&listed, 0, "s", "s", MAIL_FOLDER_JUNK);
		forget(&listed);
		script_close(&script);
	}
}

static void expect_list(const char *answer, enum backend_status status, const char *text)
{
	const struct turn turns[] = {{"LIST", answer}, {NULL}};
	struct listed listed = {.count = 0};
	struct script script;

	script_start_as(&script, turns, false);
	list(&script, &listed);
	assert_status(&script, status);
	assert_text(&script, text);
	forget(&listed);
	script_close(&script);
}

static void test_list_failures(void **state)
{
	expect_list("\1 NO not you\r\n", BACKEND_REFUSED, "not you");
	expect_list("\1 NO [UNAVAILABLE] wait\r\n", BACKEND_THROTTLED, "wait");
	expect_list("* BYE leaving\r\n", BACKEND_CONNECTION_LOST, "leaving");
	expect_list("* LIST (", BACKEND_CONNECTION_LOST, "");
	expect_list("77 OK x\r\n", BACKEND_CONNECTION_LOST, "");
	expect_list("nonsense\r\n", BACKEND_CONNECTION_LOST, "");
}

static void test_lines_that_make_no_sense_are_skipped(void **state)
{
	static const struct turn turns[] = {
		{"LIST", "* LIST (\\) \"/\" a\r\n* LIST\r\n* FOO bar {3}\r\nabc\r\n"
			 "* LIST () \"/\" last\r\n\1 OK x\r\n"},
		{NULL}};
	struct listed listed = {.count = 0};
	struct script script;

	script_start(&script, turns);
	list(&script, &listed);
	assert_status(&script, BACKEND_OK);
	assert_true(listed.count >= 1);
	assert_string_equal(listed.folders[listed.count - 1].raw, "last");
	forget(&listed);
	script_close(&script);
}

static void test_stopping(void **state)
{
	static const struct turn turns[] = {
		{"LIST", "* LIST () \"/\" a\r\n* LIST () \"/\" b\r\n\1 OK x\r\n"},
		{"LIST", "* LIST () \"/\" a\r\n* LIST () \"/\" b\r\n\1 OK x\r\n"}, {NULL}};
	struct listed listed = {.stop_at = 1};
	struct script script;

	script_start(&script, turns);
	list(&script, &listed);
	assert_status(&script, BACKEND_STOPPED);
	assert_int_equal(listed.count, 1);
	forget(&listed);
	listed.stop_at = 0;
	list(&script, &listed);
	assert_status(&script, BACKEND_OK);
	assert_int_equal(listed.count, 2);
	forget(&listed);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folders_and_flags),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_namespace_prefix),
		cmocka_unit_test(test_broken_namespaces_are_none),
		cmocka_unit_test(test_special_use_is_asked_for_where_it_has_to),
		cmocka_unit_test(test_list_failures),
		cmocka_unit_test(test_lines_that_make_no_sense_are_skipped),
		cmocka_unit_test(test_stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
