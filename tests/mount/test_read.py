"""What is read is what the server has."""
import os
import re
import subprocess
import time
import unicodedata

from lib.mount import until


def snapshot(mount):
    """Everything that must not change while a message lives."""
    found = {}
    for path, folders, files in os.walk(mount.point):
        for name in folders + files:
            stat = os.lstat(os.path.join(path, name))
            entry = os.path.relpath(os.path.join(path, name), mount.point)
            found[entry] = (stat.st_ino, stat.st_mode, stat.st_mtime_ns if name in files else 0,
                            stat.st_ctime_ns if name in files else 0,
                            stat.st_size if name in files else 0)
    return found


def compare(mount, server, user, folder='INBOX'):
    """Each file equals BODY[]; sizes are exact; nothing was marked read. Returns how many."""
    wanted = server.bodies(user, folder)
    files = mount.files(folder)
    assert sorted(files) == sorted(wanted)
    for uid, path in files.items():
        data = path.read_bytes()
        assert data == wanted[uid][0], path
        assert os.stat(path).st_size == len(data), path
        assert '\\Seen' not in wanted[uid][2]
    for uid, (body, size, flags) in server.bodies(user, folder).items():
        assert '\\Seen' not in flags
    return len(files)


def check_names(mount):
    for path, folders, files in os.walk(os.fsencode(mount.point)):
        for name in files:
            text = name.decode()
            assert len(name) <= 200
            assert text[0] not in '.-', text
            assert unicodedata.is_normalized('NFC', text), text
            for char in text:
                assert char in '._-@+=,' or unicodedata.category(char)[0] in 'LMN', (text, char)


def copy_tools(mount, tmp_path):
    """The tools that people point at their mail."""
    source = str(mount.point) + '/'
    subprocess.run(['rsync', '-a', '--exclude=.mountmail', source, tmp_path / 'copy'], check=True)
    again = subprocess.run(['rsync', '-ai', source, tmp_path / 'copy'], check=True, text=True,
                           stdout=subprocess.PIPE).stdout
    assert again == '', 'the second rsync copied something'
    subprocess.run(['diff', '-r', mount.point, tmp_path / 'copy'], check=True)
    subprocess.run(['tar', '-cf', tmp_path / 'mail.tar', '-C', mount.point, '.'], check=True)
    listed = subprocess.run(['tar', '-df', tmp_path / 'mail.tar', '-C', mount.point],
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert listed.returncode == 0, listed.stdout
    (tmp_path / 'reference').touch()
    os.utime(tmp_path / 'reference', (1500000000, 1500000000))
    newer = subprocess.run(['find', mount.point, '-type', 'f', '-newer', tmp_path / 'reference'],
                           check=True, text=True, stdout=subprocess.PIPE).stdout
    count = sum(len(files) for _, _, files in os.walk(mount.point))
    assert len(newer.splitlines()) == count


def test_sample_mail(mounts, dovecot, user, sample_mail, tmp_path):
    dovecot.put_tree(user, sample_mail)
    mount = mounts(user).start().wait_listed()
    assert compare(mount, dovecot, user) == len(list((sample_mail / 'INBOX').glob('*.eml')))
    for folder in ('Archive/2023', 'Entwürfe & Notizen', '日本語', 'Sent'):
        assert compare(mount, dovecot, user, folder) > 0
    check_names(mount)
    grep = subprocess.run(['grep', '-rl', 'budget', mount.point], text=True, stdout=subprocess.PIPE)
    assert grep.returncode == 0 and len(grep.stdout.splitlines()) >= 5
    copy_tools(mount, tmp_path)


def test_identity_survives(mounts, dovecot, user, sample_mail):
    """Names, inodes, sizes, mtimes and ctimes: over a remount, and over the loss of the cache."""
    import shutil
    dovecot.put_tree(user, sample_mail)
    mount = mounts(user).start().wait_listed()
    for uid, path in mount.files().items():
        path.read_bytes()
    first = snapshot(mount)
    assert mount.stop() == 0
    mount.start().wait_listed()
    assert snapshot(mount) == first
    assert mount.stop() == 0
    shutil.rmtree(mount.home / 'cache')
    mount.start().wait_listed()
    assert snapshot(mount) == first


def test_corpus(mounts, dovecot, user, corpus, tmp_path):
    """Thousands of real messages, if there are some."""
    import shutil
    dovecot.put(user, 'INBOX', corpus)
    mount = mounts(user).start().wait_listed()
    assert compare(mount, dovecot, user) == len(corpus)
    check_names(mount)
    copy_tools(mount, tmp_path)
    assert subprocess.run(['grep', '-rc', 'the', mount.point], stdout=subprocess.DEVNULL).returncode == 0
    first = snapshot(mount)
    assert mount.stop() == 0
    mount.start().wait_listed()
    assert snapshot(mount) == first
    assert mount.stop() == 0
    shutil.rmtree(mount.home / 'cache')
    mount.start().wait_listed()
    second = snapshot(mount)
    assert {name: entry[:4] for name, entry in second.items()} == \
        {name: entry[:4] for name, entry in first.items()}


def test_xattrs(mounts, dovecot, user, sample_mail):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '03-encoded-words.eml'])
    mount = mounts(user).start().wait_listed()
    path = mount.files()[1]
    assert os.getxattr(path, 'user.mail.subject').decode() == 'Grüße aus München — bis bald'
    assert 'juergen@example.de' in os.getxattr(path, 'user.mail.from').decode()
    assert os.getxattr(path, 'user.mail.uid') == b'1'
    assert 'user.mail.message-id' in os.listxattr(path)


