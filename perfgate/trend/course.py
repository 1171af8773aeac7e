"""How one metric has gone: all that its history says of it, found once and kept together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from perfgate.model import Better, Key, Unit
from perfgate.trend import drift
from perfgate.trend.anomalies import Anomaly, anomalies
from perfgate.trend.changepoints import LASTING, ChangePoint, change_points
from perfgate.trend.drift import Creep, Direction, Move
from perfgate.trend.health import Standing
from perfgate.trend.series import Series
from perfgate.trend.shifts import Shift, news, shift
from perfgate.trend.sparkline import sparkline

GONE = 3
"""A metric that as many runs of its scenario in a row did not give is not measured any more."""
FEWEST = 2 * LASTING
"""Runs before a level can be told to have shifted, or to be the same."""
DRAWN = 24
"""Bars of a sparkline."""
CALM = 0.1
"""Of the median: how far the ends of a drawing lie apart at least."""


@dataclass(frozen=True, slots=True)
class Course:
    """A series of at least one point, and what it says. Indices in `changes` and `anomalies` are of its points.

    `level` is the present one. `shifts` are what `changes` mean for commits, one each and in the same order; `fresh`
    are those of them that were not told before. `release` is the move since the last release, None where nothing was
    measured before it or after; `periods` maps days to the moves over them, as far as the history reaches. `missed`
    counts the last runs of its scenario that did not give it; `used` is the share of its limit, None without one.
    """

    series: Series
    level: float
    changes: tuple[ChangePoint, ...] = ()
    shifts: tuple[Shift, ...] = ()
    fresh: tuple[Shift, ...] = ()
    release: Move | None = None
    periods: Mapping[int, Move] = field(default_factory=dict)
    creep: Creep | None = None
    anomalies: tuple[Anomaly, ...] = ()
    missed: int = 0
    used: float | None = None

    @property
    def key(self) -> Key:
        return self.series.key

    @property
    def unit(self) -> Unit:
        return self.series.unit

    @property
    def better(self) -> Better:
        return self.series.better

    @property
    def gone(self) -> bool:
        """Whether it is not measured any more: what it says is of the past, and no pass."""
        return self.missed >= GONE

    @property
    def move(self) -> Move | None:
        """The move that the direction goes by: since the last release, else over the longest period there is."""
        return self.release or (self.periods[max(self.periods)] if self.periods else None)

    @property
    def direction(self) -> Direction:
        """Where it goes since the last release (see `move`), or by slow drift where that says STABLE.

        UNKNOWN where nothing shows, and FEWEST runs are not there to tell that from a change.
        """
        moved = self.move.direction(self.better) if self.move else Direction.STABLE
        moved = moved if moved is not Direction.STABLE else self.creeping
        few = len(self.series.points) < FEWEST
        return Direction.UNKNOWN if few and moved is Direction.STABLE else moved

    @property
    def young(self) -> bool:
        """Whether it has too few runs to say where it goes."""
        return self.direction is Direction.UNKNOWN

    @property
    def creeping(self) -> Direction:
        """Where many changes take it of which each is too small to be seen."""
        return self.creep.direction(self.better) if self.creep else Direction.STABLE

    def stands(self, one: Shift) -> bool:
        """Whether at least half of what a shift changed is still there."""
        return (self.level - one.before) / (one.after - one.before) >= 0.5

    def drawn(self, bars: int = DRAWN) -> tuple[float, ...]:
        """The values, or where they are more than `bars`, the medians of so many equal parts of them."""
        values = self.series.values
        count = min(len(values), bars)
        edges = [place * len(values) // count for place in range(count + 1)]
        return tuple(median(values[a:b]) for a, b in pairwise(edges))

    @property
    def spark(self) -> str:
        """The course in DRAWN bars at most."""
        return sparkline(self.drawn(), least=CALM)

    @property
    def standing(self) -> Standing:
        """What it contributes to the health of its project: of every change, the part that is sure."""
        moved, crept = self.move, self.creep
        return Standing(
            worsened=_sure(moved.low, moved.high) if moved and _degrades(moved.direction(self.better)) else 0.0,
            crept=_sure(crept.low, crept.high) if crept and _degrades(self.creeping) else 0.0,
            used=self.used,
        )


def course(
    series: Series,
    *,
    exact: bool = False,
    release: tuple[str, float] | None = None,
    told: Sequence[Shift] = (),
    missed: int = 0,
    used: float | None = None,
) -> Course:
    """What a series of one point or more says; `release` is the commit of the last one and when it was made.

    A release whose commit was not measured stands for the runs up to the moment that it was made (epoch seconds).
    """
    changes = change_points(series.values, exact=exact)
    return Course(
        series=series,
        level=drift.level(series, changes),
        changes=changes,
        shifts=tuple(shift(series, change) for change in changes),
        fresh=news(series, changes, told),
        release=_since_release(series, release, changes),
        periods={days: move for days in drift.PERIODS if (move := drift.over(series, days, changes))},
        creep=drift.creep(series, changes),
        anomalies=anomalies(series.values, changes),
        missed=missed,
        used=used,
    )


def _since_release(series: Series, release: tuple[str, float] | None, changes: Sequence[ChangePoint]) -> Move | None:
    if release is None:
        return None
    commit, made = release
    return drift.since_commit(series, commit, changes) or drift.since(series, made, changes)


def _degrades(direction: Direction) -> bool:
    return direction is Direction.DEGRADING


def _sure(low: float, high: float) -> float:
    """Of a change, what it is at least; all of one from zero."""
    return min(abs(low), abs(high)) if math.isfinite(low) and math.isfinite(high) else 1.0
