"""Every refusal: its exit status and a message that says what, where, why and what to do."""
import os
import socket
import subprocess

import pytest
from lib.mount import mounted

USAGE, UNREACHABLE, LOGIN, REFUSED, MOUNTPOINT = 2, 3, 4, 5, 6


def attempt(mount, **changes):
    options = changes.get('options', mount.options)
    result = mount.run(*changes.get('before', []), '-o', options, changes.get('url', mount.url),
                       changes.get('point', mount.point))
    assert not mounted(mount.point)
    assert result.returncode != 0
    assert result.stderr.startswith('mountmail: ')
    assert len(result.stderr.strip().splitlines()) <= 4
    return result


def test_wrong_password(mounts, dovecot, user):
    mount = mounts(user)
    (mount.home / 'secret').write_text('wrong\n')
    result = attempt(mount)
    assert result.returncode == LOGIN
    assert user in result.stderr and 'password' in result.stderr


def test_unknown_host(mounts, dovecot, user):
    result = attempt(mounts(user), url=f'imaps://{user}@no-such-host.invalid')
    assert result.returncode == UNREACHABLE
    assert 'no-such-host.invalid' in result.stderr


def test_nothing_listens(mounts, dovecot, user):
    with socket.create_server(('127.0.0.1', 0)) as closed:
        port = closed.getsockname()[1]
    result = attempt(mounts(user), url=f'imaps://{user}@localhost:{port}')
    assert result.returncode == UNREACHABLE
    assert str(port) in result.stderr


def test_unknown_authority(mounts, dovecot, user):
    mount = mounts(user)
    result = attempt(mount, options=mount.options.replace(f'cafile={dovecot.cafile}', 'timeout=20'))
    assert result.returncode == REFUSED
    assert 'cafile=' in result.stderr and 'certificate' in result.stderr


def test_wrong_host_name(mounts, dovecot, user):
    result = attempt(mounts(user), url=f'imaps://{user}@127.0.0.2:{dovecot.imaps_port}')
    assert result.returncode in (REFUSED, UNREACHABLE)


def test_starttls(mounts, dovecot, user, sample_mail):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user, url=f'imap://{user}@localhost:{dovecot.imap_port}').start().wait_listed()
    assert len(mount.files()) == 1


def test_mountpoints(mounts, dovecot, user):
    mount = mounts(user)
    result = attempt(mount, point=mount.home / 'missing')
    assert result.returncode == MOUNTPOINT and 'missing' in result.stderr
    (mount.point / 'file').touch()
    result = attempt(mount)
    assert result.returncode == MOUNTPOINT and 'empty' in result.stderr
    result = attempt(mount, point=mount.point / 'file')
    assert result.returncode == MOUNTPOINT and 'directory' in result.stderr


def test_already_mounted(mounts, dovecot, user):
    mount = mounts(user).start()
    result = mount.run('-o', mount.options, mount.url, mount.point)
    assert result.returncode == MOUNTPOINT and 'already mounted' in result.stderr
    assert mounted(mount.point)


def test_account_already_mounted_elsewhere(mounts, dovecot, user):
    mount = mounts(user).start()
    other = mount.home / 'other'
    other.mkdir()
    result = mount.run('-o', mount.options, mount.url, other)
    assert result.returncode != 0 and 'mounted' in result.stderr
    assert not mounted(other)


def test_passfiles(mounts, dovecot, user):
    mount = mounts(user)
    (mount.home / 'secret').chmod(0o644)
    result = attempt(mount)
    assert 'chmod 600' in result.stderr
    (mount.home / 'secret').unlink()
    result = attempt(mount)
    assert 'secret' in result.stderr


def test_passcmd(mounts, dovecot, user):
    mount = mounts(user)
    rest = mount.options.split(',', 1)[1]
    result = attempt(mount, options='passcmd=exit 3,' + rest)
    assert 'passcmd' in result.stderr and '3' in result.stderr
    mount.options = 'passcmd=echo secret,' + rest
    mount.start()


def test_unknown_option(mounts, dovecot, user):
    mount = mounts(user)
    result = attempt(mount, options=mount.options + ',pasfile=/x')
    assert result.returncode == USAGE
    assert 'pasfile' in result.stderr and 'passfile' in result.stderr


@pytest.mark.parametrize('url, word', [
    ('imaps://alice:secret@localhost', 'password'),
    ('http://alice@localhost', 'http'),
    ('imaps://localhost', 'user'),
    ('imaps://alice@localhost:99999', 'port'),
    ('no-such-account', 'config'),
])
def test_bad_urls(mounts, dovecot, user, url, word):
    result = attempt(mounts(user), url=url)
    assert result.returncode == USAGE
    assert word in result.stderr
    assert 'secret' not in result.stderr.replace('/secret', '')


def test_not_a_mount(mounts, dovecot, user):
    mount = mounts(user)
    for command in ('status', 'refresh', 'queue', 'flush', 'umount'):
        result = mount.run(command, mount.point)
        assert result.returncode != 0 and 'not a mountmail mount' in result.stderr


def test_no_terminal_no_password(mounts, dovecot, user):
    mount = mounts(user)
    rest = mount.options.split(',', 1)[1]
    result = subprocess.run(['setsid', mount.binary, '-o', rest, mount.url, str(mount.point)],
                            stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=mount.environment())
    assert result.returncode != 0 and 'passfile' in result.stderr


def test_config_file(mounts, dovecot, user, sample_mail):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user)
    config = mount.home / '.config' / 'mountmail'
    config.mkdir(parents=True)
    lines = '\n'.join(mount.options.split(','))
    (config / 'config').write_text(f'[work]\nurl={mount.url}\n{lines}\n')
    mount.url, mount.options = 'work', 'timeout=30'
    mount.start().wait_listed()
    assert mount.status()['account'] == 'work'
    assert len(mount.files()) == 1
