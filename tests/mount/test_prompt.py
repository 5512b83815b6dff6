"""The password typed on a terminal."""
import os
import pty
import signal
import termios

from lib.mount import mounted, until


class Terminal:
    """A terminal with a mountmail on it."""

    def __init__(self, mount):
        options = mount.options.split(',', 1)[1]  # without passfile
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(mount.binary, [mount.binary, '-o', options, mount.url, str(mount.point)], mount.environment())
        self.seen = b''

    def expect(self, text):
        def found():
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:
                pass
            return text in self.seen
        until(found, f'{text!r} on the terminal; it says {self.seen!r}')

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def end(self):
        """To its end. Returns the exit status."""
        try:
            while data := os.read(self.fd, 4096):
                self.seen += data
        except OSError:
            pass
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


def test_typed(mounts, dovecot, user, sample_mail):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user)
    terminal = Terminal(mount)
    terminal.expect(b'Password for ' + user.encode())
    until(lambda: not terminal.echoes(), 'the echo is off')
    os.write(terminal.fd, b'secret\n')
    assert terminal.end() == 0, terminal.seen
    assert b'secret' not in terminal.seen
    mount.wait_listed()
    assert len(mount.files()) == 1
    assert mount.run('umount', mount.point).returncode == 0


def test_wrong(mounts, dovecot, user):
    mount = mounts(user)
    terminal = Terminal(mount)
    terminal.expect(b'Password for ')
    os.write(terminal.fd, b'wrong\n')
    assert terminal.end() == 4
    assert not mounted(mount.point)


def test_interrupted(mounts, dovecot, user):
    """Ctrl-C at the prompt: the terminal is as it was, nothing is mounted."""
    mount = mounts(user)
    terminal = Terminal(mount)
    terminal.expect(b'Password for ')
    until(lambda: not terminal.echoes(), 'the echo is off')
    os.write(terminal.fd, b'\x03')
    until(lambda: terminal.echoes(), 'the echo is on again')
    assert terminal.end() == -signal.SIGINT
    assert not mounted(mount.point)


def test_no_prompt_for_a_mountpoint_that_cannot_be(mounts, dovecot, user):
    mount = mounts(user)
    (mount.point / 'file').touch()
    terminal = Terminal(mount)
    assert terminal.end() == 6
    assert b'Password' not in terminal.seen and b'not empty' in terminal.seen
