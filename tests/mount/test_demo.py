"""contrib/demo, which is how a stranger meets us: all of it, in a copy of the checkout."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import need
from lib.mount import mounted

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path):
    """The scripts alone, under a path with a blank in it; what is built is used as it is."""
    tree = tmp_path / 'a copy'
    shutil.copytree(ROOT / 'contrib', tree / 'contrib', symlinks=True)
    yield tree
    if mounted(tree / 'demo-mail'):
        subprocess.run(['umount', '-l', tree / 'demo-mail'])


def test_demo(copy, binary, dovecot):
    need(os.path.exists('/dev/fuse'), 'there is no /dev/fuse')
    environment = {**os.environ, 'BUILD': str(Path(binary).parents[2]),
                   'MOUNTMAIL_DOVECOT': os.environ.get('MOUNTMAIL_DOVECOT', str(ROOT / '.cache' / 'dovecot'))}

    def demo(*arguments):
        return subprocess.run([copy / 'contrib' / 'demo', *arguments], env=environment, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    result = demo()
    try:
        assert result.returncode == 0, result.stdout
        for shown in ('Entwürfe & Notizen', '日本語', '2024-05-03_alice@example.org_Budget-review.1.eml', 'online'):
            assert shown in result.stdout, result.stdout
        assert mounted(copy / 'demo-mail')
        server = Path((copy / '.demo' / 'server').read_text().strip())
        pid = int((server / 'run' / 'master.pid').read_text())
        again = demo()
        assert again.returncode != 0 and 'contrib/demo stop' in again.stdout
    finally:
        stopped = demo('stop')
    assert stopped.returncode == 0, stopped.stdout
    assert not mounted(copy / 'demo-mail')
    assert sorted(path.name for path in copy.iterdir()) == ['contrib']
    assert not server.exists() and not Path(f'/proc/{pid}').exists()
    assert demo('stop').returncode == 0
