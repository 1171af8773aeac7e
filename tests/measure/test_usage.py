"""What is said of a family of processes is what it used, gone members and short peaks included."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfgate.measure import procfs, usage
from perfgate.measure.accounts import Accounts
from perfgate.measure.ownership import Owner
from perfgate.measure.procfs import Stat
from perfgate.measure.usage import Usage, UsageSampler
from tests.killing import eventually

MB = 1_000_000
# Says "ready", and for every line that it is told runs a function and answers with what that returned.
PROGRAM = """
import json, os, resource, signal, sys, threading, time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def spent():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

def forks(count, seconds):
    for _ in range(count):
        if os.fork() == 0:
            burn(seconds)
            os._exit(0)
        os.wait()

def unwaited(count, seconds):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(count):
        if os.fork() == 0:
            burn(seconds)
            os._exit(0)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return

def daemon(seconds):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            burn(seconds)
            time.sleep(1000)
        os._exit(0)
    os.wait()

def bulge(size):
    data = bytearray(size)
    data[::4096] = b"x" * len(data[::4096])
    del data

def keep(size):
    global kept
    kept = bytearray(size)
    kept[::4096] = b"x" * len(kept[::4096])

def fork_workers(count):
    for _ in range(count):
        if os.fork() == 0:
            time.sleep(1000)

def threads(count, naps):
    rested = threading.Barrier(count + 1)
    def nap():
        for _ in range(naps):
            time.sleep(0.0001)
        rested.wait()
        time.sleep(1000)
    for _ in range(count):
        threading.Thread(target=nap, daemon=True).start()
    rested.wait()

def open_files(count):
    global files
    files = [open("/dev/null") for _ in range(count)]

