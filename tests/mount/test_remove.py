"""What rm promises, on a real server: what was meant is gone, nothing else is, and nothing is forgotten."""
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from lib.mount import mounted, until
from lib.server import Dovecot

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE, LEFT = 3, 7


def message(number):
    return (f'From: Alice <alice@example.org>\r\nSubject: number {number}\r\n'
            f'Message-ID: <{number}@example.org>\r\nDate: Fri, 3 May 2024 10:00:00 +0000\r\n\r\n'
            f'This is number {number}.\r\n').encode()


def fill(server, user, count=10, trash=True):
    """uid: body"""
    server.put(user, 'INBOX', [message(number) for number in range(1, count + 1)])
    if trash:
        server.put(user, 'Trash', [])
    return {uid: body for uid, (body, _, _) in server.bodies(user).items()}


def trashed(server, user):
    return sorted(body for body, _, _ in server.bodies(user, 'Trash').values())


def queue(mount):
    result = mount.run('queue', '--json', mount.point)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def counts(mount):
    return queue(mount)['removals']


def flush(mount, status=0, *more):
    result = mount.run('flush', mount.point, *more)
    assert result.returncode == status, f'{result.returncode}: {result.stderr}\n{mount.text()}'
    return result.stderr


def remove(mount, *uids, folder='INBOX'):
    files = mount.files(folder)
    for uid in uids:
        files[uid].unlink()


@pytest.fixture
def away(mounts, user, relay):
    """A mount whose server goes away and comes back as relay says."""
    def make(**more):
        options = ','.join(filter(None, ['tls=none,timeout=5,poll=1', more.pop('options', '')]))
        return mounts(user, url=f'imap://{user}@localhost:{relay.port}', options=options, **more)
    return make


def test_one(mounts, dovecot, user):
    bodies = fill(dovecot, user)
    mount = mounts(user).start().wait_listed()
    files = mount.files()
    other = dovecot.imap(user)
    other.select('INBOX')
    files[3].unlink()
    assert not files[3].exists() and files[3].name not in os.listdir(mount.point / 'INBOX')
    with pytest.raises(FileNotFoundError):
        files[3].unlink()
    flush(mount)
    assert counts(mount)['pending'] == 0 and queue(mount)['rows'] == []
    del bodies[3]
    assert {uid: body for uid, (body, _, _) in dovecot.bodies(user).items()} == bodies
    assert trashed(dovecot, user) == [message(3)]
    other.noop()
    assert other.uid('SEARCH', 'ALL')[1][0].split() == [str(uid).encode() for uid in sorted(bodies)]
    other.logout()
    assert sorted(mount.files()) == sorted(bodies)
    mount.run('refresh', mount.point / 'Trash')
    assert [path.read_bytes() for path in mount.files('Trash').values()] == [message(3)]


def test_without_a_flush(mounts, dovecot, user):
    """Nobody asks for it: the server hears of it within moments."""
    fill(dovecot, user)
    mount = mounts(user).start().wait_listed()
    remove(mount, 1, 2)
    until(lambda: sorted(dovecot.bodies(user)) == list(range(3, 11)), 'the server has it', 20)
    until(lambda: mount.status()['pending'] == 0, 'nothing is pending', 20)


def test_in_the_trash_it_is_final(mounts, dovecot, user):
    fill(dovecot, user)
    dovecot.put(user, 'Trash', [message(77), message(78)])
    mount = mounts(user).start().wait_listed()
    remove(mount, 1, folder='Trash')
    assert queue(mount)['rows'][0]['final'] is True
    flush(mount)
    assert trashed(dovecot, user) == [message(78)]


