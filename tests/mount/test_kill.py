"""rm goes on where kill -9 cut it off."""
import os
import random
import re
import signal
import threading
import time

from lib.mount import alive, until

ROUNDS, EACH, KEPT = 10, 50, 100


def letter(number):
    return (f'From: a{number}@test.invalid\r\nSubject: number {number}\r\n'
            f'Message-ID: <{number}@kill.test>\r\n\r\nbody {number}\r\n').encode()


def messages(dovecot, user, folder):
    """What the server says: [(uid, number)], so that what is there twice shows."""
    client = dovecot.imap(user)
    assert client.select(f'"{folder}"', readonly=True)[0] == 'OK'
    answer = []
    if client.uid('SEARCH', 'ALL')[1] != [b'']:
        answer = client.uid('FETCH', '1:*', '(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])')[1]
    client.logout()
    return [(int(re.search(rb'UID (\d+)', part[0]).group(1)), int(re.search(rb'<(\d+)@', part[1]).group(1)))
            for part in answer if isinstance(part, tuple)]


def kill_all(mount, status):
    pids = [status['pids']['supervisor'], status['pids']['mail'], *status['pids']['wire']]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    mount.process.wait(20)
    until(lambda: not any(alive(pid) for pid in pids), 'the processes are gone', 20)


class Remover(threading.Thread):
    """rm, which goes on until it is done or the mount is dead."""

    def __init__(self, paths):
        super().__init__()
        self.paths, self.removed = paths, []

    def run(self):
        for uid, path in self.paths:
            try:
                os.unlink(path)
            except OSError:
                return
            self.removed.append(uid)
            time.sleep(0.01)


def killed_round(mount, paths, until_when):
    """Removes, and kills everything in the middle of it. What is known to be removed."""
    remover = Remover(paths)
    status = mount.status()
    remover.start()
    until(lambda: until_when(remover), f'the middle of it is reached; log:\n{mount.text()[-4000:]}', 30, 0.001)
    kill_all(mount, status)
    remover.join(20)
    assert not remover.is_alive(), 'rm hangs over a dead mount'
    return remover.removed


def test_ten_kills(mounts, dovecot, user):
    chance = random.Random(20)
    total = ROUNDS * EACH
    dovecot.put(user, 'INBOX', [letter(number) for number in range(1, total + KEPT + 1)])
    dovecot.put(user, 'Trash', [])
    numbers = dict(messages(dovecot, user, 'INBOX'))
    order = sorted(numbers)
    chance.shuffle(order)
    doomed, removed = order[:total], set()
    mount = mounts(user).start().wait_listed()
    trash = dovecot.maildir(user, 'Trash')

    def moved():
        return sum(len(os.listdir(trash / part)) for part in ('cur', 'new'))

    middles = 0
    for number in range(ROUNDS):
        files = mount.files()
        here = [(uid, files[uid]) for uid in doomed[:(number + 1) * EACH] if uid in files]
        before, enough = moved(), chance.randrange(1, len(here) // 2)
        # In turns: some are unlinked; the server has done some.
        done = killed_round(mount, here, [lambda rm: len(rm.removed) >= enough,
                                          lambda rm: moved() > before][number % 2])
        middles += len(done) < len(here)
        removed.update(done)
        mount.start().wait_listed()
        shown = set(mount.files())
        assert not shown & removed, f'round {number}: rm said it was done, and it is shown again'
        assert shown >= set(order) - set(doomed[:(number + 1) * EACH]), f'round {number}: too much is gone'
    assert middles > ROUNDS // 4, 'the kills came too late to interrupt anything'
    files = mount.files()
    for uid in doomed:
        if uid in files:
            os.unlink(files[uid])
    result = mount.run('flush', mount.point)
    assert result.returncode == 0, result.stderr + mount.text()
    assert sorted(mount.files()) == sorted(order[total:])
    assert sorted(messages(dovecot, user, 'INBOX')) == sorted((uid, numbers[uid]) for uid in order[total:])
    assert sorted(number for _, number in messages(dovecot, user, 'Trash')) == \
        sorted(numbers[uid] for uid in doomed)
    assert mount.stop() == 0
