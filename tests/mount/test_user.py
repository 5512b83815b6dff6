"""An ordinary user's mount: fusermount3 mounts and unmounts, and nobody else can look in.

Root sets it up: a mount namespace of its own, with a /dev/fuse that everybody may open.
"""
import json
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from lib.mount import WAIT, alive, until

SETUP = '''set -e
mount -t tmpfs tmpfs "$1"
mknod "$1/fuse" c 10 229
chmod 666 "$1/fuse"
mount --bind "$1/fuse" /dev/fuse
echo ready
exec sleep 1000000
'''


class User:
    """Somebody who is not root, in a mount namespace of the test's own."""

    def __init__(self, binary, server, home):
        self.who = next(pwd.getpwnam(name) for name in ('games', 'daemon', 'nobody')
                        if name in {entry.pw_name for entry in pwd.getpwall()})
        self.home = home
        self.point = home / 'mail'
        self.point.mkdir()
        self.binary = str(home / 'mountmail')
        shutil.copy(binary, self.binary)
        (home / 'secret').write_text('secret\n')
        (home / 'secret').chmod(0o600)
        self.url = f'imaps://alice@localhost:{server.imaps_port}'
        self.options = f'passfile={home}/secret,cafile={server.cafile}'
        device = home.with_name(home.name + '-dev')
        device.mkdir()
        self.device = device
        for path in (home, self.point, home / 'secret', Path(self.binary)):
            os.chown(path, self.who.pw_uid, self.who.pw_gid)
        self.holder = subprocess.Popen(['unshare', '-m', 'sh', '-c', SETUP, 'sh', str(device)],
                                       stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == 'ready\n'

    def command(self, *words, root=False):
        enter = ['nsenter', '-m', '-t', str(self.holder.pid), '--']
        if not root:
            enter += ['setpriv', f'--reuid={self.who.pw_uid}', f'--regid={self.who.pw_gid}', '--clear-groups', '--']
        return enter + [str(word) for word in words]

    def environment(self):
        return {'PATH': os.environ['PATH'], 'HOME': str(self.home),
                **{key: value for key, value in os.environ.items() if key.endswith('SAN_OPTIONS')}}

    def run(self, *words, root=False):
        return subprocess.run(self.command(*words, root=root), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT,
                              env=self.environment())

    def mount(self, *more):
        return self.run(self.binary, '-o', ','.join([self.options, *more]), self.url, self.point)

    def mounted(self):
        text = Path(f'/proc/{self.holder.pid}/mountinfo').read_text()
        return any(line.split()[4] == str(self.point) for line in text.splitlines())

    def status(self):
        result = self.run(self.binary, 'status', self.point, '--json')
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def pids(self):
        found = self.status()['pids']
        return [found['supervisor'], found['mail'], *found['wire']]

    def files(self):
        until(lambda: all(folder['listed'] for folder in self.status()['folders']), 'the folders are listed')
        return sorted((self.point / 'INBOX' / name)
                      for name in self.run('ls', self.point / 'INBOX').stdout.splitlines())

    def destroy(self):
        if self.mounted():
            self.run('umount', '-l', self.point, root=True)
        self.holder.kill()
        self.holder.wait()
        shutil.rmtree(self.home, ignore_errors=True)
        self.device.rmdir()


@pytest.fixture
def someone(binary, dovecot, scratch, sample_mail, request):
    if os.getuid() != 0:
        pytest.skip('run by an ordinary user, every other test is one of an ordinary user')
    dovecot.put('alice', 'INBOX', sorted((sample_mail / 'INBOX').glob('*.eml'))[:3])
    home = scratch / 'home'
    home.mkdir()
    made = User(binary, dovecot, home)
    yield made
    made.destroy()
    dovecot.remove_user('alice')


def gone(someone, pids):
    until(lambda: not someone.mounted(), 'the mount is gone', 20)
    until(lambda: not any(alive(pid) for pid in pids), 'the processes are gone', 20)


def test_mount_read_umount(someone, dovecot):
    result = someone.mount()
    assert result.returncode == 0, result.stderr
    files = someone.files()
    assert len(files) == 3
    wanted = sorted(body for body, _, _ in dovecot.bodies('alice').values())
    read = []
    for file in files:
        read.append(subprocess.run(someone.command('cat', file), check=True, stdout=subprocess.PIPE).stdout)
    assert sorted(read) == wanted
    assert someone.run('ls', someone.point, root=True).returncode != 0, 'even root looks in'
    pids = someone.pids()
    assert all(os.stat(f'/proc/{pid}').st_uid in (0, someone.who.pw_uid) for pid in pids)
    assert all(f'Uid:\t{someone.who.pw_uid}\t' in Path(f'/proc/{pid}/status').read_text() for pid in pids)
    for path in (someone.home / '.cache').rglob('*'):
        assert path.lstat().st_mode & 0o077 == 0, path
    result = someone.run(someone.binary, 'umount', someone.point)
    assert result.returncode == 0, result.stderr
    assert not someone.mounted()
    gone(someone, pids)
    assert list(someone.home.joinpath('.local').rglob('*.sock')) == []


def test_remove(someone, dovecot):
    """An ordinary user removes, and can do nothing else."""
    dovecot.put('alice', 'Trash', [])
    assert someone.mount().returncode == 0
    files = someone.files()
    body = subprocess.run(someone.command('cat', files[0]), check=True, stdout=subprocess.PIPE).stdout
    for words in (['touch', files[0]], ['mv', files[0], files[1]], ['chmod', '600', files[0]],
                  ['mkdir', someone.point / 'new'], ['rmdir', someone.point / 'INBOX'],
                  ['rm', '-f', someone.point / '.mountmail' / 'queue.json']):
        assert someone.run(*words).returncode != 0, words
    assert someone.files() == files
    assert someone.run('rm', '-f', files[0]).returncode == 0
    assert someone.run('ls', someone.point / 'INBOX').stdout.split() == [path.name for path in files[1:]]
    result = someone.run(someone.binary, 'flush', someone.point)
    assert result.returncode == 0, result.stderr
    assert len(dovecot.bodies('alice')) == 2
    assert [found for found, _, _ in dovecot.bodies('alice', 'Trash').values()] == [body]
    for path in (someone.home / '.local' / 'state').rglob('*'):
        assert path.lstat().st_mode & 0o077 == 0, path
    assert someone.run(someone.binary, 'umount', someone.point).returncode == 0


def test_busy(someone):
    assert someone.mount().returncode == 0
    pids = someone.pids()
    reader = subprocess.Popen(someone.command('sh', '-c', f'exec 3<"{someone.files()[0]}"; echo; exec sleep 1000'),
                              stdout=subprocess.PIPE)
    try:
        reader.stdout.readline()
        result = someone.run(someone.binary, 'umount', someone.point)
        assert result.returncode == 1
        assert 'busy' in result.stderr and f'sleep (pid {reader.pid})' in result.stderr
        assert someone.mounted()
        result = someone.run(someone.binary, 'umount', '--force', someone.point)
        assert result.returncode == 0, result.stderr
        gone(someone, pids)
    finally:
        reader.kill()
        reader.wait()


def test_mail_process_killed(someone):
    assert someone.mount().returncode == 0
    pids = someone.pids()
    os.kill(pids[1], signal.SIGKILL)
    gone(someone, pids)


def test_everything_killed(someone):
    """Mounting again clears what is left, and so does umount."""
    for clear in (lambda: someone.mount(), lambda: someone.run(someone.binary, 'umount', someone.point)):
        assert someone.mounted() or someone.mount().returncode == 0
        pids = someone.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in pids), 'the processes are gone', 20)
        assert someone.mounted()
        result = someone.run(someone.binary, 'status', someone.point)
        assert result.returncode == 6 and 'dead' in result.stderr
        result = clear()
        assert result.returncode == 0, result.stderr
    assert not someone.mounted()


def test_refusals(someone):
    result = someone.mount('allow_other')
    assert result.returncode == 6 and 'user_allow_other' in result.stderr
    someone.point.chmod(0o555)
    result = someone.mount()
    assert result.returncode == 6 and str(someone.point) in result.stderr
    os.chown(someone.home / 'secret', 0, 0)
    someone.point.chmod(0o755)
    result = someone.mount()
    assert result.returncode == 1 and 'secret' in result.stderr
    assert not someone.mounted()