def test_programs(mounts, dovecot, user, tmp_path):
    """rm, rm -r, find -delete, mv: while another process lists."""
    bodies = fill(dovecot, user, 60)
    dovecot.put(user, 'Lists', [message(number) for number in range(200, 240)])
    mount = mounts(user).start().wait_listed()
    inbox = mount.point / 'INBOX'
    lister = subprocess.Popen(['sh', '-c', 'while ls -l "$1" >/dev/null; do :; done', 'sh', str(inbox)])
    try:
        subprocess.run(['sh', '-c', 'rm -f -- *.1?.eml'], cwd=inbox, check=True)
        subprocess.run(['find', str(inbox), '-name', '*.2?.eml', '-delete'], check=True)
        subprocess.run(['sh', '-c', f'mv -f -- *.3?.eml {tmp_path}'], cwd=inbox, check=True)
        result = subprocess.run(['rm', '-rf', str(mount.point / 'Lists')], stderr=subprocess.PIPE, text=True)
        assert result.returncode == 1 and 'not permitted' in result.stderr
        assert os.listdir(mount.point / 'Lists') == []
    finally:
        lister.kill()
        lister.wait()
    left = [uid for uid in bodies if not 10 <= uid < 40]
    assert sorted(mount.files()) == left
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == sorted(bodies[uid] for uid in range(30, 40))
    flush(mount)
    assert sorted(dovecot.bodies(user)) == left
    assert dovecot.bodies(user, 'Lists') == {}
    wanted = [bodies[uid] for uid in range(10, 40)] + [message(number) for number in range(200, 240)]
    assert trashed(dovecot, user) == sorted(wanted)
    assert sorted(mount.files()) == left


def test_undo(away, dovecot, user, relay):
    bodies = fill(dovecot, user)
    mount = away().start().wait_listed()
    content = mount.files()[4].read_bytes()
    stat = mount.files()[4].stat()
    relay.away()
    begin = time.monotonic()
    remove(mount, 4, 5, 6)
    assert time.monotonic() - begin < 5, 'rm waits for the server'
    assert sorted(mount.files()) == [1, 2, 3, 7, 8, 9, 10]
    rows = queue(mount)['rows']
    assert [(row['folder'], row['uid'], row['state'], row['hidden']) for row in rows] == \
        [('INBOX', uid, 'queued', True) for uid in (4, 5, 6)]
    table = mount.run('queue', mount.point).stdout
    assert all(row['id'] in table and row['name'] in table for row in rows)
    assert mount.run('queue', mount.point, '--undo', rows[0]['id']).returncode == 0
    assert sorted(mount.files()) == [1, 2, 3, 4, 7, 8, 9, 10]
    assert mount.files()[4].read_bytes() == content
    assert (mount.files()[4].stat().st_ino, mount.files()[4].stat().st_mtime) == (stat.st_ino, stat.st_mtime)
    result = mount.run('queue', mount.point, '--undo', 'all')
    assert result.returncode == 0 and '2 messages are shown again' in result.stdout
    assert sorted(mount.files()) == sorted(bodies)
    relay.back()
    flush(mount)
    assert sorted(dovecot.bodies(user)) == sorted(bodies)
    result = mount.run('queue', mount.point, '--undo', rows[0]['id'])
    assert result.returncode == 1 and rows[0]['id'] in result.stderr


def test_flush_says_why_not(away, dovecot, user, relay):
    fill(dovecot, user)
    mount = away().start().wait_listed()
    relay.away()
    until(lambda: mount.status()['state'] != 'online', 'it is noticed', 30)
    remove(mount, 4)
    text = flush(mount, UNREACHABLE)
    assert '1 removal is not on the server' in text and 'cannot be reached' in text
    text = flush(mount, LEFT, '--timeout', '0')
    assert 'the time is up' in text
    status = mount.status()
    assert status['pending'] == 1 and status['removals']['queued'] == 1
    text = mount.run('status', mount.point).stdout
    assert '1 pending' in text
    relay.back()
    flush(mount)
    assert sorted(dovecot.bodies(user)) == [1, 2, 3, 5, 6, 7, 8, 9, 10]


def test_umount(away, dovecot, user, relay):
    """Refused, then by force, and the next mount goes on with it."""
    fill(dovecot, user)
    mount = away().start().wait_listed()
    relay.away()
    until(lambda: mount.status()['state'] != 'online', 'it is noticed', 30)
    remove(mount, 4, 5)
    result = mount.run('umount', mount.point)
    assert result.returncode == LEFT and '--force' in result.stderr and '2 removals' in result.stderr
    assert mounted(mount.point)
    result = mount.run('umount', '--force', mount.point)
    assert result.returncode == 0 and '2 removals are kept' in result.stderr
    mount.process.wait(20)
    assert not mounted(mount.point)
    mount.start()
    assert sorted(mount.files()) == [1, 2, 3, 6, 7, 8, 9, 10]
    assert counts(mount)['queued'] == 2
    assert sorted(dovecot.bodies(user)) == list(range(1, 11))
    relay.back()
    flush(mount)
    assert sorted(dovecot.bodies(user)) == [1, 2, 3, 6, 7, 8, 9, 10]
    assert trashed(dovecot, user) == [message(4), message(5)]


