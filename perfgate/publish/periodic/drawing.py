"""Histories as drawings that need no script: the runs as dots, levels as lines, shifts and releases marked in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from perfgate.model import Unit
from perfgate.publish import words
from perfgate.publish.report import one_line
from perfgate.trend.course import Course
from perfgate.trend.drift import Direction
from perfgate.trend.series import Point
from perfgate.trend.shifts import Shift
from perfgate.units import show

WIDE, SMALL = (960, 130), (360, 120)
"""Width and height of a drawing that has the page's width, and of one among several."""

LEFT, RIGHT, TOP, FOOT = 60, 8, 20, 20
"""Room for figures, names and dates about the plot, in the units of the drawing."""

MOST_DOTS = 300
"""More runs than this are drawn as strokes from the least to the most of their share."""

_APART = 46
"""Names of releases closer together than this would be drawn over each other."""
_LONGEST_NAME = 14


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a level shifted: `sign` points to where it went, `worse` tells its colour, `told` says it.

    `roomy` says that there is room for a word beside it.
    """

    x: float
    y: float
    sign: str
    worse: bool
    told: str
    roomy: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A release at `x`; `anchor` says on which side of it there is room for its name."""

    x: float
    name: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A history drawn: `runs` and `levels` are paths, `begin` is where the span begins, None if left of all runs.

    `high` and `low` are figures with their height, `told` says it all in words.
    """

    width: int
    height: int
    runs: str
    levels: str
    begin: float | None
    marks: tuple[Mark, ...]
    releases: tuple[Name, ...]
    high: tuple[float, str]
    low: tuple[float, str]
    told: str

    @property
    def bottom(self) -> int:
        """Where the plot ends and the names below it begin."""
        return self.height - FOOT

    @property
    def right(self) -> int:
        """Where the plot ends."""
        return self.width - RIGHT


def chart(course: Course, since: float, size: tuple[int, int]) -> Chart | None:
    """The history of a metric; `since` is when the span begins. None where fewer than two runs measured it.

    What creeps is drawn without levels: it has none.
    """
    series, shifts = course.series, course.shifts
    points = series.points
    if len(points) < 2 or points[-1].when <= points[0].when:
        return None
    plot = _Plot.of(points, size)
    low, high = min(series.values), max(series.values)
    dates = f"{_date(points[0])} to {_date(points[-1])}"
    return Chart(
        *size,
        runs=_dots(plot, points) if len(points) <= MOST_DOTS else _strokes(plot, points),
        levels=_levels(plot, points, shifts) if course.creeping is Direction.STABLE else "",
        begin=plot.across(since) if points[0].when < since < points[-1].when else None,
        marks=_marks(plot, series.unit, shifts),
        releases=_releases(plot, points),
        high=(plot.down(high), show(high, series.unit)),
        low=(plot.down(low), "" if low == high else show(low, series.unit)),
        told=f"{len(points)} runs, {dates}, {words.span(series.values, series.unit)}",
    )


def _date(point: Point) -> str:
    return f"{datetime.fromtimestamp(point.when, UTC):%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where moments and values go: the first run at the left, the lowest value at the bottom."""

    first: float
    last: float
    low: float
    high: float
    width: int
    height: int

    @classmethod
    def of(cls, points: Sequence[Point], size: tuple[int, int]) -> _Plot:
        low, high = words.spread_out([point.value for point in points])
        return cls(points[0].when, points[-1].when, low, high, *size)

    def across(self, when: float) -> float:
        share = (when - self.first) / (self.last - self.first)
        return round(LEFT + min(max(share, 0.0), 1.0) * (self.width - LEFT - RIGHT), 1)

    def down(self, value: float) -> float:
        room = self.high - self.low
        share = (value - self.low) / room if room else 0.5
        return round(self.height - FOOT - share * (self.height - FOOT - TOP), 1)


def _dots(plot: _Plot, points: Sequence[Point]) -> str:
    """Lines without length: their round ends are the dots."""
    return "".join(f"M{plot.across(point.when):g} {plot.down(point.value):g}h0" for point in points)


def _strokes(plot: _Plot, points: Sequence[Point]) -> str:
    edges = [place * len(points) // MOST_DOTS for place in range(MOST_DOTS + 1)]
    shares = [points[begin:end] for begin, end in pairwise(edges)]
    return "".join(
        f"M{plot.across(share[len(share) // 2].when):g} {plot.down(max(values)):g}V{plot.down(min(values)):g}"
        for share in shares
        for values in [[point.value for point in share]]
    )


def _levels(plot: _Plot, points: Sequence[Point], shifts: Sequence[Shift]) -> str:
    """The median of the runs between two shifts, as a line from the one to the other."""
    ends = [*(shift.ended for shift in shifts), float("inf")]
    lines, begin = [], 0
    for end in ends:
        count = sum(point.when < end for point in points)
        part = points[begin:count]
        if len(part) > 1:
            level = plot.down(median(point.value for point in part))
            lines.append(f"M{plot.across(part[0].when):g} {level:g}H{plot.across(part[-1].when):g}")
        begin = count
    return "".join(lines)


def _marks(plot: _Plot, unit: Unit, shifts: Sequence[Shift]) -> tuple[Mark, ...]:
    places = [plot.across(shift.ended) for shift in shifts]
    near = [min((abs(x - other) for other in places if other != x), default=_WORDY) for x in places]
    return tuple(
        Mark(
            x=x,
            y=TOP - 6,
            sign="▲" if shift.after > shift.before else "▼",
            worse=shift.worse,
            told=f"{show(shift.before, unit)} to {show(shift.after, unit)} by {words.commit(shift.bad)}",
            roomy=room >= _WORDY and plot.width - x >= _WORDY / 2,
        )
        for x, room, shift in zip(places, near, shifts, strict=True)
    )


_WORDY = 64
"""How far apart marks with a word have to be."""


def _releases(plot: _Plot, points: Sequence[Point]) -> tuple[Name, ...]:
    """Each release at the first run that was about it, from the last on as long as there is room for its name."""
    first: dict[str, float] = {}
    for point in points:
        if point.release:
            first.setdefault(point.release, plot.across(point.when))
    kept: list[Name] = []
    for name, x in reversed(first.items()):
        if not kept or kept[-1].x - x >= _APART:
            anchor = "end" if plot.width - x < _APART / 2 else "middle"
            kept.append(Name(x, one_line(name, _LONGEST_NAME), anchor))
    return tuple(reversed(kept))
