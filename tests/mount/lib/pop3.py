"""POP3 on a bare socket: what a server says, to the byte, as the yardstick of a mount."""
import socket
import ssl


class Refused(RuntimeError):
    """The server said -ERR."""


class Pop3:
    def __init__(self, port, user, password='secret', cafile=None, timeout=60):
        """Logged in. cafile: TLS from the first byte."""
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=timeout)
        if cafile:
            context = ssl.create_default_context(cafile=cafile)
            self.sock = context.wrap_socket(self.sock, server_hostname='localhost')
        self.held = b''
        self.line()
        self.ask(f'USER {user}')
        self.ask(f'PASS {password}')

    def more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError(f'the server hung up; {self.held[-200:]!r} was held')
        self.held += data

    def line(self):
        while b'\n' not in self.held:
            self.more()
        line, self.held = self.held.split(b'\n', 1)
        line = line.rstrip(b'\r')
        if not line.startswith(b'+OK'):
            raise Refused(line.decode(errors='replace'))
        return line

    def send(self, command):
        self.sock.sendall(command.encode() + b'\r\n')

    def ask(self, command):
        self.send(command)
        return self.line()

    def many(self):
        """What follows the first line, without the dots that are put there on the way."""
        at = 0
        while True:
            if self.held.startswith(b'.\r\n'):
                end, skip = 0, 3
                break
            end = self.held.find(b'\r\n.\r\n', max(0, at - 5))
            if end >= 0:
                end, skip = end + 2, 3
                break
            at = len(self.held)
            self.more()
        data, self.held = self.held[:end], self.held[end + skip:]
        return b'\r\n'.join(line[1:] if line.startswith(b'.') else line for line in data.split(b'\r\n'))

    def ask_many(self, command):
        self.ask(command)
        return self.many()

    def count(self):
        return int(self.ask('STAT').split()[1])

    def retr(self, number):
        return self.ask_many(f'RETR {number}')

    def retr_all(self):
        return [self.retr(number) for number in range(1, self.count() + 1)]

    def uidls(self):
        """In the server's order."""
        return [line.split()[1].decode() for line in self.ask_many('UIDL').splitlines()]

    def quit(self):
        self.ask('QUIT')
        self.close()

    def close(self):
        """Without QUIT: nothing that was marked is removed."""
        self.sock.close()


def bodies(port, user, **more):
    """All there is, read in a session of its own."""
    session = Pop3(port, user, **more)
    session.uidls()  # some servers write them into the messages, from then on
    found = session.retr_all()
    session.quit()
    return found
