"""CPU seconds of a family of processes whose members come and go: nothing counted twice, next to nothing lost.

Linux adds the time of a child, and of all that the child waited for, to its parent at the moment in which the parent
waits for it, which is when it disappears. So own times plus waited-for times of all members, zombies included, count
everything once. Two things do not reach a parent: what a child used whose parent never waits (SIGCHLD ignored), and
what a daemon used whose parent left the family. For these the last reading counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perfgate.measure import procfs
from perfgate.measure.procfs import Stat


def read(pids: Iterable[int]) -> tuple[list[Stat], bool]:
    """Those of `pids` that there are, their CPU time to the nanosecond; and whether that is all of them.

    A parent has to come before its children: then a child that is waited for in between is missed, and the reading
    incomplete, but its time is never found at both.
    """
    found, complete = [], True
    for pid in pids:
        stat, own = procfs.stat(pid), procfs.cpu_time(pid)
        if stat is not None and own is not None:
            found.append(stat._replace(cpu=own))
        else:
            complete = False
    return found, complete


@dataclass
class _Account:
    """One member. `first` is what it had waited for when it was first seen, `owed` what its vanished children used."""

    stat: Stat
    first: float
    owed: float = 0.0

    @property
    def total(self) -> float:
        # The kernel's figure, unless children vanished without reaching it.
        return self.stat.cpu + max(self.stat.waited_for_cpu, self.first + self.owed)


class Accounts:
    """Adds up readings since the one that it is made with. `began` is when that was, in seconds since boot."""

    def __init__(self, began: float, members: Iterable[Stat]) -> None:
        self._began = began
        self._members = {stat.pid: _Account(stat, stat.waited_for_cpu) for stat in members}
        self._before = sum(account.total for account in self._members.values())
        self._gone = 0.0

    def add(self, members: Iterable[Stat]) -> float:
        """Take in a reading of all members, parents before their children; CPU seconds since the first one."""
        former, self._members = self._members, {}
        for stat in members:
            known = former.get(stat.pid)
            if known is not None and known.stat.start == stat.start:
                del former[stat.pid]
                self._members[stat.pid] = _Account(stat, known.first, known.owed)
            else:
                self._join(stat)
        for pid in reversed(former):  # children first, so that what they used is handed on when a parent is gone too
            self._bequeath(former[pid], former)
        return sum(account.total for account in self._members.values()) + self._gone - self._before

    def _join(self, stat: Stat) -> None:
        account = self._members[stat.pid] = _Account(stat, stat.waited_for_cpu)
        if stat.start < self._began - procfs.TICK:  # found late; it used this before. Start times are cut to ticks
            self._before += account.total

    def _bequeath(self, vanished: _Account, former: dict[int, _Account]) -> None:
        heir = former.get(vanished.stat.parent) or self._members.get(vanished.stat.parent)
        if heir is not None:
            heir.owed += vanished.total
        else:
            self._gone += vanished.total
