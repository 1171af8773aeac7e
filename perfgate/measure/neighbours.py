"""The other work on the machine: how much of it a round had to share its cores with, and when that was too much."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from perfgate.measure import procfs
from perfgate.measure.usage import CpuMeter

LEAST_ALLOWED = 0.25
"""Cores that others may take on top of what they usually take, before a round is taken again."""

SHARE_ALLOWED = 0.05
"""The same as a share of all cores, for larger machines."""

_USUAL_AT_FIRST = 0.25
_STEAL = 7
_IDLE = (3, 4)


@dataclass
class Company:
    """What others took during one stretch, in cores; known when the stretch is over."""

    cores: float = 0.0


@dataclass
class Neighbours:
    """Watches everything that is not perfgate, its children, or what `besides` names (a Postgres in a container).

    What counts is CPU time alone: the kernel's for the whole machine, less that of our own, plus what the hypervisor
    gave to other machines (steal). How long our processes waited for a core (run-queue wait, as in schedstat and PSI)
    is not looked at: it grows with the CPU that the service itself uses, so a slower head would have its rounds taken
    again more often than base, and which rounds count would depend on what they showed. Others' CPU time and steal are
    the same whatever the service does: retaking by them is blind to the result.
    """

    besides: Callable[[], list[int]] = list
    _seen: list[float] = field(default_factory=list)

    @contextmanager
    def watched(self) -> Iterator[Company]:
        """Measure during the block."""
        company, meter = Company(), CpuMeter(self._own)
        began, (busy, stolen) = time.monotonic(), _machine()
        meter.read()
        yield company
        meter.read()
        now_busy, now_stolen = _machine()
        ours = min(meter.seconds[-1], now_busy - busy)
        company.cores = (now_busy - busy - ours + now_stolen - stolen) / (time.monotonic() - began)
        self._seen.append(company.cores)

    def crowd(self, *companies: Company) -> bool:
        """Whether any of these stretches had clearly more company than is usual on this machine during this run."""
        usual = median(self._seen) if len(self._seen) >= 3 else _USUAL_AT_FIRST
        allowed = usual + max(LEAST_ALLOWED, SHARE_ALLOWED * (os.cpu_count() or 1))
        return any(company.cores > allowed for company in companies)

    def _own(self) -> list[int]:
        found = procfs.tree(os.getpid())
        for pid in self.besides():
            found += (member for member in procfs.tree(pid) if member not in found)
        return found


def _machine() -> tuple[float, float]:
    """CPU seconds since boot that the whole machine was busy, and that were stolen from it (proc_stat(5))."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    busy = sum(count for place, count in enumerate(ticks) if place not in (*_IDLE, _STEAL))
    return busy * procfs.TICK, ticks[_STEAL] * procfs.TICK
