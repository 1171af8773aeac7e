"""What Linux says of processes, read from /proc: identity, kinship, and the marks on what perfgate started.

Standard library only, because the reaper reads it too. A process that ends while it is read is normal: it is None, or
not in the list.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TICK = 1 / os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)
RLIMIT_LOCKS = 10
"""A limit without effect since Linux 2.4.25 (getrlimit(2)). Every child inherits it, and nobody changes it."""
KERNEL = 2  # kthreadd, the parent of all kernel threads

_CPUCLOCK_SCHED = 2
_MEMORY = re.compile(rb"^(VmRSS|RssAnon|VmHWM):\s+(\d+) kB", re.MULTILINE)
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_SEAL = re.compile(rb"^Max file locks\s+(\d+)", re.MULTILINE)
_SWITCHES = re.compile(rb"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)


class Stat(NamedTuple):
    """One line of /proc/PID/stat. Times are seconds; `start` counts from boot and, with the pid, names a process.

    `cpu` is its own time, with that of threads that ended; `waited_for_cpu` that of children that it has waited for,
    and of theirs.
    """

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    cpu: float
    waited_for_cpu: float
    threads: int
    start: float

    @property
    def alive(self) -> bool:
        """A zombie is not: it only waits for its parent to ask how it ended."""
        return self.state not in "ZX"


def read(path: str) -> bytes:
    """The whole of a /proc file, with fewer system calls than open() takes."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(file)
    finally:
        os.close(file)


def read_all(file: int) -> bytes:
    """Everything up to the end of an open file or pipe."""
    parts = [os.read(file, 1 << 16)]
    while parts[-1]:
        parts.append(os.read(file, 1 << 16))
    return b"".join(parts)


def stat(pid: int) -> Stat | None:
    """What /proc says of a process; None when there is none."""
    try:
        before, _, after = read(f"/proc/{pid}/stat").rpartition(b")")
    except GONE:
        return None
    name = before.partition(b"(")[2].decode(errors="replace")
    # The fields from the third one on (proc_pid_stat(5)); the name may hold blanks and brackets, hence rpartition.
    words = after.split()
    return Stat(
        pid=pid,
        name=name,
        state=words[0].decode(),
        parent=int(words[1]),
        group=int(words[2]),
        session=int(words[3]),
        cpu=(int(words[11]) + int(words[12])) * TICK,
        waited_for_cpu=(int(words[13]) + int(words[14])) * TICK,
        threads=int(words[17]),
        start=int(words[19]) * TICK,
    )


class Memory(NamedTuple):
    """Of one process, in bytes: resident now, the part of it that is in no file, and the most it ever was resident."""

    rss: int
    anonymous: int
    peak: int


def memory(pid: int) -> Memory | None:
    """What a process occupies; None when it is gone, or a zombie that occupies nothing."""
    try:
        found = dict(_MEMORY.findall(read(f"/proc/{pid}/status")))
    except GONE:
        return None
    if not found:
        return None
    return Memory(*(int(found[name]) * 1024 for name in (b"VmRSS", b"RssAnon", b"VmHWM")))


def forget_peak(pid: int) -> bool:
    """Have a process's peak start again from what it occupies now; False when that is not for us to say."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # proc_pid_clear_refs(5)
    except GONE:
        return True
    except OSError:
        return False
    return True


def pss(pid: int) -> int | None:
    """Resident bytes with shared pages divided among their users; None when unknown. Costs milliseconds per 100 MB."""
    try:
        found = _PSS.search(read(f"/proc/{pid}/smaps_rollup"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def open_files(pid: int) -> int | None:
    """How many file descriptors a process has, 0 when it is gone; None when that is not for us to know."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return sum(1 for _ in entries)
    except GONE:
        return 0
    except PermissionError:
        return None


def switches(pid: int) -> dict[int, int]:
    """How often each thread was taken off, or gave up, its core since it began."""
    found = {}
    with contextlib.suppress(*GONE), os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            with contextlib.suppress(*GONE):
                numbers = _SWITCHES.findall(read(f"/proc/{pid}/task/{thread.name}/status"))
                found[int(thread.name)] = sum(map(int, numbers))
    return found


def cpu_time(pid: int) -> float | None:
    """CPU seconds of a process and its threads, dead ones included, its children not; None when it is gone.

    The process's own clock (clock_getcpuclockid(3)) knows nanoseconds where /proc/PID/stat counts ticks of 10 ms.
    """
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return None


def pids() -> list[int]:
    """Every process there is."""
    with os.scandir("/proc") as entries:
        return [int(entry.name) for entry in entries if entry.name.isdigit()]


