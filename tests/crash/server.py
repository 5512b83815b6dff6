"""A scripted IMAP server: folders that outlive connections, and every way to let a client down.

Each connection has a thread of its own, so that an old one may still be executing while a new one
looks. A command is executed under one lock, as a whole.
"""
import re
import socket
import threading
import time

FIRST_DATE = 1700000000
FLAGS = r'\Answered \Flagged \Deleted \Seen \Draft'


class Message:
    def __init__(self, number):
        self.id = f'<{number}@crash.test>'
        self.date = FIRST_DATE + number * 61
        self.flags = set()
        self.body = (f'From: Sender {number} <s{number}@crash.test>\r\nTo: r@crash.test\r\n'
                     f'Subject: Message {number}\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n'
                     f'Message-ID: {self.id}\r\n\r\n' + 'x' * number + '\r\n').encode()

    def copy(self):
        other = Message.__new__(Message)
        other.__dict__.update(self.__dict__, flags=set(self.flags))
        return other


class Folder:
    def __init__(self, epoch, special=''):
        self.epoch, self.special = epoch, special
        self.messages = {}  # by UID, ascending
        self.uidnext = 1

    def add(self, message):
        self.messages[self.uidnext] = message
        self.uidnext += 1

    def ids(self):
        return [message.id for message in self.messages.values()]


class Hangup(Exception):
    """The connection ends here."""


class Cut:
    """Ends the connection over the Nth command from now on: 'before' it is executed, 'after' that
    and before its answer, 'half' way through its messages, or 'late': at once, but the command is
    executed all the same after a while, or just behind the same command of a new connection.
    also: what else is done there."""

    LATE = 0.3  # seconds

    def __init__(self, how, at, also=None):
        self.how, self.at, self.also, self.seen = how, at, also, 0

    def meets(self):
        self.seen += 1
        return self.seen == self.at

    def hang_up(self):
        if self.also:
            self.also()
        raise Hangup

    def go_on(self, session, name):
        """The client is gone, and the session does not know yet."""
        session.hang_up()
        if self.also:
            self.also()
        with session.server.lock:
            before = session.server.done.count(name)
            session.server.did.wait_for(lambda: session.server.done.count(name) > before, self.LATE)


class Server:
    def __init__(self, move=True, uidplus=True, trash=True):
        self.move, self.uidplus = move, uidplus
        self.refuse_move = False  # NO, though it is advertised
        self.lies = set()         # commands that say OK and do nothing to the folder
        self.cut = None           # or a Cut
        self.folders = {'INBOX': Folder(1111)}
        if trash:
            self.folders['Trash'] = Folder(2222, r'\Trash')
        self.log = []
        self.done = []  # commands that were executed
        self.lock = threading.Lock()
        self.did = threading.Condition(self.lock)
        self.sessions = []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    # What a test does.

    def fill(self, folder, count, first=1):
        for number in range(first, first + count):
            self.folders[folder].add(Message(number))

    def state(self):
        """{folder: [(uid, id, flags), ..]}"""
        with self.lock:
            return {name: [(uid, message.id, ' '.join(sorted(message.flags)))
                           for uid, message in folder.messages.items()]
                    for name, folder in self.folders.items()}

    def renumber(self, folder):
        """The UIDs name other messages: each the one after it. The server says nothing of it."""
        with self.lock:
            box = self.folders[folder]
            messages = list(box.messages.values())
            box.messages = dict(zip(box.messages, messages[1:] + messages[:1]))

    def new_epoch(self, folder):
        with self.lock:
            box = self.folders[folder]
            box.epoch += 1
            box.messages = {uid + 100: message for uid, message in box.messages.items()}
            box.uidnext += 100

    def mark(self, folder, uid):
        """Another client's \\Deleted."""
        with self.lock:
            self.folders[folder].messages[uid].flags.add(r'\Deleted')

    def settle(self):
        """Waits until every connection that was made has ended, with all it was told to do."""
        for session in list(self.sessions):
            session.thread.join(10)
            assert not session.thread.is_alive(), 'a connection does not end'

    def commands(self):
        with self.lock:
            return len(self.log)

    def text(self):
        with self.lock:
            return '\n'.join(self.log)

    def close(self):
        # Without it the thread that waits in accept would take one more.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for session in list(self.sessions):
            session.hang_up()
        self.thread.join(5)

    # What its connections do.

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            session = Session(self, sock, len(self.sessions) + 1)
            self.sessions.append(session)
            session.thread.start()

    def capabilities(self):
        return ' '.join(['IMAP4rev1 LITERAL+ NAMESPACE SPECIAL-USE'] + ['MOVE'] * self.move
                        + ['UIDPLUS'] * self.uidplus)


