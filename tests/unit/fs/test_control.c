/*
 * test_control.c - commands at the control socket, and clients that misbehave there.
 */
#include "fixture.h"
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

static int ask(struct fixture *fixture, const char *request, char **text_out, struct error *err)
{
	struct buf payload = BUF_INIT;
	int result;

	*err = (struct error){0};
	result = control_ask(fixture->point, request, 20000, &payload, err);
	*text_out = buf_steal(&payload);
	return result;
}

static int dial(struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, fixture->control);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void test_status(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	char *text;

	NEED_MOUNT(fixture);
	assert_int_equal(ask(fixture, "status json", &text, &err), 0);
	assert_non_null(strstr(text, "{\"version\":\"0.0\",\"account\":\"work\",\"server\":"
				     "\"imap.example.org\",\"state\":\"online\",\"error\":null,"
				     "\"pids\":{\"supervisor\":12,\"mail\":"));
	assert_non_null(strstr(text, "\"connections\":1,\"folders\":[{\"name\":\"INBOX\","
				     "\"path\":\"INBOX\",\"messages\":300,\"listed\":true,"
				     "\"bodies\":0,\"epoch\":"));
	assert_non_null(strstr(text, "\"pending\":0,\"removals\":{\"pending\":0,"));
	assert_non_null(strstr(text, "\"readonly\":false},\"uptime\":"));
	free(text);
	assert_int_equal(ask(fixture, "status text", &text, &err), 0);
	assert_non_null(strstr(text, "work: imap.example.org, online, 1 connection\n"));
	assert_non_null(strstr(text, "INBOX\n"));
	assert_null(strstr(text, "removals"));
	assert_non_null(strstr(text, "Unlisted  (being listed)\n"));
	free(text);
	assert_int_equal(ask(fixture, "dance", &text, &err), -EINVAL);
	assert_non_null(strstr(err.text, "does not know"));
	free(text);
}

static void test_not_a_mount(void **state)
{
	struct fixture *fixture = *state;
	struct buf payload = BUF_INIT;
	struct error err = {0};
	char request[CONTROL_LINE_MAX + 2];

	NEED_MOUNT(fixture);
	assert_true(control_ask("/tmp", "status json", 1000, &payload, &err) < 0);
	assert_non_null(strstr(err.text, "not a mountmail mount"));
	assert_true(control_ask("/tmp/no such thing", "status json", 1000, &payload, &err) < 0);
	assert_non_null(strstr(err.text, "not a mountmail mount"));
	memset(request, 'x', sizeof(request) - 1);
	request[sizeof(request) - 1] = '\0';
	assert_int_equal(control_ask(fixture->point, request, 1000, &payload, &err), -EINVAL);
	assert_int_equal(
		control_ask(fixture->point, "status\njson", 1000, &payload, &err), -EINVAL);
	buf_finish(&payload);
}

static void test_refresh(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	char *text;

	NEED_MOUNT(fixture);
	fixture->listed = 0;
	assert_int_equal(ask(fixture, "refresh INBOX", &text, &err), 0);
	free(text);
	assert_int_equal(ask(fixture, "refresh ", &text, &err), 0);
	free(text);
	assert_int_equal(ask(fixture, "refresh Archive/Old", &text, &err), 0);
	free(text);
	assert_int_equal(fixture->account->answered[FAKE_REFRESH], 3);
	assert_int_equal(ask(fixture, "refresh Nowhere", &text, &err), -ENOENT);
	assert_non_null(strstr(err.text, "Nowhere"));
	free(text);
	fake_set_offline(fixture->account, true);
	assert_int_equal(ask(fixture, "refresh INBOX", &text, &err), -EIO);
	assert_non_null(strstr(err.text, "INBOX"));
	free(text);
}

struct asker {
	pthread_t id;
	struct fixture *fixture;
	int result;
};

static void *asker_run(void *ctx)
{
	struct asker *asker = ctx;
	struct error err;
	char *text;

	asker->result = ask(asker->fixture, "refresh INBOX", &text, &err);
	free(text);
	return NULL;
}

