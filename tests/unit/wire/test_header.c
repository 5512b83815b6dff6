/*
 * test_header.c - header fields as senders write them, and as nobody should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "charset_p.h"
#include "header_p.h"
#include <cmocka.h>
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct example {
	const char *raw;
	const char *want;
};

static void check_clean(const char *text)
{
	size_t len = strlen(text);

	assert_true(len <= MAIL_FIELD_MAX);
	assert_true(utf8_valid(text, len));
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static char *decode(const char *data, size_t len)
{
	struct buf out = BUF_INIT;
	/* Of exactly this size, so that a byte read behind it is caught. */
	char *copy = xmalloc(len ? len : 1);

	memcpy(copy, data, len);
	header_decode(copy, len, &out);
	free(copy);
	return buf_steal(&out);
}

static void check_examples(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *got = decode(examples[i].raw, strlen(examples[i].raw));

		check_clean(got);
		assert_string_equal(got, examples[i].want);
		free(got);
	}
}
#define CHECK(examples) check_examples(examples, sizeof(examples) / sizeof(examples[0]))

/* RFC 2047 section 8. */
static void test_the_examples_of_the_rfc(void **state)
{
	static const struct example examples[] = {
		{"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
			"Keith Moore <moore@cs.utk.edu>"},
		{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
			"Keld Jørn Simonsen <keld@dkuug.dk>"},
		{"=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>",
			"André Pirard <PIRARD@vm1.ulg.ac.be>"},
		{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
		 "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
			"If you can read this you understand the example."},
		{"=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=", "םולש ןב ילטפנ"},
		{"(=?ISO-8859-1?Q?a?=)", "(a)"},
		{"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"},
		{"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
		{"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"},
	};

	CHECK(examples);
}

static void test_words_that_bend_the_rules(void **state)
{
	static const struct example examples[] = {
		{"=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "café"},	    /* cut inside a character */
		{"=?utf-8?B?5pel5p?= =?UTF8?B?ys6Kqe?=", "日本語"}, /* and inside base64 */
		{"=?utf-8?B?w6k?= =?utf-8?B?w6g?=", "éè"},	    /* no padding */
		{"=?utf-8?B?w6k=w6g=?=", "éè"},			    /* padding in the middle */
		{"=?utf-8?B?w 6\r\n k=?=", "é"},
		{"=?utf-8?B?w!6*k=?=", "é"},
		{"=?utf-8?Q?caf=c3=a9 au lait?=", "café au lait"},
		{"=?utf-8*en?Q?language?=", "language"},
		{"=?\"utf-8\"?Q?=C3=A9?=", "é"},
		{"\"=?utf-8?Q?J=C3=BCrgen?=\" <j@example.org>", "\"Jürgen\" <j@example.org>"},
		{"Re:=?utf-8?Q?=C3=A9?=t=?utf-8?Q?=C3=A9?=", "Re:été"},
		{"=?utf-8?Q?=C3=A9?==?utf-8?Q?t?=", "ét"},
		{"=?utf-8?q?100=?=", "100="},
		{"=?utf-8?q?=ZZ=4?=", "=ZZ=4"},
		{"=?utf-8?q?\?=", ""},
		{"=?utf-8?q?why?_because?=", "why? because"},
		{"=?utf-8?q?cut_of=C3=A9", "cut ofé"},
		{"=?utf-8?q?cut?\r\n =?utf-8?q?_off?=", "cut? off"},
		{"what =?x?q? is this", "what =?x?q? is this"},
		{"=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
		{"=?utf-8?q", "=?utf-8?q"},
		{"=?", "=?"},
		{"=?=?utf-8?q?a?=", "=?a"},
		{"=?utf-8?q?caf\xe9?=", "café"}, /* raw, and not what it says */
		{"=?utf-8?q?=20=20a=0D=0A=20b=20?= c", "a b c"},
		{"a =?utf-8?q?=20?= b", "a b"},
	};

	CHECK(examples);
}

static void test_character_sets(void **state)
{
	static const struct example examples[] = {
		{"=?windows-1252?q?=80=93?=", "€“"},
		{"=?ISO-8859-1?q?=80=93?=", "€“"}, /* as all mail readers take it */
		{"=?iso-8859-15?q?=A4?=", "€"},
		{"=?koi8-r?B?8NLJ18XU?=", "Привет"},
		{"=?windows-1251?Q?=CF=F0=E8=E2=E5=F2?=", "Привет"},
		{"=?cp1251?Q?=CF=F0=E8=E2=E5=F2?=", "Привет"},
		{"=?gb2312?B?xOO6w8Dz?=", "你好荔"},
		{"=?GB2312?B?6UY=?=", "镕"}, /* GBK, under the smaller name */
		{"=?hz-gb-2312?q?~{VPND~}_a~~?=", "中文 a~"},
		{"=?big5?B?pKSk5Q==?=", "中文"},
		{"=?euc-kr?B?x9Gx2w==?=", "한글"},
		{"=?ks_c_5601-1987?B?x9Gx2w==?=", "한글"},
		{"=?iso-2022-kr?B?GyQpQw5HUTFbDw==?=", "한글"},
		{"=?x-sjis?B?k/qWe4zq?=", "日本語"},
		{"=?Shift_JIS?B?h0A=?=", "①"},
		{"=?euc-jp?B?xvzL3Ljs?=", "日本語"},
		{"=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "日本語"},
		{"=?ISO-2022-JP?B?GyRCRnxLXDhs?=", "日本語"}, /* does not go back */
		{"=?iso-2022-jp?B?GyRCRnxL?= =?iso-2022-jp?B?XDhsGyhC?=", "日本語"},
		{"=?iso-2022-jp?B?GyRCRnwbKEI=?= =?iso-2022-jp?B?GyRCS1w4bBsoQg==?=", "日本語"},
		{"=?iso-2022-jp?B?GyhJMTIzGyhC?=", "ｱｲｳ"},
		{"=?iso-2022-jp?B?GyRCLSEbKEI=?=", "①"}, /* Windows' own */
		{"=?iso-8859-8-i?q?=F9=EC=E5=ED?=", "שלום"},
		{"=?windows-1255?q?=F9=EC=E5=ED?=", "שלום"},
		{"=?windows-1258?q?Vi=EA=F2t?=", "Việt"},
		{"=?unicode-1-1-utf-7?q?Hi_+AOk-?=", "Hi é"},
		{"=?utf-16be?B?AOkAYQ==?=", "éa"},
		{"=?tis-620?q?=E4=B7=C2?=", "ไทย"},
		{"=?csISOLatin1?q?=E9?=", "é"},
		{"=?x-unknown?q?=C3=A9?=", "é"},
		{"=?unknown-8bit?q?=E9?=", "é"},
		{"=??q?=E9?=", "é"},
		{"=?us-ascii?q?caf=E9?=", "café"},
		{"=?EBCDIC-US?q?abc?=", "abc"},	    /* iconv knows it, mail does not */
		{"=?big5?q?=A4?=", "\xef\xbf\xbd"}, /* part a character */
		{"\x1b$BF|K\\8l\x1b(B raw", "日本語 raw"},
	};

	CHECK(examples);
}

static void test_raw_text(void **state)
{
	static const struct example examples[] = {
		{"", ""},
		{"  plain\t text \r\n\tfolded  ", "plain text folded"},
		{"caf\xc3\xa9", "café"},
		{"caf\xe9", "café"},
		{"caf\xe9 cr\xe8me", "café crème"},
		{"caf\xc3\xa9 cr\xc3\xa8me \xc3", "café crème \xef\xbf\xbd"}, /* cut */
		{"\xe2\x80\xaegpj.exe\xe2\x81\xa6x\xe2\x81\xa9", "gpj.exex"}, /* bidi */
		{"=?utf-8?q?=E2=80=AEgpj=1B[31m=07=C2=9B?=", "gpj[31m"},
		{"+ADw-", "+ADw-"},
		{"\xef\xbb\xbf"
		 "bom",
			"bom"},
		{"a\xc2\xa0"
		 "b\xe2\x80\xa8"
		 "c\xc2\x85"
		 "d",
			"a b c d"},
		{"👩‍👩‍👧 family", "👩‍👩‍👧 family"},
		{"e\xcc\x81 marks", "e\xcc\x81 marks"},
		{"山田　太郎", "山田　太郎"},
		{"\xed\xa0\x80 surrogate", "í € surrogate"},
	};
	char *nul = decode("a\0b\x7f"
			   "c",
		5);

	assert_string_equal(nul, "abc");
	free(nul);
	CHECK(examples);
}

static void test_it_is_cut_at_a_character(void **state)
{
	size_t len = 137 * 1024;
	char *raw = xmalloc(len), *got;

	memset(raw, 'x', len);
	got = decode(raw, len);
	assert_int_equal(strlen(got), MAIL_FIELD_MAX);
	free(got);
	for (size_t i = 1; i + 3 <= len; i += 3)
		memcpy(raw + i, "日", 3);
	got = decode(raw, len - 2);
	assert_int_equal(strlen(got), MAIL_FIELD_MAX);
	check_clean(got);
	free(got);
	memcpy(raw, "xx", 2);
	for (size_t i = 2; i + 3 <= len; i += 3)
		memcpy(raw + i, "日", 3);
	got = decode(raw, len - 3);
	assert_int_equal(strlen(got), MAIL_FIELD_MAX - 2);
	check_clean(got);
	free(got);
	free(raw);
}

static void test_appending_keeps_what_is_there(void **state)
{
	struct buf out = BUF_INIT;

	buf_append_str(&out, "before ");
	header_decode("=?utf-8?q?a?= b", 15, &out);
	assert_string_equal(out.data, "before a b");
	buf_finish(&out);
}

static void parse(const char *data, size_t len, struct mail_fields *fields)
{
	char *copy = xmalloc(len ? len : 1);
	const char *all[9];

	memcpy(copy, data, len);
	header_parse(copy, len, fields);
	free(copy);
	memcpy(all,
		(const char *[]){fields->sender, fields->from, fields->to, fields->cc,
			fields->subject, fields->date, fields->message_id, fields->references,
			fields->list_id},
		sizeof(all));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i])
			continue;
		check_clean(all[i]);
		assert_true(all[i][0]);
	}
}

static void check_sender(const char *from, const char *want)
{
	struct mail_fields fields;
	char *text = xasprintf("From: %s\r\n\r\n", from);

	parse(text, strlen(text), &fields);
	if (!str_equal_or_empty(fields.sender, want))
		fail_msg("%s gives %s, not %s", from, fields.sender, want);
	mail_fields_finish(&fields);
	free(text);
}

static void test_senders(void **state)
{
	static const struct example senders[] = {
		{"alice@example.org", "alice@example.org"},
		{"Alice <alice@example.org>", "alice@example.org"},
		{"alice@example.org (Alice (the \\) one))", "alice@example.org"},
		{"(Alice) alice@example.org", "alice@example.org"},
		{"\"Doe, John\" <john@example.org>", "john@example.org"},
		{"Doe, John <john@example.org>", "john@example.org"},
		{"\"a \\\" <b@x>\" <john@example.org>", "john@example.org"},
		{"\"fake@example.net\" <john@example.org>", "john@example.org"},
		{"fake@example.net <john@example.org>", "john@example.org"},
		{"=?utf-8?q?fake=40x=2Eorg_=3Cfake=40x=3E?= <john@example.org>",
			"john@example.org"},
		{"=?utf-8?Q?Doe,_J_(x?= <john@example.org>", "john@example.org"},
		{"a@example.org, b@example.org", "a@example.org"},
		{"<a@example.org>; <b@example.org>", "a@example.org"},
		{"Friends: a@example.org, b@example.org;", "a@example.org"},
		{"undisclosed-recipients:;", NULL},
		{"undisclosed-recipients: ;", NULL},
		{"<@a.example,@b.example:c@example.org>", "c@example.org"},
		{"mailto:a@example.org", "a@example.org"},
		{"<mailto:a@example.org>", "a@example.org"},
		{"\"john doe\"@example.org", "\"john doe\"@example.org"},
		{"<\"john doe\"@example.org>", "\"john doe\"@example.org"},
		{"alice @ example.org", "alice@example.org"},
		{"alice(comment)@(comment)example.org", "alice@example.org"},
		{"< alice@example.org >", "alice@example.org"},
		{"<<alice@example.org>>", "alice@example.org"},
		{"Alice <alice@example.org", "alice@example.org"},
		{"Alice <alice@example.org, Bob <bob@example.org>", "alice@example.org"},
		{"\"Alice <alice@example.org>", "alice@example.org"},
		{"(Alice <alice@example.org>", "alice@example.org"},
		{"Alice alice@example.org", "alice@example.org"},
		{"'alice@example.org'", "alice@example.org"},
		{"\"alice@example.org\"", "alice@example.org"},
		{"Alice <'alice@example.org'>", "alice@example.org"},
		{"<alice@[127.0.0.1]>", "alice@[127.0.0.1]"},
		{"<alice@[IPv6:::1]>", "alice@[IPv6:::1]"},
		{"=?utf-8?q?Alice_=3Calice=40example=2Eorg=3E?=", "alice@example.org"},
		{"=?utf-8?q?Alice_<alice@example.org>?=", "alice@example.org"},
		{"j\xc3\xbcrgen@b\xc3\xbc\x63her.example", "jürgen@bücher.example"},
		{"j\xfcrgen@example.org", "jürgen@example.org"},
		{"a\x1b[31mb\xe2\x80\xae@example.org", "a[31mb@example.org"},
		{"root", "root"},
		{"root (Cron Daemon)", "root"},
		{"Mail Delivery Subsystem <MAILER-DAEMON>", "MAILER-DAEMON"},
		{"MAILER-DAEMON <>", "MAILER-DAEMON"},
		{"root, alice@example.org", "alice@example.org"},
		{"Mail Delivery System <>", NULL},
		{"John Doe", NULL},
		{"\"John Doe\"", NULL},
		{"\"\" <>", NULL},
		{"@", NULL},
		{"alice@", NULL},
		{"@example.org", NULL},
		{"\"", NULL},
		{"<", NULL},
		{"", NULL},
		{"alice@example.org 10:30", "alice@example.org"},
		{"Alice\r\n <alice\r\n @example.org>", "alice@example.org"},
	};

	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		check_sender(senders[i].raw, senders[i].want);
}

static void test_a_whole_header(void **state)
{
	static const char text[] = "Return-Path: <bounce@example.org>\r\n"
				   "FROM : =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\n"
				   "From: second@example.org\r\n"
				   "To: a@example.org,\r\n\tb@example.org\r\n"
				   "Cc:\r\n"
				   "to: c@example.org\r\n"
				   "CC: d@example.org\r\n"
				   "no field, this\r\n"
				   "Subject:\r\n"
				   "Subject:=?utf-8?q?caf=C3=A9?=\r\n"
				   "Subject: another\r\n"
				   "Date: Fri, 3 May 2024\r\n 10:00:00 +0200 (CEST)\r\n"
				   "Message-Id: <=?utf-8?q?x?=@example.org>\r\n"
				   "References: <1@example.org>\r\n <2@example.org>\r\n"
				   "List-Id: The list <list.example.org>\r\n"
				   "X-Subject: no\r\n"
				   "\r\n"
				   "Subject: body\r\n";
	struct mail_fields fields;

	parse(text, sizeof(text) - 1, &fields);
	assert_string_equal(fields.from, "Jürgen <j@example.org>");
	assert_string_equal(fields.sender, "j@example.org");
	assert_string_equal(fields.to, "a@example.org, b@example.org, c@example.org");
	assert_string_equal(fields.cc, "d@example.org");
	assert_string_equal(fields.subject, "café");
	assert_string_equal(fields.date, "Fri, 3 May 2024 10:00:00 +0200 (CEST)");
	assert_string_equal(fields.message_id, "<=?utf-8?q?x?=@example.org>");
	assert_string_equal(fields.references, "<1@example.org> <2@example.org>");
	assert_string_equal(fields.list_id, "The list <list.example.org>");
	mail_fields_finish(&fields);
}

static void check_two_fields(const char *text, size_t len)
{
	struct mail_fields fields;

	parse(text, len, &fields);
	assert_string_equal(fields.sender, "a@example.org");
	assert_string_equal(fields.subject, "one two");
	assert_null(fields.to);
	mail_fields_finish(&fields);
}

#define LINES(end) "From: a@example.org" end "Subject: one" end " two" end end "To: b" end

static void test_line_ends(void **state)
{
	check_two_fields(LINES("\r\n"), sizeof(LINES("\r\n")) - 1);
	check_two_fields(LINES("\n"), sizeof(LINES("\n")) - 1);
	check_two_fields(LINES("\r"), sizeof(LINES("\r")) - 1);
	check_two_fields(LINES("\r\r\n"), sizeof(LINES("\r\r\n")) - 1);
	/* mbox's line is no field; the end may be missing. */
	check_two_fields("From alice Fri May  3 10:00:00 2024\nFrom: a@example.org\n"
			 "Subject: one\n two",
		strlen("From alice Fri May  3 10:00:00 2024\nFrom: a@example.org\n"
		       "Subject: one\n two"));
}

static void test_there_is_nothing(void **state)
{
	static const char *const texts[] = {"", "\r\n", "\r\nSubject: body", ":", ": x\r\n",
		"Subject", "Subject: \r\n", "Subject:", " Subject: x\r\n", "\0Subject: x",
		"From: \x01\n", "Subject: \x1b$B\x1b(B\n", "From: =?iso-2022-jp?B?GyRC?= <>\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mail_fields fields;

		parse(texts[i], strlen(texts[i]), &fields);
		assert_null(fields.subject);
		assert_null(fields.sender);
		mail_fields_finish(&fields);
	}
}

/* Of the processor's time: what else the machine does makes no difference. */
static int64_t cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t parse_ms(const char *text, size_t len)
{
	int64_t start = cpu_ms();
	struct mail_fields fields;

	parse(text, len, &fields);
	mail_fields_finish(&fields);
	return cpu_ms() - start;
}

/* 1 MiB of piece behind head. What is linear takes 16 times as long as 64 KiB, not 256 times.
 */
static void check_linear(const char *head, const char *piece)
{
	size_t piece_len = strlen(piece);
	char *text = xmalloc(HEADER_SIZE_MAX + piece_len);
	int64_t whole, part;

	strcpy(text, head);
	for (size_t i = strlen(head); i < HEADER_SIZE_MAX; i += piece_len)
		memcpy(text + i, piece, piece_len);
	whole = parse_ms(text, HEADER_SIZE_MAX);
	if (whole > 2000) { /* else it is fast enough however it grows */
		part = parse_ms(text, HEADER_SIZE_MAX / 16);
		if (whole > (part + 1) * 64)
			fail_msg("1 MiB of %s%s...: %d ms, 64 KiB: %d ms", head, piece,
				(int)whole, (int)part);
	}
	free(text);
}

static void test_a_megabyte_takes_no_time(void **state)
{
	static const char *const heads[] = {"Subject: ", "From: ", ""};
	static const char *const pieces[] = {"=?", "=?utf-8?q?", "=?utf-8?q? ", "=?utf-8?b?a ",
		"=?utf-8?q?\?=", "=?utf-8?q?=41?= ", "=?x?q?=41?= =?utf-8?b?QQ==?= ", "(", ")",
		"((a)", "<", ">", "\"", "\\", "\\\"", "(\"", "\"(", "'", "@", "a@", " @ ", ":",
		"[", "@[", ",", ";", "a,", "a b ", "\n ", "\r\n\t", "\r", "\n", "\x1b$B",
		"\x1b", "\xe9", "\xc3", "\xe2\x80\xae", "\xcc\x81", "To: a\n", "To: \xff\n",
		"Subject:\n", "From: <\n", "x", " ",
		"=?iso-2022-jp?b?GyRC?= ", "=?utf-7?q?+?=", "?=", "''\"\""};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++)
			check_linear(heads[i], pieces[j]);
}

