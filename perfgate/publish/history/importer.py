"""What an importer is, and what all of them need: the file, values with their place in it, and the making of a run."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Protocol

from perfgate.errors import BadRequest
from perfgate.model import Asked, Machine, Metric, Run, Sample, Scope
from perfgate.publish.report import one_line
from perfgate.runfile import LARGEST

LARGEST_FILE = 500_000_000
"""Bytes: a file is read into memory as a whole."""

MOST_VALUES = 50
"""Of one sample; what has more becomes medians, as the benchmarks that perfgate reads itself do."""

LONGEST_NAME = 500
UNKNOWN = Machine("unknown", 0, 0, "", "")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class Origin:
    """What the user says of runs, for formats that do not say it themselves; "" where the user does not know either.

    `started` is ISO 8601; without it a file that tells no time has that of its last change.
    """

    commit: str = ""
    branch: str = ""
    started: str = ""
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of a file: where it stands, and how it is made. `make` raises BadRequest where the entry is broken."""

    place: str
    make: Callable[[], Run]


class Importer(Protocol):
    """A format of another tool: one file in `perfgate/publish/history/importers/` with an `IMPORTER`.

    `looks_for` says what the format is told by, for the user whose file is none of them.
    """

    name: ClassVar[str]
    looks_for: ClassVar[str]

    def recognises(self, source: Source) -> bool:
        """Whether the file is of this format. Never raises: a broken file of the format is still of it."""
        ...

    def entries(self, source: Source, origin: Origin) -> Iterator[Entry]:
        """The runs in the file, in its order. Raises BadRequest where not even entries can be told apart."""
        ...


class Source:
    """A file or folder to import, read once however many importers look at it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def text(self) -> str:
        """What the file says; "" for a folder. Raises BadRequest where it cannot be read."""
        if self.path.is_dir():
            return ""
        try:
            size = self.path.stat().st_size
            if size > LARGEST_FILE:
                raise BadRequest(f"{self.path}: {size} bytes are too many", hint=f"{LARGEST_FILE} are the most")
            return self.path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise BadRequest(f"{self.path}: cannot be read: {error.strerror}", hint="name a file to import") from error
        except UnicodeDecodeError as error:
            raise BadRequest(f"{self.path}: is not text: {error}", hint="name a file to import") from error

    @cached_property
    def document(self) -> Any:
        """The file as JSON; None where it is none."""
        begin = self.text.lstrip()[:1]
        try:
            return json.loads(self.text) if begin in ("{", "[") else None
        except (ValueError, RecursionError):
            return None

    @property
    def changed(self) -> datetime:
        """When the file was written last."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a JSON document that knows where it stands, so that what is wrong with it can be told."""

    value: Any
    key: str | int = ""
    parent: Node | None = None

    @property
    def place(self) -> str:
        if self.parent is None:
            return str(self.key)
        own = f"[{self.key}]" if isinstance(self.key, int) else str(self.key)
        above = self.parent.place
        return f"{above}.{own}" if above and not own.startswith("[") else f"{above}{own}"

    def broken(self, what: str) -> BadRequest:
        """The complaint about this value."""
        return BadRequest(f"{self.place}: {what}" if self.place else what)

    def __getitem__(self, key: str) -> Node:
        if not isinstance(self.value, dict) or key not in self.value:
            raise self.broken(f"has no {key!r}")
        return Node(self.value[key], key, self)

    def get(self, key: str) -> Node | None:
        """What stands under the key; None where nothing does, or null."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return None if found is None else Node(found, key, self)

    def items(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping."""
        if not isinstance(self.value, dict):
            raise self.broken("is no mapping")
        yield from ((key, Node(value, key, self)) for key, value in self.value.items())

    def list(self) -> Iterator[Node]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            raise self.broken("is no list")
        yield from (Node(value, index, self) for index, value in enumerate(self.value))

    def text(self) -> str:
        """A name: not empty, on one line, without characters that hide or move others."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.broken("is no text")
        return one_line(self.value, LONGEST_NAME)

    def number(self) -> float:
        """A finite number; one that was written as a string counts."""
        return number(self.value, self.broken)

    def commit(self) -> str:
        if not isinstance(self.value, str) or not _COMMIT.fullmatch(self.value):
            raise self.broken(f"{self.value!r} is no commit")
        return self.value

    def time(self) -> datetime:
        """A point in time, written as ISO 8601 or as milliseconds since 1970."""
        try:
            if isinstance(self.value, str):
                return moment(self.value)
            return datetime.fromtimestamp(self.number() / 1000, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise self.broken(f"{self.value!r} is no time") from error


def number(value: object, broken: Callable[[str], BadRequest]) -> float:
    """The value as a finite number that something may have measured; raises what `broken` makes of the complaint."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= LARGEST:  # NaN is not, either
        raise broken(f"{value!r} is no number that can be measured")
    return found


def moment(text: str) -> datetime:
    """ISO 8601 as a point in time; without a zone it is UTC. Raises ValueError."""
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)


def condensed(values: list[float]) -> tuple[float, ...]:
    """All values, or where there are more than 50 the medians of 50 stretches whose lengths differ by one at most."""
    count = min(len(values), MOST_VALUES)
    edges = [place * len(values) // count for place in range(count + 1)] if count else []
    return tuple(statistics.median(values[start:end]) for start, end in pairwise(edges))


@dataclass
class Gathering:
    """The samples of one run while they are read."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    values: dict[tuple[str, Scope], list[float]] = field(default_factory=dict)
    notes: dict[tuple[str, Scope], str] = field(default_factory=dict)

    def add(self, metric: Metric, scope: Scope, *values: float, note: str = "") -> None:
        """Further values of the metric in that scope. Without any it is known to have been asked for, and is empty."""
        self.metrics[metric.name] = metric
        self.values.setdefault((metric.name, scope), []).extend(values)
        if note:
            self.notes[metric.name, scope] = one_line(note)

    def samples(self) -> Iterator[Sample]:
        """One sample a metric and scope; where nothing was measured it has one round without a value."""
        for (metric, scope), values in self.values.items():
            yield Sample(metric, scope, condensed(values) or (None,), note=self.notes.get((metric, scope), ""))


def run_of(
    gathering: Gathering,
    origin: Origin,
    started: datetime,
    *,
    commit: str = "",
    branch: str = "",
    dirty: bool = False,
    machine: Machine = UNKNOWN,
    seconds: float = 0.0,
    notes: tuple[str, ...] = (),
) -> Run:
    """The run of what was gathered; what its file does not say is the user's word. Raises BadRequest for no samples.

    Nothing in it depends on the version of perfgate: the same file imported twice is the same run.
    """
    if not gathering.values:
        raise BadRequest("has no measurements in it")
    scenarios = {scope.scenario for _, scope in gathering.values if scope.scenario}
    return Run(
        commit=commit or origin.commit,
        branch=branch or origin.branch,
        dirty=dirty,
        base="",
        machine=machine,
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        version="",
        seed=0,
        loads={name: Asked() for name in sorted(scenarios)},
        metrics=tuple(gathering.metrics[name] for name in sorted(gathering.metrics)),
        samples=tuple(sorted(gathering.samples(), key=lambda sample: sample.key)),
        notes=notes,
    )


def started(source: Source, origin: Origin) -> tuple[datetime, tuple[str, ...]]:
    """When a run took place whose file does not say it, and the note that tells where that is from."""
    if origin.started:
        return moment(origin.started), ()
    return source.changed, ("its time is that of the file it was imported from",)
