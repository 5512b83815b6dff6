"""The private Dovecot, and mail put into it behind its back or through IMAP."""
import imaplib
import os
import shutil
import ssl
import subprocess
import time
from pathlib import Path


def utf7(name):
    """A folder name in IMAP's modified UTF-7."""
    out, run = '', ''

    def flush(run):
        import base64
        return '&' + base64.b64encode(run.encode('utf-16-be')).decode().rstrip('=').replace('/', ',') + '-'

    for char in name:
        if ' ' <= char <= '~':
            if run:
                out, run = out + flush(run), ''
            out += '&-' if char == '&' else char
        else:
            run += char
    return out + flush(run) if run else out


class Dovecot:
    def __init__(self, root, folder):
        self.tool = str(root / 'contrib' / 'private-dovecot')
        self.folder = Path(folder)

    def start(self):
        text = subprocess.run([self.tool, 'start', str(self.folder)], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        env = dict(line.split('=', 1) for line in text.split())
        self.imap_port = int(env['IMAP_PORT'])
        self.imaps_port = int(env['IMAPS_PORT'])
        self.pop3_port = int(env['POP3_PORT'])
        self.pop3s_port = int(env['POP3S_PORT'])
        self.cafile = env['CAFILE']
        self.mail_root = Path(env['MAIL_ROOT'])
        self.mail_uid = int(env['MAIL_UID'])
        deadline = time.monotonic() + 20
        while True:
            try:
                self.imap('probe').logout()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self):
        subprocess.run([self.tool, 'stop', str(self.folder)], check=True)

    def pid(self):
        return int((self.folder / 'run' / 'master.pid').read_text())

    def imap(self, user):
        context = ssl.create_default_context(cafile=self.cafile)
        client = imaplib.IMAP4_SSL('localhost', self.imaps_port, ssl_context=context)
        client.login(user, 'secret')
        return client

    def maildir(self, user, folder='INBOX'):
        """The Maildir of a folder; '/' separates levels."""
        base = self.mail_root / user / 'Maildir'
        return base if folder == 'INBOX' else base / ('.' + utf7(folder).replace('/', '.'))

    def put(self, user, folder, files, seen=False):
        """Copies message files into a folder, as a delivery that needs no server would."""
        maildir = self.maildir(user, folder)
        for part in ('cur', 'new', 'tmp'):
            (maildir / part).mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files):
            data = file if isinstance(file, bytes) else Path(file).read_bytes()
            name = f'{1700000000 + number}.M{number}.test:2,{"S" if seen else ""}'
            (maildir / 'cur' / name).write_bytes(data)
            os.utime(maildir / 'cur' / name, (1700000000 + number * 60,) * 2)
        self.own(user)

    def own(self, user):
        if os.getuid() == 0:
            for path, folders, files in os.walk(self.mail_root / user):
                for name in ['', *folders, *files]:
                    os.chown(os.path.join(path, name), self.mail_uid, -1)

    def put_tree(self, user, tree):
        for folder in sorted({path.parent for path in tree.rglob('*.eml')}):
            self.put(user, str(folder.relative_to(tree)), sorted(folder.glob('*.eml')))

    def bodies(self, user, folder='INBOX'):
        """What the server itself says: {uid: (BODY[], RFC822.SIZE, flags)}."""
        client = self.imap(user)
        name = utf7(folder).replace('\\', '\\\\').replace('"', '\\"')
        client.select(f'"{name}"', readonly=True)
        result = {}
        kind, answer = client.uid('FETCH', '1:*', '(UID FLAGS RFC822.SIZE BODY.PEEK[])')
        assert kind == 'OK'
        for item in answer:
            if not isinstance(item, tuple):
                continue
            head = item[0].decode()
            uid = int(head.split('UID ')[1].split()[0].rstrip(')'))
            size = int(head.split('RFC822.SIZE ')[1].split()[0].rstrip(')'))
            flags = head.split('FLAGS (')[1].split(')')[0]
            result[uid] = (item[1], size, flags)
        client.logout()
        return result

    def remove_user(self, user):
        shutil.rmtree(self.mail_root / user, ignore_errors=True)
