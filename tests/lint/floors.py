"""An upward include must not build: tries every floor's headers with every floor's include paths.

    floors.py SOURCE_ROOT BUILD_ROOT

Reads the compile commands that the build really uses.
"""
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

BELOW = {
    'base': set(),
    'mail': {'base'},
    'wire': {'base', 'mail'},
    'store': {'base', 'mail'},
    'sync': {'base', 'mail', 'wire', 'store'},
    'view': {'base', 'mail', 'store'},
    'fs': {'base', 'mail', 'store', 'view', 'sync', 'wire'},
    'app': {'base', 'mail', 'wire', 'store', 'sync', 'view', 'fs'},
}
# fs does not use wire itself, but sync's header leads to wire's.


def include_paths(build):
    """{floor: its -I arguments}."""
    found = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        match = re.search(r'src/(\w+)/(?:\w+/)?\w+\.c$', entry['file'])
        if match and match.group(1) not in found:
            found[match.group(1)] = [word for word in shlex.split(entry['command']) if word.startswith('-I')]
    return found


def compiles(header, paths, build):
    return subprocess.run(['cc', '-D_GNU_SOURCE', '-std=gnu11', '-fsyntax-only', '-x', 'c', *paths, '-'],
                          input=f'#include <{header}>\n', text=True, cwd=build,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def main():
    source, build = Path(sys.argv[1]), Path(sys.argv[2])
    wrong = []
    for floor, paths in include_paths(build).items():
        for header in sorted((source / 'include' / 'mountmail').glob('*/*.h')):
            other = header.parent.name
            allowed = other == floor or other in BELOW[floor]
            if compiles(f'mountmail/{other}/{header.name}', paths, build) != allowed:
                wrong.append(f'{floor} {"cannot" if allowed else "can"} include {other}/{header.name}')
    print('\n'.join(wrong))
    sys.exit(1 if wrong else 0)


main()
