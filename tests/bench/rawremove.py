"""What a bare socket needs to remove the same messages: the yardstick of tests/bench/removal.

    rawremove.py PORT USER move|expunge COUNT CHUNK

Plain IMAP on loopback. Removes the UIDs 1 to COUNT of INBOX, CHUNK in a command: UID MOVE to Trash, or
UID STORE +FLAGS.SILENT (\\Deleted) and UID EXPUNGE. The folder was opened before, as a mount that lists it has
done. Prints the seconds from SELECT to the last answer.
"""
import socket
import sys
import time


class Session:
    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port))
        self.sock.recv(65536)

    def ask(self, command):
        self.sock.sendall(b'a ' + command.encode() + b'\r\n')
        tail = b''
        while True:
            data = self.sock.recv(1 << 18)
            if not data:
                sys.exit('the server hung up')
            tail = tail[-200:] + data
            at = tail.rfind(b'\r\na ')
            at = at + 2 if at >= 0 else (0 if tail.startswith(b'a ') else -1)
            if at >= 0 and tail.endswith(b'\r\n'):
                if not tail[at + 2:].startswith(b'OK'):
                    sys.exit(tail[at:].decode(errors='replace'))
                return


def main():
    port, user, how, count, chunk = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    session = Session(port)
    session.ask(f'LOGIN {user} secret')
    session.ask('EXAMINE INBOX')
    begun = time.monotonic()
    session.ask('SELECT INBOX')
    for first in range(1, count + 1, chunk):
        uids = f'{first}:{min(first + chunk - 1, count)}'
        if how == 'move':
            session.ask(f'UID MOVE {uids} Trash')
        else:
            session.ask(f'UID STORE {uids} +FLAGS.SILENT (\\Deleted)')
            session.ask(f'UID EXPUNGE {uids}')
    print(f'{time.monotonic() - begun:.3f}')


main()
