/*
 * test_url.c - where an account is, and what is no URL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <url_p.h>

static void test_whole(void **state)
{
	struct url url;
	struct error err;
	char *text;

	assert_int_equal(
		url_parse("imaps://alice@Example.ORG:1993/Archive/2024%20A/", &url, &err), 0);
	assert_true(url.implicit);
	assert_string_equal(url.user, "alice");
	assert_string_equal(url.host, "example.org");
	assert_int_equal(url.port, 1993);
	assert_string_equal(url.folder, "Archive/2024 A");
	text = url_identity(&url, WIRE_TLS_IMPLICIT);
	assert_string_equal(text, "imaps://alice@example.org:1993");
	free(text);
	text = url_label(&url, WIRE_TLS_IMPLICIT);
	assert_string_equal(text, "alice@example.org:1993");
	free(text);
	url_finish(&url);
}

static void test_usual_ports(void **state)
{
	struct url url;
	struct error err;
	char *label;

	assert_int_equal(url_parse("imap://a%40b@c@host/", &url, &err), 0);
	assert_false(url.implicit);
	assert_string_equal(url.user, "a@b@c");
	assert_null(url.folder);
	assert_int_equal(url_port(&url, WIRE_TLS_STARTTLS), 143);
	assert_int_equal(url_port(&url, WIRE_TLS_IMPLICIT), 993);
	label = url_label(&url, WIRE_TLS_STARTTLS);
	assert_string_equal(label, "a@b@c@host");
	free(label);
	url_finish(&url);
}

static void test_pop3(void **state)
{
	struct url url;
	struct error err;
	char *text;

	assert_int_equal(url_parse("POP3S://a@host/", &url, &err), 0);
	assert_int_equal(url.protocol, WIRE_POP3);
	assert_true(url.implicit);
	assert_int_equal(url_port(&url, WIRE_TLS_IMPLICIT), 995);
	text = url_identity(&url, WIRE_TLS_IMPLICIT);
	assert_string_equal(text, "pop3s://a@host:995");
	free(text);
	/* Its cache is not that of a@host's IMAP account. */
	text = url_label(&url, WIRE_TLS_IMPLICIT);
	assert_string_equal(text, "a@host:pop3");
	free(text);
	url_finish(&url);
	assert_int_equal(url_parse("pop3://a@host:1110", &url, &err), 0);
	assert_false(url.implicit);
	text = url_label(&url, WIRE_TLS_STARTTLS);
	assert_string_equal(text, "a@host:pop3:1110");
	free(text);
	url_finish(&url);
}

static void test_ipv6(void **state)
{
	struct url url;
	struct error err;
	char *text;

	assert_int_equal(url_parse("imaps://a@[::1]:993", &url, &err), 0);
	assert_string_equal(url.host, "::1");
	text = url_identity(&url, WIRE_TLS_IMPLICIT);
	assert_string_equal(text, "imaps://a@[::1]:993");
	free(text);
	url_finish(&url);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *word;
	} refusals[] = {
		{"imaps://alice:hunter2@host", "password"},
		{"imaps://localhost", "user"},
		{"imaps://@localhost", "user"},
		{"imaps://a@", "host"},
		{"imaps://a@:993", "host"},
		{"imaps://a@host:0", "port"},
		{"imaps://a@host:99999", "port"},
		{"imaps://a@host:", "port"},
		{"imaps://a@ho st", "host"},
		{"imaps://a@::1", "brackets"},
		{"imaps://a@[::1", "["},
		{"imaps://a@[host]", "IPv6"},
		{"imaps://a%0D%0Ab@host", "control"},
		{"imaps://a%00@host", "control"},
		{"imaps://a%4@host", "%25"},
		{"imaps://a@host/%ff", "UTF-8"},
		{"imaps://a@host/a%0Ab", "control"},
		{"http://a@host", "http"},
		{"pop3s://a@host/INBOX", "no folders"},
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct url url;
		struct error err;

		assert_int_equal(url_parse(refusals[i].text, &url, &err), -EINVAL);
		if (!strstr(err.text, refusals[i].word))
			fail_msg("'%s' is not in '%s' (%s)", refusals[i].word, err.text,
				refusals[i].text);
		assert_null(strstr(err.text, "hunter2"));
		url_finish(&url);
	}
}

static void test_is_one(void **state)
{
	assert_true(url_is_one("imaps://a@b"));
	assert_false(url_is_one("work"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_usual_ports),
		cmocka_unit_test(test_pop3),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
