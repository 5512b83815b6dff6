"""Other POP3 servers than Dovecot, unpacked from Debian's packages, never installed, in a folder of their own."""
import crypt
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

INETD = Path(__file__).with_name('inetd.py')
LIBRARIES = 'usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'


class Missing(Exception):
    """Why the server cannot be had here."""


def unpack(folder, packages):
    """Fetches and unpacks once."""
    if folder.exists():
        return folder
    if not shutil.which('apt-get') or not shutil.which('dpkg-deb'):
        raise Missing('there is no apt-get to fetch the packages with')
    part = folder.with_name(folder.name + '.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    result = subprocess.run(['apt-get', 'download', '-q', *packages], cwd=part, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise Missing(f'{" ".join(packages)} cannot be downloaded: {result.stdout[-500:]}')
    for deb in part.glob('*.deb'):
        subprocess.run(['dpkg-deb', '-x', deb, part], check=True)
        deb.unlink()
    part.rename(folder)
    return folder


def as_mbox(messages):
    data = b''
    for message in messages:
        lines = message.replace(b'\r\n', b'\n').split(b'\n')
        body = b'\n'.join(b'>' + line if line.startswith(b'From ') else line for line in lines)
        data += b'From sender@example.org Fri May  3 10:00:00 2024\n' + body.rstrip(b'\n') + b'\n\n'
    return data


class InetdServer:
    """A server that serves one connection on its standard input and output. Only root can start it."""
    packages, command, accounts, pam = (), (), (), ()
    uid = 1000
    delivered = 0

    def __init__(self, cache, folder):
        self.unpacked = unpack(cache / type(self).__name__.lower(), self.packages)
        self.folder = Path(folder)
        self.process = None

    def prepare(self):
        for part in ('mail', 'run/lock/subsys/mail', 'lib', 'pam.d', 'home'):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for part in ('mail', 'run/lock', 'run/lock/subsys', 'run/lock/subsys/mail'):
            (self.folder / part).chmod(0o1777)
        os.chown(self.folder / 'home', self.uid, self.uid)
        names = [('root', 0, '/root'), *self.accounts]
        users = [(f'box{number}', self.uid, self.folder / 'home') for number in range(20)]
        hashed = crypt.crypt('secret', crypt.METHOD_SHA512)
        (self.folder / 'passwd').write_text(''.join(
            f'{name}:x:{uid}:{uid}::{home}:/bin/sh\n' for name, uid, home in names + users))
        (self.folder / 'shadow').write_text(''.join(
            f'{name}:{hashed if uid == self.uid else "*"}:19000:0:99999:7:::\n' for name, uid, _ in names + users))
        for name in (*self.pam, 'other'):
            (self.folder / 'pam.d' / name).write_text('auth required pam_unix.so\naccount required pam_unix.so\n')

    def start(self):
        self.prepare()
        libraries = ':'.join(str(self.unpacked / path) for path in LIBRARIES)
        command = [part.format(unpacked=self.unpacked, folder=self.folder) for part in self.command]
        self.process = subprocess.Popen(
            ['unshare', '-m', sys.executable, str(INETD), str(self.folder), str(self.folder / 'log'), *command],
            stdout=subprocess.PIPE, text=True, env={**os.environ, 'LD_LIBRARY_PATH': libraries})
        line = self.process.stdout.readline()
        if not line:
            raise Missing('a mount namespace of its own is not permitted here')
        self.port = int(line)
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process.stdout.close()
            self.process = None

    def log(self):
        path = self.folder / 'log'
        return path.read_text(errors='replace')[-4000:] if path.exists() else ''


class MboxServer(InetdServer):
    def fill(self, user, messages):
        path = self.folder / 'mail' / user
        path.write_bytes(as_mbox(messages))
        path.chmod(0o600)
        os.chown(path, self.uid, self.uid)

    def deliver(self, user, messages):
        with open(self.folder / 'mail' / user, 'ab') as box:
            box.write(as_mbox(messages))


class Popa3d(MboxServer):
    packages = ('popa3d',)
    command = ('{unpacked}/usr/sbin/popa3d',)
    accounts = (('popa3d', 990, '/var/lib/popa3d'),)
    pam = ('popa3d',)

    def prepare(self):
        super().prepare()
        (self.folder / 'lib' / 'popa3d').mkdir(exist_ok=True)


class SolidPop3d(MboxServer):
    packages = ('solid-pop3d', 'liblockfile1')
    command = ('{unpacked}/usr/sbin/solid-pop3d', '-d', '-f', '{folder}/spop3d.conf')
    accounts = (('spop3d', 991, '/var/lib/solid-pop3d'),)
    pam = ('solid-pop3d',)

    def prepare(self):
        super().prepare()
        (self.folder / 'lib' / 'solid-pop3d' / 'bulletins').mkdir(parents=True, exist_ok=True)
        (self.folder / 'spop3d.conf').write_text(
            '<Global>\n\tMailDropName\t"/var/mail/%s"\n\tMailDropType\tmailbox\n\tLogStatistics\tno\n</Global>\n')


class Mailutils(InetdServer):
    packages = ('mailutils-pop3d', 'libmailutils9', 'libmu-dbm9', 'libgsasl18', 'libkyotocabinet16v5', 'libgssglue1',
                'libidn12', 'libntlm0', 'liblzo2-2', 'guile-3.0-libs', 'libltdl7', 'libmariadb3', 'libpq5',
                'libpython3.11', 'libnsl2', 'libgdbm6', 'libdb5.3', 'libldap-2.5-0', 'libsasl2-2', 'libwrap0')
    command = ('{unpacked}/usr/sbin/pop3d', '--config-file={folder}/pop3d.conf', '--inetd')
    pam = ('gnu-mailutils', 'mailutils')

    def prepare(self):
        super().prepare()
        (self.folder / 'pop3d.conf').write_text(
            'auth { authentication system:generic; authorization system:generic; }\n'
            'mailbox { mailbox-type maildir; mail-spool "maildir:/var/mail"; }\n'
            'logging { syslog no; severity notice; }\n'
            'tcp-wrappers { enable no; }\n'
            'timeout 1800;\n')

    def fill(self, user, messages):
        shutil.rmtree(self.folder / 'mail' / user, ignore_errors=True)
        self.deliver(user, messages)

    def deliver(self, user, messages):
        box = self.folder / 'mail' / user
        for part in ('', 'cur', 'new', 'tmp'):
            (box / part).mkdir(exist_ok=True)
            os.chown(box / part, self.uid, self.uid)
        for message in messages:
            self.delivered += 1
            path = box / 'cur' / f'{1700000000 + self.delivered}.M{self.delivered}.test:2,'
            path.write_bytes(message.replace(b'\r\n', b'\n'))
            os.chown(path, self.uid, self.uid)


class ScriptedServer:
    """A server of few words: no CAPA, no UIDL, no TOP unless asked for; messages as they are given."""

    def __init__(self, messages, *, uidl=False, top=False):
        self.messages, self.uidl, self.top = list(messages), uidl, top
        self.said = []  # commands, all sessions
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile('rwb') as stream:
            stream.write(b'+OK ready\r\n')
            stream.flush()
            marked = set()
            try:
                for line in stream:
                    words = line.decode().split()
                    self.said.append(words[0].upper())
                    stream.write(self.answer(words, marked))
                    stream.flush()
                    if words[0].upper() == 'QUIT':
                        self.messages = [message for number, message in enumerate(self.messages, 1)
                                         if number not in marked]
                        return
            except OSError:
                pass

    def multi(self, data):
        lines = data.split(b'\r\n')
        if lines[-1] == b'':
            lines.pop()
        return b'+OK\r\n' + b''.join((b'.' if line.startswith(b'.') else b'') + line + b'\r\n'
                                     for line in lines) + b'.\r\n'

    def answer(self, words, marked):
        verb = words[0].upper()
        alive = [number for number in range(1, len(self.messages) + 1) if number not in marked]
        message = self.messages[int(words[1]) - 1] if verb in ('RETR', 'TOP', 'DELE') else None
        if verb in ('USER', 'PASS', 'NOOP', 'QUIT'):
            return b'+OK\r\n'
        if verb == 'RSET':
            marked.clear()
            return b'+OK\r\n'
        if verb == 'STAT':
            return b'+OK %d %d\r\n' % (len(alive), sum(map(len, self.messages)))
        if verb == 'LIST':
            return self.multi(b''.join(b'%d %d\r\n' % (number, len(self.messages[number - 1])) for number in alive))
        if verb == 'UIDL' and self.uidl:
            return self.multi(b''.join(b'%d %s\r\n' % (number, self.uidl(self.messages[number - 1]))
                                       for number in alive))
        if verb == 'RETR':
            return self.multi(message)
        if verb == 'TOP' and self.top:
            return self.multi(message.split(b'\r\n\r\n', 1)[0] + b'\r\n\r\n')
        if verb == 'DELE':
            marked.add(int(words[1]))
            return b'+OK\r\n'
        return b'-ERR unknown command\r\n'

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
