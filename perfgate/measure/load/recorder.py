"""Records every request of one process as it is answered, at about a microsecond each."""

from __future__ import annotations

import http
import math
import sysconfig
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import gevent
import requests
from locust.exception import CatchResponseError

from perfgate.measure.load.endpoints import Endpoints, without_ids
from perfgate.measure.load.flight import Flight
from perfgate.measure.load.locust_hooks import Visitor
from perfgate.measure.load.probe import Probe
from perfgate.measure.load.protocol import Facts
from perfgate.measure.load.records import pack

MOST_ERRORS = 50
"""Different error texts kept; what a service says with ids in it would fill the result otherwise."""

MOST_TARGETS = 10
"""Different paths kept to which one endpoint redirects; whoever redirects to more sends nobody to a single page."""

LONGEST_ERROR = 200
SHOWN_TRACEBACKS = 5

_PATHS = sysconfig.get_paths()
_NOT_THE_USERS = ("<", _PATHS["stdlib"], _PATHS["purelib"], _PATHS["platlib"], str(Path(__file__).parent))


class Recorder:
    """What the listeners of Locust's `request` and `user_error` events gather during a round.

    It is added before the locustfile is loaded, so that no listener of the locustfile can hide a request from it.
    """

    def __init__(self) -> None:
        self.watcher: Callable[[str, bool], None] | None = None
        self.root = Path()
        self.reset("", math.inf)

    def reset(self, host: str, timeout: float) -> None:
        """Forget everything: a round on the service at `host` begins, whose requests may last `timeout` seconds."""
        self.endpoints = Endpoints(host)
        self.unanswered: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.elsewhere: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.recorded = 0
        self._timeout = timeout
        self._buffer = bytearray()
        self._begin = self._end = math.inf

    def open(self, begin: float, end: float = math.inf) -> None:
        """Record requests that are due (or, where nothing says when, sent) from `begin` to before `end`."""
        self._begin, self._end = begin, end

    def take(self) -> bytes:
        """The records since the last call."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken

    def facts(self, probe: Probe, seconds: float) -> Facts:
        """What was seen in a window of so many seconds, and how the generator fared."""
        return Facts(
            endpoints=self.endpoints.names,
            crowded=self.endpoints.crowded,
            recorded=self.recorded,
            seconds=seconds,
            lag=probe.lag,
            cpu=probe.cpu,
            waited=probe.waited,
            unanswered=dict(self.unanswered),
            errors=dict(self.errors),
            broken=dict(self.broken),
            elsewhere={endpoint: dict(paths) for endpoint, paths in self.elsewhere.items()},
        )

    def give_up(self, requests: Iterable[Flight]) -> None:
        """Count requests of which Locust will never speak, because their waiting is ended."""
        for lost in requests:
            index = self.endpoints.index(*lost.described())
            self.unanswered[self.endpoints.names[index]] += 1

    def on_request(
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None,
        exception: object = None,
        start_time: float | None = None,
        url: str | None = None,
        response: Any = None,
        **_: object,
    ) -> None:
        """Listens to Locust's `request` event."""
        seconds = (response_time or 0.0) / 1000
        started = start_time or time.time() - seconds
        due, failed = started, bool(exception)
        visitor = gevent.getcurrent()
        if isinstance(visitor, Visitor):
            visitor.failed = failed
            if visitor.due is not None:
                due, visitor.due = visitor.due, None
        index = self.endpoints.index(request_type, name, url)
        timed_out = failed and seconds >= self._timeout * 0.99 and _is_timeout(exception)
        if timed_out:
            self.unanswered[self.endpoints.names[index]] += 1
        if self._begin <= due < self._end:
            self._buffer += pack(due, started, seconds, response_length or 0, index, not failed)
            self.recorded += 1
            if failed:
                self._count(self.errors, f"{self.endpoints.names[index]}: {describe(exception, response)}")
            elif redirects := getattr(response, "history", None):
                self._redirected(self.endpoints.names[index], redirects[-1])
        if self.watcher:
            self.watcher(self.endpoints.names[index], timed_out)

    def _redirected(self, endpoint: str, last: Any) -> None:
        """Note where the last redirect led to, without the query: it often says where one came from."""
        paths, path = self.elsewhere[endpoint], without_ids(urlsplit(last.headers.get("location") or "").path, "")
        if path in paths or len(paths) < MOST_TARGETS:
            paths[path] += 1

    def on_user_error(self, user_instance: object, exception: BaseException, tb: TracebackType | None) -> None:
        """Listens to Locust's `user_error` event: an exception in the code of the locustfile.

        One that follows a failed request is the failed request's doing, and stands with the errors only.
        """
        place = f"{where(tb, self.root)} ({_owner(user_instance)}): {type(exception).__name__}: {exception}"
        visitor = gevent.getcurrent()
        failed_request = isinstance(visitor, Visitor) and visitor.failed
        self._count(self.errors if failed_request else self.broken, place)
        if sum(self.broken.values()) <= SHOWN_TRACEBACKS:
            traceback.print_exception(exception)

    def _count(self, counter: Counter[str], text: str) -> None:
        text = text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"
        counter[text if text in counter or len(counter) < MOST_ERRORS else "other errors"] += 1


def _owner(owner: Any) -> str:
    """The name of the user class; Locust passes the TaskSet that raised, or the user, or its class."""
    user = getattr(owner, "user", owner)
    return user.__name__ if isinstance(user, type) else type(user).__name__


def _is_timeout(exception: object) -> bool:
    """Whether a request was given up waiting; geventhttpclient wraps the reason in its `RetriesExceeded`."""
    reason = getattr(exception, "original", exception)
    return isinstance(reason, TimeoutError | gevent.Timeout | requests.exceptions.Timeout)


def describe(exception: object, response: Any) -> str:
    """What went wrong with a request, in words that are the same for the same failure."""
    if isinstance(exception, CatchResponseError | AssertionError):
        return str(exception)
    status = getattr(response, "status_code", 0) or 0
    if status >= 400:
        known = status in http.HTTPStatus._value2member_map_
        return f"{status} {http.HTTPStatus(status).phrase}" if known else str(status)
    reason = getattr(exception, "original", None) or exception
    return f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)


def where(tb: TracebackType | None, root: Path) -> str:
    """`file:line` of the user's code that raised: the innermost frame outside of Python, its packages and perfgate."""
    frames = traceback.extract_tb(tb)
    chosen = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_USERS)] or frames
    return f"{shown(Path(chosen[-1].filename), root)}:{chosen[-1].lineno}" if chosen else "an unknown place"


def shown(path: Path, root: Path) -> str:
    """A path as the user would write it."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
