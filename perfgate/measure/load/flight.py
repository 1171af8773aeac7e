"""Knows which requests are under way: Locust itself speaks of a request only once it is over."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import gevent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession

underway: dict[Any, tuple[float, Any, Any, Any, Any]] = {}
"""The request that each waiting greenlet is waiting for, also those of greenlets that a task spawned: a `Flight`."""


class Flight(NamedTuple):
    """A request under way, as it was asked for, and when."""

    started: float
    session: Any
    method: Any
    url: Any
    name: Any

    def described(self) -> tuple[str, str, str]:
        """Its method, its name as Locust would report it, and where it goes."""
        name = self.name or self.session.request_name or self.url
        return str(self.method), str(name), self.session._build_url(self.url)


def install() -> None:
    """Note the requests of both of Locust's HTTP clients; costs half a microsecond each. Called once."""
    for session in (FastHttpSession, HttpSession):
        session.request = _noting(session.request)  # type: ignore[method-assign]


def _noting(request: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(request)
    def noting(session: Any, method: Any, url: Any, name: Any = None, *args: Any, **options: Any) -> Any:
        greenlet = gevent.getcurrent()
        underway[greenlet] = (time.time(), session, method, url, name)
        try:
            return request(session, method, url, name, *args, **options)
        finally:
            underway.pop(greenlet, None)

    return noting


def landed() -> None:
    """This greenlet's request is answered, though Locust still tells its listeners of it."""
    underway.pop(gevent.getcurrent(), None)


def sent_before(moment: float) -> dict[Any, Flight]:
    """What is under way since before this epoch second, by the greenlet that waits for it."""
    flights = {greenlet: Flight(*request) for greenlet, request in underway.items()}
    return {greenlet: request for greenlet, request in flights.items() if request.started < moment}


def abandon(waiting: Iterable[Any]) -> None:
    """Have these greenlets give up what they wait for."""
    gevent.killall([greenlet for greenlet in waiting if isinstance(greenlet, gevent.Greenlet)], timeout=1.0)
