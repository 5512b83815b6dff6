/*
 * tests/unit/wire/tls_server.h - an authority, certificates and the server's end of TLS.
 * Used by test_stream.c; made anew in every run, nothing is read from a file but cafile=.
 */
#ifndef MOUNTMAIL_TESTS_TLS_SERVER_H
#define MOUNTMAIL_TESTS_TLS_SERVER_H

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static void identity_finish(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->cert);
}

static void identity_extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert(extension);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

/* names: "DNS:a,IP:b", NULL for an authority. issuer NULL: self-signed. Valid for days from
 * from. */
static struct identity identity_make(const char *common_name, const char *names,
	const struct identity *issuer, int from, int days)
{
	struct identity made = {EVP_EC_gen("P-256"), X509_new()};
	X509_NAME *name = X509_get_subject_name(made.cert);
	static long serial = 1;

	assert(made.key && made.cert);
	X509_set_version(made.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.cert), from * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(made.cert), (from + days) * 86400L);
	X509_set_pubkey(made.cert, made.key);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(made.cert, issuer ? X509_get_subject_name(issuer->cert) : name);
	if (names)
		identity_extend(made.cert, NID_subject_alt_name, names);
	else
		identity_extend(made.cert, NID_basic_constraints, "critical,CA:TRUE");
	assert(X509_sign(made.cert, issuer ? issuer->key : made.key, EVP_sha256()));
	return made;
}

static void identity_save(const struct identity *identity, const char *path)
{
	FILE *file = fopen(path, "w");

	assert(file);
	assert(PEM_write_X509(file, identity->cert) == 1);
	fclose(file);
}

static SSL_CTX *identity_context(const struct identity *identity, int version_max)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	assert(context);
	SSL_CTX_use_certificate(context, identity->cert);
	SSL_CTX_use_PrivateKey(context, identity->key);
	if (version_max) {
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(context, version_max);
	}
	return context;
}

#endif
