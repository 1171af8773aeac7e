"""The users of one process during one timed round: started, settled, measured, and all of them gone at the end."""

from __future__ import annotations

import gc
import random
import time

import gevent
from locust import User
from locust.dispatch import UsersDispatcher
from locust.runners import STATE_RUNNING, STATE_SPAWNING, STATE_STOPPED, WorkerNode

from perfgate.measure.load import flight
from perfgate.measure.load.locust_hooks import Visitor, Visitors, close, limit_session
from perfgate.measure.load.paces import Arrivals, OwnPace, sleep_until
from perfgate.measure.load.probe import Probe
from perfgate.measure.load.protocol import Facts, Order
from perfgate.measure.load.scene import Scene

POLL_S = 0.02
MOST_VISITORS = 5000
"""Users of one process; a service so far behind needs no more of them to be found out."""

STOP_TIMEOUT_S = 5.0
"""How long `on_stop` of all users may take; nothing of it is counted."""


def shares(classes: list[type[User]], users: int, workers: int) -> list[dict[str, int]]:
    """How many users of which class run in each of `workers` processes, as Locust would spread them."""
    nodes = [WorkerNode(str(number)) for number in range(workers)]
    dispatcher = UsersDispatcher(nodes, classes)
    dispatcher.new_dispatch(target_user_count=users, spawn_rate=users)
    spread = next(dispatcher)
    return [spread[node.id] for node in nodes]


class Crowd:
    """One round in this process: call `start`, `settle`, `measure` and `finish` in this order."""

    def __init__(self, scene: Scene, order: Order) -> None:
        self.scene, self.order = scene, order
        self.recorder, self.runner = scene.recorder, scene.runner
        self.visitors = self.runner.user_greenlets = Visitors()
        self.crew: dict[Visitor, User] = {}
        self._hired = self._came = self._left = self._ended = 0
        self._probe = Probe()
        self._begin = self._end = 0.0
        self._arrivals: Arrivals | None = None
        self._starter: gevent.Greenlet | None = None

    def start(self) -> None:
        """Let users come: all of a closed model at random moments of the warm-up's first half, or arrivals by rate."""
        order = self.order
        random.seed(f"{order.seed}:{order.index}:{order.worker}")
        self.scene.prepare(order.url, order.timeout)
        gc.collect()
        self.runner.update_state(STATE_SPAWNING)
        self.scene.events.test_start.fire(environment=self.scene.environment)
        gevent.get_hub().loop.update_now()
        self._began = time.time()
        if order.rate is not None:
            self._arrivals = Arrivals(order.rate, self.scene.user_classes, self._hire)
            self._starter = gevent.spawn(self._arrivals.run)
        else:
            self._starter = gevent.spawn(self._start_all)

    def settle(self) -> None:
        """Wait for the end of the warm-up, and in a closed model until all users have begun a task.

        Users that do not begin within the scenario's timeout are missing.
        """
        sleep_until(self._began + self.order.warmup)
        latest = self._began + self.order.warmup + self.order.timeout
        while self._arrivals is None and self._still_coming() and time.time() < latest:
            gevent.sleep(POLL_S)
        self.runner.update_state(STATE_RUNNING)
        self.scene.events.spawning_complete.fire(user_count=len(self.visitors))

    def measure(self) -> None:
        """The window that counts."""
        self._begin = time.time()
        self._end = self._begin + self.order.seconds
        self.recorder.open(self._begin, self._end)
        self._came = self._left + sum(visitor.began > 0 for visitor in self.crew)
        self._probe.start()
        sleep_until(self._end)
        self._probe.stop()
        self._ended = self._left

    def finish(self) -> Facts:
        """Let users end what they are at, for the scenario's timeout at most, and tell what happened."""
        deadline = self._end + self.order.timeout
        self._stop(deadline)
        while flight.sent_before(self._end) and time.time() < deadline:
            gevent.sleep(POLL_S)
        self._give_up()
        self.scene.events.test_stop.fire(environment=self.scene.environment)
        self.runner.update_state(STATE_STOPPED)
        return self._tell()

    def _still_coming(self) -> bool:
        return self._hired < sum(self.order.classes.values()) or not all(visitor.began for visitor in self.crew)

    def _start_all(self) -> None:
        classes = [name for name, count in self.order.classes.items() for _ in range(count)]
        chance = random.Random(random.random())
        chance.shuffle(classes)
        moments = sorted(chance.uniform(0, self.order.warmup / 2) for _ in classes)
        for name, moment in zip(classes, moments, strict=True):
            sleep_until(self._began + moment)
            self._hire(self.scene.class_named(name))

    def _hire(self, user_class: type[User]) -> Visitor | None:
        self._hired += 1
        user = self.scene.new_user(user_class) if len(self.crew) < MOST_VISITORS else None
        if user is None:
            return None
        limit_session(user, self.order.timeout)
        visitor: Visitor = user.start(self.visitors)
        visitor.pace = self._arrivals or OwnPace()
        visitor.link(self._gone)
        self.crew[visitor] = user
        return visitor

    def _gone(self, visitor: Visitor) -> None:
        close(self.crew.pop(visitor))
        self._left += visitor.began > 0

    def _stop(self, deadline: float) -> None:
        assert self._starter is not None
        self._starter.kill()
        if self._arrivals is not None:
            self._arrivals.catch_up(self._end)
            while any(visitor.arrival is not None for visitor in self.crew) and time.time() < deadline:
                gevent.sleep(POLL_S)
        for user in self.crew.values():
            gevent.spawn(user.stop)
        gevent.sleep(0)

    def _give_up(self) -> None:
        """Whatever is under way now stays unanswered; users still inside a task are ended there."""
        lost = flight.sent_before(self._end)
        self.recorder.give_up(lost.values())
        self.visitors.kill(timeout=STOP_TIMEOUT_S)
        self.visitors.kill(timeout=STOP_TIMEOUT_S)  # a second time for who hangs in `on_stop`
        flight.abandon(lost)

    def _tell(self) -> Facts:
        facts = self.recorder.facts(self._probe, self._end - self._begin)
        facts.users, facts.ended = self._came, self._ended
        if self._arrivals is not None:
            facts.due = sum(self._begin <= due < self._end for due in self._arrivals.due)
            begun = [moment for due, moment in self._arrivals.begun if self._begin <= due < self._end]
            facts.begun = len(begun)
            facts.overrun = max(begun, default=self._end) - self._end
        return facts
