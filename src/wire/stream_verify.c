#include "stream_internal_p.h"
#include <mountmail/base/buf.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define VERIFY_NAMES_MAX 5
#define VERIFY_NAME_MAX 64

/* Appends one name out of a certificate; whatever is no name character becomes '?'. */
static void verify_put_name(const ASN1_STRING *name, struct buf *out)
{
	const unsigned char *data = ASN1_STRING_get0_data(name);
	int len = ASN1_STRING_length(name);

	for (int i = 0; i < len && i < VERIFY_NAME_MAX; i++)
		buf_append_char(out, data[i] > 0x20 && data[i] < 0x7f ? (char)data[i] : '?');
}

/* "a.example.org, b.example.org": whom a certificate is for. */
static void verify_put_names(const X509 *cert, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int count = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && count < VERIFY_NAMES_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		buf_append_str(out, count++ ? ", " : "");
		verify_put_name(name->d.dNSName, out);
	}
	if (!count)
		buf_append_str(out, "other hosts");
	GENERAL_NAMES_free(names);
}

/* "May  1 00:00:00 2023 GMT" */
static void verify_put_time(const ASN1_TIME *time, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (bio && ASN1_TIME_print(bio, time) == 1) {
		len = BIO_get_mem_data(bio, &text);
		buf_append(out, text, (size_t)len);
	} else {
		buf_append_str(out, "an unknown time");
	}
	BIO_free(bio);
}

/* The sentence about what failed. */
static void verify_put_reason(
	const struct stream *stream, const X509 *cert, int failed, struct buf *out)
{
	switch (failed) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		buf_printf(out, "it is not for %s (host name mismatch) but for ",
			stream->conf->host);
		verify_put_names(cert, out);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		buf_append_str(out, "it has expired, on ");
		verify_put_time(X509_get0_notAfter(cert), out);
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		buf_append_str(out, "it is not valid before ");
		verify_put_time(X509_get0_notBefore(cert), out);
		return;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		buf_append_str(out, "it is self-signed");
		return;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		buf_append_str(out, "it was issued by an unknown authority");
		return;
	default: /* of dozens; OpenSSL has words for each */
		buf_append_str(out, X509_verify_cert_error_string(failed));
	}
}

static const char *verify_advice(const struct stream *stream, int failed)
{
	switch (failed) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "Use one of the names it is for as the host, if that is your server";
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "Check this computer's clock; if it is right, the server's "
		       "administrator "
		       "has to renew the certificate";
	default: /* of dozens */
		break;
	}
	if (stream->conf->cafile)
		return "cafile= names the only certificates that are trusted; is it the right "
		       "file?";
	return "If it is your server, put its certificate, or that of the authority that "
	       "issued "
	       "it, in a PEM file and name that with cafile=";
}

int stream_verify(int fine, X509_STORE_CTX *context)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct stream *stream = SSL_get_app_data(ssl);
	const X509 *cert = X509_STORE_CTX_get_current_cert(context);
	int failed = X509_STORE_CTX_get_error(context);
	struct buf reason = BUF_INIT;

	if (fine || stream->refusal[0])
		return fine;
	if (cert)
		verify_put_reason(stream, cert, failed, &reason);
	else
		buf_append_str(&reason, X509_verify_cert_error_string(failed));
	snprintf(stream->refusal, sizeof(stream->refusal), "%s. The password was not sent. %s",
		reason.data, verify_advice(stream, failed));
	buf_finish(&reason);
	return 0;
}
