"""Fixtures: a private Dovecot, mail in it, and mounts of it that never outlive a test."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lib.mount import Mount  # noqa: E402
from lib.relay import Relay  # noqa: E402
from lib.server import Dovecot  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def need(condition, what):
    """Skips where something is missing on a developer's machine; fails where nothing may be missing."""
    if condition:
        return
    if os.environ.get('CI') == 'true':
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope='session')
def binary():
    path = Path(os.environ.get('MOUNTMAIL_BUILD', ROOT / 'build-test')) / 'src' / 'app' / 'mountmail'
    assert path.exists(), f'{path} is not built'
    return str(path)


@pytest.fixture(scope='session')
def scratch():
    """A short path: Unix sockets live below it."""
    path = Path(tempfile.mkdtemp(prefix='mm-'))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope='session')
def dovecot(scratch):
    server = Dovecot(ROOT, scratch / 'dovecot')
    server.start()
    yield server
    server.stop()


@pytest.fixture
def user(dovecot, request):
    """A user name of this test's own, so that tests do not see one another's mail."""
    name = 'u' + str(abs(hash(request.node.nodeid)) % 10**9)
    yield name
    shutil.rmtree(dovecot.mail_root / name, ignore_errors=True)


@pytest.fixture
def relay(dovecot):
    """Between a mount with tls=none and the server."""
    made = Relay(dovecot.imap_port)
    yield made
    made.close()


@pytest.fixture
def mounts(binary, dovecot, tmp_path_factory, request):
    """Makes mounts; unmounts whatever is left of them when the test ends, however it ends."""
    need(os.path.exists('/dev/fuse'), 'there is no /dev/fuse')
    made = []

    def make(user, **options):
        home = Path(tempfile.mkdtemp(prefix='mm-home-'))
        mount = Mount(binary, dovecot, user, home, **options)
        made.append(mount)
        return mount

    yield make
    for mount in made:
        mount.destroy(failed=getattr(request.node, 'failed', False))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == 'call':
        item.failed = report.failed


@pytest.fixture(scope='session')
def corpus():
    path = os.environ.get('MOUNTMAIL_CORPUS')
    if not path:
        pytest.skip('no corpus: set MOUNTMAIL_CORPUS to a folder of *.eml files')
    return sorted(Path(path).glob('*.eml'))


@pytest.fixture(scope='session')
def sample_mail():
    return ROOT / 'contrib' / 'sample-mail'
