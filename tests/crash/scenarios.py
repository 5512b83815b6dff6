"""What is removed from where, and how the server behaves meanwhile."""
import re
import shutil
import threading
import time

from crash import Scenario
from server import Message

def lie(*commands):
    def before(server):
        server.lies = set(commands)
    return before


def refuse_move(server):
    server.refuse_move = True


# faults: what each of them is tried with; CRASH=all tries all with all.
SCRIPTED = [
    Scenario('MOVE', faults='start die drop hang kill SQLite'),
    Scenario('MOVE, the old connection still at it', settles=False, faults='late'),
    Scenario('MOVE is refused', before=refuse_move, faults='die drop kill'),
    Scenario('COPY, STORE, UID EXPUNGE', move=False, faults='die drop hang kill SQLite+kill'),
    Scenario('COPY, the old connection still at it', move=False, settles=False, faults='late'),
    Scenario('COPY, STORE, EXPUNGE', move=False, uidplus=False, faults='die kill'),
    Scenario('no Trash', has_trash=False, to_trash=False, faults='die drop kill'),
    Scenario('no Trash, no UIDPLUS', has_trash=False, to_trash=False, uidplus=False, faults='die kill'),
    Scenario('trash=none', trash='none', to_trash=False, faults='die'),
    Scenario('inside Trash', folder='Trash', to_trash=False, faults='die hang'),
    Scenario('a lying MOVE', end='held', to_trash=False, before=lie('UID MOVE'), faults='die'),
    Scenario('a lying EXPUNGE', end='held', move=False, before=lie('UID EXPUNGE'), faults='die drop'),
    Scenario('a lying STORE', end='held', move=False, before=lie('UID STORE', 'UID EXPUNGE'), faults='die'),
    Scenario('a lying EXPUNGE, no Trash', end='held', has_trash=False, to_trash=False,
             before=lie('UID EXPUNGE'), faults='die'),
    Scenario('UIDs name others', end='parked', to_trash=False,
             after=lambda server: server.renumber('INBOX'), faults='die drop hang kill SQLite+kill'),
    Scenario('another UIDVALIDITY', end='parked', to_trash=False, again=False, shown=False,
             after=lambda server: server.new_epoch('INBOX'), faults='die drop hang kill'),
    Scenario("another client's \\Deleted", end='marked', move=False, uidplus=False,
             before=lambda server: server.mark('INBOX', 6), faults='die hang kill'),
]


class DovecotWorld:
    """A user of the private Dovecot, with mail of his own."""

    server = None  # the Dovecot
    lock = threading.Lock()
    users = 0

    def __init__(self, scenario):
        cls = type(self)
        with cls.lock:
            cls.users += 1
            self.user = f'crash{cls.users}'
        self.port = self.server.imap_port
        for folder in ('INBOX', 'Trash'):
            numbers = scenario.all() if folder == scenario.folder else []
            self.server.put(self.user, folder, [Message(number).body for number in numbers])

        if scenario.before:
            scenario.before(self.server.maildir(self.user, scenario.folder))

    def listed(self, fault, process):
        pass

    def commands(self):
        return 0

    def ids(self):
        """From the Maildir: what IMAP says is what the mount has seen already."""
        found = {}
        for folder in ('INBOX', 'Trash'):
            maildir = self.server.maildir(self.user, folder)
            files = [file for part in ('cur', 'new') for file in (maildir / part).iterdir()]
            found[folder] = sorted(re.search(r'^Message-ID: (\S+)', file.read_text(), re.M).group(1)
                                   for file in files)
        return found

    def settle(self):
        """The old connection may be at its last command: until nothing has changed for a while."""
        seen = None
        while seen != self.ids():
            seen = self.ids()
            time.sleep(0.02)

    def text(self):
        return f'Dovecot, user {self.user}'

    def close(self):
        shutil.rmtree(self.server.mail_root / self.user, ignore_errors=True)


DOVECOTS = [
    Scenario('Dovecot', world=DovecotWorld, faults='start die drop'),
    Scenario('Dovecot, cur is read-only', world=DovecotWorld, end='held', to_trash=False,
             before=lambda maildir: (maildir / 'cur').chmod(0o555), faults='die drop'),
]
