"""Adds up JUnit files and prints one line: N passed, N failed, N skipped.

A mount test counts as one; so does each cmocka program. Exit status 1 when anything failed or
nothing ran.
"""
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).iter('testcase'):
        kinds = {child.tag for child in case}
        if kinds & {'failure', 'error'}:
            failed += 1
        elif 'skipped' in kinds:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


totals = [sum(column) for column in zip(*(count(path) for path in sys.argv[1:]))] or [0, 0, 0]
print('{} passed, {} failed, {} skipped'.format(*totals))
sys.exit(1 if totals[1] or not totals[0] else 0)
