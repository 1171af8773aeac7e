"""What perfgate changes in Locust, in the generating processes only: who paces users, time-outs, stale connections.

Locust's users run as they do under `locust -f`. Between their tasks they ask the `Pace` of the round instead of
sleeping blindly; and no request may hang longer than the scenario's `timeout`, or be sent on a connection that the
service is about to close.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.pool import Group
from geventhttpclient.client import IDEMPOTENT_METHODS
from locust import FastHttpUser, TaskSet, User
from locust.clients import HttpSession
from locust.contrib.fasthttp import LocustUserAgent

STALE_S = 0.5
"""A connection idle for longer is not used again for a request that must not be sent twice.

Services close idle connections (gunicorn after 2 s, uvicorn and node after 5 s), and a request that crosses the
closing fails although nobody is at fault: 2-11 % of POSTs whose think time was just below the service's limit.
"""


class Pace(Protocol):
    """Decides when the users of a round begin their tasks."""

    def before(self, visitor: Visitor, /, *, nested: bool) -> None:
        """Called when a user is about to begin a task, or to enter a nested TaskSet; may wait."""

    def rest(self, visitor: Visitor, seconds: float, /) -> None:
        """Called where Locust would sleep for the user's `wait_time`."""


class Visitor(gevent.Greenlet):  # type: ignore[misc]  # gevent has no types
    """The greenlet of one user, with what must be known of it while it runs.

    `arrival` is when the next task is due, `due` when the next request is: the first one of a task that was due.
    `began` counts its tasks, `working` says that it is inside one, `failed` that its last request failed.
    """

    pace: Pace | None = None
    arrival: float | None = None
    due: float | None = None
    began: int = 0
    working: bool = False
    failed: bool = False


class Visitors(Group):  # type: ignore[misc]
    """All users of a round; `User.start` makes them greenlets of this kind."""

    greenlet_class = Visitor


def install() -> None:
    """Change Locust, once and before users are made."""
    TaskSet.execute_next_task = _execute_next_task  # type: ignore[method-assign]
    TaskSet._sleep = _sleep  # type: ignore[method-assign]
    LocustUserAgent._urlopen = _urlopen  # type: ignore[method-assign]


def _execute_next_task(taskset: Any) -> None:
    task = taskset._task_queue.popleft()
    visitor = gevent.getcurrent()
    if not isinstance(visitor, Visitor) or visitor.pace is None:
        taskset.execute_task(task)
        return
    nested = is_taskset(task)
    visitor.pace.before(visitor, nested=nested)
    if not nested:
        visitor.began += 1
        visitor.working = True
    try:
        taskset.execute_task(task)
    finally:
        visitor.working = False


def _sleep(_taskset: TaskSet, seconds: float) -> None:
    visitor = gevent.getcurrent()
    if isinstance(visitor, Visitor) and visitor.pace is not None:
        visitor.pace.rest(visitor, seconds)
    else:
        gevent.sleep(seconds)


def is_taskset(task: object) -> bool:
    """Whether a task is a nested TaskSet, and not a function."""
    return inspect.isclass(task) and issubclass(task, TaskSet)


def limit_connections(user_class: type[User], timeout: float) -> None:
    """Have the users of a class give up a request after `timeout` seconds, unless the class is less patient."""
    if issubclass(user_class, FastHttpUser):
        user_class.network_timeout = min(user_class.network_timeout, timeout)
        user_class.connection_timeout = min(user_class.connection_timeout, timeout)


def limit_session(user: User, timeout: float) -> None:
    """The same for a user on `requests`, which waits for ever unless it is told otherwise with every request."""
    session = getattr(user, "client", None)
    if isinstance(session, HttpSession):
        session.send = _Sender(session, timeout).send  # type: ignore[method-assign]


class _Sender:
    """Sends what a `requests` session sends, on a fresh connection after a pause: `requests` repeats no request."""

    def __init__(self, session: HttpSession, timeout: float) -> None:
        self._send, self._adapters, self._timeout = session.send, session.adapters, timeout
        self._used = time.perf_counter()

    def send(self, request: Any, **options: Any) -> Any:
        if time.perf_counter() - self._used > STALE_S:
            self._drop_connections()
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        try:
            return self._send(request, **options)
        finally:
            self._used = time.perf_counter()

    def _drop_connections(self) -> None:
        adapters: list[Any] = list(self._adapters.values())
        for adapter in adapters:
            adapter.close()  # which closes what is idle; the adapter stays usable


_open: Callable[[Any, Any], Any] = LocustUserAgent._urlopen


def _urlopen(agent: Any, request: Any) -> Any:
    """Send a request of a FastHttpUser. Its client repeats idempotent ones by itself when a connection was closed."""
    if request.method not in IDEMPOTENT_METHODS and time.perf_counter() - getattr(agent, "used", 0.0) > STALE_S:
        _forget_idle(agent.clientpool.get_client(request.url_split)._connection_pool)
    try:
        return _open(agent, request)
    finally:
        agent.used = time.perf_counter()


def _forget_idle(connections: Any) -> None:
    idle = connections._socket_queue
    while not idle.empty():
        idle.get(block=False).close()


def close(user: User) -> None:
    """Close a user's connections, so that nothing of a round is left on the service."""
    session: Any = getattr(user, "client", None)
    if isinstance(user, FastHttpUser):
        if type(user).client_pool is None:  # or else others use it too
            session.client.clientpool.close()
    elif isinstance(session, HttpSession):
        session.close()
