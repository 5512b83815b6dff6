#include "stream_p.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mountmail/base/buf.h>
#include <mountmail/base/clock.h>
#include <mountmail/base/xalloc.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls_server.h"

#define HOST "imap.example.org"

static struct identity authority, stranger;
static char ca_path[] = "/tmp/mountmail-ca-XXXXXX";

/* A server: a thread with its end of a socket pair, and what it is to do. */
struct server {
	int fd;
	pthread_t thread;
	SSL_CTX *context; /* owned; NULL: no TLS */
	SSL *ssl;
	const char *before; /* sent in clear text, after a line was read */
	bool injects;	    /* the clear text is longer than the client wants */
	const char *says;   /* sent when it is all set up */
	unsigned drip_ms;   /* one byte of that at a time */
	bool resets;	    /* ends with a RST in the middle of a record */
	bool quits;	    /* ends properly when it has spoken; else it waits for the client */
	char sni[64];
};

struct test {
	struct server server;
	struct wire_conf conf;
	struct stream *stream;
	mailstream *mailstream;
	struct guard *guard;
	struct backend_result result;
	int watch[2];
};

static void server_write(struct server *server, const void *data, int len)
{
	if (server->ssl)
		(void)SSL_write(server->ssl, data, len);
	else
		(void)!send(server->fd, data, (size_t)len, MSG_NOSIGNAL);
}

