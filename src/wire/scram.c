#include "scram_p.h"
#include <mountmail/base/str.h>
#include <mountmail/base/xalloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRAM_HASH 32
#define SCRAM_SALT_MAX 1024
#define SCRAM_NONCE_BYTES 24

/* RFC 5802 section 5.1: ',' and '=' in a name. */
static void scram_put_name(struct buf *out, const char *name)
{
	for (; *name; name++) {
		if (*name == ',')
			buf_append_str(out, "=2C");
		else if (*name == '=')
			buf_append_str(out, "=3D");
		else
			buf_append_char(out, *name);
	}
}

bool scram_begin(struct scram *scram, const char *user, const char *nonce, struct buf *out)
{
	unsigned char random[SCRAM_NONCE_BYTES];

	*scram = (struct scram){0};
	if (nonce) {
		snprintf(scram->nonce, sizeof(scram->nonce), "%s", nonce);
	} else {
		if (RAND_bytes(random, sizeof(random)) != 1)
			return false;
		EVP_EncodeBlock((unsigned char *)scram->nonce, random, sizeof(random));
	}
	buf_append_str(&scram->first_bare, "n=");
	scram_put_name(&scram->first_bare, user);
	buf_printf(&scram->first_bare, ",r=%s", scram->nonce);
	buf_printf(out, "n,,%s", scram->first_bare.data);
	return true;
}

void scram_finish(struct scram *scram)
{
	buf_finish(&scram->first_bare);
	OPENSSL_cleanse(scram, sizeof(*scram));
}

/* The bytes of one base64 text; -1 when it is none, or longer than size. */
static int scram_decode(const char *text, size_t len, unsigned char *out, size_t size)
{
	int got;

	if (len == 0 || len % 4 || len / 4 * 3 > size)
		return -1;
	got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);
	for (size_t i = len; got > 0 && i > len - 2 && text[i - 1] == '='; i--)
		got--;
	return got;
}

/* The value of the attribute that text begins with; *text moves behind its comma. */
static bool scram_attribute(
	const char **text, const char *end, char name, const char **value_out, size_t *len_out)
{
	const char *comma;

	if (end - *text < 2 || (*text)[0] != name || (*text)[1] != '=')
		return false;
	comma = memchr(*text, ',', (size_t)(end - *text));
	*value_out = *text + 2;
	*len_out = (size_t)((comma ? comma : end) - *value_out);
	*text = comma ? comma + 1 : end;
	return true;
}

struct scram_challenge {
	const char *nonce;
	size_t nonce_len;
	unsigned char salt[SCRAM_SALT_MAX];
	int salt_len;
	uint64_t iterations;
};

static bool scram_challenge_parse(
	const struct scram *scram, const char *text, size_t len, struct scram_challenge *out)
{
	const char *end = text + len, *salt, *count;
	size_t salt_len, count_len, own = strlen(scram->nonce);
	char number[16];

	if (!scram_attribute(&text, end, 'r', &out->nonce, &out->nonce_len) ||
		!scram_attribute(&text, end, 's', &salt, &salt_len) ||
		!scram_attribute(&text, end, 'i', &count, &count_len))
		return false;
	if (out->nonce_len <= own || memcmp(out->nonce, scram->nonce, own) != 0)
		return false;
	out->salt_len = scram_decode(salt, salt_len, out->salt, sizeof(out->salt));
	if (out->salt_len <= 0 || count_len >= sizeof(number))
		return false;
	memcpy(number, count, count_len);
	number[count_len] = '\0';
	return str_to_u64(number, SCRAM_ITERATIONS_MAX, &out->iterations) == 0 &&
		out->iterations > 0;
}

static void scram_hmac(const unsigned char *key, const void *data, size_t len, unsigned char *out)
{
	HMAC(EVP_sha256(), key, SCRAM_HASH, data, len, out, NULL);
}

/* Proof and signature from the salted password and the text that both sides saw. */
static void scram_compute(struct scram *scram, const unsigned char *salted,
	const struct buf *seen, unsigned char *proof_out)
{
	unsigned char client[SCRAM_HASH], stored[SCRAM_HASH], key[SCRAM_HASH];

	scram_hmac(salted, "Client Key", 10, client);
	SHA256(client, sizeof(client), stored);
	scram_hmac(stored, seen->data, seen->len, proof_out);
	for (size_t i = 0; i < SCRAM_HASH; i++)
		proof_out[i] ^= client[i];
	scram_hmac(salted, "Server Key", 10, key);
	scram_hmac(key, seen->data, seen->len, scram->signature);
	OPENSSL_cleanse(client, sizeof(client));
	OPENSSL_cleanse(stored, sizeof(stored));
	OPENSSL_cleanse(key, sizeof(key));
}

bool scram_answer(struct scram *scram, const char *secret, const char *server, size_t len,
	struct buf *out)
{
	struct scram_challenge challenge;
	unsigned char salted[SCRAM_HASH], proof[SCRAM_HASH];
	char proof_text[SCRAM_HASH * 2];
	struct buf seen = BUF_INIT;
	size_t start = out->len;

	if (!scram_challenge_parse(scram, server, len, &challenge))
		return false;
	if (PKCS5_PBKDF2_HMAC(secret, (int)strlen(secret), challenge.salt, challenge.salt_len,
		    (int)challenge.iterations, EVP_sha256(), sizeof(salted), salted) != 1)
		return false;
	buf_append_str(out, "c=biws,r="); /* "n,," in base64 */
	buf_append(out, challenge.nonce, challenge.nonce_len);
	buf_append(&seen, scram->first_bare.data, scram->first_bare.len);
	buf_append_char(&seen, ',');
	buf_append(&seen, server, len);
	buf_append_char(&seen, ',');
	buf_append(&seen, out->data + start, out->len - start);
	scram_compute(scram, salted, &seen, proof);
	EVP_EncodeBlock((unsigned char *)proof_text, proof, sizeof(proof));
	buf_printf(out, ",p=%s", proof_text);
	OPENSSL_cleanse(salted, sizeof(salted));
	buf_finish(&seen);
	scram->answered = true;
	return true;
}

bool scram_verify(const struct scram *scram, const char *server, size_t len)
{
	const char *end = server + len, *value;
	unsigned char signature[SCRAM_HASH + 3];
	size_t value_len;

	return scram->answered && scram_attribute(&server, end, 'v', &value, &value_len) &&
		scram_decode(value, value_len, signature, sizeof(signature)) == SCRAM_HASH &&
		CRYPTO_memcmp(signature, scram->signature, SCRAM_HASH) == 0;
}