def children(pid: int) -> list[int]:
    """The processes that `pid` is the parent of, zombies included."""
    try:
        with os.scandir(f"/proc/{pid}/task") as entries:
            threads = [entry.name for entry in entries]
    except GONE:
        return []
    if not _kernel_lists_children():
        return [other.pid for other in map(stat, pids()) if other is not None and other.parent == pid]
    found: list[int] = []
    for thread in threads:
        with contextlib.suppress(*GONE):
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    return found


@functools.cache
def _kernel_lists_children() -> bool:
    """Some kernels are built without CONFIG_PROC_CHILDREN; there every process is asked for its parent."""
    return Path("/proc/thread-self/children").exists()


def tree(pid: int) -> list[int]:
    """`pid` and all its descendants, parents before their children."""
    found = [pid]
    for member in found:  # grows while it is walked
        found += (child for child in children(member) if child not in found)
    return found


class Mark(NamedTuple):
    """What tells the processes of a run: a `NAME=value` in their environment, or a seal, which outlasts `env -i`.

    A seal is a value of RLIMIT_LOCKS. No double fork, setsid, exec or change of user takes it off a descendant.
    """

    variable: bytes
    seals: range = range(0)


def seal(pid: int) -> int | None:
    """The seal on a process, which every user may see; None when it has none, or is gone."""
    try:
        found = _SEAL.search(read(f"/proc/{pid}/limits"))
    except (*GONE, PermissionError):
        return None
    return int(found[1]) if found else None


def marked(pid: int, mark: Mark) -> bool | None:
    """Whether a process carries a mark; None when that cannot be told yet.

    A process in the middle of exec shows no environment at all; that of another user cannot be looked into.
    """
    if seal(pid) in mark.seals:
        return True
    try:
        environment = read(f"/proc/{pid}/environ")
    except (*GONE, PermissionError):
        return False
    return mark.variable in environment.split(b"\0") if environment else None


def all_marked(mark: Mark) -> list[Stat]:
    """Every living process that carries a mark."""
    found = (stat(pid) for pid in pids() if marked(pid, mark))
    return [process for process in found if process is not None and process.alive]


def still(processes: Iterable[Stat]) -> list[Stat]:
    """Those of `processes` that are alive yet, by number and start time."""
    now = ((before, stat(before.pid)) for before in processes)
    return [after for before, after in now if after and after.alive and after.start == before.start]


class Family:
    """A process that perfgate started, and whatever descends from it by whichever way.

    Members are found in three ways, because each has gaps: the tree below the leader (misses what was re-parented),
    the mark on them (misses, where the limit for a seal is lower, what dropped its environment), and with `by_session`
    the leader's session (misses what called setsid). The kernel gives no number to a process while it names a session,
    so a session whose leader is dead, and whose number no other process has, is the one that was started.
    """

    def __init__(self, pid: int, start: float, mark: Mark, *, by_session: bool = True) -> None:
        self.pid = pid
        self.start = start
        self._mark = mark
        self._by_session = by_session
        self._strangers: set[int] = set()
        self._outside: list[int] = []
        self._searched = -math.inf

    def leader(self) -> Stat | None:
        """The first process, unless it is gone and its number free or another's."""
        found = stat(self.pid)
        return found if found is not None and found.start == self.start else None

    def pids(self, *, search_after: float = 0.0) -> list[int]:
        """All members, parents before their children, zombies included: their times are not in their parents' yet.

        Walking the tree is cheap; the rest of the machine is searched once `search_after` seconds have gone by.
        """
        found = tree(self.pid) if self.leader() else []
        now = time.monotonic()
        if now - self._searched >= search_after:
            self._outside, self._searched = self._search(found), now
        for pid in self._outside:
            if pid not in found and stat(pid) is not None:
                found += (member for member in tree(pid) if member not in found)
        return found

    def members(self) -> list[Stat]:
        """All members that are alive."""
        return [member for member in map(stat, self.pids()) if member is not None and member.alive]

    def _search(self, inside: list[int]) -> list[int]:
        """Members outside the tree. Strangers are remembered and not asked again: kinship comes by birth alone."""
        present = pids()
        self._strangers &= set(present)
        session = self._by_session and (self.leader() is not None or stat(self.pid) is None)
        found = []
        for pid in present:
            if pid in self._strangers or pid in inside:
                continue
            process, mark = stat(pid), marked(pid, self._mark)
            if mark or (session and process is not None and process.session == self.pid):
                found.append(pid)
            elif mark is False or (process is not None and KERNEL in (pid, process.parent)):
                self._strangers.add(pid)
        return found