static void server_say(struct server *server)
{
	size_t len = server->says ? strlen(server->says) : 0;

	if (!server->drip_ms && len) {
		server_write(server, server->says, (int)len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		usleep(server->drip_ms * 1000);
		server_write(server, server->says + i, 1);
	}
}

/* The head of a record that never comes, and a reset. */
static void server_reset(struct server *server)
{
	const struct linger linger = {1, 0};

	(void)!send(server->fd, "\x17\x03\x03\x40\x00half", 9, MSG_NOSIGNAL);
	usleep(100000);
	setsockopt(server->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(server->fd);
	server->fd = -1;
}

static void server_start_tls(struct server *server)
{
	const char *name;

	server->ssl = SSL_new(server->context);
	SSL_set_fd(server->ssl, server->fd);
	if (SSL_accept(server->ssl) != 1)
		return;
	name = SSL_get_servername(server->ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(server->sni, sizeof(server->sni), "%s", name ? name : "");
}

static void *server_run(void *ctx)
{
	struct server *server = ctx;
	char line[256];

	if (server->before && read(server->fd, line, sizeof(line)) > 0)
		(void)!send(server->fd, server->before, strlen(server->before), MSG_NOSIGNAL);
	if (server->context)
		server_start_tls(server);
	server_say(server);
	if (server->resets)
		server_reset(server);
	if (server->quits && server->ssl)
		SSL_shutdown(server->ssl);
	if (server->quits)
		shutdown(server->fd, SHUT_WR);
	/* Until the client goes. */
	while (server->fd >= 0 && recv(server->fd, line, sizeof(line), 0) > 0)
		;
	return NULL;
}

/* Two ends of TCP on loopback. */
static void make_tcp(int ends[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	ends[1] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(ends[1], (struct sockaddr *)&address, len), 0);
	ends[0] = accept(listener, NULL, NULL);
	assert_true(ends[0] >= 0);
	close(listener);
}

static void test_init(struct test *test)
{
	*test = (struct test){.watch = {-1, -1}};
	test->conf = (struct wire_conf){.protocol = WIRE_IMAP,
		.tls = WIRE_TLS_IMPLICIT,
		.host = HOST,
		.port = 993,
		.cafile = ca_path,
		.timeout_ms = 3000};
}

static void test_connect(struct test *test)
{
	int ends[2];

	make_tcp(ends);
	test->server.fd = ends[0];
	assert_int_equal(
		pthread_create(&test->server.thread, NULL, server_run, &test->server), 0);
	test->stream = stream_from_fd(ends[1], &test->conf, test->watch[0]);
	test->guard = guard_create();
	test->mailstream = stream_mailstream(test->stream, test->guard);
	assert_true(stream_load_trust(test->stream, &test->result));
}

static void test_end(struct test *test)
{
	if (test->mailstream)
		mailstream_close(test->mailstream);
	pthread_join(test->server.thread, NULL);
	SSL_free(test->server.ssl);
	SSL_CTX_free(test->server.context);
	if (test->server.fd >= 0)
		close(test->server.fd);
	for (int i = 0; i < 2; i++)
		if (test->watch[i] >= 0)
			close(test->watch[i]);
}

static void serve(struct test *test, const char *names, const struct identity *issuer, int from)
{
	struct identity identity = identity_make("server", names, issuer, from, 30);

	test->server.context = identity_context(&identity, 0);
	identity_finish(&identity);
}

static void expect_read(struct test *test, const char *text)
{
	char got[256] = "";
	size_t len = 0;

	while (len < strlen(text)) {
		ssize_t r = mailstream_read(test->mailstream, got + len, strlen(text) - len);

		if (r < 0)
			fail_msg("%s", stream_failure(test->stream));
		len += (size_t)r;
	}
	assert_string_equal(got, text);
}

/* A read that fails, with part in its reason; returns after how many ms. */
static int64_t expect_no_read(struct test *test, const char *part)
{
	int64_t start = clock_now_ms();
	char byte;

	assert_int_equal(mailstream_read(test->mailstream, &byte, 1), -1);
	if (!strstr(stream_failure(test->stream), part))
		fail_msg("\"%s\" does not tell \"%s\"", stream_failure(test->stream), part);
	/* It stays that way. */
	assert_int_equal(mailstream_read(test->mailstream, &byte, 1), -1);
	return clock_now_ms() - start;
}

static void expect_tls(struct test *test)
{
	if (!stream_start_tls(test->stream, &test->result))
		fail_msg("%s", test->result.text);
}

static void expect_no_tls(struct test *test, enum backend_status status, const char *part)
{
	assert_false(stream_start_tls(test->stream, &test->result));
	if (!strstr(test->result.text, part))
		fail_msg("\"%s\" does not tell \"%s\"", test->result.text, part);
	assert_int_equal(test->result.status, status);
}

static void test_right_host(void **state)
{
	struct test test;

	test_init(&test);
	serve(&test, "DNS:mail.example.org,DNS:" HOST, &authority, -1);
	test.server.says = "* OK hi\r\n";
	test.server.quits = true;
	test_connect(&test);
	expect_tls(&test);
	expect_read(&test, "* OK hi\r\n");
	expect_no_read(&test, "the server closed it");
	test_end(&test);
	assert_string_equal(test.server.sni, HOST);
}

static void expect_host(const char *host, const char *names, const char *sni)
{
	struct test test;

	test_init(&test);
	test.conf.host = host;
	serve(&test, names, &authority, -1);
	test.server.says = "* OK hi\r\n";
	test_connect(&test);
	expect_tls(&test);
	expect_read(&test, "* OK hi\r\n");
	test_end(&test);
	assert_string_equal(test.server.sni, sni);
}

static void test_other_ways_to_name_it(void **state)
{
	expect_host("127.0.0.1", "IP:127.0.0.1", "");
	expect_host("::1", "IP:::1", "");
	expect_host("imap.example.org.", "DNS:imap.example.org", "imap.example.org");
	expect_host("IMAP.example.org", "DNS:*.example.org", "IMAP.example.org");
}

static void expect_refused(const char *host, const char *names, const struct identity *issuer,
	int from, const char *part, const char *advice)
{
	struct test test;

	test_init(&test);
	test.conf.host = host;
	serve(&test, names, issuer, from);
	test_connect(&test);
	expect_no_tls(&test, BACKEND_REFUSED, part);
	assert_non_null(strstr(test.result.text, advice));
	assert_non_null(strstr(test.result.text, host));
	assert_non_null(strstr(test.result.text, "The password was not sent"));
	test_end(&test);
}

static void test_refused_certificates(void **state)
{
	expect_refused(HOST, "DNS:a.example.org,DNS:b.example.org", &authority, -1,
		"host name mismatch) but for a.example.org, b.example.org", "as the host");
	expect_refused(
		HOST, "IP:127.0.0.1", &authority, -1, "host name mismatch", "as the host");
	expect_refused("127.0.0.1", "DNS:127.0.0.1", &authority, -1, "host name mismatch",
		"as the host");
	expect_refused("imap.sub.example.org", "DNS:*.example.org", &authority, -1,
		"host name mismatch", "as the host");
	expect_refused(HOST, "DNS:i*.example.org", &authority, -1, "host name mismatch", "");
	expect_refused(HOST, "DNS:" HOST, &authority, -60, "it has expired, on", "clock");
	expect_refused(HOST, "DNS:" HOST, &authority, 2, "not valid before", "clock");
	expect_refused(HOST, "DNS:" HOST, &stranger, -1, "unknown authority", "cafile=");
	expect_refused(HOST, "DNS:" HOST, NULL, -1, "self-signed", "cafile=");
}

/* The name in a certificate comes from the server: it must not reach a terminal as it is. */
static void test_names_are_tamed(void **state)
{
	expect_refused(HOST, "DNS:\x1b[31mred.example.org", &authority, -1, "?[31mred", "");
}

static void test_own_certificate_as_cafile(void **state)
{
	struct identity self = identity_make("server", "DNS:" HOST, NULL, -1, 30);
	char path[] = "/tmp/mountmail-self-XXXXXX";
	struct test test;

	close(mkstemp(path));
	identity_save(&self, path);
	test_init(&test);
	test.conf.cafile = path;
	test.server.context = identity_context(&self, 0);
	test_connect(&test);
	unlink(path);
	expect_tls(&test);
	test_end(&test);
	identity_finish(&self);
}

static void expect_no_trust(const char *cafile, const char *part)
{
	struct test test;
	int ends[2];

	test_init(&test);
	test.conf.cafile = cafile;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	test.stream = stream_from_fd(ends[0], &test.conf, -1);
	test.mailstream = stream_mailstream(test.stream, guard_create());
	assert_false(stream_load_trust(test.stream, &test.result));
	assert_int_equal(test.result.status, BACKEND_REFUSED);
	if (!strstr(test.result.text, part))
		fail_msg("\"%s\" does not tell \"%s\"", test.result.text, part);
	mailstream_close(test.mailstream);
	close(ends[1]);
}

static void test_cafile(void **state)
{
	expect_no_trust(
		"/nonexistent/ca.pem", "/nonexistent/ca.pem (cafile=) cannot be read: No");
	expect_no_trust("/dev/null", "holds no certificate");
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	expect_no_trust(NULL, "ca-certificates");
	unsetenv("SSL_CERT_FILE");
}

/* The system's own, from the file or the directory that OpenSSL's variables name. */
static void test_system_trust(void **state)
{
	char dir[] = "/tmp/mountmail-trust-XXXXXX", *path;
	struct test test;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/ca.pem", dir);
	identity_save(&authority, path);
	setenv("SSL_CERT_DIR", dir, 1);
	test_init(&test);
	test.conf.cafile = NULL;
	serve(&test, "DNS:" HOST, &authority, -1);
	test_connect(&test);
	unsetenv("SSL_CERT_DIR");
	unlink(path);
	rmdir(dir);
	free(path);
	expect_tls(&test);
	test_end(&test);
}

/* As in the sandbox: whatever would open a file now fails. */
static void test_no_file_is_opened_after_load_trust(void **state)
{
	struct rlimit old, none;
	struct test test;

	test_init(&test);
	serve(&test, "DNS:" HOST, &authority, -1);
	test.server.says = "* OK hi\r\n";
	test_connect(&test);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){0, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(open("/dev/null", 0), -1);
	/* poll() minds the limit too, so one descriptor for each entry. */
	none.rlim_cur = 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(open("/dev/null", 0), -1);
	expect_tls(&test);
	expect_read(&test, "* OK hi\r\n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	test_end(&test);
}

static void test_old_tls(void **state)
{
	struct identity identity = identity_make("server", "DNS:" HOST, &authority, -1, 30);
	struct test test;

	test_init(&test);
	test.server.context = identity_context(&identity, TLS1_1_VERSION);
	test_connect(&test);
	expect_no_tls(&test, BACKEND_REFUSED, "no TLS 1.2");
	test_end(&test);
	identity_finish(&identity);
}

static void test_tls_1_2(void **state)
{
	struct identity identity = identity_make("server", "DNS:" HOST, &authority, -1, 30);
	struct test test;

	test_init(&test);
	test.server.context = identity_context(&identity, TLS1_2_VERSION);
	test.server.says = "* OK old enough\r\n";
	test_connect(&test);
	expect_tls(&test);
	expect_read(&test, "* OK old enough\r\n");
	test_end(&test);
	identity_finish(&identity);
}

static void test_plain_server(void **state)
{
	struct test test;

	test_init(&test);
	test.server.before = "* BAD this is no TLS at all, and it goes on\r\n";
	test_connect(&test);
	expect_no_tls(&test, BACKEND_REFUSED, "tls=starttls");
	test_end(&test);
}

/* The client says STARTTLS, the server OK; TLS goes on in the same place. */
static void starttls(struct test *test)
{
	test_init(test);
	test->conf.tls = WIRE_TLS_STARTTLS;
	serve(test, "DNS:" HOST, &authority, -1);
	test->server.says = "* CAPABILITY IMAP4rev1\r\n";
}

static void test_starttls_in_place(void **state)
{
	struct test test;

	starttls(&test);
	test.server.before = "1 OK begin\r\n";
	test_connect(&test);
	assert_int_equal(mailstream_write(test.mailstream, "1 STARTTLS\r\n", 12), 12);
	assert_int_equal(mailstream_flush(test.mailstream), 0);
	expect_read(&test, "1 OK begin\r\n");
	expect_tls(&test);
	expect_read(&test, "* CAPABILITY IMAP4rev1\r\n");
	test_end(&test);
}

static void expect_injection(const char *before, const char *read)
{
	struct test test;
	char byte;

	starttls(&test);
	test.server.before = before;
	test_connect(&test);
	assert_int_equal(mailstream_write(test.mailstream, "1 STARTTLS\r\n", 12), 12);
	assert_int_equal(mailstream_flush(test.mailstream), 0);
	/* Below libetpan's buffer, which imap.c looks at. */
	assert_int_equal(mailstream_low_read(test.mailstream->low, &byte, 1), 1);
	for (size_t i = 1; i < strlen(read); i++)
		assert_int_equal(mailstream_low_read(test.mailstream->low, &byte, 1), 1);
	expect_no_tls(&test, BACKEND_REFUSED, "injecting");
	test_end(&test);
}

static void test_injected_clear_text(void **state)
{
	expect_injection(
		"1 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", "1 OK begin\r\n");
	expect_injection("1 OK begin\r\n* ", "1 OK begin\r\n");
}

/* What has come and was not read at all: before TLS it is an attack or the wrong port. */
static void expect_clear_text_in_the_socket(enum wire_tls tls, const char *part)
{
	struct test test;

	test_init(&test);
	test.conf.tls = tls;
	test.server.says = "* OK hi\r\n";
	test_connect(&test);
	usleep(200000);
	expect_no_tls(&test, BACKEND_REFUSED, part);
	test_end(&test);
}

static void test_clear_text_in_the_socket(void **state)
{
	expect_clear_text_in_the_socket(WIRE_TLS_STARTTLS, "injecting");
	expect_clear_text_in_the_socket(WIRE_TLS_IMPLICIT, "tls=starttls");
}

static void plain(struct test *test, const char *says, uint32_t timeout_ms)
{
	test_init(test);
	test->conf.tls = WIRE_TLS_NONE;
	test->conf.timeout_ms = timeout_ms;
	test->server.says = says;
}

static void test_silence(void **state)
{
	struct test test;
	int64_t ms;

	plain(&test, NULL, 300);
	test_connect(&test);
	stream_deadline(test.stream);
	ms = expect_no_read(&test, "no answer for 1 second");
	assert_in_range(ms, 250, 2000);
	test_end(&test);
}

static void test_silence_in_the_handshake(void **state)
{
	struct test test;

	plain(&test, NULL, 300);
	test.conf.tls = WIRE_TLS_IMPLICIT;
	test_connect(&test);
	expect_no_tls(&test, BACKEND_CONNECTION_LOST, "no answer");
	test_end(&test);
}

/* A byte now and then, inside of one line, does not keep the wait alive. */
static void test_drip(void **state)
{
	struct test test;
	int64_t start;
	char byte;

	plain(&test, "* OK [ALERT] a line that takes its time, and then some more of it", 500);
	test.server.drip_ms = 100;
	test_connect(&test);
	stream_deadline(test.stream);
	start = clock_now_ms();
	assert_int_equal(mailstream_read(test.mailstream, &byte, 1), -1);
	assert_in_range(clock_now_ms() - start, 450, 3000);
	assert_non_null(strstr(stream_failure(test.stream), "no answer"));
	test_end(&test);
}

/* An answer that flows may take longer than a silence may. */
static void test_slow_but_steady(void **state)
{
	struct test test;
	struct buf text = BUF_INIT;

	buf_append_str(&text, "* 1 FETCH (BODY[] {60}\r\n");
	for (int i = 0; i < 60; i++)
		buf_append_char(&text, 'x');
	buf_append_str(&text, ")\r\n");
	plain(&test, text.data, 800);
	test.server.drip_ms = 20;
	test_connect(&test);
	stream_deadline(test.stream);
	expect_read(&test, text.data);
	test_end(&test);
	buf_finish(&text);
}

static void test_watch_ends_the_wait(void **state)
{
	struct test test;
	int64_t ms;

	plain(&test, NULL, 5000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, test.watch), 0);
	test_connect(&test);
	close(test.watch[1]);
	test.watch[1] = -1;
	ms = expect_no_read(&test, "no longer wanted");
	assert_in_range(ms, 0, 1000);
	test_end(&test);
}

/* A frame that lies in the channel is no end of it. */
static void test_watch_may_be_readable(void **state)
{
	struct test test;

	plain(&test, "* OK hi\r\n", 3000);
	test.server.drip_ms = 10;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, test.watch), 0);
	assert_int_equal(write(test.watch[1], "stop", 4), 4);
	test_connect(&test);
	expect_read(&test, "* OK hi\r\n");
	test_end(&test);
}

static int await(struct test *test, int64_t ms, int wake_fd)
{
	return stream_await(test->stream, clock_now_ms() + ms, wake_fd);
}

/* Two lines in one record, and the beginning of a third; no deadline, and then the end. */
static void test_await(void **state)
{
	struct test test;
	int wake[2];
	int64_t start;

	test_init(&test);
	serve(&test, "DNS:" HOST, &authority, -1);
	test.server.says = "* 1 EXISTS\r\n* OK x\r\n* 2 EX";
	test_connect(&test);
	expect_tls(&test);
	test.conf.timeout_ms = 1;
	stream_deadline(test.stream);
	assert_int_equal(await(&test, 10000, -1), 1);
	assert_int_equal(await(&test, 10000, -1), 1);
	test.conf.timeout_ms = 3000;
	stream_deadline(test.stream);
	expect_read(&test, "* 1 EXISTS\r\n* OK x\r\n");
	start = clock_now_ms();
	assert_int_equal(await(&test, 100, -1), 0);
	assert_in_range(clock_now_ms() - start, 100, 2000);
	assert_int_equal(pipe(wake), 0);
	assert_int_equal(write(wake[1], "x", 1), 1);
	assert_int_equal(await(&test, 10000, wake[0]), 0);
	close(wake[0]);
	close(wake[1]);
	assert_string_equal(stream_failure(test.stream), "");
	/* Not the server's fault: it waits for us. */
	(void)shutdown(test.server.fd, SHUT_RDWR);
	assert_int_equal(await(&test, 10000, -1), -1);
	assert_true(stream_failure(test.stream)[0] != '\0');
	test_end(&test);
}

static void test_await_and_watch(void **state)
{
	struct test test;
	char byte;

	plain(&test, NULL, 3000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, test.watch), 0);
	assert_int_equal(write(test.watch[1], "x", 1), 1);
	test_connect(&test);
	assert_int_equal(await(&test, 10000, -1), 0);
	assert_int_equal(read(test.watch[0], &byte, 1), 1);
	assert_int_equal(await(&test, 50, -1), 0);
	close(test.watch[1]);
	test.watch[1] = -1;
	assert_int_equal(await(&test, 10000, -1), -1);
	assert_string_equal(stream_failure(test.stream), "it is no longer wanted");
	test_end(&test);
}

