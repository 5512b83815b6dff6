"""Every command that README.md and the man page show is run as it stands; every sample is loaded.

A program called mountmail, first in PATH, stands between: it puts the test's server in the place of
imap.example.org and pop.example.org and adds what the test's account needs. So what a reader types is what runs.
"""
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from lib.mount import WAIT, mounted, until

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / 'README.md').read_text()
PAGE = (ROOT / 'contrib' / 'man' / 'mountmail.1').read_text()
URL = 'imaps://alice@imap.example.org'
POP3_URL = 'pop3s://alice@pop.example.org'
MOUNTPOINT = 6  # the exit status that comes after options and configuration were found good

STAND_IN = '''#!/usr/bin/python3
import os, sys
binary, urls, common, passfile = {binary!r}, {urls!r}, {common!r}, {passfile!r}
arguments = sys.argv[1:]
for documented, real in urls:
    arguments = [a.replace(documented, real) for a in arguments]
arguments = [a.replace('cafile=~/server.pem', 'ro') for a in arguments]
if arguments[0] not in ('status', 'refresh', 'queue', 'flush', 'umount') and not arguments[0].startswith('--'):
    text = ' '.join(arguments)
    if 'passfile=' not in text and 'passcmd=' not in text and 'work' not in arguments:
        common += ',' + passfile
    arguments = ['-o', common, *arguments]
os.execv(binary, ['mountmail', *arguments])
'''


def blocks(text):
    return re.findall(r'^```\n(.*?)^```', text, re.M | re.S)


def readme_commands():
    return [line[2:] for block in blocks(README) for line in block.splitlines() if line.startswith('$ ')]


def page_commands():
    lines = re.findall(r'^\.Dl \$ (.*)$', PAGE, re.M)
    return [line.replace(r'\(dq', '"').replace(r'\e', '\\') for line in lines]


def readme_config():
    return next(block for block in blocks(README) if block.startswith('['))


def page_config():
    return re.search(r'^\.Bd -literal.*\n(\[work\]\n.*?)^\.Ed', PAGE, re.M | re.S).group(1)


def fstab_lines():
    lines = [line for text in (README, PAGE, (ROOT / 'contrib' / 'fstab.sample').read_text())
             for line in text.splitlines() if ' fuse.mountmail ' in line and line.startswith('imaps://')]
    assert len(lines) >= 4
    return sorted(set(lines))


class Session:
    """A home directory in which the documented commands are typed."""

    def __init__(self, mount, dovecot):
        self.mount = mount
        home = mount.home
        self.bin = home / 'bin'
        self.bin.mkdir()
        self.script('mountmail', STAND_IN.format(
            binary=mount.binary, urls=[(URL, mount.url), (
                POP3_URL, f'pop3s://{mount.user}@localhost:{dovecot.pop3s_port}')],
            common=f'cafile={dovecot.cafile}', passfile=f'passfile={home}/secret'))
        self.script('pass', '#!/bin/sh\n[ "$1" = show ] && echo secret\n')
        config = home / '.config' / 'mountmail' / 'config'
        config.parent.mkdir(parents=True)
        config.write_text(readme_config().replace(URL, mount.url))
        for name in ('.mail-password', 'root-password'):
            (home / name).write_text('secret\n')
            (home / name).chmod(0o600)
        (home / 'backup').mkdir()

    def script(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, command):
        environment = {**self.mount.environment(), 'PATH': f'{self.bin}:{os.environ["PATH"]}'}
        return subprocess.run(command, shell=isinstance(command, str), cwd=self.mount.home, text=True,
                              env=environment, timeout=WAIT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def umount(self):
        if mounted(self.mount.point):
            result = self.run(['mountmail', 'umount', str(self.mount.point)])
            assert result.returncode == 0, result.stderr

    def type(self, command):
        """Runs a command in the state that it is shown in. A mount begins with none."""
        words = shlex.split(command)
        mounting = words[0] == 'mountmail' and words[1] not in ('status', 'refresh', 'queue', 'flush', 'umount')
        if mounting:
            self.umount()
        elif '~/mail' in command and words[0] != 'mkdir' and not mounted(self.mount.point):
            assert self.run(f'mountmail {URL} ~/mail').returncode == 0
        result = self.run(command)
        assert result.returncode == 0, f'{command}\n{result.stdout}{result.stderr}'
        if mounting:
            assert mounted(self.mount.point)
            self.mount.wait_listed()
        return result.stdout


@pytest.fixture
def session(mounts, dovecot, user, sample_mail):
    dovecot.put_tree(user, sample_mail)
    session = Session(mounts(user), dovecot)
    yield session
    session.umount()


def test_readme_commands(session):
    commands = readme_commands()
    assert len(commands) >= 4 and any(command.startswith('mountmail ') for command in commands)
    output = {command: session.type(command) for command in commands}
    assert 'INBOX' in output['ls ~/mail'].split()


def test_account_of_readme(session):
    assert '`mountmail work ~/mail`' in README
    session.type('mountmail work ~/mail')
    assert session.mount.status()['account'] == 'work'


def test_man_page_examples(session):
    commands = page_commands()
    assert len(commands) >= 10
    for command in commands:
        output = session.type(command)
        if 'find' in command:
            assert int(output) > 0
        if 'umount' in command:
            assert not mounted(session.mount.point)


def test_usage_is_the_same_everywhere(binary):
    """README's block of usage against --help, but for blanks and -d."""
    usage = next(block for block in blocks(README) if block.startswith('mountmail [-f]'))
    text = subprocess.run([binary, '--help'], check=True, text=True, stdout=subprocess.PIPE).stdout
    shown = {' '.join(line.split()).replace('[-f] [-d]', '[-f]') for line in text.splitlines()}
    for line in usage.splitlines():
        assert ' '.join(line.split()) in shown, line


def load(mount, account, text):
    """Whether a configuration is understood: the next thing that is looked at is the mountpoint."""
    config = mount.home / '.config' / 'mountmail' / 'config'
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text)
    result = mount.run(account, mount.home / 'missing')
    assert result.returncode == MOUNTPOINT and 'missing' in result.stderr, result.stderr


