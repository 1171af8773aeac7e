"""A closer look at the service itself: where CPU time and memory go, whether failures come again, what files weigh.

All of it stays on the machine but by way of an `Advice`. Paths are relative to the project's root.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from perfgate.model import Side

CERTAIN = 3.0
"""So many standard errors must lie between two figures that were sampled, before one counts as more than the other."""


@dataclass(frozen=True, slots=True)
class Place:
    """A function of the project, and what it costs a request: `cpu` in seconds, give or take `error` (standard error).

    What library code that it calls costs is in it; what other functions of the project cost is not. `line` is its
    dearest line. A place that `sends_statements` was working in a database driver.
    """

    path: str
    line: int
    function: str
    cpu: float
    error: float = 0.0
    sends_statements: bool = False

    @property
    def code(self) -> str:
        """As one writes it to find it: `shop/catalogue.py:42`."""
        return f"{self.path}:{self.line}"

    def same(self, other: Place) -> bool:
        """Whether both are one function, whatever line of it is the dearest."""
        ours = (self.path, self.function, self.sends_statements)
        return ours == (other.path, other.function, other.sends_statements)


@dataclass(frozen=True, slots=True)
class Growth:
    """A line of the project that allocated memory which was still held later: `bytes` a request."""

    path: str
    line: int
    function: str
    bytes: float

    @property
    def code(self) -> str:
        """As one writes it to find it."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Grown:
    """A place with what it costs more than in base, in CPU seconds a request."""

    place: Place
    more: float


@dataclass(frozen=True)
class Profile:
    """One scenario's requests on one side, one at a time: empty for a service that is not Python.

    `endpoints` maps each to the CPU seconds that the service spent on one of its requests, `lines` to the places where
    it spent them, the dearest first. `grown` are the lines that hold more memory after each request.
    """

    scenario: str
    side: Side
    endpoints: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    grown: tuple[Growth, ...] = ()

    def against(self, base: Profile, endpoint: str) -> list[Grown]:
        """The places that cost an endpoint surely more than in base, what grew most first."""
        found = (Grown(place, more) for place, more in self._differences(base, endpoint))
        return sorted(found, key=lambda grown: grown.more, reverse=True)

    def _differences(self, base: Profile, endpoint: str) -> Iterator[tuple[Place, float]]:
        for place in self.lines.get(endpoint, ()):
            before = next((one for one in base.lines.get(endpoint, ()) if one.same(place)), None)
            more = place.cpu - (before.cpu if before else 0.0)
            if more > CERTAIN * math.hypot(place.error, before.error if before else 0.0):
                yield place, more

    def sender(self, endpoint: str, base: Profile | None = None) -> Place | None:
        """Where an endpoint sends most statements, by CPU time: preferably a place that costs more than in base."""
        if base is not None:
            grown = [one.place for one in self.against(base, endpoint) if one.place.sends_statements]
            if grown:
                return grown[0]
        sending = (place for place in self.lines.get(endpoint, ()) if place.sends_statements)
        return max(sending, key=lambda place: place.cpu, default=None)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where code of the project was when the service stopped serving: it `waits` there, or ended the process."""

    path: str
    line: int
    function: str
    waits: bool

    @property
    def code(self) -> str:
        """As one writes it to find it."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class SecondPass:
    """A scenario's tasks on head once more, with a fresh service and one request at a time, after something failed.

    `asked` and `failed` count requests by endpoint, `failures` the texts of failures by endpoint. `died` says how the
    service ended, `unanswered` which endpoint got no answer; both "" where that did not happen. Then `answered` is how
    many requests came before, `last` the endpoint of the one it stopped at, and `stop` the place, where it is known.
    `log` is the file that the service wrote to, relative to the project.
    """

    scenario: str
    asked: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    died: str = ""
    unanswered: str = ""
    answered: int = 0
    last: str = ""
    stop: Stop | None = None
    log: str = ""


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """One file of an artifact: its sizes in bytes, and its longest line (from 1; 0 where it is no text) in bytes."""

    path: str
    raw: int
    gzip: int
    brotli: int
    line: int = 0
    line_bytes: int = 0
