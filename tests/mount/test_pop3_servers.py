"""POP3 servers that are not Dovecot: each with its own ideas of what a maildrop is."""
import errno
import os
import shutil
import subprocess
import time

import pytest
from conftest import ROOT, need
from lib.mount import until
from lib.pop3 import Pop3, bodies
from lib.popserver import Mailutils, Missing, Popa3d, ScriptedServer, SolidPop3d

LEFT = 7
USER = 'box0'


def message(number, body=None):
    head = (f'From: Alice <alice@example.org>\r\nSubject: number {number}\r\n'
            f'Message-ID: <{number}@example.org>\r\nDate: Fri, 3 May 2024 10:00:00 +0000\r\n\r\n').encode()
    return head + (body if body is not None else f'This is number {number}.\r\n'.encode())


def messages(first, last):
    return [message(number) for number in range(first, last + 1)]


ODD = [
    message(1, b'.\r\n..\r\n...\r\n.hidden\r\n'),
    message(2, b'a line\r\n.\r\n\r\n.\r\n'),
    message(3, b'no final newline'),
    message(4, b'.'),
    message(5, b'x' * 5000 + b'\r\n.' + b'y' * 5000 + b'\r\n'),
    message(6, b'\r\nFrom here on\r\n'),
    message(7, b'\xff\xfe\x80 eight bits\r\n'),
    message(8, b'a NUL \0 in a line\r\n'),
]
TWINS = [b'From: a@example.org\r\nSubject: same\r\n\r\nThe same.\r\n'] * 2


@pytest.fixture(scope='module', params=[Mailutils, Popa3d, SolidPop3d], ids=lambda kind: kind.__name__)
def server(request, scratch):
    if os.getuid():
        pytest.skip('only root can start these servers')
    made = None
    try:
        made = request.param(ROOT / '.cache' / 'pop3', scratch / request.param.__name__)
        made.start()
    except Missing as why:
        need(False, str(why))
    yield made
    made.stop()
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def pop3(mounts):
    def make(port, options='poll=0'):
        return mounts(USER, url=f'pop3://{USER}@localhost:{port}', options='tls=none,' + options)
    return make


def wait_gone(mount):
    until(lambda: mount.status()['connections'] == 0, 'it hangs up', 15)


def contents(mount):
    return {path.read_bytes(): path for path in mount.files().values()}


def compare(mount, wanted):
    read = []
    for path in mount.files().values():
        data = path.read_bytes()
        assert path.stat().st_size == len(data), path
        read.append(data)
    assert sorted(read) == sorted(wanted)
    return len(read)


def entries(mount):
    return {path.name: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in mount.files().values()}


def served(server):
    """What it says, asked until it lets us in: the mount may have been there a moment ago."""
    end = time.monotonic() + 30
    while True:
        try:
            bodies(server.port, USER)
            return bodies(server.port, USER)
        except (OSError, RuntimeError):
            if time.monotonic() > end:
                print(server.log())
                raise
            time.sleep(0.3)


def text_status(mount):
    result = mount.run('status', mount.point)
    assert result.returncode == 0, result.stderr
    return result.stdout


def flush(mount, status=0):
    result = mount.run('flush', mount.point)
    assert result.returncode == status, f'{result.returncode}: {result.stderr}\n{mount.text()}'


def test_odd_bytes(server, pop3):
    server.fill(USER, ODD)
    wanted = served(server)
    assert len(wanted) == len(ODD)
    mount = pop3(server.port).start().wait_listed()
    assert compare(mount, wanted) == len(ODD)
    first = entries(mount)
    assert mount.stop() == 0
    shutil.rmtree(mount.home / 'cache')
    mount.start().wait_listed()
    assert entries(mount) == first
    assert compare(mount, wanted) == len(ODD)