static bool five_wait(void *ctx)
{
	return fake_waiting(ctx) == 5;
}

static bool none_wait(void *ctx)
{
	return fake_waiting(ctx) == 0;
}

/* Silent clients, slow ones, ones that wait: the others are served meanwhile. */
static void test_crowd(void **state)
{
	struct fixture *fixture = *state;
	struct asker askers[5];
	struct error err;
	int silent, half, chatty, waiting;
	char *text, flood[CONTROL_LINE_MAX * 2];

	NEED_MOUNT(fixture);
	silent = dial(fixture);
	half = dial(fixture);
	assert_int_equal(send(half, "stat", 4, 0), 4);
	chatty = dial(fixture);
	memset(flood, 'a', sizeof(flood));
	send(chatty, flood, sizeof(flood), MSG_NOSIGNAL);
	fake_set_hold(fixture->account, true);
	for (size_t i = 0; i < 5; i++) {
		askers[i] = (struct asker){.fixture = fixture};
		pthread_create(&askers[i].id, NULL, asker_run, &askers[i]);
	}
	assert_true(wait_until(five_wait, fixture->account));
	assert_int_equal(ask(fixture, "status json", &text, &err), 0);
	free(text);
	/* The flood is cut off, with no answer. */
	assert_true(recv(chatty, flood, sizeof(flood), 0) <= 0);
	assert_int_equal(send(half, "us json\n", 8, 0), 8);
	assert_int_equal(recv(half, flood, 3, MSG_WAITALL), 3);
	assert_memory_equal(flood, "ok\n", 3);
	fake_set_hold(fixture->account, false);
	for (size_t i = 0; i < 5; i++) {
		pthread_join(askers[i].id, NULL);
		assert_int_equal(askers[i].result, 0);
	}
	/* Who goes away while waiting is no longer waited for. */
	fake_set_hold(fixture->account, true);
	waiting = dial(fixture);
	assert_int_equal(send(waiting, "refresh INBOX\n", 14, 0), 14);
	while (fake_waiting(fixture->account) != 1)
		usleep(1000);
	close(waiting);
	assert_true(wait_until(none_wait, fixture->account));
	assert_int_equal(fake_count(fixture->account, &fixture->account->cancelled), 1);
	/* And one is still there when the mount goes. */
	waiting = dial(fixture);
	assert_int_equal(send(waiting, "refresh INBOX\n", 14, 0), 14);
	while (fake_waiting(fixture->account) != 1)
		usleep(1000);
	fs_stop(fixture->fs);
	assert_int_equal(recv(waiting, flood, sizeof(flood), 0), 0);
	close(waiting);
	close(silent);
	close(half);
	close(chatty);
}

static void test_umount(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	char *text;

	NEED_MOUNT(fixture);
	fixture->unmount_result = -EBUSY;
	assert_int_equal(ask(fixture, "umount", &text, &err), -EBUSY);
	assert_string_equal(err.text, "files are open");
	assert_false(fixture->last_force);
	free(text);
	fixture->unmount_result = 0;
	assert_int_equal(ask(fixture, "umount force", &text, &err), 0);
	assert_true(fixture->last_force);
	assert_int_equal(fixture->unmounts, 2);
	free(text);
}

static void test_listen(void **state)
{
	char dir[] = "/tmp/mm-control-XXXXXX", path[64], deep[300];
	struct stat stat_buf;
	struct error err = {0};
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	fd = control_listen(path, &err);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &stat_buf), 0);
	assert_int_equal(stat_buf.st_mode, S_IFSOCK | 0600);
	close(fd);
	fd = control_listen(path, &err); /* over a dead one */
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	/* What is no socket is not removed. */
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(control_listen(path, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, path));
	unlink(path);
	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(control_listen(deep, &err), -ENAMETOOLONG);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_status, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_not_a_mount, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_refresh, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_crowd, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_umount, fixture_setup, fixture_teardown),
		cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
