"""Folder names that no file can have: a server that divides levels with '.', and one that lies."""
import os
import subprocess

import pytest
from conftest import ROOT
from lib.mount import Mount, until
from lib.relay import Relay
from lib.server import Dovecot, utf7

SETTINGS = '''mail_plugins = listescape
namespace inbox {
  separator = .
}
plugin {
  listescape_char = "%"
}
'''


@pytest.fixture(scope='module')
def dotted(scratch):
    """A Dovecot with '.' between levels, so that '/' is a letter like any other."""
    folder = scratch / 'dotted'
    folder.mkdir()
    (folder / 'extra.conf').write_text(SETTINGS)
    server = Dovecot(ROOT, folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mount_of(binary, tmp_path_factory):
    made = []

    def make(server, user, **options):
        made.append(Mount(binary, server, user, tmp_path_factory.mktemp('home'), **options))
        return made[-1]

    yield make
    for mount in made:
        mount.destroy()


LONG = 'a name of many words ' * 11 + 'end'
SHOWN = {
    'a/b': 'a%2Fb',
    'a/b.c': 'a%2Fb/c',
    'Ä/ö': 'Ä%2Fö',
    '-dash': '%2Ddash',
    '~': '~',
    '*': '*',
    '%': '%25',
    'quote"d': 'quote"d',
    'back\\slash': 'back\\slash',
    'INBOX.sub': 'INBOX/sub',
    LONG: None,
}


def test_letters_that_files_cannot_have(dotted, mount_of):
    client = dotted.imap('alice')
    for number, name in enumerate(SHOWN):
        raw = '"' + utf7(name).replace('\\', '\\\\').replace('"', '\\"') + '"'
        assert client.create(raw)[0] == 'OK'
        assert client.append(raw, None, None, b'Subject: number %d\r\n\r\nx\r\n' % number)[0] == 'OK'
    client.logout()
    mount = mount_of(dotted, 'alice').start().wait_listed()
    paths = {folder['name']: folder['path'] for folder in mount.status()['folders']}
    for number, (name, shown) in enumerate(SHOWN.items()):
        path = paths[utf7(name)]
        assert shown in (None, path)
        assert all(len(level.encode()) <= 200 for level in path.split('/'))
        files = mount.files(path)
        assert list(files) == [1]
        assert files[1].read_bytes() == b'Subject: number %d\r\n\r\nx\r\n' % number
    found = subprocess.run(['find', mount.point, '-name', '*.eml'], check=True, text=True, stdout=subprocess.PIPE)
    assert len(found.stdout.splitlines()) == len(SHOWN)
    assert mount.stop() == 0
    mount.start().wait_listed()
    assert paths == {folder['name']: folder['path'] for folder in mount.status()['folders']}


def test_names_that_lead_elsewhere(dovecot, user, mount_of, sample_mail):
    """The server names folders "..", "." and "../../etc": they are names, and lead nowhere."""
    names = {b'Odd-one': b'..', b'Odd-two': b'.', b'Odd-three': b'../../etc', b'Odd-four': b'.mountmail'}
    for name in names:
        dovecot.put(user, name.decode(), [sample_mail / 'INBOX' / '01-plain.eml'])
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    relay = Relay(dovecot.imap_port)

    def rewrite(data):
        lines = data.split(b'\r\n')
        for number, line in enumerate(lines):
            if line.startswith(b'* LIST '):
                for name, other in names.items():
                    line = line.replace(b'"/" ' + name, b'"|" "' + other + b'"')
                lines[number] = line
        return b'\r\n'.join(lines)

    relay.rewrite = rewrite
    try:
        mount = mount_of(dovecot, user, url=f'imap://{user}@localhost:{relay.port}', options='tls=none').start()
        until(lambda: len(mount.files()) == 1, 'INBOX is listed')
        paths = {folder['name']: folder['path'] for folder in mount.status()['folders']}
        assert paths['..'] == '%2E.' and paths['../../etc'] == '%2E.%2F..%2Fetc'
        shown = set(os.listdir(mount.point))
        assert shown == set(paths.values())
        assert shown >= {'INBOX'} and not shown & {'etc', '.mountmail'}
        assert not any('/' in name or name in ('.', '..') or name.startswith('.') for name in shown)
        inodes = [os.stat(mount.point / name).st_ino for name in shown]
        assert len(set(inodes)) == len(shown)
        assert os.stat(mount.point / '..').st_ino == os.stat(mount.home).st_ino
        assert mount.files()[1].read_bytes()
        assert mount.status()['state'] == 'online'
        assert os.listdir(mount.home / 'mail' / '.mountmail') == ['status.json', 'queue.json']
    finally:
        relay.close()
