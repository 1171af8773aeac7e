"""Where a Python service spends CPU time and keeps memory: its requests driven once more with an agent inside it."""

from __future__ import annotations

import ast
import bisect
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from perfgate.errors import NotMeasured
from perfgate.measure.examine import Theatre
from perfgate.measure.load import Load
from perfgate.measure.profiler.reports import Reports, Sample, Written
from perfgate.measure.service import RunningService
from perfgate.profiled import Growth, Place, Profile

AGENT = Path(__file__).parent / "profiler" / "agent"

TRYOUT_CYCLES = 2
SECONDS = 3.0
MEMORY_SECONDS = 0.5
FEWEST_CYCLES, MOST_CYCLES = 5, 120
"""A pass takes about so many seconds, in so many repeats of each task; tracing memory multiplies its time."""

SETTLE_S = 0.002
"""What a service does shortly after its answer is the answered request's."""

LEAST_CPU_S = 20e-6
"""Places that cost a request less are not told."""


class Mode(StrEnum):
    """What an agent looks at: CPU time, also where code waits and ends; or memory, which is slow."""

    CPU = "cpu"
    MEMORY = "memory"


@contextmanager
def with_agent(theatre: Theatre, mode: Mode, name: str) -> Iterator[tuple[RunningService, Reports]]:
    """A fresh service with agents in it, over the data as it was filled, and what the agents report."""
    stand = theatre.stand
    folder = stand.owner.folder(f"agents-{name}")
    env = {
        **theatre.env,
        "PERFGATE_AGENT": str(folder),
        "PERFGATE_AGENT_ROOT": str(stand.root),
        "PERFGATE_AGENT_MODE": str(mode),
        "PYTHONPATH": _before(AGENT, {**os.environ, **stand.env, **stand.service.env, **theatre.env}),
    }
    with stand.fresh(f"{name}-{theatre.scenario}", env) as service:
        theatre.generator.ready()
        yield service, Reports(folder)


def _before(folder: Path, env: Mapping[str, str]) -> str:
    """PYTHONPATH with a folder before all others. An empty entry would be the service's own folder."""
    return os.pathsep.join(part for part in (str(folder), env.get("PYTHONPATH", "")) if part)


def profile(theatre: Theatre, mode: Mode) -> Profile:
    """What each endpoint's requests cost, by place; or what they leave behind. Empty where the service is not Python.

    Raises NotMeasured where the service or the load fails on it.
    """
    with with_agent(theatre, mode, f"profile-{mode}") as (service, reports):
        if not reports.any():
            return Profile(theatre.scenario, theatre.stand.side)
        if mode is Mode.MEMORY:
            return _memory(_Drive(theatre, service.url, MEMORY_SECONDS), reports)
        return _cpu(_Drive(theatre, service.url, SECONDS), reports)


@dataclass
class _Drive:
    """Passes over the scenario's tasks, as many repeats as fit into the time."""

    theatre: Theatre
    url: str
    seconds: float
    cycles: int = field(default=TRYOUT_CYCLES, init=False)

    def __post_init__(self) -> None:
        began = time.monotonic()
        self.count(lambda _: None)
        a_cycle = (time.monotonic() - began) / (TRYOUT_CYCLES + 1)  # one comes before those that count
        self.cycles = min(max(FEWEST_CYCLES, int(self.seconds / a_cycle)), MOST_CYCLES)

    def count(self, observe: Callable[[str], None]) -> Load:
        load = self.theatre.generator.count(self.url, observe, cycles=self.cycles)
        if load.flaws:
            words = f"scenario {self.theatre.scenario}: {load.flaws[0].because}"
            raise NotMeasured(words, hint=load.flaws[0].detail)
        return load


@dataclass
class _Windows:
    """When each request began and was over, one right after the other."""

    ends: list[float] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)

    def observe(self, endpoint: str) -> None:
        time.sleep(SETTLE_S)
        self.ends.append(time.time())
        self.endpoints.append(endpoint)

    def endpoint(self, moment: float) -> str:
        """Of the request that was under way; "" before the first one and after the last."""
        index = bisect.bisect_left(self.ends, moment)
        return self.endpoints[index] if index < len(self.ends) else ""

    def requests(self) -> Counter[str]:
        return Counter(endpoint for endpoint in self.endpoints if endpoint)


