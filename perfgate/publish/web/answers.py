"""What GraphQL answers with, and how it is made from what the store gave."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import strawberry

from perfgate.model import Key
from perfgate.publish.history.overviews import Aggregate, SlowStatement
from perfgate.publish.history.reading import StoredRun
from perfgate.publish.history.review import Review
from perfgate.trend.course import Course
from perfgate.trend.health import Health
from perfgate.trend.shifts import Shift


@strawberry.input
class Range:
    """A stretch of time: the last `days`, or from `since` to before `until`; all of it without any of them."""

    days: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@strawberry.type
class Place:
    """Where a metric was measured; empty where a part does not apply."""

    scenario: str
    endpoint: str
    statement: str
    table: str
    artifact: str
    process: str
    benchmark: str


@strawberry.type
class LevelShift:
    """A level that changed between two runs: `good` is the last commit surely before it, `bad` the first after."""

    at: datetime
    good: str
    bad: str
    before: float
    after: float
    change: float | None
    worse: bool


@strawberry.type
class MetricLevel:
    """A metric's present level. `change` is the relative one since the last release, `low` to `high` its interval."""

    metric: str
    place: Place
    unit: str
    better: str
    level: float
    direction: str
    change: float | None
    low: float | None
    high: float | None
    shifts: list[LevelShift]


@strawberry.type
class HealthPart:
    """A part of the score, and why it is not more."""

    name: str
    points: float
    worth: float
    because: str


@strawberry.type
class HealthScore:
    """0 to 100."""

    score: float
    parts: list[HealthPart]


@strawberry.type
class StoredRelease:
    """A tag and when it was made."""

    name: str
    commit: str
    made: datetime


@strawberry.type
class Opportunity:
    """Something that could be better: `impact` times `ease` says what to do first."""

    title: str
    impact: float
    ease: float
    because: str


@strawberry.type
class HistoryRun:
    """A run. `status` is empty where it was not judged."""

    number: int
    started: datetime
    seconds: float
    commit: str
    branch: str
    trunk: bool
    status: str
    release: str
    scenarios: list[str]


@strawberry.type
class PerformanceOverview:
    """Where the project stands."""

    runs: int
    red_runs: int
    trunk_runs: int
    trunk_red_runs: int
    last_run: datetime | None
    health: HealthScore | None
    metrics: list[MetricLevel]
    opportunities: list[Opportunity]
    releases: list[StoredRelease]


@strawberry.type
class SlowQuery:
    """What a statement costs one request, as it was measured last."""

    fingerprint: str
    text: str
    scenario: str
    endpoint: str
    blocks: float | None
    time: float | None
    calls: float | None
    mean_time: float | None
    rows: float | None


@strawberry.type
class MetricAggregate:
    """A metric over a stretch of time."""

    metric: str
    place: Place
    unit: str
    better: str
    runs: int
    mean: float
    least: float
    most: float
    last: float


def overview_of(found: Review) -> PerformanceOverview:
    """Where the project stands."""
    counted = found.overview
    return PerformanceOverview(
        runs=counted.runs,
        red_runs=counted.red,
        trunk_runs=counted.trunk_runs,
        trunk_red_runs=counted.trunk_red,
        last_run=counted.last,
        health=_health(found.health) if found.health else None,
        metrics=[_level(one) for one in found.present],
        opportunities=[
            Opportunity(**{name: getattr(one, name) for name in one.__slots__}) for one in found.opportunities
        ],
        releases=[StoredRelease(name=one.name, commit=one.commit, made=one.made) for one in found.releases],
    )


def _health(found: Health) -> HealthScore:
    parts = [HealthPart(name=one.name, points=one.points, worth=one.worth, because=one.because) for one in found.parts]
    return HealthScore(score=found.score, parts=parts)


def _level(one: Course) -> MetricLevel:
    moved = one.release
    return MetricLevel(
        **_named(one.key, one.unit, one.better),
        level=one.level,
        direction=one.direction.value,
        change=_finite(moved.change) if moved else None,
        low=_finite(moved.low) if moved else None,
        high=_finite(moved.high) if moved else None,
        shifts=[_shift(shift) for shift in one.shifts],
    )


def _shift(one: Shift) -> LevelShift:
    return LevelShift(
        at=datetime.fromtimestamp(one.ended, UTC),
        good=one.good,
        bad=one.bad,
        before=one.before,
        after=one.after,
        change=_finite(one.change),
        worse=one.worse,
    )


def aggregate_of(one: Aggregate) -> MetricAggregate:
    """A metric over a stretch of time."""
    figures = {name: getattr(one, name) for name in ("runs", "mean", "least", "most", "last")}
    return MetricAggregate(**_named(one.key, one.unit, one.better), **figures)


def _named(key: Key, unit: StrEnum, better: StrEnum) -> dict[str, Any]:
    place = Place(**{name: getattr(key.scope, name) for name in key.scope.__slots__})
    return {"metric": key.metric, "place": place, "unit": unit.value, "better": better.value}


def run_of(one: StoredRun) -> HistoryRun:
    """A run."""
    names = ("number", "started", "seconds", "commit", "branch", "trunk", "status", "release")
    return HistoryRun(**{name: getattr(one, name) for name in names}, scenarios=list(one.scenarios))


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def statement_of(one: SlowStatement) -> SlowQuery:
    """What a statement costs."""
    return SlowQuery(**{name: getattr(one, name) for name in one.__slots__})