static void test_await_and_guard(void **state)
{
	static const struct guard_limits limits = {.line = 8};
	struct test test;

	plain(&test, "* 123456789 EX", 3000);
	test_connect(&test);
	guard_expect(test.guard, &limits);
	assert_int_equal(await(&test, 10000, -1), -1);
	assert_non_null(strstr(guard_failure(test.guard), "more than 8 bytes"));
	test_end(&test);
}

static void test_end_of_file(void **state)
{
	struct test test;

	plain(&test, "* OK hi\r\n", 3000);
	test.server.quits = true;
	test_connect(&test);
	expect_read(&test, "* OK hi\r\n");
	expect_no_read(&test, "the server closed it");
	test_end(&test);
}

static void test_reset_in_the_middle_of_a_record(void **state)
{
	struct test test;

	test_init(&test);
	serve(&test, "DNS:" HOST, &authority, -1);
	test.server.says = "* OK hi\r\n";
	test.server.resets = true;
	test_connect(&test);
	expect_tls(&test);
	expect_read(&test, "* OK hi\r\n");
	expect_no_read(&test, "reset");
	test_end(&test);
}

static void test_guard_ends_it(void **state)
{
	struct test test;
	char got[64] = "";

	plain(&test, "* OK hi\r\n* 1 FETCH (BODY[] {5} half\r\n", 3000);
	test_connect(&test);
	expect_read(&test, "* OK hi\r\n");
	assert_int_equal(mailstream_read(test.mailstream, got, sizeof(got)), -1);
	assert_non_null(strstr(guard_failure(test.guard), "half a literal"));
	test_end(&test);
}

