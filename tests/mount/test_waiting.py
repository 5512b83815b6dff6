"""Reads that wait for the server: interrupted, shared, repeated."""
import errno
import os
import re
import signal
import subprocess
import threading
import time

import pytest
from lib.mount import alive, until


def plain(mounts, user, relay, options='tls=none'):
    return mounts(user, url=f'imap://{user}@localhost:{relay.port}', options=options)


def test_interrupt_returns_at_once(mounts, dovecot, user, sample_mail, relay):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = plain(mounts, user, relay).start().wait_listed()
    path = mount.files()[1]
    relay.stalled.set()
    cat = subprocess.Popen(['cat', path], stdout=subprocess.PIPE)
    time.sleep(0.7)
    assert cat.poll() is None, 'cat did not wait for the silent server'
    start = time.monotonic()
    cat.send_signal(signal.SIGINT)
    cat.wait(10)
    assert time.monotonic() - start < 1
    # Nothing else waits meanwhile.
    start = time.monotonic()
    assert os.listdir(mount.point / 'INBOX') and os.stat(path).st_size
    assert time.monotonic() - start < 1
    relay.stalled.clear()
    assert path.read_bytes() == dovecot.bodies(user)[1][0]


def test_silence_ends_with_an_error(mounts, dovecot, user, sample_mail, relay):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = plain(mounts, user, relay, 'tls=none,timeout=3').start().wait_listed()
    path = mount.files()[1]
    relay.stalled.set()
    start = time.monotonic()
    with pytest.raises(OSError):
        path.read_bytes()
    assert time.monotonic() - start < 15
    relay.stalled.clear()

    def readable():
        try:
            return path.read_bytes() == dovecot.bodies(user)[1][0]
        except OSError:
            return False
    until(readable, 'the message can be read when the server speaks again')


def test_two_hundred_readers_one_fetch(mounts, dovecot, user, sample_mail, relay):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '20-attachment.eml'])
    mount = plain(mounts, user, relay).start().wait_listed()
    path = mount.files()[1]
    before = relay.count(b'BODY.PEEK[])')
    relay.stalled.set()
    results = []
    readers = [threading.Thread(target=lambda: results.append(path.read_bytes())) for _ in range(200)]
    for reader in readers:
        reader.start()
    time.sleep(1)
    assert not results
    relay.stalled.clear()
    for reader in readers:
        reader.join(60)
    assert len(results) == 200 and set(results) == {dovecot.bodies(user)[1][0]}
    assert relay.count(b'BODY.PEEK[])') - before == 1


def test_wire_process_killed_in_a_body(mounts, dovecot, user, relay):
    body = b'Subject: large\r\n\r\n' + b'0123456789abcdef' * 4096 * 64  # 4 MiB
    dovecot.put(user, 'INBOX', [body])
    mount = plain(mounts, user, relay).start().wait_listed()
    path = mount.files()[1]
    relay.rate = 2 << 20
    before = relay.received
    result = []
    reader = threading.Thread(target=lambda: result.append(path.read_bytes()))
    reader.start()
    until(lambda: relay.received - before > 1 << 20, 'a part of the body has come')
    killed = mount.status()['pids']['wire']
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    reader.join(60)
    assert result and result[0] == dovecot.bodies(user)[1][0]
    assert not any(alive(pid) for pid in killed)
    assert relay.connections >= 2


def test_connection_cut_in_a_listing(mounts, dovecot, user, relay):
    """A first listing that is cut off goes on where it stopped."""
    dovecot.put(user, 'INBOX', [b'Subject: number %d\r\n\r\nx\r\n' % i for i in range(3000)])
    mount = plain(mounts, user, relay)
    relay.rate = 1 << 20
    mount.start(wait=False)
    until(lambda: relay.received > 200000, 'a part of the listing has come')
    relay.cut()
    relay.rate = None
    until(mount.answers, 'the mount answers')
    mount.wait_listed()
    assert len(mount.files()) == 3000
    asked = relay.count(b'HEADER.FIELDS')
    assert asked <= 8, f'{asked} requests for headers: the listing began anew'


def closes(relay, before):
    relay.cut()
    return b''


def endless_line(relay, before):
    return before + b'* OK ' + b'x' * 100000


def ends_in_a_literal(relay, before):
    return before + b'* 7 FETCH (UID 7 BODY[] {999999999999}\r\n'


@pytest.mark.parametrize('breaks', [closes, endless_line, ends_in_a_literal])
def test_poison_message(mounts, dovecot, user, relay, breaks):
    """A server that breaks the session whenever one certain message is asked for."""
    dovecot.put(user, 'INBOX', [b'Subject: number %d\r\n\r\n%d\r\n' % (i, i) for i in range(1, 41)])
    poison = re.compile(rb'^\* \d+ FETCH \(UID 7 [^\r\n]*BODY\[', re.MULTILINE)
    struck = []

    def rewrite(data):
        found = poison.search(data)
        if not found:
            return data
        struck.append(data[found.start():found.end()])
        return breaks(relay, data[:found.start()])
    relay.rewrite = rewrite
    start = time.monotonic()
    mount = plain(mounts, user, relay).start().wait_listed()
    assert time.monotonic() - start < 30
    assert 3 <= len(struck) <= 8, struck
    paths = mount.files()
    assert sorted(paths) == list(range(1, 41))
    assert [uid for uid, path in paths.items() if 'number' not in path.name] == [7]
    wanted = dovecot.bodies(user)
    for uid, path in paths.items():
        if uid != 7:
            assert path.read_bytes() == wanted[uid][0]
    with pytest.raises(OSError) as error:
        paths[7].read_bytes()
    assert error.value.errno == errno.EIO
    until(lambda: mount.status()['state'] == 'online', 'the mount is online again')
    assert 'uid 7 is listed without its header' in mount.text()
    # New mail is seen, without another walk around the one that is known to be bad.
    before = len(struck)
    client = dovecot.imap(user)
    client.append('INBOX', None, None, b'Subject: number 41\r\n\r\n41\r\n')
    client.logout()
    assert mount.run('refresh', mount.point / 'INBOX').returncode == 0
    assert 'number-41' in mount.files()[41].name
    assert len(struck) == before
    # Elsewhere it can be had: then it is what it is.
    relay.rewrite = None
    assert paths[7].read_bytes() == wanted[7][0]


def test_opened_folder_first(mounts, dovecot, user, sample_mail, relay):
    """ls of a folder not listed yet waits for it, and only for it."""
    for number in range(20):
        dovecot.put(user, f'Folder {number:02}', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = plain(mounts, user, relay).start()
    until(lambda: (mount.point / 'Folder 19').is_dir(), 'the folders are there')
    names = os.listdir(mount.point / 'Folder 19')
    assert len(names) == 1


def test_server_restarts(mounts, dovecot, user, sample_mail, relay):
    files = sorted((sample_mail / 'INBOX').glob('*.eml'))
    dovecot.put(user, 'INBOX', files)
    mount = plain(mounts, user, relay).start().wait_listed()
    paths = mount.files()
    paths[1].read_bytes()
    relay.cut()
    wanted = dovecot.bodies(user)
    for uid, path in paths.items():
        assert path.read_bytes() == wanted[uid][0]
