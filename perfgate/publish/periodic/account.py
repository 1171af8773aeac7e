"""What a written report says of a span, as plain values: read from the store once, and written down by any format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from perfgate.model import Key
from perfgate.publish.history import reading
from perfgate.publish.history.notices import Release
from perfgate.publish.history.reading import Window
from perfgate.publish.history.review import Review, review
from perfgate.publish.history.store import Store
from perfgate.publish.periodic import gaps
from perfgate.publish.periodic.changes import Changes, changes
from perfgate.publish.periodic.gaps import Ends, Gap
from perfgate.publish.periodic.spans import Kind, Span
from perfgate.trend import drift
from perfgate.trend.course import Course
from perfgate.trend.drift import Direction, Move
from perfgate.trend.health import ODD, Health, Opportunity, health

AT_LEAST = timedelta(days=7)
"""Health is told of a week, at least: an hour has too few runs to be steady or not."""
JOBS = timedelta(hours=1)
"""How far apart the jobs may be that measure one commit."""
MOST_RUNS = 1_000_000
MOST_TIGHT = 10
TIGHT = 0.5
"""Limits of which less is used need no word."""
MOST_VITAL = 6
VITALS = ("response.p95", "response.rate", "cpu.per_request", "queries.calls", "memory.peak", "bundle.")


@dataclass(frozen=True, slots=True)
class Line:
    """One metric over the span; `move` is None where it was not measured on both sides of its begin.

    `runs` counts those of the span. `way` is where the metric went in it, STABLE where that is not sure.
    """

    course: Course
    move: Move | None
    runs: int

    @property
    def way(self) -> Direction:
        return self.move.direction(self.course.better) if self.move else Direction.STABLE


@dataclass(frozen=True, slots=True)
class Tight:
    """A limit, the share of it that was used in the last judged run, and at the span's begin where that is known."""

    course: Course
    used: float
    before: float | None


@dataclass(frozen=True, slots=True)
class Account:
    """A project over a span.

    `trunk` and `branches` say how runs ended. `changes` are level shifts with their commits; `creeping` are metrics on
    a slow way that no single change explains; `unclear` moved by more than chance without a shift that is sure.
    `former` is the health at the span's begin, None where it is not told by the same parts. `idle` are days without a
    run; `seldom` counts the metrics that are measured too seldom for the span to have a run of them, `brief` are those
    with too few runs to tell a shift. `known` says that there was ever anything measured by the span's end.
    """

    project: str
    scenario: str
    span: Span
    trunk: Ends
    branches: Ends
    idle: tuple[datetime, ...]
    changes: Changes
    creeping: tuple[Course, ...]
    unclear: tuple[Line, ...]
    tight: tuple[Tight, ...]
    opportunities: tuple[Opportunity, ...]
    health: Health | None
    former: Health | None
    gaps: tuple[Gap, ...]
    seldom: int
    brief: tuple[Key, ...]
    lines: tuple[Line, ...]
    known: bool

    @property
    def vitals(self) -> tuple[Line, ...]:
        """What whole scenarios and artifacts are known by, for a look before all others."""
        stopped = {key for gap in self.gaps for key in gap.keys}
        whole = [one for one in self.lines if not one.course.key.scope.endpoint and one.course.key not in stopped]
        named = [one for name in VITALS for one in whole if one.course.key.metric.startswith(name)]
        return tuple(named[:MOST_VITAL])


def measured(store: Store) -> dict[str, datetime]:
    """When the trunk was measured first at the commit of each release that was.

    Where several jobs measure one commit, it is the last of them, as long as no other commit came between.
    """
    with store.transaction() as cursor:
        rows = cursor.execute(
            """
            SELECT first.commit, max(run.started)
              FROM (SELECT commit, min(started) AS at
                      FROM run
                     WHERE project = %(project)s AND trunk
                           AND commit IN (SELECT commit FROM release WHERE project = %(project)s)
                     GROUP BY commit) AS first
              JOIN run ON run.project = %(project)s AND trunk AND run.commit = first.commit
             WHERE run.started <= first.at + %(jobs)s
                   AND NOT EXISTS (SELECT
                                     FROM run AS other
                                    WHERE other.project = %(project)s AND other.trunk
                                          AND other.started > first.at AND other.started < run.started
                                          AND other.commit <> first.commit)
             GROUP BY first.commit
            """,
            {"project": store.project, "jobs": JOBS},
        )
        return dict(rows.fetchall())


