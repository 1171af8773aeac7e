"""The review of a project's history: how every metric has gone, what moved together, how healthy it all is.

What pages, reports and the terminal show of trends comes from here. Nothing is cached: a hundred series of a thousand
points take a few seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import chain, pairwise
from typing import Any

from perfgate.errors import ExitCode
from perfgate.model import Better, Key, Noise, Scope
from perfgate.publish.history import notices, overviews, reading
from perfgate.publish.history.alerting import told
from perfgate.publish.history.notices import Release
from perfgate.publish.history.overviews import Overview
from perfgate.publish.history.reading import StoredRun, StoredSeries, WholeRun, Window
from perfgate.publish.history.remedies import candidates
from perfgate.publish.history.store import Store
from perfgate.trend.changepoints import ChangePoint
from perfgate.trend.course import Course, course
from perfgate.trend.health import Health, Opportunity, health, opportunities
from perfgate.trend.labels import Effect, effect
from perfgate.trend.series import Point, Series
from perfgate.trend.shifts import Shift
from perfgate.trend.together import Pair, together

LOOKBACK = timedelta(days=180)
"""How long before its end a history is looked at, at least: levels and their noise are known by what came before."""
BEFORE_RELEASE = timedelta(days=30)
MOST_RUNS = 5_000
"""Of all branches together."""
MOST_POINTS = 2_000
"""Of a series: the last of them tell where it goes, however long the window is."""
COMPARED_POINTS = 250
"""Of two series that may move together."""
FEWEST_MOVES = 20
MOST_LABELS = 20
"""Names of labels whose effects are looked for, those of the last runs first."""
ODD_SHARE = 0.2
"""A run in which so large a part of the metrics is away from its neighbours is an odd one."""


@dataclass(frozen=True, slots=True)
class Influence:
    """What a label did to one metric."""

    key: Key
    effect: Effect


@dataclass(frozen=True, slots=True)
class Review:
    """A project over a window. `courses` are in the order of their names, and may begin before the window does.

    `release` is the last one made by the end of the window, None without any; `runs` are the newest of the window,
    newest first, `overview` counts all of them. `pairs` move together; `influences` are the effects of labels.
    `health` is None where nothing was measured.
    """

    window: Window
    courses: tuple[Course, ...]
    release: Release | None
    releases: tuple[Release, ...]
    runs: tuple[StoredRun, ...]
    overview: Overview
    pairs: tuple[Pair, ...]
    influences: tuple[Influence, ...]
    health: Health | None
    opportunities: tuple[Opportunity, ...]

    @property
    def measured(self) -> int:
        """How many runs of what is reviewed the window has."""
        return len(self.runs) if self.window.branch else self.overview.trunk_runs

    @property
    def red(self) -> int:
        """How many of them failed."""
        failed = sum(run.exit_code == ExitCode.FAILED for run in self.runs)
        return failed if self.window.branch else self.overview.trunk_red

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """The level shifts within the window, the newest first."""
        return self._within(chain.from_iterable(one.shifts for one in self.courses))

    @property
    def fresh(self) -> tuple[Shift, ...]:
        """Those of the shifts within the window that nobody was told of, the newest first."""
        return self._within(chain.from_iterable(one.fresh for one in self.courses))

    @property
    def present(self) -> tuple[Course, ...]:
        """The courses of what is still measured."""
        return tuple(one for one in self.courses if not one.gone)

    @property
    def gone(self) -> tuple[Course, ...]:
        """The courses of what is not measured any more."""
        return tuple(one for one in self.courses if one.gone)

    def _within(self, shifts: Iterable[Shift]) -> tuple[Shift, ...]:
        begin = self.window.since.timestamp()
        found = (one for one in shifts if one.ended >= begin)
        return tuple(sorted(found, key=lambda one: (-one.ended, one.key)))


def review(
    store: Store, window: Window, *, metrics: Sequence[str] = (), labels: Sequence[str] = (), statements: bool = False
) -> Review:
    """Look a project's history over: its trunk, or the window's branch.

    `metrics` are globs, of which a metric's name or its key (`response.p95[GET /products]`) has to match one; with none
    it is all of them. `labels` names those whose effects are looked for; with none it is all of them. Series of single
    statements and tables are left out unless `statements` asks for them.
    """
    releases = tuple(one for one in notices.releases(store) if one.made <= window.until)
    release = releases[-1] if releases else None
    stored = [one for one in reading.series(store, scenario=window.scenario) if _wanted(one.key, metrics, statements)]
    seen = overviews.overview(store, window)
    runs = tuple(one for one in reading.runs(store, window, limit=MOST_RUNS) if one.trunk or window.branch)
    stored = stored if (runs if window.branch else seen.trunk_runs) else []
    read = _read(store, stored, window, release)
    last = next((reading.run(store, one.number) for one in runs if one.status), None)
    courses = _courses(store, [one for one in zip(stored, read, strict=True) if one[1].points], release, last)
    present = [one for one in courses if not one.gone]
    return Review(
        window=window,
        courses=courses,
        release=release,
        releases=releases,
        runs=runs,
        overview=seen,
        pairs=_pairs(present),
        influences=_influences(store, present, labels),
        health=health(
            [one.standing for one in present if not one.young], _odd(present, runs), released=release is not None
        ),
        opportunities=opportunities(candidates(present, window, _advised(store, runs))),
    )


def _wanted(key: Key, metrics: Sequence[str], statements: bool) -> bool:
    if (key.scope.statement or key.scope.table) and not statements:
        return False
    return not metrics or matches(key, metrics)


def matches(key: Key, globs: Iterable[str]) -> bool:
    """Whether one of the globs means this key: by its metric, or whole, where brackets stand for themselves."""
    literal = [glob.replace("[", "[[]") for glob in globs]
    return any(fnmatchcase(name, glob) for name in (key.metric, str(key)) for glob in literal)


def _read(store: Store, stored: Sequence[StoredSeries], window: Window, release: Release | None) -> list[Series]:
    """The last points of each series within the window, or within LOOKBACK, or from before the release on."""
    begin = min(window.since, window.until - LOOKBACK)
    if release is not None:
        begin = min(begin, release.made - BEFORE_RELEASE)
    read = reading.points(store, stored, replace(window, since=begin))
    return [replace(one, points=one.points[-MOST_POINTS:]) for one in read]


def _courses(
    store: Store, found: Sequence[tuple[StoredSeries, Series]], release: Release | None, last: WholeRun | None
) -> tuple[Course, ...]:
    known, used, missed = told(store), _used(last), _Missed(series for _, series in found)
    made = (release.commit, release.made.timestamp()) if release else None
    return tuple(
        course(
            series,
            exact=stored.noise is Noise.EXACT,
            release=made,
            told=known,
            missed=missed.of(series),
            used=used.get((series.key, series.better)),
        )
        for stored, series in found
    )


class _Missed:
    """How many of the last runs of its scenario did not give a series."""

    def __init__(self, found: Iterable[Series]) -> None:
        runs: dict[str, set[tuple[float, int]]] = {}
        for series in found:
            runs.setdefault(series.key.scope.scenario, set()).update(map(_moment, series.points))
        self._runs = {scenario: sorted(moments) for scenario, moments in runs.items()}

    def of(self, series: Series) -> int:
        moments = self._runs[series.key.scope.scenario]
        return len(moments) - bisect_right(moments, _moment(series.points[-1]))


def _moment(point: Point) -> tuple[float, int]:
    return point.when, point.run


def _used(last: WholeRun | None) -> Mapping[tuple[Key, Better], float]:
    """The share of its limit that each metric took in the last judged run; a floor counts as limit / value."""
    used: dict[tuple[Key, Better], float] = {}
    for found in last.findings if last else ():
        seen, limit = found.get("observed"), found.get("reference")
        if found.get("kind") == "limit" and seen is not None and limit is not None:
            key = Key(found["metric"], Scope(**found["scope"]))
            for better, share in ((Better.LOWER, _share(seen, limit)), (Better.HIGHER, _share(limit, seen))):
                used[key, better] = max(share, used.get((key, better), 0.0))
    return used


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else float("inf") if part > 0.0 else 0.0


def _pairs(courses: Sequence[Course]) -> tuple[Pair, ...]:
    """What moves together, and is not two views of one thing."""
    recent = [found for one in courses if _moves(found := _recent(one))]
    changes = {series.key: found for series, found in recent}
    pairs = together([series for series, _ in recent], changes)
    return tuple(pair for pair in pairs if not _related(pair.one, pair.other))


def _moves(recent: tuple[Series, tuple[ChangePoint, ...]]) -> bool:
    """Whether it moves often enough to move with something else: counts that step twice a year agree by chance."""
    return sum(before != after for before, after in pairwise(recent[0].values)) >= FEWEST_MOVES


def _recent(one: Course) -> tuple[Series, tuple[ChangePoint, ...]]:
    """The last points of a course, and its level shifts among them."""
    cut = max(len(one.series.points) - COMPARED_POINTS, 0)
    changes = (
        replace(found, index=found.index - cut, first=found.first - cut, last=found.last - cut)
        for found in one.changes
        if found.first > cut
    )
    return replace(one.series, points=one.series.points[cut:]), tuple(changes)


def _related(one: Key, other: Key) -> bool:
    """Whether one is a part of the other, or both tell the same thing of one place, as two percentiles do."""
    places = zip(_places(one.scope), _places(other.scope), strict=True)
    return _family(one) == _family(other) and all(a == b or not (a and b) for a, b in places)


def _family(key: Key) -> str:
    return key.metric.partition(".")[0]


def _places(scope: Scope) -> tuple[str, ...]:
    return scope.scenario, scope.endpoint, scope.statement, scope.table, scope.artifact, scope.process, scope.benchmark


def _influences(store: Store, courses: Sequence[Course], wanted: Sequence[str]) -> tuple[Influence, ...]:
    """What labels did, the largest effects first; those that may be chance are left out."""
    labels = reading.labels(store, {point.run for one in courses for point in one.series.points})
    names = list(dict.fromkeys(name for run in sorted(labels, reverse=True) for name in sorted(labels[run])))
    found = [
        Influence(one.key, seen)
        for one in courses
        for name in [name for name in names if not wanted or name in wanted][:MOST_LABELS]
        for seen in effect(
            one.series.values, [labels.get(point.run, {}) for point in one.series.points], name, one.changes
        )
        if seen.low > 0.0 or seen.high < 0.0
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.effect.change), one.effect.name, one.key)))


def _odd(courses: Sequence[Course], runs: Sequence[StoredRun]) -> float:
    """The share of the runs that failed, could not be measured, or were away from their neighbours in many metrics."""
    measured, away = Counter[int](), Counter[int]()
    for one in courses:
        measured.update(point.run for point in one.series.points)
        away.update(one.series.points[found.index].run for found in one.anomalies)
    odd = [run for run in runs if run.exit_code or away[run.number] > ODD_SHARE * measured[run.number]]
    return len(odd) / len(runs) if runs else 0.0


def _advised(store: Store, runs: Sequence[StoredRun]) -> tuple[Mapping[str, Any], ...]:
    """The advice of the last of the runs that has any: only a closer look at something red gives it."""
    with store.transaction() as cursor:
        row = cursor.execute(
            """
            SELECT details -> 'advice'
              FROM run
             WHERE project = %s AND id = ANY (%s) AND json_array_length(details -> 'advice') > 0
             ORDER BY started DESC
             LIMIT 1
            """,
            [store.project, [one.number for one in runs]],
        ).fetchone()
    return tuple(row[0]) if row else ()
