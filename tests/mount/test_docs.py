"""--help, the man page and the completions speak of the same options and commands."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def options(text):
    """The words that --help lists under its options: two blanks, then the name."""
    part = text.split('Options for -o', 1)[1]
    return set(re.findall(r'^  ([a-z_]+)(?:[ =,]|$)', part, re.M))


def test_help_and_man_page_agree(binary):
    text = subprocess.run([binary, '--help'], check=True, text=True, stdout=subprocess.PIPE).stdout
    page = (ROOT / 'contrib' / 'man' / 'mountmail.1').read_text()
    found = options(text)
    assert {'passfile', 'passcmd', 'cafile', 'tls', 'cache', 'cachesize', 'timeout'} <= found
    for option in found:
        assert re.search(rf'^\.It (Cm|Sy|Fl|Ar|Xo)?.*\b{option}\b', page, re.M), f'{option} is not in the man page'
    for command in ('status', 'refresh', 'queue', 'flush', 'umount'):
        assert command in text
        assert re.search(rf'\b{command}\b', page)


def test_long_options_are_everywhere(binary):
    text = subprocess.run([binary, '--help'], check=True, text=True, stdout=subprocess.PIPE).stdout
    page = (ROOT / 'contrib' / 'man' / 'mountmail.1').read_text()
    found = set(re.findall(r'--([a-z]+)', text))
    assert {'json', 'undo', 'release', 'discard', 'timeout', 'force'} <= found
    for option in found:
        assert f'Fl -{option}' in page, f'--{option} is not in the man page'
        for file in ('mountmail.bash', '_mountmail', 'mountmail.fish'):
            completion = (ROOT / 'contrib' / 'completions' / file).read_text()
            assert re.search(rf'(--|-l ){option}\b', completion), f'--{option} is not in {file}'


def test_man_page_is_clean():
    page = ROOT / 'contrib' / 'man' / 'mountmail.1'
    result = subprocess.run(['mandoc', '-Tlint', '-Wwarning', str(page)], text=True, stdout=subprocess.PIPE)
    assert result.stdout == ''


def test_completions_know_every_option(binary):
    text = subprocess.run([binary, '--help'], check=True, text=True, stdout=subprocess.PIPE).stdout
    for file in ('mountmail.bash', '_mountmail', 'mountmail.fish'):
        completion = (ROOT / 'contrib' / 'completions' / file).read_text()
        for option in options(text):
            assert re.search(rf'\b{option}\b', completion), f'{option} is not in {file}'


def test_version(binary):
    text = subprocess.run([binary, '--version'], check=True, text=True, stdout=subprocess.PIPE).stdout
    version = re.search(r"version: '([\d.]+)'", (ROOT / 'meson.build').read_text()).group(1)
    assert version in text