def test_corpus(server, pop3, corpus, tmp_path):
    server.fill(USER, [path.read_bytes() for path in corpus[::7]])
    wanted = served(server)
    # An mbox may take a message for two, or none.
    assert len(wanted) > len(corpus) // 7 * 0.9
    mount = pop3(server.port, 'poll=0,timeout=60').start().wait_listed()
    assert compare(mount, wanted) == len(wanted)
    subprocess.run(['rsync', '-a', '--exclude=.mountmail', f'{mount.point}/', tmp_path / 'copy'], check=True)
    again = subprocess.run(['rsync', '-ai', f'{mount.point}/', tmp_path / 'copy'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    assert again == ''


def test_rm(server, pop3):
    server.fill(USER, messages(1, 40))
    wanted = served(server)
    mount = pop3(server.port).start().wait_listed()
    files = contents(mount)
    gone = [body for body in wanted if b'number 7.' in body or b'number 40.' in body or b'number 1.' in body]
    assert len(gone) == 3
    for body in gone:
        files[body].unlink()
    flush(mount)
    left = [body for body in wanted if body not in gone]
    assert compare(mount, left) == 37
    wait_gone(mount)
    # mailutils writes the names that it gave into what it keeps; what is meant is the same.
    assert len(served(server)) == 37
    assert sorted(body.split(b'Subject: ')[1].split(b'\r\n')[0] for body in served(server)) == \
        sorted(body.split(b'Subject: ')[1].split(b'\r\n')[0] for body in left)
    assert mount.run('refresh', mount.point).returncode == 0
    assert len(mount.files()) == 37
    assert mount.stop() == 0
    assert len(served(server)) == 37


def test_new_mail(server, pop3):
    server.fill(USER, messages(1, 5))
    mount = pop3(server.port).start().wait_listed()
    before = entries(mount)
    wait_gone(mount)
    time.sleep(0.5)
    server.deliver(USER, [message(6)])
    result = mount.run('refresh', mount.point)
    assert result.returncode == 0, result.stderr
    until(lambda: len(mount.files()) == 6, 'the new one shows', 10)
    assert {name: entries(mount)[name] for name in before} == before


def test_twins(server, pop3):
    """Two with one UIDL can be read, and neither can be removed."""
    server.fill(USER, messages(1, 3) + TWINS)
    session = Pop3(server.port, USER)
    uidls = session.uidls()
    session.quit()
    if len(set(uidls)) == 5:
        pytest.skip(f'{type(server).__name__} tells twins apart')
    assert len(set(uidls)) == 4
    wanted = served(server)
    mount = pop3(server.port).start().wait_listed()
    assert compare(mount, wanted) == 5
    assert mount.status()['pop3'] == {'shared_uidl': 2, 'no_uidl': 0}
    assert '2 messages share a UIDL' in text_status(mount)
    twins = [path for path in mount.files().values() if b'The same.' in path.read_bytes()]
    assert len(twins) == 2
    for path in twins:
        with pytest.raises(OSError) as error:
            path.unlink()
        assert error.value.errno == errno.EPERM
    assert 'UIDL' in mount.text()
    next(path for body, path in contents(mount).items() if b'number 2.' in body).unlink()
    flush(mount)
    assert len(served(server)) == 4
    assert len(mount.files()) == 4


def test_wrong_password(server, pop3):
    server.fill(USER, messages(1, 2))
    mount = pop3(server.port)
    (mount.home / 'secret').write_text('wrong\n')
    result = mount.run('-f', '-o', mount.options, mount.url, mount.point)
    assert result.returncode == 4, result.stderr
    assert 'did not accept the login of box0' in result.stderr


@pytest.fixture
def scripted():
    made = []

    def make(*arguments, **options):
        made.append(ScriptedServer(*arguments, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.mark.parametrize('top', [False, True], ids=['no-top', 'top'])
def test_without_uidl(scripted, pop3, top):
    """It is read-only, and says so: in the log and in status."""
    server = scripted(messages(1, 20), top=top)
    mount = pop3(server.port).start().wait_listed()
    assert compare(mount, messages(1, 20)) == 20
    assert mount.status()['pop3'] == {'shared_uidl': 0, 'no_uidl': 20}
    assert 'the server has no UIDL' in text_status(mount)
    assert 'no UIDL' in mount.text()
    for path in mount.files().values():
        with pytest.raises(OSError) as error:
            path.unlink()
        assert error.value.errno == errno.EPERM
    first = entries(mount)
    assert mount.stop() == 0
    shutil.rmtree(mount.home / 'cache')
    server.messages.append(message(21))
    del server.messages[0]
    mount.start().wait_listed()
    assert len(set(first) & set(entries(mount))) == 19
    assert compare(mount, messages(2, 21)) == 20
    assert 'DELE' not in server.said
    assert mount.stop() == 0
    assert mount.run('status', mount.point).returncode != 0


def test_twins_that_are_scripted(scripted, pop3):
    """One of two goes: the other one stays, is not taken for new, and can be removed from then on."""
    server = scripted(messages(1, 4), uidl=lambda body: b'same' if body in messages(2, 3) else b'u%d' % hash(body),
                      top=True)
    mount = pop3(server.port).start().wait_listed()
    assert compare(mount, messages(1, 4)) == 4
    assert mount.status()['pop3'] == {'shared_uidl': 2, 'no_uidl': 0}
    for path in (contents(mount)[message(2)], contents(mount)[message(3)]):
        with pytest.raises(OSError) as error:
            path.unlink()
        assert error.value.errno == errno.EPERM
    wait_gone(mount)
    server.messages.remove(message(2))
    assert mount.run('refresh', mount.point).returncode == 0
    until(lambda: len(mount.files()) == 3, 'one is gone', 10)
    assert compare(mount, [message(1), message(3), message(4)]) == 3
    assert mount.status()['pop3'] == {'shared_uidl': 0, 'no_uidl': 0}
    assert 'UIDL' not in text_status(mount)
    contents(mount)[message(3)].unlink()
    flush(mount)
    assert server.messages == [message(1), message(4)]
