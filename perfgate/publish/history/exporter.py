"""What an exporter is, and the rows that a history is written as."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import BinaryIO, ClassVar, NamedTuple, Protocol

from perfgate.model import Metric, Run, Sample, Scope

PLACES = tuple(field.name for field in fields(Scope))


class Exporter(Protocol):
    """A format for other tools: one file in `perfgate/publish/history/exporters/` with an `EXPORTER`.

    `name` is what it is asked for by, `suffix` what its files end with.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]

    def write(self, runs: Iterable[Run], out: BinaryIO) -> None:
        """Write all runs. Raises BadRequest where the format cannot hold them, or a package is lacking."""
        ...


class Row(NamedTuple):
    """One value with all that is known of it: `round` counts from 1, `value` is None for a round that gave none."""

    commit: str
    branch: str
    dirty: bool
    started: str
    machine: str
    side: str
    metric: str
    unit: str
    better: str
    scenario: str
    endpoint: str
    statement: str
    table: str
    artifact: str
    process: str
    benchmark: str
    round: int
    value: float | None


def rows(runs: Iterable[Run]) -> Iterator[Row]:
    """A row for each value of the runs, in their order."""
    for run in runs:
        described = {metric.name: metric for metric in run.metrics}
        for sample in run.samples:
            yield from _rows(run, sample, described[sample.metric])


def _rows(run: Run, sample: Sample, metric: Metric) -> Iterator[Row]:
    about = (run.commit, run.branch, run.dirty, run.started, run.machine.kind, str(sample.side))
    what = (metric.name, str(metric.unit), str(metric.better))
    where = tuple(getattr(sample.scope, place) for place in PLACES)
    for index, value in enumerate(sample.values, start=1):
        yield Row._make((*about, *what, *where, index, value))
