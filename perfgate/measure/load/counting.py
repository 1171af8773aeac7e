"""The counting pass: one user, every task a fixed number of times in a fixed order, one request after the other."""

from __future__ import annotations

import functools
import math
import random
import time
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any

import gevent
from gevent.lock import RLock
from locust import MarkovTaskSet, SequentialTaskSet, User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser
from locust.runners import STATE_RUNNING, STATE_STOPPED
from locust.user.task import LOCUST_STATE_RUNNING, DefaultTaskSet

from perfgate.measure.load import flight
from perfgate.measure.load.locust_hooks import Visitor, Visitors, close, is_taskset, limit_session
from perfgate.measure.load.probe import Probe
from perfgate.measure.load.protocol import Facts, Order
from perfgate.measure.load.scene import Scene
from perfgate.model import Unit
from perfgate.units import show

POLL_S = 0.05


class Unanswered(Exception):
    """Ends a counting pass: the service has stopped answering."""


class Idle(BaseException):
    """Ends an `on_start` that waits for something that does not come; none of the usual `except` clauses takes it."""


class _Outcome(Enum):
    """How a task ended: by itself, by leaving its TaskSet, or with an exception."""

    DONE = "done"
    LEFT = "left"
    FAILED = "failed"


class NoPace:
    """Nobody waits in a counting pass."""

    def before(self, visitor: Visitor, *, nested: bool) -> None:
        """Tasks are begun by the pass itself."""

    def rest(self, visitor: Visitor, seconds: float) -> None:
        """Think times are left out."""


def tasks_of(holder: Any) -> list[Any]:
    """The tasks of a user class or TaskSet in the order of definition: each once, a sequence as it stands."""
    if isinstance(holder, MarkovTaskSet):
        named = {name: task for base in reversed(type(holder).__mro__) for name, task in vars(base).items()}
        return list(dict.fromkeys(task for task in named.values() if hasattr(task, "transitions")))
    return list(holder.tasks if isinstance(holder, SequentialTaskSet) else dict.fromkeys(holder.tasks))


def _readable(trace: TracebackType | None) -> TracebackType | None:
    """A traceback up to its last frame that is in a file: gevent waits in compiled code, which has none."""
    last, frame = None, trace
    while frame is not None:
        if frame.tb_frame.f_code.co_filename.startswith("/"):
            last = frame
        frame = frame.tb_next
    if last is not None:
        last.tb_next = None
    return trace


class CountingPass:
    """All user classes in turn. `observe` is called with each endpoint while nothing else is sent; "" comes first.

    `on_start` and one cycle of all tasks come before and do not count: they fill connections, caches and plans.
    `on_stop` is left out: what it sends would come after the last look.
    """

    def __init__(self, scene: Scene, order: Order, observe: Callable[[str], None]) -> None:
        self.scene, self.order = scene, order
        self._observe = observe
        self._counting = self._unanswered = False
        self._one_at_a_time = RLock()
        self._visitors = Visitors()
        self._starting = ""
        self._quiet_since = math.inf

    def run(self) -> Facts:
        """Count; ends early when a request stays unanswered for the scenario's timeout."""
        scene, recorder = self.scene, self.scene.recorder
        random.seed(self.order.seed)
        scene.prepare(self.order.url, self.order.timeout)
        scene.events.test_start.fire(environment=scene.environment)
        scene.runner.update_state(STATE_RUNNING)
        probe, began = Probe(), time.time()
        probe.start()
        recorder.watcher = self._watch
        visitor = self._visitors.spawn(self._visit)
        visitor.pace = NoPace()
        self._await(visitor)
        recorder.watcher = None
        probe.stop()
        scene.events.test_stop.fire(environment=scene.environment)
        scene.runner.update_state(STATE_STOPPED)
        return recorder.facts(probe, time.time() - began)

    def _await(self, visitor: Visitor) -> None:
        while not visitor.ready():
            visitor.join(POLL_S)
            late = flight.sent_before(time.time() - self.order.timeout - 2 * POLL_S)
            if late:
                self.scene.recorder.give_up(late.values())
                visitor.kill()
                flight.abandon(late)
            elif flight.underway:
                self._stir()
            elif time.monotonic() - self._quiet_since > self.order.timeout:
                self._quiet_since = math.inf
                limit = show(self.order.timeout, Unit.SECONDS)
                visitor.kill(Idle(f"{self._starting} sent nothing and did not end within {limit}"), block=False)
        visitor.get()  # an exception in perfgate itself is a bug, and ends the driver

    def _stir(self) -> None:
        """Note a sign of life of the `on_start` that runs, if one does."""
        if self._quiet_since < math.inf:
            self._quiet_since = time.monotonic()

    def _visit(self) -> None:
        users = [user for cls in self.scene.user_classes if (user := self.scene.new_user(cls)) is not None]
        try:
            self._count([user for user in users if self._begin(user)])
        except Unanswered:
            pass
        finally:
            for user in users:
                close(user)

    def _count(self, users: list[User]) -> None:
        for user in users:
            self._cycle(user, user)
        random.seed(self.order.seed)  # whatever chance the uncounted part took, the counted part begins the same
        self.scene.recorder.open(time.time())
        self._counting = True
        self._observe("")
        for user in users:
            for _ in range(self.order.cycles):
                self._cycle(user, user)

    def _begin(self, user: User) -> bool:
        """Do what `User.run` does before its first task."""
        user._state = LOCUST_STATE_RUNNING
        user._greenlet, user._group = gevent.getcurrent(), self._visitors
        user._taskset_instance = DefaultTaskSet(user)
        limit_session(user, self.order.timeout)
        return self._start(user, user) is _Outcome.DONE

    def _start(self, user: User, holder: Any) -> _Outcome:
        """Do the `on_start` of a user or TaskSet. It may take its time as long as it sends."""
        self._starting, self._quiet_since = f"on_start of {type(holder).__name__}", time.monotonic()
        try:
            return self._do(user, holder.on_start)
        finally:
            self._quiet_since = math.inf

    def _cycle(self, user: User, holder: Any) -> None:
        for task in tasks_of(holder):
            if is_taskset(task):
                self._enter(user, task(holder))
                continue
            outcome = self._do(user, functools.partial(task, holder))
            if outcome is _Outcome.LEFT and isinstance(holder, SequentialTaskSet):
                return

    def _enter(self, user: User, taskset: Any) -> None:
        if self._start(user, taskset) is _Outcome.DONE:
            self._cycle(user, taskset)
            self._do(user, taskset.on_stop)

    def _do(self, user: User, work: Callable[[], object]) -> _Outcome:
        """Run code of the locustfile, and take its exceptions as Locust would."""
        try:
            work()
        except (InterruptTaskSet, StopUser):
            return _Outcome.LEFT
        except (RescheduleTask, RescheduleTaskImmediately):
            return _Outcome.DONE
        except Idle as idle:
            self.scene.events.user_error.fire(user_instance=user, exception=idle, tb=_readable(idle.__traceback__))
            return _Outcome.FAILED
        except Exception as error:
            self.scene.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)
            return _Outcome.FAILED
        finally:
            self._check()
        return _Outcome.DONE

    def _check(self) -> None:
        if self._unanswered:
            raise Unanswered

    def _watch(self, endpoint: str, timed_out: bool) -> None:
        self._stir()
        if timed_out:
            self._unanswered = True
            raise StopUser  # the one way out of a listener, through the client, into the task that sent the request
        if self._counting:
            flight.landed()  # or a slow observer would make it look unanswered
            with self._one_at_a_time:  # tasks may send from several greenlets
                self._observe(endpoint)
