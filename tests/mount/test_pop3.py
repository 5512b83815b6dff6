"""A POP3 maildrop as a folder, on Dovecot. Other servers: test_pop3_servers.py."""
import errno
import json
import os
import shutil
import subprocess
import threading
import time

import pytest
from lib.mount import mounted, until
from lib.pop3 import Pop3, bodies
from lib.relay import Relay

AUTH, PROTOCOL, LEFT = 4, 5, 7


def message(number, body=None):
    head = (f'From: Alice <alice@example.org>\r\nSubject: number {number}\r\n'
            f'Message-ID: <{number}@example.org>\r\nDate: Fri, 3 May 2024 10:00:00 +0000\r\n\r\n').encode()
    return head + (body if body is not None else f'This is number {number}.\r\n'.encode())


def messages(first, last):
    return [message(number) for number in range(first, last + 1)]


# What Dovecot makes of these is for it to say; the mount has to say the same.
ODD = [
    message(1, b'.\r\n..\r\n...\r\n.hidden\r\n'),
    message(2, b'a line\r\n.\r\n\r\n.\r\n'),
    message(3, b'.'),
    message(4, b'no final newline'),
    message(5, b'..'),
    message(6, b'a NUL \0 and one at the end of a line \0\r\n\0\r\n.\0\r\n'),
    message(7, b'bare\nLF\n.\n.\r\nand a bare \r CR\r\n'),
    message(8, b''),
    message(9, b'x' * 100000 + b'\r\n.' + b'y' * 100000),
    message(10, b'\r\n\r\n\r\n'),
    b'.starts: with a dot\r\n\r\n.body\r\n',
    b'\r\n',
    b'\r\nno header\r\n',
    b'Subject: a header and no more\r\n',
    message(11, b'\xff\xfe\x80 eight bits\r\n'),
]


class Drop:
    """One user's maildrop on the private Dovecot."""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.port = server.pop3_port

    def fill(self, files):
        self.server.put(self.user, 'INBOX', files)
        return bodies(self.port, self.user)

    def bodies(self):
        return sorted(bodies(self.port, self.user))

    def session(self, **more):
        return Pop3(self.port, self.user, **more)

    def deliver(self, data):
        client = self.server.imap(self.user)
        client.append('INBOX', None, None, data)
        client.logout()


@pytest.fixture
def drop(dovecot, user):
    return Drop(dovecot, user)


@pytest.fixture
def pop3(mounts, dovecot, user):
    """Makes mounts of the user's maildrop."""
    def make(url=None, options='', **more):
        return mounts(user, url=url or f'pop3s://{user}@localhost:{dovecot.pop3s_port}',
                      options=options, **more)
    return make


@pytest.fixture
def relayed(pop3, dovecot, user):
    """A mount behind a relay, which sees what it says."""
    made = Relay(dovecot.pop3_port)

    def make(options='poll=0', **more):
        mount = pop3(url=f'pop3://{user}@localhost:{made.port}', options='tls=none,' + options, **more)
        mount.relay = made
        return mount

    yield make
    made.close()


def contents(mount):
    """{body: path}; of twins one."""
    return {path.read_bytes(): path for path in mount.files().values()}