@pytest.mark.parametrize('text', [readme_config(), page_config(), (ROOT / 'contrib' / 'config.sample').read_text()],
                         ids=['readme', 'page', 'sample'])
def test_configurations(mounts, user, text):
    mount = mounts(user)
    accounts = re.findall(r'^\[(.*)\]$', text, re.M)
    assert accounts
    for account in accounts:
        load(mount, account, text)
    (mount.home / '.config' / 'mountmail' / 'home.pem').touch()
    # What is commented out is right, too.
    for line in re.findall(r'^# (\w+ = .*)$', text, re.M):
        load(mount, 'work', f'[work]\nurl = {URL}\n{line}\n')


@pytest.mark.parametrize('line', fstab_lines())
def test_fstab(session, line):
    """As mount(8) does it, by mount.fuse3."""
    source, _, kind, options, dump, check = line.split()
    assert (kind, dump, check) == ('fuse.mountmail', '0', '0')
    helper = next((path for path in ('/sbin/mount.fuse3', '/usr/sbin/mount.fuse3') if os.path.exists(path)), None)
    assert helper, 'mount.fuse3 is part of the package fuse3'
    home = session.mount.home
    options = options.replace('/home/alice/', f'{home}/').replace('/etc/mountmail.password', f'{home}/root-password')
    if os.getuid() != 0:
        options = options.replace(',allow_other', '')
    result = session.run([helper, source, str(session.mount.point), '-t', kind, '-o', f'rw,{options}'])
    assert result.returncode == 0, result.stderr
    session.mount.wait_listed()
    owner = os.stat(session.mount.point / 'INBOX').st_uid
    assert owner == (1000 if 'uid=1000' in options else os.getuid())


def test_systemd_unit(binary):
    """It runs what is documented, and leaves the way to fusermount3 open."""
    text = (ROOT / 'contrib' / 'systemd' / 'mountmail@.service.in').read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith('#')]
    forbidden = ('NoNewPrivileges', 'Protect', 'Private', 'SystemCall', 'Restrict', 'Lock', 'Memory', 'DynamicUser')
    settings = dict(line.split('=', 1) for line in lines if '=' in line)
    assert not [name for name in settings if name.startswith(forbidden)]
    assert settings['ExecStart'] == '@bindir@/mountmail -f %i %h/mail/%i'
    assert settings['Type'] == 'exec'  # -f: the process that is started is the one to watch


def test_mount_is_gone_when_the_unit_stops(session):
    """What ExecStopPost is for: the supervisor was killed, and the mount stays behind."""
    text = (ROOT / 'contrib' / 'systemd' / 'mountmail@.service.in').read_text()
    command = re.search(r"^ExecStopPost=-/bin/sh -c '(.*)'$", text, re.M).group(1)
    mount = session.mount
    mount.start().wait_listed()
    pids = mount.status()['pids']
    for pid in (pids['supervisor'], pids['mail'], *pids['wire']):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    mount.process.wait(WAIT)
    session.run(command.replace('%h/mail/%i', str(mount.point)))
    until(lambda: not mounted(mount.point), 'the mount is gone')