print("ready", flush=True)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)), flush=True)
"""


class Program:
    """A process that does as it is told, and its family."""

    def __init__(self, owner: Owner) -> None:
        reading, self._tell = os.pipe()
        self._hear, writing = os.pipe()
        self.process = owner.spawn([sys.executable, "-c", PROGRAM], stdin=reading, stdout=writing)
        os.close(reading)
        os.close(writing)
        self.pid = self.process.pid
        self.family = owner.family(self.process)
        self._answers = os.fdopen(self._hear)
        assert self._answers.readline() == "ready\n"

    def __call__(self, name: str, *arguments: object) -> float:
        os.write(self._tell, (json.dumps([name, *arguments]) + "\n").encode())
        answer: float = json.loads(self._answers.readline())
        return answer

    def pids(self) -> list[int]:
        return self.family.pids()

    def close(self) -> None:
        os.close(self._tell)
        self._answers.close()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Owner() as owner:
        made = Program(owner)
        yield made
        made.close()


def test_cpu_seconds_hold_what_children_used_that_came_and_went(program: Program) -> None:
    program("forks", 2, 0.2)  # before: of no interest
    before = program("spent")
    with UsageSampler(program.pids) as sampler:
        program("forks", 30, 0.03)
    spent = program("spent") - before
    assert spent > 0.9
    assert sampler.usage.cpu_seconds == pytest.approx(spent, rel=0.05)
    assert sampler.usage.cpu[0] == pytest.approx(0.0, abs=0.02)
    assert list(sampler.usage.cpu) == sorted(sampler.usage.cpu)


def test_cpu_seconds_hold_most_of_what_children_used_for_whom_nobody_waited(program: Program) -> None:
    with UsageSampler(program.pids) as sampler:
        program("unwaited", 2, 1.0)
    assert 2.0 * 0.6 < sampler.usage.cpu_seconds < 2.0 * 1.1  # what came after the last look is lost


def test_cpu_seconds_hold_what_a_re_parented_daemon_uses(program: Program) -> None:
    with UsageSampler(program.pids) as sampler:
        program("daemon", 0.5)
        child = program.pids()[-1]
        assert child != program.pid
        assert eventually(lambda: (procfs.cpu_time(child) or 0.0) > 0.5)
    assert sampler.usage.cpu_seconds > 0.5
    assert max(sampler.usage.processes) >= 2


def test_the_peak_is_seen_between_samples_and_forgotten_by_the_next_sampler(program: Program) -> None:
    with UsageSampler(program.pids) as sampler:
        program("bulge", 200 * MB)
    assert sampler.usage.peak > 200 * MB
    assert sampler.usage.rss[-1] < 100 * MB
    assert sampler.usage.note == ""
    with UsageSampler(program.pids) as sampler:
        program("burn", 0.01)
    assert sampler.usage.rss[-1] <= sampler.usage.peak < 100 * MB


def test_pss_counts_what_forked_workers_share_once_and_rss_every_time(program: Program) -> None:
    program("keep", 100 * MB)
    program("fork_workers", 3)
    with UsageSampler(program.pids) as sampler:
        assert eventually(lambda: len(program.pids()) == 4)
    found = sampler.usage
    assert found.rss[-1] > 400 * MB
    assert 100 * MB < found.pss[-1] < 150 * MB
    assert len(found.pss) == 2


def test_threads_files_and_switches_are_those_of_all_threads(program: Program) -> None:
    program("open_files", 50)
    with UsageSampler(program.pids) as sampler:
        program("threads", 4, 500)
    found = sampler.usage
    assert found.open_files[-1] >= 50
    assert (found.threads[0], found.threads[-1]) == (1, 5)
    assert 2000 < found.context_switches < 4000
    assert len(found.times) == len(found.switches) == len(found.threads) == len(found.open_files)


def test_a_family_that_is_gone_is_an_empty_usage_and_no_error(program: Program) -> None:
    program.process.kill()
    program.process.wait()
    with UsageSampler(program.pids) as sampler:
        pass
    assert sampler.usage == Usage(note="no process of it was seen")


def test_a_family_that_dies_meanwhile_keeps_what_was_seen(program: Program) -> None:
    with UsageSampler(program.pids) as sampler:
        program.process.kill()
        program.process.wait()
    assert sampler.usage.rss[0] > 0


def test_what_goes_wrong_while_sampling_is_raised_at_the_end() -> None:
    failed = threading.Event()

    def processes() -> list[int]:
        if threading.current_thread() is not threading.main_thread():
            failed.set()
            raise ZeroDivisionError
        return [os.getpid()]

    with pytest.raises(ZeroDivisionError), UsageSampler(processes):
        assert failed.wait(60)


def test_the_sampler_costs_next_to_nothing(program: Program) -> None:
    with UsageSampler(program.pids) as sampler:
        program("burn", 1.0)
    assert 0.0 < sampler.usage.sampler_cpu < 0.02
    assert len(sampler.usage.times) >= 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_what_another_users_process_hides_is_absent_and_not_zero() -> None:
    watched = os.getpid()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setgid(65534)
        os.setuid(65534)
        with UsageSampler(lambda: [watched]) as sampler:
            pass
        found = sampler.usage
        os.write(writing, json.dumps([found.open_files, found.pss, found.rss, found.cpu, found.note]).encode())
        os._exit(0)
    os.close(writing)
    open_files, pss, rss, cpu, note = json.loads(procfs.read_all(reading))
    os.close(reading)
    os.wait()
    assert open_files == []
    assert pss == []
    assert min(rss) > MB
    assert len(cpu) == len(rss)
    assert "another user" in note


def stat(pid: int, cpu: float, waited_for: float = 0.0, parent: int = 1, start: float = 10.0) -> Stat:
    return Stat(pid, "p", "S", parent, pid, pid, cpu, waited_for, 1, start)


@pytest.mark.parametrize(
    ("readings", "seconds"),
    [
        pytest.param([[stat(5, 1.0, 2.0)], [stat(5, 1.5, 2.0)]], 0.5, id="its own"),
        pytest.param([[stat(5, 1.0)], [stat(5, 1.0), stat(6, 0.3, parent=5, start=101)]], 0.3, id="a new child"),
        pytest.param([[stat(5, 1.0)], [stat(5, 1.0, 0.4)]], 0.4, id="a child that was never seen"),
        pytest.param(
            [[stat(5, 1.0), stat(6, 100.0, parent=5)], [stat(5, 1.0, 100.2)]], 0.2, id="a worker with a past that ends"
        ),
        pytest.param(
            [[stat(5, 1.0), stat(6, 2.0, parent=5)], [stat(5, 1.0)]], 0.0, id="a worker that ends unwaited for"
        ),
        pytest.param(
            [[stat(5, 1.0)], [stat(5, 1.0), stat(6, 0.3, parent=5, start=101)], [stat(5, 1.0)], [stat(5, 1.1)]],
            0.4,
            id="a child that came and ended unwaited for",
        ),
        pytest.param(
            [
                [stat(5, 0.0), stat(6, 1.0, parent=5), stat(7, 2.0, parent=6)],
                [stat(5, 0.0), stat(6, 1.0, parent=5), stat(7, 2.5, parent=6)],
                [stat(5, 0.0, 3.6)],
            ],
            0.6,
            id="a child and a grandchild that end together, both waited for",
        ),
        pytest.param(
            [[stat(5, 0.0), stat(6, 1.0, parent=5), stat(7, 2.0, parent=6)], [stat(5, 0.0, 1.0)]],
            0.0,
            id="a grandchild that its parent never waited for is not counted backwards",
        ),
        pytest.param(
            [[stat(5, 0.0)], [stat(5, 0.0), stat(9, 7.0, parent=1, start=20)]], 0.0, id="a daemon that is found late"
        ),
        pytest.param(
            [[stat(5, 0.0)], [stat(5, 0.0), stat(9, 0.7, parent=1, start=100.0 - 0.009)]],
            0.7,
            id="a daemon that started right after, by a start time cut to ticks",
        ),
        pytest.param(
            [[stat(5, 0.0)], [stat(5, 0.0), stat(9, 0.7, parent=1, start=101)], [stat(5, 0.0)]],
            0.7,
            id="a daemon that came and went",
        ),
        pytest.param(
            [[stat(5, 0.0), stat(6, 1.0, parent=5)], [stat(5, 0.0), stat(6, 0.1, parent=5, start=101)]],
            0.1,
            id="another process by the number of one that ended",
        ),
    ],
)
def test_nothing_is_counted_twice_or_backwards(readings: list[list[Stat]], seconds: float) -> None:
    accounts = Accounts(100.0, readings[0])
    assert accounts.add(readings[0]) == pytest.approx(0.0)
    for reading in readings[1:]:
        counted = accounts.add(reading)
    assert counted == pytest.approx(seconds)


SERIES = Usage(
    times=(10.0, 11.0, 12.0, 13.0),
    rss=(10, 20, 30, 40),
    anonymous=(10, 20, 30, 40),
    threads=(1, 1, 1, 1),
    processes=(1, 1, 1, 1),
    open_files=(5, 6, 7, 8),
    cpu=(0.0, 1.0, 3.0, 3.0),
    switches=(0, 10, 20, 40),
    peak=90,
    cpu_seconds=3.0,
    context_switches=40,
)


@pytest.mark.parametrize(
    ("begin", "end", "rss", "cpu", "switches"),
    [
        (10.0, 13.0, (10, 20, 30, 40), (0.0, 1.0, 3.0, 3.0), 40),
        (10.5, 12.5, (15, 20, 30, 35), (0.0, 0.5, 2.5, 2.5), 25),
        (11.0, 12.0, (20, 30), (0.0, 2.0), 10),
        (11.2, 11.7, (22, 27), (0.0, 1.0), 5),
        (0.0, 99.0, (10, 20, 30, 40), (0.0, 1.0, 3.0, 3.0), 40),
        (13.0, 60.0, (10, 20, 30, 40), (0.0, 1.0, 3.0, 3.0), 40),
    ],
)
def test_a_part_of_a_usage_has_what_fell_into_it(
    begin: float, end: float, rss: tuple[int, ...], cpu: tuple[float, ...], switches: int
) -> None:
    part = SERIES.within(begin, end)
    assert part.rss == part.anonymous == rss
    assert part.cpu == pytest.approx(cpu)
    assert part.cpu_seconds == pytest.approx(cpu[-1])
    assert part.context_switches == part.switches[-1] == switches
    assert part.peak == 90
    assert part.pss == ()


def test_the_clock_of_a_process_agrees_with_what_the_kernel_bills() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    read = procfs.cpu_time(os.getpid())
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert read is not None
    assert before.ru_utime + before.ru_stime - 0.01 <= read <= after.ru_utime + after.ru_stime + 0.01
    assert usage.INTERVAL_S <= 0.2
