"""What other work on the machine took, and when that was too much."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from perfgate.measure import neighbours, procfs
from perfgate.measure.neighbours import Company, Neighbours

BURN = "import time\nprint(flush=True)\nwhile True: pass"


@contextmanager
def burning(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that takes a core."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until_it_used(pid: int, seconds: float) -> None:
    """Wait until a process used that much CPU from now on."""
    before = procfs.cpu_time(pid)
    assert before is not None
    while (procfs.cpu_time(pid) or before) - before < seconds:
        pass


def as_if_alone_on_the_machine(monkeypatch: pytest.MonkeyPatch, pid: int) -> None:
    """Have the machine's CPU time be that of one process and of this one: what else runs must not decide a test."""
    monkeypatch.setattr(
        neighbours, "_machine", lambda: (sum(procfs.cpu_time(p) or 0.0 for p in (pid, os.getpid())), 0.0)
    )


def test_work_of_our_own_children_is_no_company(monkeypatch: pytest.MonkeyPatch) -> None:
    with burning([sys.executable, "-c", BURN]) as process:
        as_if_alone_on_the_machine(monkeypatch, process.pid)
        with Neighbours().watched() as company:
            until_it_used(process.pid, 0.3)
    assert company.cores < 0.2  # nothing but what was used between two readings


def test_work_of_others_is_company_unless_it_is_said_to_be_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    # a double fork: what is left is init's child, or a subreaper's, and not ours
    orphan = f"import os\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\nexec({BURN!r})"
    started = subprocess.Popen([sys.executable, "-c", orphan], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    stranger = int(started.stdout.readline())
    started.wait()
    as_if_alone_on_the_machine(monkeypatch, stranger)
    try:
        with Neighbours().watched() as company:
            until_it_used(stranger, 0.3)
        with Neighbours(lambda: [stranger]).watched() as ours:
            until_it_used(stranger, 0.3)
    finally:
        os.kill(stranger, 9)
        started.stdout.close()
    assert company.cores > 0.02
    assert ours.cores < company.cores / 3


def test_a_round_with_clearly_more_company_than_usual_is_crowded() -> None:
    seen = Neighbours(_seen=[0.1, 0.1, 0.2, 0.1])
    assert not seen.crowd(Company(0.3), Company(0.1))
    assert seen.crowd(Company(0.1), Company(0.6))


def test_a_machine_that_is_always_busy_is_no_reason_to_take_every_round_again() -> None:
    seen = Neighbours(_seen=[1.4, 1.5, 1.6, 1.5])
    assert not seen.crowd(Company(1.5), Company(1.6))