def test_read_only(mounts, dovecot, user, sample_mail):
    import errno
    import pytest
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user, options='ro').start().wait_listed()
    path = mount.files()[1]
    for change in (lambda: os.unlink(path), lambda: open(path, 'wb'), lambda: os.mkdir(mount.point / 'x'),
                   lambda: os.rename(path, mount.point / 'x'), lambda: os.truncate(path, 0),
                   lambda: os.chmod(path, 0o600), lambda: os.rmdir(mount.point / 'INBOX'),
                   lambda: os.symlink('a', mount.point / 'b'), lambda: os.utime(path),
                   lambda: open(mount.point / 'INBOX' / 'new', 'w'),
                   lambda: os.setxattr(path, 'user.x', b'y')):
        with pytest.raises(OSError) as refusal:
            change()
        assert refusal.value.errno == errno.EROFS
    assert path.read_bytes()


def test_wrong_size(mounts, dovecot, user, sample_mail, relay, tmp_path):
    """A size that the server got wrong is corrected before anybody sees truncated or padded data.

    Dovecot delivers as many bytes as it claims, so the relay makes the claims wrong."""
    files = [sample_mail / 'INBOX' / name for name in ('01-plain.eml', '02-reply.eml')]
    dovecot.put(user, 'INBOX', files)
    sizes = {uid: size for uid, (_, size, _) in dovecot.bodies(user).items()}
    claims = {sizes[1]: 10, sizes[2]: sizes[2] * 3}
    assert len(claims) == 2
    relay.rewrite = lambda data: re.sub(
        rb'RFC822\.SIZE (\d+)', lambda match: b'RFC822.SIZE %d' % claims[int(match[1])], data)
    mount = mounts(user, url=f'imap://{user}@localhost:{relay.port}', options='tls=none').start().wait_listed()
    wanted = dovecot.bodies(user)
    paths = mount.files()
    assert {uid: os.stat(path).st_size for uid, path in paths.items()} == \
        {uid: claims[size] for uid, size in sizes.items()}
    for uid, path in paths.items():
        copy = tmp_path / str(uid)
        subprocess.run(['cp', path, copy], check=True)
        assert copy.read_bytes() == wanted[uid][0]
        assert os.stat(path).st_size == len(wanted[uid][0])


def test_new_mail_after_refresh(mounts, dovecot, user, sample_mail):
    files = sorted((sample_mail / 'INBOX').glob('*.eml'))
    dovecot.put(user, 'INBOX', files[:3])
    mount = mounts(user).start().wait_listed()
    assert len(mount.files()) == 3
    client = dovecot.imap(user)
    client.append('INBOX', None, None, b'Subject: fresh\r\n\r\nnews\r\n')
    client.select('INBOX')
    client.uid('STORE', '1', '+FLAGS', '(\\Deleted)')
    client.expunge()
    client.create('Later')
    result = mount.run('refresh', mount.point)
    assert result.returncode == 0, result.stderr
    until(lambda: sorted(mount.files()) == [2, 3, 4], 'the new message shows, the old one is gone', 10)
    assert mount.files()[4].read_bytes() == b'Subject: fresh\r\n\r\nnews\r\n'
    assert (mount.point / 'Later').is_dir()
