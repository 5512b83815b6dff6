"""What a bare socket needs for the same FETCH: the yardstick of tests/bench/listing.

    rawfetch.py PORT USER headers|bodies

Plain IMAP on loopback. Prints the seconds between sending the FETCH and its tagged answer, the
seconds of the whole session (connecting, LOGIN, LIST, EXAMINE, FETCH), and the bytes of the answer.
"""
import socket
import sys
import time

ITEMS = {
    'headers': b'UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS '
               b'(FROM TO CC SUBJECT DATE MESSAGE-ID REFERENCES LIST-ID)]',
    'bodies': b'UID RFC822.SIZE INTERNALDATE BODY.PEEK[]',
}


def until(sock, tag):
    """Reads on until the tagged answer; how many bytes came."""
    total, tail = 0, b''
    while True:
        data = sock.recv(1 << 18)
        if not data:
            sys.exit('the server hung up')
        total += len(data)
        tail = tail[-200:] + data
        at = tail.rfind(b'\r\n' + tag + b' ')
        if at >= 0 and tail.endswith(b'\r\n'):
            if not tail[at + 2 + len(tag):].startswith(b' OK'):
                sys.exit(tail[at:].decode(errors='replace'))
            return total


def main():
    port, user, what = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    begun = time.monotonic()
    sock = socket.create_connection(('127.0.0.1', port))
    sock.recv(65536)
    for tag, command in ((b'a', b'LOGIN ' + user.encode() + b' secret'), (b'b', b'LIST "" "*"'),
                         (b'c', b'EXAMINE INBOX')):
        sock.sendall(tag + b' ' + command + b'\r\n')
        data = b''
        while tag + b' OK' not in data:
            data += sock.recv(65536)
    start = time.monotonic()
    sock.sendall(b'd UID FETCH 1:* (' + ITEMS[what] + b')\r\n')
    total = until(sock, b'd')
    end = time.monotonic()
    print(f'{end - start:.3f} {end - begun:.3f} {total}')


main()