static void expect_no_connection(const char *host, uint16_t port, const char *part)
{
	const struct wire_conf conf = {.host = host, .port = port, .timeout_ms = 1000};
	struct backend_result result;

	assert_null(stream_connect(&conf, -1, &result));
	assert_int_equal(result.status, BACKEND_CONNECTION_LOST);
	if (!strstr(result.text, part))
		fail_msg("\"%s\" does not tell \"%s\"", result.text, part);
}

static void test_connecting(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct wire_conf conf = {.host = "127.0.0.1", .timeout_ms = 1000};
	struct backend_result result;
	struct stream *stream;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	conf.port = ntohs(address.sin_port);
	expect_no_connection("127.0.0.1", conf.port, "connection refused");
	assert_int_equal(listen(listener, 1), 0);
	stream = stream_connect(&conf, -1, &result);
	assert_non_null(stream);
	mailstream_close(stream_mailstream(stream, guard_create()));
	close(listener);
}

static void test_unknown_host(void **state)
{
	/* RFC 6761: never to exist. Without a network the words are others. */
	expect_no_connection("nowhere.invalid", 993, "nowhere.invalid");
	expect_no_connection("not a host name", 993, "not a host name");
}

static int set_up(void **state)
{
	int fd = mkstemp(ca_path);

	signal(SIGPIPE, SIG_IGN);
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	if (fd < 0)
		return -1;
	close(fd);
	authority = identity_make("Authority", NULL, NULL, -100, 200);
	stranger = identity_make("Stranger", NULL, NULL, -100, 200);
	identity_save(&authority, ca_path);
	return 0;
}

