"""Watches whether the generator itself keeps up: its CPU, its wait for one, and the delay of its event loop."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import gevent

PERIOD_S = 0.01


class Probe:
    """Runs as a greenlet among the users and asks for a sleep of 10 ms over and over: what it gets on top is delay.

    The same delay stands between the arrival of an answer and the moment in which a user learns of it.
    """

    def __init__(self) -> None:
        self.lag = self.cpu = self.waited = 0.0
        self._delays: list[float] = []

    def start(self) -> None:
        """Begin to watch."""
        self._began, self._cpu, self._waited = time.perf_counter(), time.process_time(), _kept_waiting()
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """End watching: `lag` is the median delay in seconds, `cpu` and `waited` are shares of the time."""
        self._greenlet.kill()
        seconds = max(time.perf_counter() - self._began, 1e-9)
        self.cpu = (time.process_time() - self._cpu) / seconds
        self.waited = (_kept_waiting() - self._waited) / seconds
        self.lag = statistics.median(self._delays) if self._delays else seconds

    def _watch(self) -> None:
        while True:
            asked = time.perf_counter()
            gevent.sleep(PERIOD_S)
            self._delays.append(max(0.0, time.perf_counter() - asked - PERIOD_S))


def _kept_waiting() -> float:
    """Seconds in which this process could have run but had no CPU (/proc/self/schedstat; 0 where there is none).

    Counted for the main thread, which runs all users; the file needs CONFIG_SCHED_INFO, which distributions set.
    """
    try:
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