def test_umount_flushes(mounts, dovecot, user):
    fill(dovecot, user)
    mount = mounts(user).start().wait_listed()
    remove(mount, 7, 8)
    assert mount.stop() == 0
    assert sorted(dovecot.bodies(user)) == [1, 2, 3, 4, 5, 6, 9, 10]


def test_killed(away, dovecot, user, relay):
    """Whatever ends the processes: what was removed stays removed, and reaches the server; also without a cache."""
    fill(dovecot, user)
    mount = away().start().wait_listed()
    relay.away()
    remove(mount, 1, 10)
    pids = mount.status()['pids']
    for pid in (pids['supervisor'], pids['mail'], *pids['wire']):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    mount.process.wait(20)
    shutil.rmtree(mount.home / 'cache')
    relay.back()
    mount.start().wait_listed()
    assert sorted(mount.files()) == list(range(2, 10))
    flush(mount)
    assert sorted(dovecot.bodies(user)) == list(range(2, 10))
    assert trashed(dovecot, user) == [message(1), message(10)]


def test_read_only(mounts, dovecot, user):
    fill(dovecot, user)
    mount = mounts(user, options='ro').start().wait_listed()
    files = mount.files()
    for refused in (files[1].unlink, (mount.point / 'INBOX').rmdir, (mount.point / 'new').mkdir):
        with pytest.raises(OSError) as error:
            refused()
        assert error.value.errno == 30, error.value  # EROFS
    line = next(line for line in Path('/proc/mounts').read_text().splitlines() if str(mount.point) in line)
    assert line.split()[3].startswith('ro,')
    assert sorted(mount.files()) == list(range(1, 11))
    assert counts(mount) == {**counts(mount), 'pending': 0, 'readonly': True}
    flush(mount)
    assert mount.stop() == 0
    assert sorted(dovecot.bodies(user)) == list(range(1, 11))


def test_read_only_keeps_what_was_removed_before(away, dovecot, user, relay):
    fill(dovecot, user)
    mount = away().start().wait_listed()
    relay.away()
    remove(mount, 2)
    assert mount.run('umount', '--force', mount.point).returncode == 0
    mount.process.wait(20)
    relay.back()
    options = mount.options
    mount.options += ',ro'
    mount.start().wait_listed()
    assert 2 not in mount.files() and counts(mount)['queued'] == 1
    assert 'ro' in flush(mount, LEFT)
    assert mount.stop() == 0
    assert 2 in dovecot.bodies(user)
    mount.options = options
    mount.start().wait_listed()
    flush(mount)
    assert 2 not in dovecot.bodies(user)


def test_nothing_else_is_changed(mounts, dovecot, user, tmp_path):
    bodies = fill(dovecot, user)
    mount = mounts(user).start().wait_listed()
    files = mount.files()
    before = {uid: (path.name, path.stat().st_ino, path.stat().st_mtime) for uid, path in files.items()}
    new = mount.point / 'INBOX' / 'new'
    attempts = [
        lambda: os.rename(files[1], files[2]), lambda: os.rename(files[1], new),
        lambda: os.rename(mount.point / 'INBOX', mount.point / 'Box'),
        lambda: os.mkdir(new), lambda: os.symlink('x', new), lambda: os.link(files[1], new),
        lambda: os.open(new, os.O_CREAT | os.O_WRONLY), lambda: os.open(files[1], os.O_WRONLY),
        lambda: os.open(files[1], os.O_RDWR | os.O_TRUNC), lambda: os.truncate(files[1], 0),
        lambda: os.chmod(files[1], 0o600), lambda: os.utime(files[1]), lambda: os.mkfifo(new),
        lambda: os.setxattr(files[1], 'user.mail.flags', b''), lambda: os.rmdir(mount.point / 'Trash'),
        lambda: os.unlink(mount.point / '.mountmail' / 'status.json'),
    ]
    if os.getuid() == 0:
        attempts.append(lambda: os.chown(files[1], 1, 1))
    for number, attempt in enumerate(attempts):
        with pytest.raises(OSError) as error:
            attempt()
        assert error.value.errno in ((1,) if os.getuid() == 0 else (1, 13)), (number, error.value)
    with pytest.raises(OSError) as error:
        os.rmdir(mount.point / 'INBOX')
    assert error.value.errno == 39  # ENOTEMPTY
    for command in (f'touch {files[1]}', f'sed -i s/a/b/ {files[1]}', f'cp {files[2]} {files[1]}',
                    f'cp {files[2]} {new}', f'mv {files[1]} {files[2]}', f'echo x >> {files[1]}', f': > {files[1]}',
                    f'mv {tmp_path} {new}'):
        assert subprocess.run(command, shell=True, stderr=subprocess.DEVNULL).returncode != 0, command
    assert {uid: (path.name, path.stat().st_ino, path.stat().st_mtime) for uid, path in mount.files().items()} == before
    assert {uid: path.read_bytes() for uid, path in mount.files().items()} == bodies
    assert counts(mount)['pending'] == 0
    assert mount.stop() == 0
    assert {uid: body for uid, (body, _, _) in dovecot.bodies(user).items()} == bodies