def _cpu(drive: _Drive, reports: Reports) -> Profile:
    windows = _Windows()
    drive.count(windows.observe)
    reports.mark()
    stand = drive.theatre.stand
    written = reports.read(stand.root)
    callers = {caller for own in written for caller in own.callers}
    spent: dict[str, list[Sample]] = defaultdict(list)
    for sample in (sample for own in written for sample in own.samples):
        if endpoint := windows.endpoint(sample.time):
            spent[endpoint].append(sample)
    requests = windows.requests()
    return Profile(
        drive.theatre.scenario,
        stand.side,
        {name: sum(one.cpu for one in spent[name]) / count for name, count in sorted(requests.items())},
        {name: tuple(_places(spent[name], count, callers)) for name, count in sorted(requests.items())},
    )


def _places(samples: list[Sample], requests: int, callers: set[tuple[str, int]]) -> list[Place]:
    """The functions that the samples fell into, the dearest first."""
    found: dict[tuple[str, str, bool], list[Sample]] = defaultdict(list)
    for sample in samples:
        spot = sample.spot
        # A library that works below a line which also calls code of the project is most likely a framework between
        # the two, such as what a middleware hands a request on to: it is nobody's, and not the line's.
        if spot is not None and (spot.itself or spot.sends or (spot.path, spot.line) not in callers):
            found[spot.path, spot.function, spot.sends].append(sample)
    places = (_place(key, own, requests) for key, own in found.items())
    return sorted((p for p in places if p.cpu >= LEAST_CPU_S), key=lambda place: place.cpu, reverse=True)


def _place(key: tuple[str, str, bool], samples: list[Sample], requests: int) -> Place:
    path, function, sends = key
    by_line: Counter[int] = Counter()
    for sample in samples:
        by_line[sample.spot.line if sample.spot else 0] += round(sample.cpu * 1e9)
    (line, _), *_rest = by_line.most_common(1)
    # A sum of independent weights whose number is a matter of chance (compound Poisson) varies by their squares.
    error = math.sqrt(sum(sample.cpu**2 for sample in samples)) / requests
    return Place(path, line, function, sum(sample.cpu for sample in samples) / requests, error, sends)


def _memory(drive: _Drive, reports: Reports) -> Profile:
    """Two passes: what grows in both by a line's hand is no cache that was filled once."""
    first, second = _held_pass(drive, reports), _held_pass(drive, reports)
    stand = drive.theatre.stand
    by_line: Counter[tuple[str, int]] = Counter()
    for own in reports.read(stand.root):
        for line in own.held.get(4, {}):
            earlier, later = _growth(own, line)
            by_line[line] += max(0, int(min(earlier / first, later / second)))
    named = (
        Growth(path, line, function_at(stand.root / path, line), float(size))
        for (path, line), size in by_line.most_common()
        if size > 0
    )
    return Profile(drive.theatre.scenario, stand.side, grown=tuple(named))


def _growth(written: Written, line: tuple[str, int]) -> tuple[int, int]:
    """By how much more a line held at the end of either pass: marks 2, 3 and 4; nothing is known before mark 1."""
    held = [written.held.get(mark, {}).get(line, 0) for mark in (2, 3, 4)]
    return held[0], held[2] - held[1]


def _held_pass(drive: _Drive, reports: Reports) -> int:
    """Drive one pass between two marks; the number of its requests."""
    requests = 0

    def observe(endpoint: str) -> None:
        nonlocal requests
        if endpoint:
            requests += 1
        else:
            reports.mark()

    drive.count(observe)
    reports.mark()
    return max(1, requests)


def function_at(file: Path, line: int) -> str:
    """The innermost function that a line is in; "" at the top level, and where the file cannot be read."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    around = [node for node in functions if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return max(around, key=lambda node: node.lineno).name if around else ""
