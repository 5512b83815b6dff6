"""The three roles: what they are called, what they may do, what they know."""
import os
import re
import subprocess
from pathlib import Path

import pytest
from lib.mount import mounted, until
from lib.server import Dovecot

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = 'Kp7-distinctive-9xQ2'


def facts(pid):
    text = Path(f'/proc/{pid}/status').read_text()
    return dict(line.split(':\t', 1) for line in text.splitlines() if ':\t' in line)


def has_in_memory(pid, needle):
    """Whether a process has it anywhere it may write to."""
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', 0) as memory:
        for line in maps:
            start, end, mode = re.match(r'(\w+)-(\w+) (\S+)', line).groups()
            start, end = int(start, 16), int(end, 16)
            # What sanitizers reserve for shadows is terabytes of nothing.
            if 'w' not in mode or end - start > 1 << 30:
                continue
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


@pytest.fixture
def trusting(scratch):
    """A server that takes any password, so that a test can have one that is found nowhere else."""
    server = Dovecot(ROOT, scratch / 'trusting')
    server.folder.mkdir()
    (server.folder / 'extra.conf').write_text(
        'auth_mechanisms = plain\npassdb {\n driver = static\n args = nopassword=y\n}\n')
    server.start()
    yield server
    server.stop()


def test_sandboxes(mounts, dovecot, user, sample_mail):
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user).start().wait_listed()
    pids = mount.status()['pids']
    assert pids['supervisor'] == mount.process.pid
    assert Path(f'/proc/{pids["mail"]}/cmdline').read_bytes().rstrip(b'\0') == b'mountmail: mail'
    assert facts(pids['mail'])['Name'] == 'mountmail: mail'
    assert pids['wire']
    for pid in [pids['mail'], *pids['wire']]:
        assert facts(pid)['Seccomp'] == '2' and facts(pid)['NoNewPrivs'] == '1'
        assert int(facts(pid)['CapPrm'], 16) == 0 and int(facts(pid)['CapEff'], 16) == 0
    for pid in pids['wire']:
        assert facts(pid)['Name'] == 'mountmail: wire'
        opened = {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}
        assert len([name for name in opened if name.startswith('socket:')]) == 2
        assert opened <= {'/dev/null', str(mount.log)} | {name for name in opened if name.startswith('socket:')}
    mail = [os.readlink(f'/proc/{pids["mail"]}/fd/{fd}') for fd in os.listdir(f'/proc/{pids["mail"]}/fd')]
    assert mail.count('/dev/fuse') == 1
    supervisor = [os.readlink(f'/proc/{pids["supervisor"]}/fd/{fd}')
                  for fd in os.listdir(f'/proc/{pids["supervisor"]}/fd')]
    assert '/dev/fuse' not in supervisor


@pytest.mark.skipif(os.getuid() != 0, reason='reading the memory of these processes is for root')
def test_the_password_is_nowhere(mounts, trusting, binary, sample_mail):
    trusting.put('alice', 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts('alice')
    mount.url = f'imaps://alice@localhost:{trusting.imaps_port}'
    mount.options = mount.options.replace(f'cafile={mount.server.cafile}', f'cafile={trusting.cafile}')
    (mount.home / 'secret').write_text(PASSWORD + '\n')
    mount.start().wait_listed()
    for path in mount.files().values():
        assert path.read_bytes()
    pids = mount.status()['pids']
    needle = PASSWORD.encode()
    assert has_in_memory(pids['supervisor'], needle), 'the search itself does not work'
    for pid in [pids['mail'], *pids['wire']]:
        assert not has_in_memory(pid, needle), facts(pid)['Name']
    for pid in [pids['supervisor'], pids['mail'], *pids['wire']]:
        for file in ('cmdline', 'environ'):
            assert needle not in Path(f'/proc/{pid}/{file}').read_bytes()
    assert PASSWORD not in mount.text()
    assert needle not in b''.join(path.read_bytes() for path in (mount.home / 'cache').rglob('*') if path.is_file())
    assert mount.stop() == 0


def test_started_without_descriptors(mounts, dovecot, user, sample_mail):
    """No descriptor of ours takes the place of standard input, output or error."""
    dovecot.put(user, 'INBOX', [sample_mail / 'INBOX' / '01-plain.eml'])
    mount = mounts(user)
    subprocess.run(['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh', mount.binary, '-o', mount.options, mount.url,
                    str(mount.point)], check=True, env=mount.environment())
    mount.wait_listed()
    pids = mount.status()['pids']
    for pid in [pids['supervisor'], pids['mail'], *pids['wire']]:
        assert os.readlink(f'/proc/{pid}/fd/0') == os.readlink(f'/proc/{pid}/fd/1') == '/dev/null'
    assert len(mount.files()) == 1
    assert mount.run('umount', mount.point).returncode == 0


def test_many_wire_processes_die(mounts, dovecot, user, sample_mail):
    """Each is a lost connection and no more."""
    dovecot.put(user, 'INBOX', sorted((sample_mail / 'INBOX').glob('*.eml')))
    mount = mounts(user).start().wait_listed()
    for _ in range(3):
        for pid in mount.status()['pids']['wire']:
            os.kill(pid, 9)
        until(lambda: mount.run('refresh', mount.point).returncode == 0, 'the mount is current again')
    assert mount.status()['state'] == 'online'
    assert mount.process.poll() is None and mounted(mount.point)


def test_interrupted_while_it_connects(mounts, dovecot, user):
    """Ctrl-C, as a terminal sends it to the command: no mount and no process is left."""
    import signal
    import socket
    import time
    with socket.create_server(('127.0.0.1', 0)) as silent:
        mount = mounts(user, url=f'imaps://{user}@localhost:{silent.getsockname()[1]}')
        process = subprocess.Popen([mount.binary, '-o', mount.options, mount.url, str(mount.point)],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=mount.environment())
        until(lambda: mounted(mount.point), 'the mount is there')
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=30)[1]
        assert process.returncode == 1 and 'interrupted' in text
        assert not mounted(mount.point)


def test_starter_killed_while_it_connects(mounts, dovecot, user):
    import socket
    with socket.create_server(('127.0.0.1', 0)) as silent:
        mount = mounts(user, url=f'imaps://{user}@localhost:{silent.getsockname()[1]}')
        process = subprocess.Popen([mount.binary, '-o', mount.options, mount.url, str(mount.point)],
                                   stdin=subprocess.DEVNULL, env=mount.environment())
        until(lambda: mounted(mount.point), 'the mount is there')
        process.kill()
        process.wait()
        until(lambda: not mounted(mount.point), 'the attempt is taken back', 20)
