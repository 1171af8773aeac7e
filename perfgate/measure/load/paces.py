"""The two ways to pace users: each for itself (closed model), or all by one schedule of arrivals (open model)."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import gevent
from gevent.event import Event
from locust import User
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING

from perfgate.measure.load.locust_hooks import Visitor

TIMER_S = 0.0015
"""How exact the event loop's timer is. A task begun within it is on time: which fraction of a millisecond the schedule
meant is chance anyway, and its rounding must not be counted as the service's latency."""


def sleep_until(moment: float) -> None:
    """Sleep until this epoch second. gevent's own clock may be stale, and then it wakes too early."""
    while (left := moment - time.time()) > 0:
        gevent.sleep(left)


class OwnPace:
    """Closed model: a user begins its next task when the last one is over and its `wait_time` has passed."""

    def before(self, visitor: Visitor, *, nested: bool) -> None:
        """Nothing to wait for."""

    def rest(self, _visitor: Visitor, seconds: float) -> None:
        """As Locust does."""
        gevent.sleep(seconds)


class Arrivals:
    """Open model: tasks are due by a schedule that no slow answer delays, and `wait_time` is not used.

    Each `1/rate` seconds one task is due, at a random moment of that slot: no two runs are in step with anything, and
    arrivals never bunch up by more than two. Whoever is free takes it, the last to become free first; when nobody is,
    a user more is hired. Classes take arrivals by `weight`. Once hired, a user waits for the next arrival wherever
    Locust would begin its next task, so nested and sequential TaskSets go on where they were.
    """

    def __init__(
        self, rate: float, classes: Sequence[type[User]], hire: Callable[[type[User]], Visitor | None]
    ) -> None:
        self.due: list[float] = []
        self.begun: list[tuple[float, float]] = []
        weights = [user_class.weight for user_class in classes]
        self._classes, self._weights = classes, weights if any(weights) else [1] * len(weights)
        self._hire = hire
        self._random = random.Random(random.random())
        self._idle: defaultdict[type[User], list[tuple[Visitor, Event]]] = defaultdict(list)
        self._schedule = self._slots(rate, time.time())
        self._next = next(self._schedule)

    def run(self) -> None:
        """Announce arrivals when they are due, for ever."""
        while True:
            sleep_until(self._next)
            self._announce()

    def catch_up(self, end: float) -> None:
        """Announce what was due before `end` and is late."""
        while self._next < end:
            self._announce()

    def before(self, visitor: Visitor, *, nested: bool) -> None:
        """Wait for an arrival; the task that begins then takes it, and its first request is due when it was."""
        if visitor.arrival is None:
            self._park(visitor)
        if not nested and visitor.arrival is not None:
            self.begun.append((visitor.arrival, time.time()))
            visitor.due, visitor.arrival = visitor.arrival, None

    def rest(self, visitor: Visitor, seconds: float) -> None:
        """Between tasks the schedule decides; a `wait()` inside a task is part of the task."""
        if visitor.working:
            gevent.sleep(seconds)

    def _slots(self, rate: float, begin: float) -> Iterator[float]:
        slot = 0
        while True:
            yield begin + (slot + self._random.random()) / rate
            slot += 1

    def _announce(self) -> None:
        due, self._next = self._next, next(self._schedule)
        now = time.time()
        due = now if now - due < TIMER_S else due
        self.due.append(due)
        chosen = self._random.choices(self._classes, self._weights)[0]
        visitor = self._free(chosen) or self._hire(chosen)
        if visitor is not None:
            visitor.arrival = due

    def _free(self, user_class: type[User]) -> Visitor | None:
        idle = self._idle[user_class]
        while idle:
            visitor, wake = idle.pop()
            if not visitor.dead:
                wake.set()
                return visitor
        return None

    def _park(self, visitor: Visitor) -> None:
        user, wake = visitor.args[0], Event()
        user._state = LOCUST_STATE_WAITING  # so that stopping it does not wait for an arrival
        visitor.due = None
        self._idle[type(user)].append((visitor, wake))
        wake.wait()
        user._state = LOCUST_STATE_RUNNING
