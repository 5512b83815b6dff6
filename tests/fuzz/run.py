"""Runs every fuzzer for a while and says how it went, for people and as a JUnit file.

    run.py BUILD SECONDS JUNIT

A fuzzer starts from tests/fuzz/seeds/NAME, when there is such a folder; fuzz_header also from the
sample mail. What breaks one is kept in BUILD/crashes, to become a unit test. Two run at a time.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
TAIL = 6000  # of what a broken fuzzer said
GRACE = 120  # seconds that a fuzzer may take beyond its time: an input may last 25 of them


def seeds(name):
    folders = [HERE / 'seeds' / name]
    if name == 'fuzz_header':
        folders += sorted(path for path in (HERE.parents[1] / 'contrib' / 'sample-mail').iterdir()
                          if path.is_dir())
    return [str(folder) for folder in folders if folder.is_dir()]


def command(build, name, seconds, grown):
    return [str(build / 'tests' / 'fuzz' / name), f'-max_total_time={seconds}', '-timeout=25',
            '-close_fd_mask=2', f'-artifact_prefix={build}/crashes/{name}-', grown, *seeds(name)]


def run(build, name, seconds):
    """(name, seconds taken, what it said or None when all was well)."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='mm-fuzz-') as grown:
        try:
            done = subprocess.run(command(build, name, seconds, grown), timeout=seconds + GRACE,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            text, good = done.stdout.decode(errors='replace'), done.returncode == 0
        except OSError as error:
            text, good = str(error), False
        except subprocess.TimeoutExpired as error:
            text, good = (error.stdout or b'').decode(errors='replace') + '\nit did not end', False
    summary = next((line for line in text.splitlines() if line.startswith('Done ')), None)
    good = good and summary is not None  # one that never began has not passed
    print(f'{name}: {summary if good else "FAILED"}', flush=True)
    return name, time.monotonic() - start, None if good else text


def report(results, path):
    suite = ElementTree.Element('testsuite', name='fuzz', tests=str(len(results)))
    for name, seconds, text in results:
        case = ElementTree.SubElement(suite, 'testcase', name=name, classname='fuzz', time=f'{seconds:.1f}')
        if text is not None:
            print(f'--- {name}\n{text[-TAIL:]}', file=sys.stderr)
            # XML has no place for control characters.
            ElementTree.SubElement(case, 'failure', message='the fuzzer ended badly').text = ''.join(
                char if char.isprintable() or char == '\n' else '?' for char in text[-TAIL:])
    ElementTree.ElementTree(suite).write(path)


def main():
    build, seconds, junit = Path(sys.argv[1]).resolve(), int(sys.argv[2]), sys.argv[3]
    os.makedirs(build / 'crashes', exist_ok=True)
    names = sorted(path.stem for path in HERE.glob('fuzz_*.c'))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: run(build, name, seconds), names))
    report(results, junit)
    sys.exit(1 if any(text is not None for _, _, text in results) else 0)


main()
