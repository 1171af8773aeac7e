"""The points of many series at once, as charts take them: runs that are told once, and values beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import LiteralString

from perfgate.publish.history.overviews import fitting
from perfgate.publish.history.reading import Tier, Window
from perfgate.publish.history.store import Store

MOST_POINTS = 120_000
"""On one page. Where every run's are more, hours or days are shown in their place."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where on the time axis points are: a run, or (`run` 0) an hour or a day; `when` in epoch seconds."""

    when: float
    run: int = 0
    commit: str = ""
    release: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """The moments in order of time, and for each series' number the places among them and the values there."""

    tier: Tier
    moments: tuple[Moment, ...]
    values: Mapping[int, tuple[Sequence[int], Sequence[float]]]

    @property
    def points(self) -> int:
        return sum(len(places) for places, _ in self.values.values())


_RUNS: LiteralString = """
SELECT id, extract(epoch FROM started)::float8, commit,
       coalesce((SELECT min(name) FROM release WHERE release.project = run.project AND release.commit = run.commit), '')
  FROM run
 WHERE project = %(project)s AND started >= %(since)s AND started < %(until)s
       AND CASE WHEN %(branch)s = '' THEN trunk ELSE branch = %(branch)s END
 ORDER BY started, id
"""

# Of a run's number, the page knows the rest. For the trunk this is one walk along an index for each series.
_OF_TRUNK: LiteralString = """
SELECT series, run, level
  FROM sample
 WHERE project = %(project)s AND series = ANY (%(series)s) AND trunk AND NOT base
       AND started >= %(since)s AND started < %(until)s
"""
_OF_BRANCH: LiteralString = """
SELECT series, run, level
  FROM sample
 WHERE project = %(project)s AND series = ANY (%(series)s) AND NOT base AND run = ANY (%(runs)s)
       AND started >= %(since)s AND started < %(until)s
"""
_ROLLED: Mapping[Tier, LiteralString] = {
    Tier.HOURLY: """
        SELECT series, extract(epoch FROM bucket)::float8, level
          FROM hourly
         WHERE project = %(project)s AND series = ANY (%(series)s) AND bucket >= %(since)s AND bucket < %(until)s
        """,
    Tier.DAILY: """
        SELECT series, extract(epoch FROM bucket)::float8, level
          FROM daily
         WHERE project = %(project)s AND series = ANY (%(series)s) AND bucket >= %(since)s AND bucket < %(until)s
        """,
}


def newest(store: Store) -> int:
    """The number of the run that was stored last, 0 without any."""
    with store.transaction() as cursor:
        row = cursor.execute("SELECT max(id) FROM run WHERE project = %s", [store.project]).fetchone()
    return (row and row[0]) or 0


def lines(store: Store, series: Sequence[int], window: Window, *, most: int = MOST_POINTS) -> Lines:
    """The points of series within the window, as finely as `most` of them allow; a branch's are its runs' always."""
    moments = _runs(store, window)
    tier = Tier.RAW if window.branch else _tier(moments, window, most // max(len(series), 1))
    asked = {**window.parameters(store), "series": list(series), "runs": [moment.run for moment in moments]}
    raw = _OF_BRANCH if window.branch else _OF_TRUNK
    with store.transaction() as cursor:
        rows = cursor.execute(_ROLLED.get(tier, raw), asked, binary=True).fetchall()
    if tier is not Tier.RAW:
        moments = tuple(map(Moment, sorted({when for _, when, _ in rows})))
    return _placed(tier, moments, rows)


def _tier(moments: Sequence[Moment], window: Window, most: int) -> Tier:
    """By how many runs there are a day, over the time that they were in."""
    if len(moments) <= most:
        return Tier.RAW
    began = max(window.since, datetime.fromtimestamp(moments[0].when, UTC))
    days = max((window.until - began).total_seconds() / 86_400, 1.0)
    return fitting(replace(window, since=began), most, len(moments) / days)


def _runs(store: Store, window: Window) -> tuple[Moment, ...]:
    with store.transaction() as cursor:
        rows = cursor.execute(_RUNS, window.parameters(store), binary=True).fetchall()
    return tuple(Moment(when, number, commit, release) for number, when, commit, release in rows)


def _placed(tier: Tier, moments: tuple[Moment, ...], rows: Sequence[tuple[int, float, float]]) -> Lines:
    places = {(moment.run or moment.when): place for place, moment in enumerate(moments)}
    found: dict[int, list[tuple[int, float]]] = {}
    for number, at, level in rows:
        place = places.get(at)
        if place is not None:  # else its run came in between
            found.setdefault(number, []).append((place, level))
    for pairs in found.values():
        pairs.sort()
    values = {number: tuple(zip(*pairs, strict=True)) for number, pairs in found.items()}
    return Lines(tier, moments, {number: (pair[0], pair[1]) for number, pair in values.items()})