def test_open_file(mounts, dovecot, user):
    big = message(1) + b'x' * 76 * 20000
    dovecot.put(user, 'INBOX', [big])
    dovecot.put(user, 'Trash', [])
    whole = dovecot.bodies(user)[1][0]
    mount = mounts(user).start().wait_listed()
    with open(mount.files()[1], 'rb', buffering=0) as file:
        assert file.read(1000) == whole[:1000]
        remove(mount, 1)
        flush(mount)
        rest = b''
        while piece := file.read(65536):
            rest += piece
        assert whole[:1000] + rest == whole
        assert os.fstat(file.fileno()).st_nlink == 0
    assert mount.files() == {}


def test_fsync(mounts, dovecot, user):
    fill(dovecot, user)
    mount = mounts(user).start().wait_listed()
    directory = os.open(mount.point / 'INBOX', os.O_RDONLY)
    remove(mount, 1)
    os.fsync(directory)
    os.fdatasync(directory)
    os.close(directory)
    flush(mount)


def test_brake(mounts, dovecot, user):
    fill(dovecot, user, 60, trash=False)
    mount = mounts(user, options='trash=none,brake=50').start().wait_listed()
    remove(mount, *range(1, 61))
    assert mount.files() == {}
    assert counts(mount) == {**counts(mount), 'braked': 60, 'pending': 0}
    text = flush(mount, LEFT)
    assert '60 held back by the brake' in text and 'queue' in text
    status = mount.run('status', mount.point).stdout
    assert '60 braked' in status and '--release' in status and '--undo all' in status
    time.sleep(3)
    assert len(dovecot.bodies(user)) == 60
    result = mount.run('umount', mount.point)
    assert result.returncode == 0 and '60 held back by the brake' in result.stderr
    mount.process.wait(20)
    mount.start().wait_listed()
    assert mount.files() == {} and counts(mount)['braked'] == 60
    result = mount.run('queue', mount.point, '--undo', queue(mount)['rows'][0]['id'])
    assert result.returncode == 0
    assert sorted(mount.files()) == [1]
    result = mount.run('queue', mount.point, '--release')
    assert result.returncode == 0 and '59 messages' in result.stdout
    flush(mount)
    assert sorted(dovecot.bodies(user)) == [1]


def test_bad_commands(mounts, dovecot, user):
    fill(dovecot, user, 1)
    mount = mounts(user).start().wait_listed()
    for words in (['queue'], ['queue', mount.point, '--json', '--release'], ['queue', mount.point, '--undo'],
                  ['flush', mount.point, '--timeout', 'soon'], ['flush'], ['umount', mount.point, '--timeout', 'x']):
        result = mount.run(*words)
        assert result.returncode == 2 and result.stderr.startswith('mountmail: '), words
    for words in (['--undo', '99.99'], ['--undo', 'nonsense'], ['--discard', '99.99']):
        result = mount.run('queue', mount.point, *words)
        assert result.returncode == 1 and words[1] in result.stderr, words
    assert mount.run('queue', mount.point).stdout == 'no removals are waiting\n'


