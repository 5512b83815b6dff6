"""What happens on the server shows in the mount, without being asked for."""
import os
import subprocess

from lib.mount import until

MAIL = b'From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\n\r\nbody\r\n'


def names(mount):
    return os.listdir(mount.point / 'INBOX')


def append(client, word):
    assert client.append('INBOX', None, None, MAIL % (word, word))[0] == 'OK'


def test_mail_comes_and_goes_by_itself(mounts, dovecot, user):
    dovecot.put(user, 'INBOX', [MAIL % (b'first', b'first')])
    mount = mounts(user, options='poll=0').start()  # nobody looks now and then
    until(lambda: len(names(mount)) == 1, 'the first is listed')
    client = dovecot.imap(user)
    append(client, b'second')
    until(lambda: any('second' in name for name in names(mount)), 'the second shows', 10)
    client.select('INBOX')
    client.uid('STORE', '1', '+FLAGS.SILENT', '(\\Deleted)')
    client.uid('EXPUNGE', '1')
    until(lambda: not any('first' in name for name in names(mount)), 'the first is gone', 10)
    client.logout()


def test_reading_is_not_kept_waiting(mounts, dovecot, user):
    dovecot.put(user, 'INBOX', [MAIL % (b'%d' % i, b'%d' % i) for i in range(20)])
    mount = mounts(user, options='poll=0').start()
    until(lambda: len(names(mount)) == 20, 'all are listed')
    for name in sorted(names(mount)):
        subprocess.run(['cat', str(mount.point / 'INBOX' / name)], check=True, stdout=subprocess.DEVNULL,
                       timeout=20)
