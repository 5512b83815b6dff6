#include "scram_p.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7677 section 3. */
static const char rfc_nonce[] = "rOprNGfwEbeRWgbNEkqO";
static const char rfc_server[] =
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char rfc_answer[] =
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char rfc_proof[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static bool answer(const char *server)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct scram scram;
	bool fine;

	assert_true(scram_begin(&scram, "user", rfc_nonce, &first));
	fine = scram_answer(&scram, "pencil", server, strlen(server), &second);
	scram_finish(&scram);
	buf_finish(&first);
	buf_finish(&second);
	return fine;
}

static void test_rfc_exchange(void **state)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct scram scram;

	assert_true(scram_begin(&scram, "user", rfc_nonce, &first));
	assert_string_equal(first.data, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
	assert_true(scram_answer(&scram, "pencil", rfc_server, strlen(rfc_server), &second));
	assert_string_equal(second.data, rfc_answer);
	assert_true(scram_verify(&scram, rfc_proof, strlen(rfc_proof)));
	scram_finish(&scram);
	buf_finish(&first);
	buf_finish(&second);
}

static void test_server_that_does_not_know_the_password(void **state)
{
	static const char *const proofs[] = {"", "v=", "e=other-error",
		"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4", "v=6rri",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=6rriTRBi23WpRR/wtup+mMhU",
		"V=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct scram scram;

	assert_true(scram_begin(&scram, "user", rfc_nonce, &first));
	assert_false(scram_verify(&scram, rfc_proof, strlen(rfc_proof)));
	assert_true(scram_answer(&scram, "pencil", rfc_server, strlen(rfc_server), &second));
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
		assert_false(scram_verify(&scram, proofs[i], strlen(proofs[i])));
	scram_finish(&scram);
	buf_finish(&first);
	buf_finish(&second);
}

static void test_challenges_that_break_a_rule(void **state)
{
	static const char *const challenges[] = {
		"",
		"r=",
		"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* adds nothing */
		"r=somebodyelse,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22,i=4096",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967296",
		"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999",
		"m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"e=unknown-user",
	};

	assert_true(answer(rfc_server));
	for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++)
		assert_false(answer(challenges[i]));
}

static void test_salt_of_any_length(void **state)
{
	char challenge[4096];

	for (size_t len = 4; len < 2048; len += 4) {
		char salt[2049];

		memset(salt, 'A', len);
		salt[len] = '\0';
		snprintf(challenge, sizeof(challenge), "r=%sx,s=%s,i=1", rfc_nonce, salt);
		assert_int_equal(answer(challenge), len / 4 * 3 <= 1024);
	}
}

static void test_names_are_escaped_and_nonces_random(void **state)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct scram one, two;

	assert_true(scram_begin(&one, "a=b,c", NULL, &first));
	assert_true(scram_begin(&two, "a=b,c", NULL, &second));
	assert_non_null(strstr(first.data, "n,,n=a=3Db=2Cc,r="));
	assert_string_not_equal(one.nonce, two.nonce);
	assert_null(strchr(one.nonce, ','));
	assert_true(strlen(one.nonce) >= 24);
	scram_finish(&one);
	scram_finish(&two);
	buf_finish(&first);
	buf_finish(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_exchange),
		cmocka_unit_test(test_server_that_does_not_know_the_password),
		cmocka_unit_test(test_challenges_that_break_a_rule),
		cmocka_unit_test(test_salt_of_any_length),
		cmocka_unit_test(test_names_are_escaped_and_nonces_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