@pytest.fixture(scope='module')
def plain(scratch):
    """A server that can neither move nor expunge some messages only."""
    folder = scratch / 'plain'
    folder.mkdir()
    (folder / 'extra.conf').write_text(
        'protocol imap {\n  imap_capability = IMAP4rev1 LITERAL+ ENABLE IDLE NAMESPACE SPECIAL-USE CHILDREN\n}\n')
    server = Dovecot(ROOT, folder)
    server.start()
    yield server
    server.stop()


def test_without_uidplus(mounts, plain, user):
    bodies = fill(plain, user)
    mount = mounts(user, port=plain.imaps_port)
    mount.options = mount.options.replace(mount.server.cafile, plain.cafile)
    mount.start().wait_listed()
    remove(mount, 1, 2)
    flush(mount)
    assert sorted(plain.bodies(user)) == sorted(set(bodies) - {1, 2})
    assert trashed(plain, user) == [message(1), message(2)]


def test_others_marks_without_uidplus(mounts, plain, user):
    """Another program marked a message as deleted; this one must not expunge it."""
    bodies = fill(plain, user)
    other = plain.imap(user)
    other.select('INBOX')
    assert other.uid('STORE', '7', '+FLAGS', r'(\Deleted)')[0] == 'OK'
    mount = mounts(user, port=plain.imaps_port)
    mount.options = mount.options.replace(mount.server.cafile, plain.cafile)
    mount.start().wait_listed()
    remove(mount, 1, 2)
    text = flush(mount, LEFT)
    assert 'marked' in text
    there = plain.bodies(user)
    assert there[7][0] == bodies[7] and sorted(there) == sorted(bodies)
    assert r'\Deleted' in there[1][2] and r'\Deleted' in there[2][2]
    assert sorted(mount.files()) == [3, 4, 5, 6, 7, 8, 9, 10]
    assert '2 marked' in mount.run('status', mount.point).stdout
    # When the mark is taken away, ours can go.
    assert other.uid('STORE', '7', '-FLAGS', r'(\Deleted)')[0] == 'OK'
    flush(mount)
    other.shutdown()
    assert sorted(plain.bodies(user)) == sorted(set(bodies) - {1, 2})


@pytest.mark.parametrize('trash', [True, False], ids=['trash', 'final'])
def test_a_server_that_says_ok_and_removes_nothing(mounts, dovecot, user, trash):
    """Dovecot, when it may not write in cur/."""
    bodies = fill(dovecot, user, 5, trash)
    mount = mounts(user).start().wait_listed()
    cur = dovecot.maildir(user) / 'cur'
    cur.chmod(0o555)
    try:
        remove(mount, 2)
        assert 2 not in mount.files()
        text = flush(mount, LEFT)
        assert '1 that the server did not do' in text
        assert sorted(mount.files()) == sorted(bodies)
        assert mount.files()[2].read_bytes() == bodies[2]
        row = queue(mount)['rows'][0]
        assert row['state'] == 'held' and row['reason'] and row['tries'] >= 3 and not row['hidden']
        status = mount.run('status', mount.point).stdout
        assert '1 held' in status and row['reason'] in status
        assert 'held' in mount.text()
    finally:
        cur.chmod(0o755)
    assert mount.run('queue', mount.point, '--release').returncode == 0
    flush(mount)
    assert sorted(dovecot.bodies(user)) == [1, 3, 4, 5]
    assert sorted(mount.files()) == [1, 3, 4, 5]
    if trash:
        assert set(trashed(dovecot, user)) == {message(2)}


def test_two_at_a_time(mounts, dovecot, user):
    """Another program removes the same ones, some others, and adds some."""
    fill(dovecot, user, 40)
    mount = mounts(user).start().wait_listed()
    other = dovecot.imap(user)
    other.select('INBOX')
    remove(mount, *range(1, 21))
    other.uid('STORE', '10:30', '+FLAGS', r'(\Deleted)')
    other.uid('EXPUNGE', '10:30')
    other.append('INBOX', None, None, message(99))
    other.logout()
    flush(mount)
    assert sorted(dovecot.bodies(user)) == [*range(31, 41), 41]
    assert mount.run('refresh', mount.point / 'INBOX').returncode == 0
    until(lambda: sorted(mount.files()) == [*range(31, 41), 41], 'the mount shows it')
    assert {body for body, _, _ in dovecot.bodies(user, 'Trash').values()} >= {message(n) for n in range(1, 10)}
