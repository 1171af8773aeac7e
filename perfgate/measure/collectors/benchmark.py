"""Times of pytest-benchmark: its raw rounds, from the plugin while it runs or from the JSON that it wrote."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from perfgate.errors import BadRequest
from perfgate.measure.collector import Collector, Reading, Stretch, Target
from perfgate.model import Better, Comparable, Metric, Noise, Scope, Side, Unit

TIME = Metric(
    "benchmark.time",
    Unit.SECONDS,
    Better.LOWER,
    Noise.SAMPLED,
    "Time of one call of a benchmarked function, by pytest-benchmark.",
    Comparable.SAME_MACHINE,
    drift=0.15,
)

MOST_VALUES = 50
HOW_TO = "write it with: pytest --benchmark-json=PATH"


class Benchmark(Collector):
    """Reads the files that the option `json`, a glob, names; without it there is nothing to read."""

    name = "benchmark"
    metrics = (TIME,)
    stretch = Stretch.PROJECT
    options: ClassVar[Mapping[str, object]] = {"json": ""}

    def finish(self, target: Target) -> Iterator[Reading]:
        """Raise BadRequest when the files are missing, broken or not pytest-benchmark's."""
        pattern = str(target.options.get("json", ""))
        if pattern:
            yield from readings(_benchmarks(_files(target, pattern)))


def readings(benchmarks: Iterable[tuple[str, Sequence[float]]]) -> Iterator[Reading]:
    """The values of each benchmark (full name, seconds of each round), in the order in which they were taken.

    Rounds by the thousand become medians of at most 50 equal stretches: neighbours share what disturbed them, and
    counting them one by one would make the evidence look stronger than it is (batch means; Law, Simulation Modeling
    and Analysis, 9.5.3).
    """
    for name, seconds in benchmarks:
        yield from (Reading(TIME, value, Scope(benchmark=name)) for value in batches(seconds))


def batches(seconds: Sequence[float]) -> list[float]:
    """All values, or where there are more than 50 the medians of 50 stretches whose lengths differ by one at most."""
    count = min(len(seconds), MOST_VALUES)
    edges = [place * len(seconds) // count for place in range(count + 1)] if count else []
    return [statistics.median(seconds[start:end]) for start, end in pairwise(edges)]


def _files(target: Target, pattern: str) -> list[Path]:
    where = "collectors.benchmark.json"
    try:
        files = sorted(path for path in target.root.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError) as error:
        hint = "write a glob relative to the folder of budgets.yaml, like 'benchmarks/*.json'"
        raise BadRequest(f"{where}: {pattern!r} is not a glob: {error}", hint=hint) from error
    # The base is a bare checkout: that nobody ran benchmarks in it leaves nothing to compare with, and is no mistake.
    if not files and target.side is Side.HEAD:
        raise BadRequest(f"{where}: no file matches {pattern} in {target.root}", hint=HOW_TO)
    return files


def _benchmarks(files: Iterable[Path]) -> Iterator[tuple[str, list[float]]]:
    seen: dict[str, Path] = {}
    for file in files:
        for entry in _entries(file):
            name, seconds = _rounds(entry, file)
            if name in seen:
                hint = "name one file for each benchmark in collectors.benchmark.json"
                raise BadRequest(f"the benchmark {name} is in {seen[name]} and in {file}", hint=hint)
            seen[name] = file
            yield name, seconds


def _entries(file: Path) -> list[Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"{file}: cannot be read: {error.strerror}", hint=HOW_TO) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadRequest(f"{file}: is not JSON: {error}", hint=HOW_TO) from error
    entries = content.get("benchmarks") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise BadRequest(f"{file}: was not written by pytest-benchmark: it has no list 'benchmarks'", hint=HOW_TO)
    if not entries:
        raise BadRequest(f"{file}: has no benchmarks in it", hint=f"were all of them deselected? {HOW_TO}")
    return entries


def _rounds(entry: Any, file: Path) -> tuple[str, list[float]]:
    """The full name and the rounds of one benchmark, in seconds a call."""
    name = entry.get("fullname") if isinstance(entry, dict) else None
    stats = entry.get("stats") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name or not isinstance(stats, dict):
        raise BadRequest(
            f"{file}: was not written by pytest-benchmark: an entry has no 'fullname' or 'stats'", hint=HOW_TO
        )
    data = stats.get("data")
    if not isinstance(data, list) or not data:
        hint = f"add --benchmark-save-data to --benchmark-save, or {HOW_TO}"
        raise BadRequest(f"{file}: {name} has no raw rounds ('stats.data')", hint=hint)
    if not all(_is_time(value) for value in data):
        raise BadRequest(f"{file}: {name} has rounds that are no times in seconds", hint=HOW_TO)
    return name, [float(value) for value in data]


def _is_time(value: object) -> bool:
    """Whether this is a duration in seconds; NaN, infinities and the age of mankind are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


COLLECTOR = Benchmark()