def account(store: Store, project: str, span: Span, scenario: str = "") -> Account:
    """What there is to say of the span. Takes as long as two reviews do."""
    since = span.since.timestamp()
    length = max(span.until - span.since, AT_LEAST)
    now = review(store, Window(min(span.since, span.until - length), span.until, scenario=scenario))
    past = review(store, Window(span.since - length, span.since, scenario=scenario))
    before = {one.key: one for one in past.courses}
    gone = _stopped(now.courses)
    lines = tuple(_line(one, since) for one in now.courses)
    present = [one for one in lines if one.course.key not in gone]
    found = changes([one.course for one in present], before, since, (span.since - length).timestamp())
    runs = reading.runs(store, Window(span.since, span.until, scenario=scenario), limit=MOST_RUNS)
    plain = [one for one in present if one.runs and one.course.key not in found.keys]
    told, former = _healths(now, past, span, present) if any(one.runs for one in present) else (None, None)
    return Account(
        project=project,
        scenario=scenario,
        span=span,
        trunk=gaps.ends(one for one in runs if one.trunk),
        branches=gaps.ends(one for one in runs if not one.trunk),
        idle=_idle(span, [one.started for one in runs if one.trunk]),
        changes=found,
        creeping=tuple(one.course for one in plain if one.course.creeping is not Direction.STABLE),
        unclear=_unclear(plain),
        tight=_tight(present, before) if told else (),
        opportunities=now.opportunities if told else (),
        health=told,
        former=former if _comparable(told, former) else None,
        gaps=gaps.gaps((one for one in now.courses if one.key in gone), _stopped(past.courses)),
        seldom=sum(not one.runs for one in present),
        brief=gaps.brief(one.course for one in present),
        lines=tuple(one for one in lines if one.runs),
        known=bool(now.courses),
    )


def _stopped(courses: Sequence[Course]) -> frozenset[Key]:
    latest = gaps.latest(courses)
    return frozenset(one.key for one in courses if gaps.stopped(one, latest))


def _line(one: Course, since: float) -> Line:
    runs = sum(point.when >= since for point in one.series.points)
    return Line(one, drift.since(one.series, since, one.changes) if runs else None, runs)


def _healths(now: Review, past: Review, span: Span, lines: Sequence[Line]) -> tuple[Health | None, Health | None]:
    """The health at the span's end and at its begin.

    Between two releases, what is worse became so since the first of them, and at the first since the one before.
    """
    if span.begin is None:
        return now.health, past.health
    former = [one for one in past.releases if one.name != span.begin.name][-1:]
    begin = {one.key: _since(one, former[0]) for one in past.present if former}
    return _rated(now, {one.course.key: one.move for one in lines}), _rated(past, begin)


def _since(one: Course, release: Release) -> Move | None:
    found = drift.since_commit(one.series, release.commit, one.changes)
    return found or drift.since(one.series, release.made.timestamp(), one.changes)


def _rated(told: Review, moves: Mapping[Key, Move | None]) -> Health | None:
    """The health of a review, by other moves than those since its last release."""
    if told.health is None:
        return None
    standings = [replace(one, release=moves.get(one.key)).standing for one in told.present if not one.young]
    return health(standings, _odd(told.health))


def _odd(told: Health) -> float:
    """The share of odd runs that a score was made of."""
    return next(ODD * (1.0 - part.points / part.worth) for part in told.parts if part.name == "steadiness")


def _comparable(one: Health | None, other: Health | None) -> bool:
    return bool(one and other and [part.name for part in one.parts] == [part.name for part in other.parts])


def _unclear(lines: Sequence[Line]) -> tuple[Line, ...]:
    moved = [one for one in lines if one.way is Direction.DEGRADING and one.course.creeping is Direction.STABLE]
    return tuple(sorted(moved, key=lambda one: (-abs(one.move.change if one.move else 0.0), one.course.key)))


def _tight(lines: Iterable[Line], before: Mapping[Key, Course]) -> tuple[Tight, ...]:
    """The limits that are used most."""
    courses = (line.course for line in lines)
    used = [
        Tight(one, one.used, before[one.key].used if one.key in before else None)
        for one in courses
        if one.used is not None and one.used >= TIGHT
    ]
    return tuple(sorted(used, key=lambda one: (-one.used, one.course.key))[:MOST_TIGHT])


def _idle(span: Span, measured: Sequence[datetime]) -> tuple[datetime, ...]:
    """The days of a week or month on which the trunk was not measured."""
    if span.kind not in (Kind.WEEKLY, Kind.MONTHLY) or not measured:
        return ()
    days = (span.since + timedelta(days=number) for number in range((span.until - span.since).days))
    seen = {one.date() for one in measured}
    return tuple(day for day in days if day.date() not in seen)
