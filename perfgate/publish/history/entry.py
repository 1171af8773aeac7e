"""A run on its way into the store: what tells it from every other run, and the rows that it becomes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from statistics import median
from typing import Any

from perfgate import runfile
from perfgate.errors import BadRequest
from perfgate.model import Key, Metric, Run, Sample, Scope, Side
from perfgate.publish.history.runfiles import identity
from perfgate.result import Result
from perfgate.stats import mean

PLACES = tuple(field.name for field in fields(Scope))
"""What a scope consists of, and the columns that hold it."""

_places = attrgetter(*PLACES)


@dataclass(frozen=True)
class Entry:
    """A result to be stored. `trunk` says that it is of the project's own line, and not of a branch or unfinished work.

    `accepted` runs are kept for ever. `labels` are feature flags, versions of dependencies and the like.
    """

    result: Result
    trunk: bool = False
    accepted: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        return self.result.run

    @cached_property
    def started(self) -> datetime:
        """Raises BadRequest for what is no time."""
        try:
            moment = datetime.fromisoformat(self.run.started)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise BadRequest(f"a run started {self.run.started!r}, which is no time", hint="measure again") from error

    @cached_property
    def document(self) -> dict[str, Any]:
        """The result as its file has it."""
        document: dict[str, Any] = json.loads(runfile.dump_result(self.result))
        return document

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of what was measured: equal for the same run, however often it is stored."""
        return bytes.fromhex(identity(self.document))

    def details(self) -> str:
        """What no row of its own holds, as JSON: machine, loads, flaws, notes, advice and causes."""
        run = {k: v for k, v in self.document["run"].items() if k not in ("metrics", "rounds", "statements")}
        return stored_json({"run": run, "advice": self.document["advice"], "causes": self.document["causes"]})

    def measurements(self) -> Iterator[Measurement]:
        """Every sample that has a value."""
        metrics = {metric.name: metric for metric in self.run.metrics}
        for sample in self.run.samples:
            values = [value for value in sample.present if math.isfinite(value)]
            if values:
                yield Measurement(sample, metrics[sample.metric], values)


@dataclass(frozen=True)
class Measurement:
    """One sample, its metric, and the values that it has."""

    sample: Sample
    metric: Metric
    values: list[float]

    @property
    def key(self) -> Key:
        return self.sample.key

    @property
    def is_base(self) -> bool:
        return self.sample.side is Side.BASE

    def digest(self) -> bytes:
        """What tells its series from others: metric, unit and scope."""
        return hashlib.sha256(
            json.dumps([self.metric.name, self.metric.unit, *_places(self.sample.scope)]).encode()
        ).digest()

    def figures(self) -> tuple[int, float, float, float, float, list[float] | None]:
        """Number of rounds, median, mean, least and most; and every value where there are several."""
        values = self.values
        several = values if len(values) > 1 else None
        return len(values), median(values), mean(values), min(values), max(values), several


def plain(text: str) -> str:
    """The text as Postgres can hold it: without NUL, and without halves of characters."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def stored_json(value: object) -> str:
    """The value as JSON whose every part Postgres can take out again: it takes NUL in, and fails whoever reads it."""
    return json.dumps(_plain(value))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
