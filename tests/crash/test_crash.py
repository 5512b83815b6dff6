"""Whatever interrupts a removal, and wherever: it ends as if nothing had.

For each scenario an uninterrupted run shows how many points there are. Then each of them in turn
gets its fault, at a server and in folders of its own.
"""
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from crash import CUTS, SQLITE, Fault, Lost, Point, fault_text
from scenarios import DOVECOTS, SCRIPTED, DovecotWorld

AT_ONCE = 2 * (os.cpu_count() or 1)  # they wait for one another's pauses
ENOUGH = 500
ALL = 'start die drop hang kill late SQLite SQLite+kill'.split()

def golden(binary, scenario):
    """The uninterrupted run: (names of points, how many come first, commands, SQLite's calls)."""
    point = Point(binary, scenario, None)
    try:
        point.survive()
        names = [line.split(' ', 1)[1] for line in point.lines('points0')]
        calls = [line.split()[1] for line in point.lines('sqlite0')]
        return names, point.points_before, point.world.commands(), calls
    finally:
        point.close()


def at_points(names, before, kinds):
    first = 0 if 'start' in kinds else before
    for number, name in list(enumerate(names, 1))[first:]:
        if 'die' in kinds:
            yield Fault('die', number)
        if 'drop' in kinds and re.match(r'(before|after) [A-Z]', name):  # a command
            yield Fault('drop', number)


def at_commands(count, kinds):
    for number in range(1, count + 1):
        for how in CUTS[:3]:
            if 'hang' in kinds:
                yield Fault(how, number)
            if 'kill' in kinds:
                yield Fault(how, number, kill=True)
        if 'late' in kinds:
            yield Fault('late', number)
            yield Fault('late', number, kill=True)


def at_calls(calls, kinds):
    """Of SQLite: each write and sync, once and from then on."""
    if not {'SQLite', 'SQLite+kill'} & set(kinds):
        return
    for number in range(1, calls.count('io') + 1):
        yield Fault('io', number)
        yield Fault('full', number, on=True)
        if 'SQLite+kill' in kinds:
            yield Fault('io', number, on=True, kill=True)
    for number in range(1, calls.count('sync') + 1):
        yield Fault('sync', number)
        yield Fault('sync', number, on=True)


def faults(scenario, binary):
    names, before, commands, calls = golden(binary, scenario)
    kinds = ALL if os.environ.get('CRASH') == 'all' else scenario.faults
    return [*at_points(names, before, kinds), *at_commands(commands, kinds), *at_calls(calls, kinds)]


def kind_of(fault):
    if fault.kind in CUTS:
        return 'hang' if not fault.kill else 'kill'
    return 'SQLite' if fault.kind in SQLITE else fault.kind


def attempt(binary, scenario, fault):
    """(fault, whether it was met, None or what was lost)"""
    point = Point(binary, scenario, fault)
    try:
        return fault, point.survive(), None
    except Lost as lost:
        return fault, True, str(lost)
    finally:
        point.close()


def run_all(binary, scenario, table):
    row = table.setdefault(scenario.name, {})
    lost = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for fault, met, failure in pool.map(
                lambda fault: attempt(binary, scenario, fault), faults(scenario, binary)):
            tried, survived = row.get(kind_of(fault), (0, 0))
            row[kind_of(fault)] = tried + met, survived + (met and not failure)
            if failure:
                lost.append((fault, failure))
    assert not lost, (f'{len(lost)} points were not survived: '
                      f'{", ".join(fault_text(fault) for fault, _ in lost)}. The first:\n{lost[0][1]}')
    assert sum(tried for tried, _ in row.values()) > 10


@pytest.mark.parametrize('scenario', SCRIPTED, ids=lambda scenario: scenario.name)
def test_scripted(binary, scenario, table):
    run_all(binary, scenario, table)


@pytest.mark.parametrize('scenario', DOVECOTS, ids=lambda scenario: scenario.name)
def test_dovecot(binary, dovecot, scenario, table):
    DovecotWorld.server = dovecot
    run_all(binary, scenario, table)


def test_there_are_enough(table):
    if len(table) < len(SCRIPTED + DOVECOTS):
        pytest.skip('not every scenario was run')
    assert sum(survived for row in table.values() for _, survived in row.values()) >= ENOUGH
