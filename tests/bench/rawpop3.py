"""What a bare socket needs for the same maildrop: the yardstick of tests/bench/pop3.

    rawpop3.py PORT USER list|bodies

Plain POP3 on loopback, pipelined as far as a server may be asked ahead. list: UIDL, LIST and the header of every message
(TOP n 0); bodies: RETR of every message. Prints the seconds from connecting to the last byte, and how many.
"""
import socket
import sys
import time

AHEAD = 100  # commands under way


class Session:
    def __init__(self, port, user):
        self.sock = socket.create_connection(('127.0.0.1', port))
        self.held = b''
        self.lines(1)
        self.sock.sendall(f'USER {user}\r\nPASS secret\r\n'.encode())
        self.lines(2)

    def lines(self, count):
        while self.held.count(b'\n') < count:
            self.more()
        *lines, self.held = self.held.split(b'\n', count)
        if not all(line.startswith(b'+OK') for line in lines):
            sys.exit(f'the server said {lines}')

    def more(self):
        data = self.sock.recv(1 << 18)
        if not data:
            sys.exit('the server hung up')
        self.held += data

    def answer(self):
        """One of many lines."""
        at = 0
        while (end := self.held.find(b'\r\n.\r\n', max(0, at - 4))) < 0:
            at = len(self.held)
            self.more()
        if not self.held.startswith(b'+OK'):
            sys.exit(f'the server said {self.held[:100]}')
        self.held = self.held[end + 5:]

    def ask_all(self, commands):
        sent = 0
        for read in range(len(commands)):
            if sent - read <= AHEAD // 2 and sent < len(commands):
                some = commands[sent:read + AHEAD]
                self.sock.sendall(''.join(f'{command}\r\n' for command in some).encode())
                sent += len(some)
            self.answer()


def main():
    port, user, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    begun = time.monotonic()
    session = Session(port, user)
    session.sock.sendall(b'STAT\r\n')
    while b'\n' not in session.held:
        session.more()
    line, session.held = session.held.split(b'\n', 1)
    count = int(line.split()[1])
    numbers = range(1, count + 1)
    if what == 'list':
        session.ask_all(['UIDL', 'LIST', *(f'TOP {number} 0' for number in numbers)])
    else:
        session.ask_all([f'RETR {number}' for number in numbers])
    print(f'{time.monotonic() - begun:.3f} {count}')
    session.sock.sendall(b'QUIT\r\n')
    session.sock.recv(100)


main()
