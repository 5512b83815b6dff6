"""One removal cut off at one point, gone on with, and compared with what must come of it."""
import os
import re
import shutil
import subprocess
import tempfile
from collections import namedtuple
from pathlib import Path

from server import Cut, Server

TIME = 60  # seconds, for one process: generous, since a sanitised build on a busy machine is slow
SHORT = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None  # files that need not outlive the machine

# kind: die, drop (fault points); before, after, half, late (the server hangs up over a command, see
# server.Cut); io, full, sync (SQLite, see faulty_vfs.h). on: and so from there on. kill: SIGKILL where
# the server hangs up, or when a process with a bad SQLite has tried all it can.
Fault = namedtuple('Fault', 'kind at on kill', defaults=(False, False))


def fault_text(fault):
    return f'{fault.kind}:{fault.at}' + ':on' * fault.on + ' and killed' * fault.kill


POINTS = ('die', 'drop')
CUTS = ('before', 'after', 'half', 'late')
SQLITE = ('io', 'full', 'sync')


def stacks(pid):
    """Where a process that does not end is, if there is a debugger to ask."""
    if not shutil.which('gdb'):
        return ''
    return subprocess.run(['gdb', '-p', str(pid), '-batch', '-ex', 'thread apply all bt 12'], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class World:
    """The scripted server as one scenario wants it."""

    def __init__(self, scenario):
        self.server = Server(scenario.move, scenario.uidplus, scenario.has_trash)
        self.server.fill(scenario.folder, scenario.count)
        self.scenario, self.port, self.user = scenario, self.server.port, 'crash'
        if scenario.before:
            scenario.before(self.server)

    def listed(self, fault, process):
        """Everything is listed, nothing removed yet."""
        if self.scenario.after:
            self.scenario.after(self.server)
        self.listed_at = self.server.commands()
        if fault and fault.kind in CUTS:
            self.server.cut = Cut(fault.kind, fault.at, process.kill if fault.kill else None)

    def commands(self):
        """How many came since then."""
        return self.server.commands() - self.listed_at

    def ids(self):
        return {name: sorted(id for _, id, _ in messages)
                for name, messages in self.server.state().items()}

    def settle(self):
        self.server.settle()

    def text(self):
        return self.server.text()

    def close(self):
        self.server.close()


class Scenario:
    """What is removed from what, how the server behaves, and the end: gone, marked, held, parked."""

    def __init__(self, name, end='gone', to_trash=True, count=8, uids=(2, 3, 5, 8), folder='INBOX',
                 move=True, uidplus=True, has_trash=True, trash=None, before=None, after=None,
                 again=True, shown=True, settles=True, world=World, faults='die drop'):
        self.name, self.end, self.to_trash, self.count, self.uids = name, end, to_trash, count, uids
        self.folder, self.move, self.uidplus, self.has_trash = folder, move, uidplus, has_trash
        self.trash, self.before, self.after = trash, before, after
        self.again = again      # what was not removed can be removed under its UID once more
        self.is_shown = shown   # what is shown in the end is settled
        self.settles = settles  # an old connection is awaited before a new one comes
        self.world = world
        self.faults = faults.split()

    def ids(self, uids):
        return sorted(f'<{uid}@crash.test>' for uid in uids)

    def all(self):
        return range(1, self.count + 1)

    def expected_ids(self, removed):
        """What the server holds when those were removed: {folder: ids}."""
        stay = [uid for uid in self.all() if self.end != 'gone' or uid not in removed]
        ids = {'INBOX': []}
        if self.has_trash:
            ids['Trash'] = self.ids(removed) if self.to_trash else []
        ids[self.folder] = sorted(ids[self.folder] + self.ids(stay))
        return ids

    def expected_rows(self, removed):
        return {} if self.end == 'gone' else {uid: self.end for uid in removed}

    def expected_shown(self, removed):
        hides = self.end in ('gone', 'marked')
        return [uid for uid in self.all() if not (hides and uid in removed)]


class Ran:
    """What one process said."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        self.rows = {int(uid): state
                     for uid, state in re.findall(r'^row \S+ (\d+) (\w+)', out, re.M)}
        self.bare = re.findall(r'^row \S+ \d+ (?:held|parked|marked) $', out, re.M)
        self.shown = [int(uid) for uid in re.findall(r'^shown (\d+)$', out, re.M)]
        self.failed = {int(uid): (errno, seen) for uid, errno, seen in
                       re.findall(r'^failed (\d+) (\w+) (\w+)$', out, re.M)}

    def text(self):
        return f'status {self.code}\n{self.out}{self.err}'


class Lost(AssertionError):
    """A point that was not survived."""


class Point:
    """One scenario with one fault, in folders and at a server of its own."""

    def __init__(self, binary, scenario, fault):
        self.binary, self.scenario, self.fault = binary, scenario, fault
        self.dir = Path(tempfile.mkdtemp(prefix='mm-crash-', dir=SHORT))
        self.world = scenario.world(scenario)
        self.runs = []
        self.points_before = 0  # passed when everything was listed

    def lines(self, name):
        file = self.dir / name
        return file.read_text().splitlines() if file.exists() else []

    def acked(self):
        return {int(line) for line in self.lines('acked')}

    def environment(self, fault):
        env = {name: value for name, value in os.environ.items()
               if not name.startswith(('MOUNTMAIL_', 'CRASH_'))}
        if not fault or fault.kind in POINTS:
            env['MOUNTMAIL_FAULT_LOG'] = str(self.dir / f'points{len(self.runs)}')
        if fault and fault.kind in POINTS:
            env['MOUNTMAIL_FAULT'] = f'{fault.kind}:{fault.at}'
        if fault and fault.kind in SQLITE:
            env['CRASH_SQLITE'] = f'{fault.kind}:{fault.at}' + ':on' * fault.on
        if not fault or fault.kind in SQLITE:
            env['CRASH_SQLITE_LOG'] = str(self.dir / f'sqlite{len(self.runs)}')
        if self.runs:  # it takes a third of the time, and the first one was looked through
            env['ASAN_OPTIONS'] = env.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
        return env

    def arguments(self, uids, fault):
        scenario = self.scenario
        trash = ['--trash', scenario.trash] if scenario.trash else []
        sqlite = fault and fault.kind in SQLITE
        limit = ['--limit', '150' if fault.on else '1500'] if sqlite else []
        resume = ['--resume', str(int(Cut.LATE * 2000))] if not scenario.settles else []
        # Every write counts, or those after the listing.
        early = ['--early'] if 'start' in scenario.faults and (not fault or sqlite) else []
        return [self.binary, '--port', str(self.world.port), '--dir', str(self.dir), '--user',
                self.world.user, '--folder', scenario.folder, '--acked', str(self.dir / 'acked'),
                *trash, *limit, *resume, *early, *['--wait'] * bool(uids), *['--kill'] * bool(fault and fault.kill),
                *map(str, uids)]

    def run(self, uids, fault=None, first=False):
        """One process to its end."""
        with open(self.dir / f'err{len(self.runs)}', 'w+b') as err:
            process = subprocess.Popen(self.arguments(uids, fault), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=err,
                                       env=self.environment(fault))
            try:
                head = process.stdout.readline() if uids else b''
                if head == b'listed\n' and first:
                    self.points_before = len(self.lines('points0'))
                    self.world.listed(fault, process)
                out, _ = process.communicate(b'\n' if uids else b'', TIME)
            except (subprocess.TimeoutExpired, BrokenPipeError) as error:
                where = stacks(process.pid)
                process.kill()
                out = process.communicate()[0] + f'{error!r}\n{where}'.encode()
            err.seek(0)
            ran = Ran(process.returncode, (head + out).decode(), err.read().decode(errors='replace'))
        self.runs.append(ran)
        if ran.code == 99 or 'AddressSanitizer' in ran.err or 'runtime error' in ran.err:
            self.lose('a sanitizer complains')
        return ran

    def lose(self, why):
        scenario, fault = self.scenario, self.fault
        text = [f'{scenario.name}, {fault_text(fault) if fault else "uninterrupted"}: {why}']
        if fault and fault.kind in POINTS:
            text += self.lines('points0')[fault.at - 1:fault.at]
        if fault and fault.kind in SQLITE:
            kind = 'sync' if fault.kind == 'sync' else 'io'
            text += [line for line in self.lines('sqlite0') if line.startswith(f'{fault.at} {kind} ')]
        text += [f'--- acknowledged\n{sorted(self.acked())}', f'--- server\n{self.world.text()}',
                 f'--- folders\n{self.world.ids()}']
        text += [f'--- process {number + 1}: {run.text()[-6000:]}' for number, run in enumerate(self.runs)]
        raise Lost('\n'.join(text))

    def need(self, got, expected, what):
        if got != expected:
            self.lose(f'{what}:\n  expected {expected}\n  found    {got}')

    def check_end(self, ran, removed):
        scenario = self.scenario
        self.need(self.world.ids(), scenario.expected_ids(removed), 'on the server')
        self.need(ran.rows, scenario.expected_rows(removed), 'in the journal')
        if scenario.is_shown:
            self.need(ran.shown, scenario.expected_shown(removed), 'shown')
        if ran.bare:
            self.lose(f'no reason is given: {ran.bare}')

    def may_end(self):
        """With which statuses, the first time."""
        fault = self.fault
        if not fault:
            return {0}
        if fault.kill:
            return {-9, 3} if fault.kind in SQLITE else {-9, 0}
        return {0, 3, 4} if fault.kind in SQLITE else ({-9, 0} if fault.kind == 'die' else {0})

    def check_first(self, ran):
        """Whether the fault was met at all, and how the process took it."""
        fault = self.fault
        if ran.code not in self.may_end():
            self.lose(f'the process ended with {ran.code}')
        if fault and fault.kind in SQLITE:
            for uid, (errno, seen) in ran.failed.items():
                if errno not in ('EIO', 'ENOSPC') or seen != 'shown':
                    self.lose(f'removing {uid} failed ({errno}), and then it was {seen}')
        elif ran.failed:
            self.lose('a removal failed')
        return ran.code == -9 if self.is_deadly() and fault.kind not in SQLITE else True

    def is_deadly(self):
        fault = self.fault
        return bool(fault) and (fault.kill or fault.kind == 'die')

    def check_acked(self, ran):
        """Nothing was removed again: what was acknowledged is at its end, what failed is there."""
        scenario, acked = self.scenario, self.acked()
        failed = set(self.runs[0].failed)
        maybe = set(scenario.uids) - acked - failed  # a crash came before the answer
        for more in range(1 << len(maybe)):
            removed = acked | {uid for bit, uid in enumerate(sorted(maybe)) if more >> bit & 1}
            if self.world.ids() == scenario.expected_ids(removed) and \
                    ran.rows == scenario.expected_rows(removed):
                return self.check_end(ran, removed)
        return self.check_end(ran, acked)

    def survive(self):
        """True when the fault was met, and all is well. Lost when not."""
        scenario, fault = self.scenario, self.fault
        ran = self.run(scenario.uids, fault, first=True)
        met = self.check_first(ran)
        if not met or not (self.is_deadly() or fault and fault.kind in SQLITE):
            self.world.settle()
            self.check_end(ran, set(scenario.uids))
            return met
        if scenario.settles:
            self.world.settle()
        ran = self.run(())
        self.need(ran.code, 0, 'the status of going on')
        self.world.settle()
        self.check_acked(ran)
        rest = set(scenario.uids) - self.acked() - set(ran.rows)
        if rest and scenario.again:
            ran = self.run(sorted(rest))
            self.need(ran.code, 0, 'the status of removing the rest')
            self.world.settle()
            self.check_end(ran, set(scenario.uids))
        return True

    def close(self):
        self.world.close()
        shutil.rmtree(self.dir, ignore_errors=True)
