"""One mount of one account: started, asked, ended, and cleaned up after."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

WAIT = 60  # seconds; generous, since a sanitised build on a busy machine is slow


def until(condition, what, seconds=WAIT, pause=0.05):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f'timed out: {what}'
        time.sleep(pause)


def mounted(point):
    """Whether something is mounted at point, without touching it."""
    text = Path('/proc/self/mountinfo').read_text()
    escaped = str(point).replace(" ", "\\040")
    return any(line.split()[4] == escaped for line in text.splitlines())


def alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


class Mount:
    def __init__(self, binary, server, user, home, url=None, options='', port=None):
        self.binary, self.server, self.user, self.home = binary, server, user, home
        self.point = home / 'mail'
        self.point.mkdir()
        (home / 'secret').write_text('secret\n')
        (home / 'secret').chmod(0o600)
        self.url = url or f'imaps://{user}@localhost:{port or server.imaps_port}'
        self.options = ','.join(filter(None, [
            f'passfile={home}/secret', f'cafile={server.cafile}',
            f'cache={home}/cache', f'state={home}/state', options]))
        self.log = home / 'log'
        self.process = None

    def environment(self):
        return {**os.environ, 'HOME': str(self.home), 'XDG_RUNTIME_DIR': '',
                'XDG_CACHE_HOME': '', 'XDG_STATE_HOME': '', 'XDG_CONFIG_HOME': ''}

    def run(self, *arguments, **kwargs):
        """A command to its end; stdout and stderr as text."""
        return subprocess.run([self.binary, *map(str, arguments)], text=True, timeout=WAIT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(), **kwargs)

    def start(self, wait=True):
        """Mounts in the foreground, so that the log is ours to read."""
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [self.binary, '-f', '-o', self.options, self.url, str(self.point)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment())
        if wait:
            until(self.answers, f'the mount comes up; its log:\n{self.text()}')
        return self

    def answers(self):
        assert self.process.poll() is None, f'mountmail ended; its log:\n{self.text()}'
        return mounted(self.point) and self.ask_status() is not None

    def text(self):
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def ask_status(self):
        result = self.run('status', '--json', self.point)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def status(self):
        result = self.run('status', '--json', self.point)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def wait_listed(self):
        """Until every folder was listed to its end."""
        def listed():
            status = self.status()
            return status['state'] == 'online' and status['folders'] and all(
                folder['listed'] for folder in status['folders'])
        until(listed, f'all folders are listed; log:\n{self.text()}')
        return self

    def stop(self):
        """The polite way. Returns the exit status of the mount."""
        result = self.run('umount', self.point)
        assert result.returncode == 0, result.stderr + self.text()
        code = self.process.wait(WAIT)
        assert not mounted(self.point)
        return code

    def files(self, folder='INBOX'):
        """{uid: path} of a folder's messages."""
        found = {}
        for name in os.listdir(self.point / folder):
            match = re.fullmatch(r'.*\.(\d+)\.eml', name)
            if match:
                found[int(match.group(1))] = self.point / folder / name
        return found

    def destroy(self, failed=False):
        """Whatever happened: nothing is left mounted, running, or on disk. Never hangs."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if mounted(self.point):
            subprocess.run(['umount', '-l', str(self.point)] if os.getuid() == 0
                           else ['fusermount3', '-u', '-z', str(self.point)])
        text = self.text()
        if failed:
            print(f'--- log of the mount of {self.user}\n{text[-8000:]}')
        shutil.rmtree(self.home, ignore_errors=True)
        for line in text.splitlines():
            assert 'AddressSanitizer' not in line and 'LeakSanitizer' not in line \
                and 'runtime error' not in line and 'ThreadSanitizer' not in line, text[-8000:]
