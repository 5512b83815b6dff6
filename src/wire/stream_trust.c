#include "stream_internal_p.h"
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where systems keep all certificates in one file, behind OpenSSL's own default. */
static const char *const trust_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Arch, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
	"/etc/ssl/ca-bundle.pem",	      /* SUSE */
	"/etc/ssl/cert.pem",		      /* Alpine */
};

/* Whole, now: a directory of certificates would be looked into file by file during the
 * handshake. */
static bool trust_load_file(SSL_CTX *trust, const char *file)
{
	ERR_clear_error();
	return X509_STORE_load_file(SSL_CTX_get_cert_store(trust), file) == 1;
}

/* The same for every file of a directory. Those that hold no certificate do not matter. */
static bool trust_load_dir(SSL_CTX *trust, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool any = false;

	if (!dir)
		return false;
	while ((entry = readdir(dir))) {
		char file[4096];
		int len = snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof(file))
			any |= trust_load_file(trust, file);
	}
	closedir(dir);
	return any;
}

/* What the variables that OpenSSL knows say counts alone. */
static bool trust_load_system(SSL_CTX *trust)
{
	const char *file = getenv(X509_get_default_cert_file_env());
	const char *dir = getenv(X509_get_default_cert_dir_env());
	bool any = false;

	if (file || dir) {
		any |= file && trust_load_file(trust, file);
		any |= dir && trust_load_dir(trust, dir);
		return any;
	}
	if (trust_load_file(trust, X509_get_default_cert_file()))
		return true;
	for (size_t i = 0; i < sizeof(trust_bundles) / sizeof(trust_bundles[0]); i++)
		if (trust_load_file(trust, trust_bundles[i]))
			return true;
	return trust_load_dir(trust, X509_get_default_cert_dir());
}

static bool trust_load(
	SSL_CTX *trust, const struct wire_conf *conf, struct backend_result *result)
{
	if (!conf->cafile && trust_load_system(trust))
		return true;
	if (!conf->cafile) {
		backend_result_set(result, BACKEND_REFUSED,
			"This system has no certificates of authorities, so that no server can "
			"be "
			"verified. Install the package ca-certificates, or name a PEM file "
			"with "
			"cafile=");
		return false;
	}
	if (trust_load_file(trust, conf->cafile))
		return true;
	if (access(conf->cafile, R_OK) < 0)
		backend_result_set(result, BACKEND_REFUSED,
			"The certificate file %s (cafile=) cannot be read: %s", conf->cafile,
			strerror(errno));
	else
		backend_result_set(result, BACKEND_REFUSED,
			"The certificate file %s (cafile=) holds no certificate in PEM format "
			"(-----BEGIN CERTIFICATE-----)",
			conf->cafile);
	return false;
}

bool stream_load_trust(struct stream *stream, struct backend_result *result)
{
	unsigned char seed[16];

	if (stream->conf->tls == WIRE_TLS_NONE)
		return true;
	/* Everything that OpenSSL takes from files, or could: its configuration, random
	 * numbers. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				     OPENSSL_INIT_LOAD_CONFIG,
		    NULL) != 1 ||
		RAND_bytes(seed, sizeof(seed)) != 1 || RAND_priv_bytes(seed, sizeof(seed)) != 1)
		goto broken;
	stream->trust = SSL_CTX_new(TLS_client_method());
	if (!stream->trust || SSL_CTX_set_min_proto_version(stream->trust, TLS1_2_VERSION) != 1)
		goto broken;
	SSL_CTX_set_options(stream->trust, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(stream->trust,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(stream->trust, SSL_VERIFY_PEER, stream_verify);
	/* Fewer system calls a record. */
	SSL_CTX_set_read_ahead(stream->trust, 1);
	SSL_CTX_set_default_read_buffer_len(stream->trust, 128u << 10);
	/* So that cafile= may hold the server's own certificate. */
	X509_VERIFY_PARAM_set_flags(
		SSL_CTX_get0_param(stream->trust), X509_V_FLAG_PARTIAL_CHAIN);
	return trust_load(stream->trust, stream->conf, result);
broken:
	backend_result_set(result, BACKEND_REFUSED, "OpenSSL cannot be used: %s",
		ERR_reason_error_string(ERR_peek_last_error()) ?: "unknown reason");
	return false;
}