def words(text):
    """A command's arguments: words, strings (as str), and lists in parentheses."""
    stack = [[]]
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"|(\()|(\))|((?:BODY[^\s]*\[[^\]]*\][^\s)]*)|[^\s()]+)', text):
        quoted, opening, closing, word = match.groups()
        if opening:
            stack.append([])
        elif closing:
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(re.sub(r'\\(.)', r'\1', quoted) if quoted is not None else word)
    return stack[0]


def in_set(text, uids):
    """Those of uids (ascending) that a sequence set names."""
    last = uids[-1] if uids else 0
    chosen = set()
    for part in text.split(','):
        low, _, high = part.partition(':')
        ends = sorted(last if end == '*' else int(end) for end in (low, high or low))
        chosen.update(uid for uid in uids if ends[0] <= uid <= ends[1])
    return [uid for uid in uids if uid in chosen]


def as_set(uids):
    return ','.join(map(str, uids))


class Session:
    def __init__(self, server, sock, number):
        self.server, self.sock, self.number = server, sock, number
        self.file = sock.makefile('rb')
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.name = None      # of the folder that is open
        self.writable = False
        self.view = []        # its UIDs, as this client was told

    def hang_up(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def send(self, data):
        try:
            self.sock.sendall(data.encode() if isinstance(data, str) else data)
        except OSError as error:
            raise Hangup from error

    def run(self):
        try:
            self.send('* OK ready\r\n')
            while line := self.read_command():
                self.execute(line)
        except (Hangup, OSError):
            pass
        except (ValueError, KeyError, IndexError) as error:
            self.note(f'the test server failed: {error!r}')
            raise
        finally:
            self.file.close()
            self.sock.close()

    def read_command(self):
        line = self.file.readline()
        while match := re.search(rb'\{(\d+)(\+?)\}\r\n$', line):
            if not match.group(2):
                self.send('+ go on\r\n')
            literal = self.file.read(int(match.group(1)))
            quoted = b'"' + literal.replace(b'\\', b'\\\\').replace(b'"', b'\\"') + b'"'
            line = line[:match.start()] + quoted + self.file.readline()
        return line.decode().rstrip('\r\n') if line.endswith(b'\n') else None

    def note(self, text):
        self.server.log.append(f'{self.number}: {text}')

    def execute(self, line):
        server = self.server
        tag, name, *rest = line.split(' ', 2)
        name, rest = name.upper(), rest[0] if rest else ''
        if name == 'UID':
            verb, _, rest = rest.partition(' ')
            name = 'UID ' + verb.upper()
        with server.lock:
            cut = server.cut if server.cut and server.cut.meets() else None
        if cut and cut.how == 'late':
            cut.go_on(self, name)
        with server.lock:
            self.note(f'{name} {"..." if name == "LOGIN" else rest}' + (f' [cut {cut.how}]' if cut else ''))
            if cut and cut.how == 'before':
                cut.hang_up()
            self.half = bool(cut) and cut.how == 'half'
            method = getattr(self, 'do_' + name.lower().replace(' ', '_'), None)
            untagged, reply = method(words(rest)) if method else ([], 'BAD what is that')
            server.done.append(name)
            server.did.notify_all()
            if cut and cut.how == 'late':
                raise Hangup
            if cut:
                cut.hang_up()
            untagged += self.news() if name not in ('SELECT', 'EXAMINE') else []
            if not reply.startswith('OK'):
                self.note(reply)
        self.send(b''.join(item if isinstance(item, bytes) else item.encode() + b'\r\n'
                           for item in untagged) + f'{tag} {reply}\r\n'.encode())
        if name == 'LOGOUT':
            raise Hangup

    def box(self):
        return self.server.folders.get(self.name) or Folder(0)

    def news(self):
        """What came and went since this client was last told."""
        if self.name is None:
            return []
        told, now = [], list(self.box().messages)
        for uid in [uid for uid in self.view if uid not in self.box().messages]:
            told.append(f'* {self.view.index(uid) + 1} EXPUNGE')
            self.view.remove(uid)
        fresh = [uid for uid in now if uid > max(self.view, default=0) and uid not in self.told_gone]
        if fresh:
            self.view += fresh
            told.append(f'* {len(self.view)} EXISTS')
        return told

    def part(self, uids):
        """All of them, or those that are done before the connection is cut."""
        return uids[:(len(uids) + 1) // 2] if self.half else uids

    def do_capability(self, args):
        return [f'* CAPABILITY {self.server.capabilities()}'], 'OK done'

    def do_login(self, args):
        return [], 'OK logged in' if args[1:] == ['secret'] else 'NO [AUTHENTICATIONFAILED] no'

    def do_namespace(self, args):
        return ['* NAMESPACE (("" "/")) NIL NIL'], 'OK done'

    def do_list(self, args):
        return [f'* LIST ({folder.special}) "/" "{name}"'
                for name, folder in self.server.folders.items()], 'OK done'

    def do_noop(self, args):
        return [], 'OK done'

    def do_logout(self, args):
        return ['* BYE bye'], 'OK done'

    def do_status(self, args):
        folder = self.server.folders.get(args[0])
        if not folder:
            return [], 'NO there is no such folder'
        return [f'* STATUS "{args[0]}" (MESSAGES {len(folder.messages)} UIDNEXT {folder.uidnext} '
                f'UIDVALIDITY {folder.epoch})'], 'OK done'

    def open(self, args, writable):
        self.name, self.view, self.told_gone = None, [], set()
        if args[0] not in self.server.folders:
            return [], 'NO there is no such folder'
        self.name, self.writable = args[0], writable
        self.view = list(self.box().messages)
        return [f'* FLAGS ({FLAGS})', f'* OK [PERMANENTFLAGS ({FLAGS if writable else ""})] these',
                f'* {len(self.view)} EXISTS', '* 0 RECENT',
                f'* OK [UIDVALIDITY {self.box().epoch}] epoch',
                f'* OK [UIDNEXT {self.box().uidnext}] next',
                ], f'OK [READ-{"WRITE" if writable else "ONLY"}] open'

    def do_select(self, args):
        return self.open(args, True)

    def do_examine(self, args):
        return self.open(args, False)

    def do_close(self, args):
        gone = [uid for uid in self.view if self.has_mark(uid)] if self.writable else []
        for uid in gone:
            del self.box().messages[uid]
        self.name = None
        return [], 'OK done'

    def do_unselect(self, args):
        self.name = None
        return [], 'OK done'

    def there(self):
        """UIDs that this client may name."""
        return [uid for uid in self.view if uid in self.box().messages]

    def has_mark(self, uid):
        message = self.box().messages.get(uid)
        return bool(message) and r'\Deleted' in message.flags

    def do_uid_search(self, args):
        found, args = self.there(), list(args)
        while args:
            key = args.pop(0).upper()
            if key == 'UID':
                found = [uid for uid in in_set(args.pop(0), self.there()) if uid in found]
            elif key == 'DELETED':
                found = [uid for uid in found if self.has_mark(uid)]
            elif key == 'UNDELETED':
                found = [uid for uid in found if not self.has_mark(uid)]
            elif re.fullmatch(r'[\d:,*]+', key):
                named = in_set(key, list(range(1, len(self.view) + 1)))
                found = [uid for uid in found if self.view.index(uid) + 1 in named]
            elif key != 'ALL':
                return [], f'BAD {key} is no search key here'
        return ['* SEARCH' + ''.join(f' {uid}' for uid in found)], 'OK done'

    def item(self, uid, wanted):
        """(name, value) of one thing that was asked for of a message."""
        message = self.box().messages[uid]
        name, _, section = wanted.partition('[')
        name = name.upper()
        if name == 'UID':
            return name, b'%d' % uid
        if name == 'FLAGS':
            return name, b'(%s)' % ' '.join(sorted(message.flags)).encode()
        if name == 'INTERNALDATE':
            text = time.strftime('%d-%b-%Y %H:%M:%S +0000', time.gmtime(message.date))
            return name, f'"{text}"'.encode()
        if name == 'RFC822.SIZE':
            return name, b'%d' % len(message.body)
        if name not in ('BODY', 'BODY.PEEK'):
            raise ValueError(wanted)
        section = section.rstrip(']')
        data = self.section(message, section)
        return f'BODY[{section}]', b'{%d}\r\n%s' % (len(data), data)

    @staticmethod
    def section(message, section):
        if not section:
            return message.body
        head = message.body.partition(b'\r\n\r\n')[0] + b'\r\n'
        match = re.fullmatch(r'HEADER\.FIELDS \(([^)]*)\)', section, re.I)
        if not match:
            raise ValueError(section)
        names = tuple(name.lower() + ':' for name in match.group(1).split())
        lines = [line for line in head.splitlines(True) if line.decode().lower().startswith(names)]
        return b''.join(lines) + b'\r\n'

    def do_uid_fetch(self, args):
        wanted = args[1] if isinstance(args[1], list) else [args[1]]
        out = []
        for uid in in_set(args[0], self.there()):
            pairs = [self.item(uid, item) for item in wanted]
            if 'UID' not in [name for name, _ in pairs]:
                pairs.insert(0, self.item(uid, 'UID'))
            text = b' '.join(name.encode() + b' ' + value for name, value in pairs)
            out.append(b'* %d FETCH (%s)\r\n' % (self.view.index(uid) + 1, text))
        return out, 'OK done'

    def refused(self):
        if self.name is None:
            return 'BAD no folder is open'
        return None if self.writable else 'NO [READ-ONLY] the folder is open for reading'

    def do_uid_store(self, args):
        if self.refused():
            return [], self.refused()
        if args[1].upper() != '+FLAGS.SILENT':
            return [], 'BAD only +FLAGS.SILENT'
        for uid in self.part(in_set(args[0], self.there())):
            if 'UID STORE' not in self.server.lies:
                self.box().messages[uid].flags.update(args[2])
        return [], 'OK done'

    def copy(self, uids, to):
        copies = []
        for uid in uids:
            copies.append(to.uidnext)
            to.add(self.box().messages[uid].copy())
        return f'[COPYUID {to.epoch} {as_set(uids)} {as_set(copies)}] ' \
            if uids and self.server.uidplus else ''

    def do_uid_copy(self, args):
        to = self.server.folders.get(args[1])
        if not to:
            return [], 'NO [TRYCREATE] there is no such folder'
        return [], f'OK {self.copy(self.part(in_set(args[0], self.there())), to)}done'

    def do_uid_move(self, args):
        if not self.server.move:
            return [], 'BAD what is that'
        if self.server.refuse_move:
            return [], 'NO not today'
        if self.refused():
            return [], self.refused()
        to = self.server.folders.get(args[1])
        if not to:
            return [], 'NO [TRYCREATE] there is no such folder'
        uids = self.part(in_set(args[0], self.there()))
        if 'UID MOVE' in self.server.lies:
            return self.expunge(uids, lie=True), 'OK done'
        code = self.copy(uids, to)
        return ([f'* OK {code}moved'] if code else []) + self.expunge(uids), 'OK done'

    def expunge(self, uids, lie=False):
        told = []
        for uid in uids:
            told.append(f'* {self.view.index(uid) + 1} EXPUNGE')
            self.view.remove(uid)
            if lie:
                self.told_gone.add(uid)
            else:
                del self.box().messages[uid]
        return told

    def do_uid_expunge(self, args):
        if not self.server.uidplus:
            return [], 'BAD what is that'
        if self.refused():
            return [], self.refused()
        uids = [uid for uid in in_set(args[0], self.there()) if self.has_mark(uid)]
        return self.expunge(self.part(uids), lie='UID EXPUNGE' in self.server.lies), 'OK done'

    def do_expunge(self, args):
        if self.refused():
            return [], self.refused()
        uids = [uid for uid in self.there() if self.has_mark(uid)]
        return self.expunge(self.part(uids), lie='EXPUNGE' in self.server.lies), 'OK done'