static int tear_down(void **state)
{
	unlink(ca_path);
	identity_finish(&authority);
	identity_finish(&stranger);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_host),
		cmocka_unit_test(test_other_ways_to_name_it),
		cmocka_unit_test(test_refused_certificates),
		cmocka_unit_test(test_names_are_tamed),
		cmocka_unit_test(test_own_certificate_as_cafile),
		cmocka_unit_test(test_cafile),
		cmocka_unit_test(test_system_trust),
		cmocka_unit_test(test_no_file_is_opened_after_load_trust),
		cmocka_unit_test(test_old_tls),
		cmocka_unit_test(test_tls_1_2),
		cmocka_unit_test(test_plain_server),
		cmocka_unit_test(test_starttls_in_place),
		cmocka_unit_test(test_injected_clear_text),
		cmocka_unit_test(test_clear_text_in_the_socket),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_in_the_handshake),
		cmocka_unit_test(test_drip),
		cmocka_unit_test(test_slow_but_steady),
		cmocka_unit_test(test_watch_ends_the_wait),
		cmocka_unit_test(test_watch_may_be_readable),
		cmocka_unit_test(test_await),
		cmocka_unit_test(test_await_and_watch),
		cmocka_unit_test(test_await_and_guard),
		cmocka_unit_test(test_end_of_file),
		cmocka_unit_test(test_reset_in_the_middle_of_a_record),
		cmocka_unit_test(test_guard_ends_it),
		cmocka_unit_test(test_connecting),
		cmocka_unit_test(test_unknown_host),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
