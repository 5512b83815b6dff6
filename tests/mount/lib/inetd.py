"""Runs a server of the inetd kind in a mount namespace of its own, in which it sees other users and mail.

    unshare -m python3 inetd.py FOLDER LOG COMMAND [ARGUMENT...]

FOLDER has passwd, shadow, pam.d and mail, which are put over /etc/passwd, /etc/shadow, /etc/pam.d and
/var/mail; /run and /var/lib are empty, but for what FOLDER/run and FOLDER/lib have. Nothing of it is seen
outside. Listens on a free port of 127.0.0.1, prints it, and starts COMMAND for each connection. Ends on
SIGTERM, or when its parent is gone, with all that it has started.
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def mount(*arguments):
    subprocess.run(['mount', *arguments], check=True)


def dress(folder):
    mount('--make-rprivate', '/')
    for source, target in (('passwd', '/etc/passwd'), ('shadow', '/etc/shadow'), ('pam.d', '/etc/pam.d'),
                           ('mail', '/var/mail'), ('run', '/run'), ('lib', '/var/lib')):
        mount('--bind', str(folder / source), target)


def serve(listener, command, log):
    while True:
        connection, _ = listener.accept()
        # They write an answer in pieces, of which each would wait for the one before.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        process = subprocess.Popen(command, stdin=connection, stdout=connection, stderr=log,
                                   preexec_fn=die_with_parent)
        connection.close()
        threading.Thread(target=process.wait, daemon=True).start()


def main():
    die_with_parent()
    folder = Path(sys.argv[1])
    log = open(sys.argv[2], 'ab')
    dress(folder)
    listener = socket.create_server(('127.0.0.1', 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(listener, sys.argv[3:], log)


main()
