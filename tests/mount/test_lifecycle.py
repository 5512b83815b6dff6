"""However it ends, no dead mountpoint and no process is left."""
import os
import signal
import subprocess
import time

import pytest
from lib.mount import WAIT, alive, mounted, until


def pids(mount):
    found = mount.status()['pids']
    return [found['supervisor'], found['mail'], *found['wire']]


def gone(mount, processes):
    until(lambda: not mounted(mount.point), 'the mount is gone', 20)
    until(lambda: not any(alive(pid) for pid in processes), 'the processes are gone', 20)
    assert os.listdir(mount.point) == []


def fresh(mounts, dovecot, user, sample_mail):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    return mounts(user).start().wait_listed()


def test_umount(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    processes = pids(mount)
    assert mount.stop() == 0
    gone(mount, processes)


def test_umount_busy(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    with open(mount.files()[1], 'rb') as file:
        file.read(1)
        result = mount.run('umount', mount.point)
        assert result.returncode != 0 and 'busy' in result.stderr.lower() or 'open' in result.stderr
        assert mounted(mount.point)
    assert mount.stop() == 0


def test_umount_without_the_socket(mounts, dovecot, user, sample_mail):
    """Somebody cleaned up too much: the mount can still be ended."""
    mount = fresh(mounts, dovecot, user, sample_mail)
    processes = pids(mount)
    for socket in (mount.home / 'state').glob('*.sock'):
        socket.unlink()
    with open(mount.files()[1], 'rb'):
        result = mount.run('umount', mount.point)
        assert result.returncode == 1 and 'busy' in result.stderr
    assert mount.run('umount', mount.point).returncode == 0
    mount.process.wait(20)
    gone(mount, processes)


def test_fusermount(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    processes = pids(mount)
    subprocess.run(['fusermount3', '-u', str(mount.point)], check=True)
    mount.process.wait(20)
    gone(mount, processes)


def test_sigterm(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    processes = pids(mount)
    os.kill(processes[0], signal.SIGTERM)
    mount.process.wait(20)
    gone(mount, processes)


def test_mail_process_killed(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    processes = pids(mount)
    os.kill(processes[1], signal.SIGKILL)
    assert mount.process.wait(20) != 0
    gone(mount, processes)


def test_everything_killed_then_mounted_again(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    for pid in pids(mount):
        os.kill(pid, signal.SIGKILL)
    mount.process.wait(20)
    assert mounted(mount.point)
    mount.start().wait_listed()
    assert len(mount.files()) == 1
    assert mount.stop() == 0


def test_supervisor_killed(mounts, dovecot, user, sample_mail):
    """Without its supervisor the rest ends by itself; the next mount clears what stays."""
    mount = fresh(mounts, dovecot, user, sample_mail)
    processes = pids(mount)
    os.kill(processes[0], signal.SIGKILL)
    mount.process.wait(20)
    until(lambda: not any(alive(pid) for pid in processes), 'the processes are gone', 20)
    mount.start().wait_listed()
    assert mount.stop() == 0


def test_background(mounts, dovecot, user, sample_mail):
    """Without -f: the command returns when the mount is there, and it stays."""
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user)
    result = mount.run('-o', mount.options, mount.url, mount.point)
    assert result.returncode == 0, result.stderr
    assert mounted(mount.point)
    mount.wait_listed()
    processes = pids(mount)
    assert len(mount.files()) == 1
    result = mount.run('umount', mount.point)
    assert result.returncode == 0, result.stderr
    gone(mount, processes)


def test_mount_helper_arguments(mounts, dovecot, user, sample_mail):
    """What /sbin/mount.fuse3 passes on for an fstab line."""
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user)
    options = 'rw,nosuid,nodev,noatime,x-systemd.automount,_netdev,' + mount.options
    result = mount.run(mount.url, mount.point, '-o', options)
    assert result.returncode == 0, result.stderr
    mount.wait_listed()
    assert mount.run('umount', mount.point).returncode == 0


def test_mount_helper(mounts, dovecot, user, sample_mail, tmp_path):
    """mount -t fuse.mountmail, as an fstab line makes it."""
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user)
    (tmp_path / 'mountmail').symlink_to(mount.binary)
    options = 'noauto,user,_netdev,x-systemd.automount,' + mount.options
    subprocess.run(['/sbin/mount.fuse3', mount.url, str(mount.point), '-t', 'fuse.mountmail', '-o', options],
                   check=True, env={**mount.environment(), 'PATH': f'{tmp_path}:{os.environ["PATH"]}'})
    mount.wait_listed()
    processes = pids(mount)
    subprocess.run(['umount', str(mount.point)], check=True)
    gone(mount, processes)


def test_started_offline_with_what_is_cached(mounts, dovecot, user, sample_mail, relay):
    dovecot.put(user, 'INBOX', sorted((sample_mail / 'INBOX').glob('*.eml'))[:2])
    mount = mounts(user, url=f'imap://{user}@localhost:{relay.port}', options='tls=none')
    mount.start().wait_listed()
    body = mount.files()[1].read_bytes()
    assert mount.stop() == 0
    relay.close()
    result = mount.run('-o', mount.options, mount.url, mount.point)
    assert result.returncode == 0, result.stderr
    status = mount.status()
    assert status['state'] in ('offline', 'connecting') and status['error']
    assert mount.files()[1].read_bytes() == body
    start = time.monotonic()
    with pytest.raises(OSError):
        mount.files()[2].read_bytes()
    assert time.monotonic() - start < 10
    assert mount.run('umount', mount.point).returncode == 0


def test_started_offline_with_nothing_cached(mounts, dovecot, user, relay):
    relay.close()
    mount = mounts(user, url=f'imap://{user}@localhost:{relay.port}', options='tls=none')
    result = mount.run('-o', mount.options, mount.url, mount.point)
    assert result.returncode == 3, result.stderr
    assert not mounted(mount.point)


def test_another_accounts_cache(mounts, dovecot, user, sample_mail):
    mount = fresh(mounts, dovecot, user, sample_mail)
    assert mount.stop() == 0
    mount.url = f'imaps://somebody-else@localhost:{dovecot.imaps_port}'
    result = mount.run('-o', mount.options, mount.url, mount.point)
    assert result.returncode == 1 and 'cache' in result.stderr
    assert not mounted(mount.point)
