"""What the tests of the load share: the small service in a process of its own, and generators for locustfiles."""

from __future__ import annotations

import itertools
import json
import sys
import time
import urllib.request
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from perfgate.measure import load
from perfgate.measure.load import Generator, Record
from perfgate.measure.ownership import Owner
from perfgate.model import FlawKind
from perfgate.plan import Scenario

HEADER = """\
import os, random, time
import gevent
from locust import FastHttpUser, HttpUser, SequentialTaskSet, TaskSet, User, between, constant, events, task
"""


class Entry(NamedTuple):
    """A request as the service saw it."""

    seconds: float
    method: str
    path: str


def eventually(condition: Callable[[], object], timeout: float = 60.0) -> bool:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@dataclass
class Service:
    """The running service."""

    url: str

    def ask(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def log(self) -> list[Entry]:
        """What was asked since the last look."""
        return [Entry(*entry) for entry in json.loads(self.ask("/_log"))]

    def paths(self) -> list[str]:
        return [entry.path for entry in self.log()]


@contextmanager
def serving(owner: Owner, folder: Path, *options: str) -> Iterator[Service]:
    port_file = folder / "port"
    program = str(Path(__file__).with_name("service.py"))
    process = owner.spawn([sys.executable, program, str(port_file), *options])
    try:
        assert eventually(port_file.exists)
        yield Service(f"http://127.0.0.1:{port_file.read_text()}")
    finally:
        owner.stop(process)


@dataclass
class Stage:
    """Makes generators whose files live in a folder of the test."""

    owner: Owner
    folder: Path
    numbers: Iterator[int]

    def write(self, text: str, below: str = ".") -> str:
        name = f"{below}/locustfile_{next(self.numbers)}.py".removeprefix("./")
        (self.folder / name).write_text(HEADER + dedent(text))
        return name

    @contextmanager
    def generator(self, text: str, below: str = ".", **plan: object) -> Iterator[Generator]:
        """A generator for a locustfile of this text, with short rounds and little patience."""
        settings = {"round": 0.5, "timeout": 5.0, **plan}
        if "rate" not in settings:
            settings.setdefault("users", 2)
        scenario = Scenario(self.write(text, below), **settings)  # type: ignore[arg-type]
        with load.start("test", scenario, self.folder, self.owner, self.folder / "logs") as made:
            yield made


def stage(owner: Owner, folder: Path) -> Stage:
    return Stage(owner, folder, itertools.count(1))


def kinds(made: load.Load) -> set[FlawKind]:
    return {flaw.kind for flaw in made.flaws}


NOISE = {FlawKind.GENERATOR_SATURATED, FlawKind.RATE_NOT_REACHED}
"""Flaws that a busy machine can bring to any round."""


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]


def unrecorded(records: Sequence[Record], log: Sequence[Entry]) -> list[str]:
    """Requests that a process sent between the first and the last recorded one, and of which there is no record.

    The paths end in the epoch second in which the locustfile sent them, right before Locust noted its own.
    """
    sent = sorted((float(entry.path.rpartition("/")[2]), entry.path) for entry in log)
    moments = [moment for moment, _ in sent]
    matched = set()
    for started in sorted(record.started for record in records):
        index = bisect(moments, started) - 1
        while index in matched:
            index -= 1
        matched.add(index)
    assert min(matched) >= 0, "a record without a request"
    return [sent[index][1] for index in range(min(matched), max(matched)) if index not in matched]
