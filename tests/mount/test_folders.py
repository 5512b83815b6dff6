"""Folders of every shape."""
import os

from test_read import compare


def test_names(mounts, dovecot, user, sample_mail):
    mail = [sample_mail / 'INBOX' / '01-plain.eml']
    folders = ['A', 'A/B', 'A/B/C', 'with space', 'Tom & Jerry', 'Ärger/Übung', '日本語/受信', 'percent%41',
               'no/parent/listed']
    for folder in folders:
        dovecot.put(user, folder, mail)
    dovecot.put(user, 'empty', [])
    mount = mounts(user).start().wait_listed()
    for folder in folders:
        shown = folder.replace('%', '%25')
        assert (mount.point / shown).is_dir(), folder
        assert len(mount.files(shown)) == 1
    assert os.listdir(mount.point / 'empty') == []
    assert compare(mount, dovecot, user, '日本語/受信') == 1
    assert sorted(os.listdir(mount.point / 'no')) == ['parent']
    paths = {folder['path'] for folder in mount.status()['folders']}
    assert {'A/B/C', 'Tom & Jerry', 'INBOX'} <= paths


def test_three_hundred(mounts, dovecot, user, sample_mail):
    mail = [sample_mail / 'INBOX' / '01-plain.eml']
    for number in range(300):
        dovecot.put(user, f'list-{number:03}', mail)
    mount = mounts(user).start().wait_listed()
    assert len([name for name in os.listdir(mount.point) if name.startswith('list-')]) == 300
    assert all(len(mount.files(f'list-{number:03}')) == 1 for number in range(300))


def test_filters(mounts, dovecot, user, sample_mail):
    mail = [sample_mail / 'INBOX' / '01-plain.eml']
    for folder in ('Keep', 'Drop'):
        dovecot.put(user, folder, mail)
    mount = mounts(user, options='exclude=Drop').start().wait_listed()
    assert (mount.point / 'Keep').is_dir() and not (mount.point / 'Drop').exists()
