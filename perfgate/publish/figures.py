"""The key figures of a scenario: what it did, and how close each of its metrics came to its line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perfgate.model import Key, Level, Run, Sample, Scope, Side, Status
from perfgate.publish.report import one_line
from perfgate.publish.rows import WITHOUT_SCENARIO, Row, Scribe, Unruled

VITALS = (
    "response.rate",
    "response.p50",
    "response.p95",
    "cpu.per_request",
    "cpu.database_per_request",
    "queries.calls",
    "memory.peak",
)
"""What is told of a whole scenario, as far as it was measured, whether a rule is about it or not."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The check of one metric that came closest to its line, for all of them.

    `share` is how much of the limit was used, from 0 to 1, None where the line is no limit; `told` says it in words.
    `among` says of how many checks it is the closest; "" of one.
    """

    row: Row
    share: float | None
    told: str
    among: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One scenario: metrics with their values and the base's, then figures, the closest to its limit first."""

    scenario: str
    vitals: tuple[tuple[str, str, str], ...]
    figures: tuple[Figure, ...]


def panels(run: Run, scribe: Scribe, rows: Iterable[Row]) -> tuple[Panel, ...]:
    """A panel for each scenario with something in it that needs no attention; what belongs to none comes last."""
    rows = tuple(rows)
    plain = [row for row in rows if row.observed and not row.finding.adjusted]
    told = {row.finding.key: (row.observed, row.before) for row in plain}
    samples = {sample.key: sample for sample in run.samples if sample.side is Side.HEAD}
    vitals = {key: (seen.value, seen.base_value) for key, seen in _unjudged(samples, scribe).items()} | told
    found = []
    for name, own in _by_scenario(rows).items():
        keys = (Key(metric, Scope(scenario=name)) for metric in VITALS)
        values = tuple((one_line(key.metric), *vitals[key]) for key in keys if key in vitals)
        found.append(Panel(one_line(name) or WITHOUT_SCENARIO, values, _figures(own)))
    return tuple(sorted(found, key=lambda panel: not panel.vitals))


def _unjudged(samples: Mapping[Key, Sample], scribe: Scribe) -> dict[Key, Unruled]:
    """What whole scenarios measured of the metrics that are always told."""
    wanted = (s for key, s in samples.items() if key.metric in VITALS and not key.scope.details() and s.present)
    return {sample.key: scribe.unruled(sample) for sample in wanted if sample.metric in scribe.metrics}


def _by_scenario(rows: Iterable[Row]) -> dict[str, list[Row]]:
    scenarios: dict[str, list[Row]] = {}
    for row in rows:
        if row.level is Level.INFO and row.observed and row.reference:
            scenarios.setdefault(row.finding.scope.scenario, []).append(row)
    return scenarios


def _figures(rows: Iterable[Row]) -> tuple[Figure, ...]:
    together: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        together.setdefault((row.finding.metric, row.against), []).append(row)
    figures = [_limited(group) if group[0].limit else _compared(group) for group in together.values()]
    return tuple(sorted(figures, key=lambda figure: -1.0 if figure.share is None else figure.share, reverse=True))


def _limited(rows: Sequence[Row]) -> Figure:
    closest = max(rows, key=_share)
    share = _share(closest)
    among = f"closest of {len(rows)} checks" if len(rows) > 1 else ""
    return Figure(closest, min(share, 1.0), _told(share, closest.against), among)


def _share(row: Row) -> float:
    """The part of its limit that a value takes; of a floor, the part that the floor is of the value."""
    seen, line = row.finding.observed, row.finding.reference
    assert seen is not None
    assert line is not None
    part, whole = (line, seen) if row.against == "floor" else (seen, line)
    if not whole:
        return 1.0 if part == whole else 0.0
    share = part / whole
    return max(share, 0.0) if math.isfinite(share) else 0.0


def _told(share: float, against: str) -> str:
    """In whole percents, and rounded away from the line, so that nothing but a limit that is met is 100 %."""
    percents = math.floor(min(share, 1.0) * 100)
    shown = "under 1 %" if 0 < share < 0.01 else f"{percents} %"
    return f"the floor is {shown} of it" if against == "floor" else f"{shown} of the limit"


def _compared(rows: Sequence[Row]) -> Figure:
    """The check that moved most."""
    moved = max(rows, key=lambda row: abs(row.finding.change or 0.0))
    same = sum(row.finding.observed == row.finding.reference for row in rows)
    better = sum(row.status is Status.IMPROVED for row in rows)
    if same == len(rows):
        return Figure(moved, None, "unchanged", f"like all {same} checks" if same > 1 else "")
    counts = ", ".join([f"{same} unchanged"] * bool(same) + [f"{better} improved"] * bool(better))
    among = f"moved most of {len(rows)} checks: {counts}".removesuffix(": ") if len(rows) > 1 else ""
    return Figure(moved, None, moved.moved or "improved", among)
