"""Reads that wait for the server: interrupted, shared, repeated."""
import os
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