def snapshot(mount):
    found = {}
    for path in mount.files().values():
        stat = path.lstat()
        found[path.name] = (stat.st_ino, stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
    return found


def compare(mount, wanted):
    """Each file is a message and each message is a file, byte for byte; sizes are exact."""
    files = mount.files()
    read = []
    for path in files.values():
        data = path.read_bytes()
        assert path.stat().st_size == len(data), path
        read.append(data)
    assert sorted(read) == sorted(wanted)
    return len(files)


def refresh(mount):
    result = mount.run('refresh', mount.point)
    assert result.returncode == 0, result.stderr + mount.text()


def flush(mount, status=0, *more):
    result = mount.run('flush', mount.point, *more)
    assert result.returncode == status, f'{result.returncode}: {result.stderr}\n{mount.text()}'
    return result.stderr


def queue(mount):
    result = mount.run('queue', '--json', mount.point)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def copy_tools(mount, tmp_path):
    source = str(mount.point) + '/'
    subprocess.run(['rsync', '-a', '--exclude=.mountmail', source, tmp_path / 'copy'], check=True)
    again = subprocess.run(['rsync', '-ai', source, tmp_path / 'copy'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    assert again == '', 'the second rsync copied something'
    subprocess.run(['diff', '-r', mount.point, tmp_path / 'copy'], check=True)


def survives(mount):
    """Names, inodes and times are the same after a remount, and without a cache."""
    first = snapshot(mount)
    assert mount.stop() == 0
    mount.start().wait_listed()
    assert snapshot(mount) == first
    assert mount.stop() == 0
    shutil.rmtree(mount.home / 'cache')
    mount.start().wait_listed()
    assert {name: entry[:4] for name, entry in snapshot(mount).items()} == \
        {name: entry[:4] for name, entry in first.items()}


def test_sample_mail(pop3, drop, sample_mail, tmp_path):
    wanted = drop.fill(sorted((sample_mail / 'INBOX').glob('*.eml')))
    mount = pop3().start().wait_listed()
    assert [name for name in os.listdir(mount.point)] == ['INBOX']
    assert compare(mount, wanted) == len(wanted) > 5
    grep = subprocess.run(['grep', '-rl', 'budget', mount.point], text=True, stdout=subprocess.PIPE)
    assert len(grep.stdout.splitlines()) == sum(b'budget' in body for body in wanted) > 0
    copy_tools(mount, tmp_path)
    survives(mount)


def test_corpus(pop3, drop, corpus, tmp_path):
    wanted = drop.fill(corpus)
    assert len(wanted) == len(corpus)
    mount = pop3().start().wait_listed()
    assert subprocess.run(['grep', '-rc', 'the', mount.point], stdout=subprocess.DEVNULL).returncode == 0
    assert compare(mount, wanted) == len(wanted)
    copy_tools(mount, tmp_path)
    survives(mount)


def test_odd_bytes(pop3, drop):
    wanted = drop.fill(ODD)
    mount = pop3().start().wait_listed()
    assert compare(mount, wanted) == len(ODD)
    survives(mount)
    assert compare(mount, wanted) == len(ODD)


def test_an_answer_that_ends_too_soon(pop3, drop):
    """Dovecot sends a message whose first line is a dot as one that is empty, and more behind it: the session
    is out of step, and is given up. All others can be read, and nothing is taken for what it is not."""
    drop.server.put(drop.user, 'INBOX', [message(1), b'.\r\n.\r\n', message(2), message(3)])
    mount = pop3(options='poll=0,timeout=10').start().wait_listed()
    read = []
    for path in mount.files().values():
        try:
            read.append(path.read_bytes())
        except OSError as error:
            assert error.errno in (errno.EIO, errno.ETIMEDOUT, errno.ESTALE)
    assert sorted(body for body in read if body) == messages(1, 3)


def test_an_empty_one(pop3, drop):
    assert drop.fill([]) == []
    mount = pop3().start().wait_listed()
    assert os.listdir(mount.point / 'INBOX') == []
    drop.deliver(message(1))
    refresh(mount)
    until(lambda: compare(mount, [message(1)]) == 1, 'the first message shows', 10)


def test_it_is_not_read(pop3, drop, dovecot, user):
    """There is no mark for it in POP3, and none is set behind it."""
    drop.fill(messages(1, 3))
    mount = pop3().start().wait_listed()
    for path in mount.files().values():
        path.read_bytes()
        assert os.getxattr(path, 'user.mail.flags') == b''
        assert os.getxattr(path, 'user.mail.message-id')


def test_rm(relayed, drop):
    """Exactly those are removed, by DELE and QUIT; and done only when a later session does not list them."""
    drop.fill(messages(1, 30))
    mount = relayed().start().wait_listed()
    files = contents(mount)
    gone = [message(number) for number in (3, 4, 17, 30)]
    for body in gone:
        files[body].unlink()
        assert not files[body].exists()
    row = queue(mount)['rows'][0]
    assert row['final'] is True and row['folder'] == 'INBOX'
    flush(mount)
    left = sorted(set(files) - set(gone))
    assert drop.bodies() == left
    assert queue(mount)['rows'] == [] and mount.status()['pending'] == 0
    assert compare(mount, left) == 26
    assert mount.relay.count(b'DELE') == 4
    refresh(mount)
    assert compare(mount, left) == 26
    assert mount.stop() == 0
    assert drop.bodies() == left


def test_rm_of_many(pop3, drop):
    """More than go into one session's chunk, without a flush."""
    drop.fill(messages(1, 1300))
    mount = pop3(options='brake=off').start().wait_listed()
    for number, (body, path) in enumerate(sorted(contents(mount).items())):
        if number % 13:
            path.unlink()
    until(lambda: mount.status()['pending'] == 0, 'the server has it', 60)
    assert drop.bodies() == sorted(messages(1, 1300))[::13]


def test_rm_and_undo(relayed, drop):
    wanted = drop.fill(messages(1, 5))
    mount = relayed().start().wait_listed()
    files = contents(mount)
    mount.relay.away()
    files[message(2)].unlink()
    files[message(3)].unlink()
    assert len(mount.files()) == 3
    for row in queue(mount)['rows']:
        assert row['state'] == 'queued'
    assert mount.run('queue', mount.point, '--undo', 'all').returncode == 0
    assert compare(mount, wanted) == 5
    mount.relay.back()
    flush(mount)
    assert drop.bodies() == sorted(wanted)
    assert mount.relay.count(b'DELE') == 0


def test_ending_removes_nothing(relayed, drop):
    """Unmounting, and killing whatever there is, while it lists and while it reads."""
    wanted = sorted(drop.fill(messages(1, 300)))
    mount = relayed()
    for round_ in range(6):
        mount.start(wait=False)
        until(lambda: mounted(mount.point) and mount.ask_status(), 'it is there')
        reader = threading.Thread(target=lambda: subprocess.run(
            ['cat', *map(str, mount.files().values())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        reader.start()
        time.sleep(0.05 * round_)
        pids = mount.status()['pids']
        victims = [pids['wire'], [pids['mail']], [pids['supervisor'], pids['mail'], *pids['wire']]][round_ % 3]
        for pid in victims:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        if round_ % 3 == 0:
            mount.run('umount', '--force', mount.point)
        mount.process.wait(30)
        reader.join()
        shutil.rmtree(mount.home / 'cache', ignore_errors=True)
    assert mount.relay.count(b'DELE') == 0
    mount.relay.close()
    until(lambda: drop.bodies() == wanted, 'all of it is there', 30, 1)


def test_killed_after_rm(relayed, drop):
    """What was removed stays removed, without a cache, too; and reaches the server later."""
    drop.fill(messages(1, 10))
    mount = relayed().start().wait_listed()
    files = contents(mount)
    mount.relay.away()
    files[message(1)].unlink()
    files[message(10)].unlink()
    pids = mount.status()['pids']
    for pid in (pids['supervisor'], pids['mail'], *pids['wire']):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    mount.process.wait(20)
    assert drop.bodies() == sorted(messages(1, 10))
    shutil.rmtree(mount.home / 'cache')
    mount.relay.back()
    mount.start().wait_listed()
    assert compare(mount, messages(2, 9)) == 8
    flush(mount)
    assert drop.bodies() == sorted(messages(2, 9))


def test_brake(pop3, drop):
    """There is no Trash: every removal is final, and a storm of them is held."""
    drop.fill(messages(1, 50))
    mount = pop3(options='brake=10').start().wait_listed()
    for path in mount.files().values():
        path.unlink()
    assert 'brake' in flush(mount, LEFT)
    assert queue(mount)['removals']['braked'] >= 40
    assert mount.run('queue', mount.point, '--undo', 'all').returncode == 0
    flush(mount)
    left = drop.bodies()
    assert len(left) >= 40
    assert compare(mount, left) == len(left)
    for path in list(mount.files().values())[:11]:
        path.unlink()
    flush(mount, LEFT)
    assert mount.run('queue', mount.point, '--release').returncode == 0
    flush(mount)
    assert len(drop.bodies()) == len(left) - 11


def test_rm_with_ro(pop3, drop):
    wanted = drop.fill(messages(1, 3))
    mount = pop3(options='ro').start().wait_listed()
    with pytest.raises(OSError) as error:
        next(iter(mount.files().values())).unlink()
    assert error.value.errno == errno.EROFS
    assert compare(mount, wanted) == 3


def test_nothing_else_is_changed(pop3, drop):
    wanted = drop.fill(messages(1, 3))
    mount = pop3().start().wait_listed()
    file = next(iter(mount.files().values()))
    for change in (lambda: os.rename(file, mount.point / 'INBOX' / 'x'), lambda: os.mkdir(mount.point / 'x'),
                   lambda: open(mount.point / 'INBOX' / 'x', 'w'), lambda: os.truncate(file, 0)):
        with pytest.raises(OSError) as error:
            change()
        assert error.value.errno in (errno.EPERM, errno.EACCES)
    assert compare(mount, wanted) == 3


def test_other_clients(pop3, drop):
    """What another client removes goes at the next poll; what comes shows after a refresh."""
    drop.fill(messages(1, 10))
    mount = pop3(options='poll=1').start().wait_listed()
    assert compare(mount, messages(1, 10)) == 10
    before = snapshot(mount)

    def remove():
        session = drop.session()
        for number, body in enumerate(session.retr_all(), 1):
            if body in (message(2), message(9)):
                session.ask(f'DELE {number}')
        session.quit()

    remove()
    until(lambda: len(mount.files()) == 8, 'they go', 30, 0.2)
    drop.deliver(message(11))
    refresh(mount)
    wanted = messages(3, 8) + [message(1), message(10), message(11)]
    until(lambda: len(mount.files()) == 9, 'the new one shows', 10)
    assert compare(mount, wanted) == 9
    after = snapshot(mount)
    assert {name: after[name] for name in before if name in after} == \
        {name: before[name] for name in before if name in after}
    assert len(set(before) & set(after)) == 8


def test_a_session_is_short(relayed, drop):
    """Connected only while there is something to do, so that others get at the maildrop."""
    drop.fill(messages(1, 20))
    mount = relayed(options='poll=0').start().wait_listed()
    compare(mount, messages(1, 20))
    until(lambda: mount.status()['connections'] == 0, 'it hangs up', 15)
    assert mount.status()['state'] == 'online'
    begun = mount.relay.connections
    session = drop.session(timeout=5)
    compare(mount, messages(1, 20))
    assert mount.relay.connections == begun
    session.quit()


def test_readers_share_a_session(relayed, drop):
    drop.fill(messages(1, 100))
    mount = relayed(options='poll=0').start().wait_listed()
    until(lambda: mount.status()['connections'] == 0, 'it hangs up', 15)
    begun = mount.relay.connections
    files = list(mount.files().values())
    threads = [threading.Thread(target=lambda part=files[n::8]: [path.read_bytes() for path in part]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mount.relay.connections == begun + 1
    assert compare(mount, messages(1, 100)) == 100


def test_two_mounts(pop3, drop):
    """Each with a cache of its own: both read all of it, and what one removes goes at the other."""
    wanted = drop.fill(messages(1, 200))
    one = pop3(options='poll=2').start(wait=False)
    two = pop3(options='poll=2').start(wait=False)
    for mount in (one, two):
        until(mount.answers, 'it is up')
        mount.wait_listed()
    failed = []

    def read(mount):
        try:
            compare(mount, wanted)
        except BaseException as error:  # noqa: B902
            failed.append(error)

    threads = [threading.Thread(target=read, args=(mount,)) for mount in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
    assert snapshot(one).keys() == snapshot(two).keys()
    assert {name: entry[0] for name, entry in snapshot(one).items()} == \
        {name: entry[0] for name, entry in snapshot(two).items()}
    slowest = 0.0
    for path in list(one.files().values())[:50]:
        path.unlink()
    until(lambda: one.status()['pending'] == 0, 'one has removed them', 60)
    deadline = time.monotonic() + 60
    while len(two.files()) != 150:
        assert time.monotonic() < deadline, two.text()
        begun = time.monotonic()
        for path in two.files().values():
            try:
                path.read_bytes()
            except FileNotFoundError:
                pass
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 5, 'who reads cached mail waits for the maildrop'
    assert compare(two, contents(one)) == 150


def test_a_lock_that_others_keep(pop3, drop):
    """Cached mail is served at once; whoever wants more has it when the lock goes."""
    drop.fill(messages(1, 20))
    mount = pop3(options='poll=1,timeout=60').start().wait_listed()
    files = mount.files()
    cached = list(files.values())[:10]
    for path in cached:
        path.read_bytes()
    until(lambda: mount.status()['connections'] == 0, 'it hangs up', 15)
    until_locked = time.monotonic()
    session = None
    while session is None:
        try:
            session = drop.session()
        except Exception:
            assert time.monotonic() - until_locked < 60
    session.count()
    got = []
    reader = threading.Thread(target=lambda: got.append(list(files.values())[15].read_bytes()))
    reader.start()
    end = time.monotonic() + 4
    slowest = 0.0
    while time.monotonic() < end:
        begun = time.monotonic()
        for path in cached:
            path.read_bytes()
            path.stat()
        os.listdir(mount.point / 'INBOX')
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 2
    assert not got
    assert mount.status()['state'] in ('connecting', 'online')
    session.quit()
    reader.join(60)
    assert got and got[0] in messages(1, 20)


def test_a_lock_that_is_never_given_up(pop3, drop):
    """Who waits is told after timeout=; who reads cached mail never waits; status says why."""
    drop.fill(messages(1, 20))
    mount = pop3(options='poll=0,timeout=4').start().wait_listed()
    files = list(mount.files().values())
    files[0].read_bytes()
    until(lambda: mount.status()['connections'] == 0, 'it hangs up', 15)
    session = drop.session()
    begun = time.monotonic()
    with pytest.raises(OSError) as error:
        files[1].read_bytes()
    assert error.value.errno in (errno.ETIMEDOUT, errno.EIO)
    assert time.monotonic() - begun < 20
    begun = time.monotonic()
    files[0].read_bytes()
    assert time.monotonic() - begun < 2
    files[2].unlink()
    flush(mount, LEFT, '--timeout', '3')
    assert len(mount.files()) == 19
    session.quit()
    until(lambda: mount.status()['pending'] == 0, 'it is removed once the lock is gone', 60)
    assert len(drop.bodies()) == 19
    assert files[1].read_bytes() in messages(1, 20)


def test_offline(relayed, drop):
    """The cache is served without a server, and a mount begins without one."""
    wanted = drop.fill(messages(1, 20))
    mount = relayed(options='poll=0,timeout=5').start().wait_listed()
    files = list(mount.files().values())
    read = {path: path.read_bytes() for path in files[:10]}
    first = snapshot(mount)
    assert mount.stop() == 0
    mount.relay.away()
    mount.start()
    assert snapshot(mount) == first
    assert {path: path.read_bytes() for path in read} == read
    with pytest.raises(OSError) as error:
        files[15].read_bytes()
    assert error.value.errno in (errno.EIO, errno.ETIMEDOUT)
    until(lambda: mount.status()['error'], 'it says so', 10)
    mount.relay.back()
    until(lambda: mount.status()['state'] == 'online' or mount.run('refresh', mount.point).returncode == 0,
          'it comes back', 60, 0.5)
    assert compare(mount, wanted) == 20


def test_cut_off(relayed, drop):
    """Connections that end in the middle of a body cost time, never bytes."""
    wanted = drop.fill([message(number, b'y' * 76 * 200 + b'\r\n') for number in range(60)])
    mount = relayed(options='poll=0').start().wait_listed()
    mount.relay.rate = 2000000
    done = threading.Event()

    def cut():
        for _ in range(4):
            time.sleep(0.25)
            mount.relay.cut()
        done.set()

    cutter = threading.Thread(target=cut)
    cutter.start()
    read = []
    for path in mount.files().values():
        for _ in range(5):
            try:
                read.append(path.read_bytes())
                break
            except OSError as error:
                assert error.errno == errno.EIO
                time.sleep(0.5)
    cutter.join()
    assert done.is_set()
    assert sorted(read) == sorted(wanted)
    assert len(drop.bodies()) == 60


def test_stls(pop3, drop, dovecot, user):
    wanted = drop.fill(messages(1, 5))
    mount = pop3(url=f'pop3://{user}@localhost:{dovecot.pop3_port}').start().wait_listed()
    assert compare(mount, wanted) == 5
    assert mount.stop() == 0
    assert compare(mount.start().wait_listed(), wanted) == 5


def test_stls_is_demanded(relayed, drop, user):
    """A server that does not offer it gets no password."""
    drop.fill(messages(1, 2))
    mount = relayed()
    mount.options = mount.options.replace('tls=none,', '')
    mount.relay.rewrite = lambda data: data.replace(b'STLS\r\n', b'')
    result = mount.run('-f', '-o', mount.options, mount.url, mount.point)
    assert result.returncode == PROTOCOL, result.stderr
    assert 'STLS' in result.stderr and 'password was not sent' in result.stderr
    assert mount.relay.count(b'PASS') == mount.relay.count(b'AUTH') == 0
    assert not mounted(mount.point)


def test_certificate(pop3, drop, dovecot, user):
    drop.fill([])
    for url in (f'pop3s://{user}@localhost:{dovecot.pop3s_port}', f'pop3://{user}@localhost:{dovecot.pop3_port}'):
        mount = pop3(url=url)
        options = mount.options.replace(f'cafile={dovecot.cafile},', '')
        result = mount.run('-f', '-o', options, mount.url, mount.point)
        assert result.returncode == PROTOCOL, result.stderr
        assert 'certificate' in result.stderr


def test_wrong_password(pop3, drop, user):
    drop.fill(messages(1, 2))
    mount = pop3()
    (mount.home / 'secret').write_text('wrong\n')
    result = mount.run('-f', '-o', mount.options, mount.url, mount.point)
    assert result.returncode == AUTH, result.stderr
    assert f'did not accept the login of {user}' in result.stderr and 'wrong' not in result.stderr
    assert not mounted(mount.point)


def test_not_a_pop3_server(pop3, dovecot, user):
    mount = pop3(url=f'pop3s://{user}@localhost:{dovecot.imaps_port}')
    result = mount.run('-f', '-o', mount.options, mount.url, mount.point)
    assert result.returncode == PROTOCOL, result.stderr
    assert 'no POP3 server' in result.stderr


def test_a_folder_in_the_url(pop3, dovecot, user):
    mount = pop3(url=f'pop3s://{user}@localhost:{dovecot.pop3s_port}/INBOX')
    result = mount.run('-f', '-o', mount.options, mount.url, mount.point)
    assert result.returncode == 2 and 'POP3' in result.stderr


def test_beside_imap(mounts, pop3, drop, dovecot, user):
    """One user's IMAP account and maildrop at the same host are two accounts, with a cache each."""
    drop.fill(messages(1, 5))
    imap = mounts(user).start().wait_listed()
    maildrop = pop3().start().wait_listed()
    assert compare(maildrop, messages(1, 5)) == 5
    next(path for body, path in contents(maildrop).items() if body == message(3)).unlink()
    flush(maildrop)
    assert imap.run('refresh', imap.point).returncode == 0
    until(lambda: len(imap.files()) == 4, 'it is gone in IMAP as well', 10)
