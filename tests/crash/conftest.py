"""Fixtures of the crash suite, and its table."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(ROOT / 'tests' / 'mount'))

from lib.server import Dovecot  # noqa: E402


@pytest.fixture(scope='session')
def binary():
    path = Path(os.environ.get('MOUNTMAIL_BUILD', ROOT / 'build-test')) / 'tests' / 'crash-removal'
    assert path.exists(), f'{path} is not built: set up the build with -Dfaults=true'
    return str(path)


@pytest.fixture(scope='session')
def dovecot():
    scratch = Path(tempfile.mkdtemp(prefix='mm-'))  # a short path: Unix sockets live below it
    scratch.chmod(0o755)
    server = Dovecot(ROOT, scratch / 'dovecot')
    server.start()
    yield server
    server.stop()
    shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture(scope='session')
def table(request):
    """Rows of (scenario, {kind: (tried, survived)}), printed in the end."""
    request.config.crash_table = {}
    return request.config.crash_table


def pytest_terminal_summary(terminalreporter, config):
    rows = getattr(config, 'crash_table', {})
    if not rows:
        return
    kinds = list(dict.fromkeys(kind for row in rows.values() for kind in row))
    rows = {**rows, 'in total': {kind: [sum(row.get(kind, (0, 0))[i] for row in rows.values())
                                        for i in (0, 1)] for kind in kinds}}
    width = max(map(len, rows))
    terminalreporter.write_line('\npoints tried / survived')
    terminalreporter.write_line(f'{"":{width}}' + ''.join(f'{kind:>12}' for kind in [*kinds, 'all']))
    for name, row in rows.items():
        counts = [row.get(kind, (0, 0)) for kind in kinds]
        counts.append([sum(count[i] for count in counts) for i in (0, 1)])
        cells = [f'{tried} / {survived}' if tried else '-' for tried, survived in counts]
        terminalreporter.write_line(f'{name:{width}}' + ''.join(f'{cell:>12}' for cell in cells))