static void test_only_so_much_is_looked_at(void **state)
{
	static const char tail[] = "\nTo: b@example.org\n";
	char *text = xmalloc(HEADER_SIZE_MAX + sizeof(tail));
	struct mail_fields fields;

	memset(text, 'x', HEADER_SIZE_MAX);
	memcpy(text, "Subject: ", 9);
	memcpy(text + HEADER_SIZE_MAX, tail, sizeof(tail));
	parse(text, HEADER_SIZE_MAX + sizeof(tail) - 1, &fields);
	assert_non_null(fields.subject);
	assert_null(fields.to);
	mail_fields_finish(&fields);
	free(text);
}

static enum header_id check(const char *head, const char *id)
{
	return header_check_id(head, strlen(head), id);
}

/* Whatever a scan reads in a header is what a body is recognised by. */
static void test_whose_id_it_is(void **state)
{
	assert_int_equal(check("A: b\r\nMessage-ID: <a@b>\r\n\r\nx", "<a@b>"), HEADER_ID_SAME);
	assert_int_equal(check("Message-ID: <c@d>\r\n\r\n", "<a@b>"), HEADER_ID_OTHER);
	assert_int_equal(check("A: b\r\n\r\nMessage-ID: <a@b>\r\n", "<a@b>"), HEADER_ID_OTHER);
	assert_int_equal(check("A: b\r\nB", "<a@b>"), HEADER_ID_UNKNOWN);
	assert_int_equal(
		check("A: b\rMessage-ID: <a@b>\rC: d\r\rx\r\n\r\n", "<a@b>"), HEADER_ID_SAME);
	assert_int_equal(
		check("A: b\rMessage-ID: <c@d>\r\rx\r\n\r\n", "<a@b>"), HEADER_ID_OTHER);
	assert_int_equal(check("Message-ID: <a@b>\rC: d\r\n\r\n", "<a@b>"), HEADER_ID_SAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_of_the_rfc),
		cmocka_unit_test(test_words_that_bend_the_rules),
		cmocka_unit_test(test_character_sets),
		cmocka_unit_test(test_raw_text),
		cmocka_unit_test(test_it_is_cut_at_a_character),
		cmocka_unit_test(test_appending_keeps_what_is_there),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_a_whole_header),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_whose_id_it_is),
		cmocka_unit_test(test_there_is_nothing),
		cmocka_unit_test(test_a_megabyte_takes_no_time),
		cmocka_unit_test(test_only_so_much_is_looked_at),
	};

	header_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
