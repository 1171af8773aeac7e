"""Where a metric stands now, how far it moved since a release or some days ago, and whether it creeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from perfgate.model import Better
from perfgate.stats import percentile, ratio_bounds, t_quantile, t_tail
from perfgate.trend import noise as noises
from perfgate.trend.changepoints import ChangePoint, relative
from perfgate.trend.series import Point, Series
from perfgate.trend.shifts import worse

RUNS = 7
"""The median of this many runs is a level."""
DAY = 86_400.0
PERIODS = (7, 30, 90)
"""Days."""
TOLERANCE = 0.02
"""A change of less than this share is none worth a word."""
_DOUBT = 0.025
"""How likely the change may be outside its interval on either side."""
_NORMAL_DF = 1e6
_CREEPING = 1e-3
"""The two-sided p value below which a trend is one."""
_BLOCKS = 120
"""A long history is summed up in this many medians before its trend is sought."""
_FEWEST = 10
_LATELY = 200
"""Runs that tell how runs depend on each other."""


class Direction(StrEnum):
    """Where a metric goes, as its users see it."""

    IMPROVING = "improving"
    STABLE = "stable"
    DEGRADING = "degrading"
    UNKNOWN = "too early to tell"


@dataclass(frozen=True, slots=True)
class Move:
    """From the level `reference` to the level `now`: `change` is relative and lies between `low` and `high` (95 %).

    Without an interval (fewer than two runs on a side, or levels of zero or less) `low` and `high` are infinite.
    """

    reference: float
    now: float
    change: float
    low: float
    high: float

    def direction(self, better: Better, tolerance: float = TOLERANCE) -> Direction:
        """STABLE unless the change is sure to be one, and larger than `tolerance`."""
        sure = self.low > 0.0 or self.high < 0.0 or self.low == self.high == self.change
        if not sure or abs(self.change) <= tolerance:
            return Direction.STABLE
        return Direction.DEGRADING if worse(self.change, better) else Direction.IMPROVING


def level(series: Series, changes: Sequence[ChangePoint] = ()) -> float:
    """The median of the last runs, of those only since the last of the level shifts `changes`."""
    return median(point.value for point in _at(series, len(series.points), changes))


def since(series: Series, moment: float, changes: Sequence[ChangePoint] = ()) -> Move | None:
    """How the last runs compare with the last ones up to `moment` (epoch seconds); None where there are none of either.

    Either are runs of one level only, if the shifts in between are given.
    """
    past = sum(point.when <= moment for point in series.points)
    base = _at(series, past, changes)
    head = [point for point in _at(series, len(series.points), changes) if point.when > moment]
    return _move(series, base, head) if base and head else None


def since_commit(series: Series, commit: str, changes: Sequence[ChangePoint] = ()) -> Move | None:
    """How the last runs compare with those of `commit`, such as a release, and as many before it as make a level."""
    at = [point.when for point in series.points if point.commit == commit]
    return since(series, max(at), changes) if at else None


def over(series: Series, days: float, changes: Sequence[ChangePoint] = ()) -> Move | None:
    """How the last runs compare with the level `days` before the last one; None where the history is shorter."""
    return since(series, series.points[-1].when - days * DAY, changes) if series.points else None


def _at(series: Series, end: int, changes: Sequence[ChangePoint]) -> Sequence[Point]:
    """The last runs before the one at `end` that share its level."""
    begin = max((change.index for change in changes if change.index < end), default=0)
    return series.points[max(begin, end - RUNS) : end]


def _move(series: Series, base: Sequence[Point], head: Sequence[Point]) -> Move:
    olds, news = [point.value for point in base], [point.value for point in head]
    reference, now = median(olds), median(news)
    if min(len(olds), len(news)) < 2 or min(*olds, *news) <= 0.0:
        # levels that do not vary at all are what they are, zero included
        change, sure = relative(reference, now), len({*olds}) == len({*news}) == 1
        sure = sure and (min(len(olds), len(news)) > 1 or reference == now)
        return Move(reference, now, change, change if sure else -math.inf, change if sure else math.inf)
    drift = _shared_noise(series.values, min(len(olds), len(news)))
    bounds = ratio_bounds(_calm(news), _calm(olds), drift, _DOUBT, _DOUBT)
    return Move(reference, now, bounds.centre, bounds.low, bounds.high)


def _shared_noise(values: Sequence[float], runs: int) -> float:
    """The standard deviation that means of so many runs share with the runs about them, on the scale of logarithms.

    Runs that depend on each other differ little among themselves, and more of them do not average out what they share.
    """
    inner = noises.scaled(values[-_LATELY:])
    between = noises.spread(inner)
    correlation = noises.dependence(inner, between, cautious=False)
    whole = between * between / (1.0 - correlation)
    return math.sqrt(whole * (noises.inflation(correlation) - 1.0) / runs)


def _calm(values: Sequence[float]) -> list[float]:
    """The values with those beyond the second lowest and highest drawn in to these, where there are seven or more."""
    if len(values) < RUNS:
        return list(values)
    ordered = sorted(values)
    return [min(max(value, ordered[1]), ordered[-2]) for value in values]


@dataclass(frozen=True, slots=True)
class Creep:
    """A trend of many small changes: `change` (relative, between `low` and `high`) over `days`, `p` that it is none.

    Level shifts are not part of it: they have a commit range of their own.
    """

    change: float
    low: float
    high: float
    days: float
    p: float

    def direction(self, better: Better, tolerance: float = TOLERANCE) -> Direction:
        """STABLE unless the trend is beyond chance, and larger than `tolerance` over the whole time."""
        if self.p >= _CREEPING or abs(self.change) <= tolerance:
            return Direction.STABLE
        return Direction.DEGRADING if worse(self.change, better) else Direction.IMPROVING


def creep(series: Series, changes: Sequence[ChangePoint]) -> Creep | None:
    """The slow trend of a series whose level shifts are `changes`; None for fewer than ten runs, or in no time.

    Theil and Sen's slope with Sen's interval (JASA 63, 1968), and Mann and Kendall's test. Only runs between the same
    two shifts are compared with each other, as the seasonal test does with seasons (Hirsch and Slack, Water Resources
    Research 20, 1984), and the variance is inflated for values that depend on each other (Hamed and Rao, Journal of
    Hydrology 204, 1998).
    """
    span = (series.points[-1].when - series.points[0].when) / DAY if series.points else 0.0
    if len(series.points) < _FEWEST or span <= 0.0:
        return None
    inner = noises.scaled(series.values)
    edges = [0, *(change.index for change in changes), len(inner)]
    days = [point.when / DAY for point in series.points]
    levels = [_blocks(days[a:b], inner[a:b], len(inner)) for a, b in pairwise(edges)]
    slopes = sorted(slope for blocks in levels for slope in _slopes(blocks))
    if not slopes:
        return None
    error = math.sqrt(sum(_kendall_variance([value for _, value in blocks]) for blocks in levels))
    rises = sum((slope > 0) - (slope < 0) for slope in slopes)
    p = 2.0 * t_tail(max(abs(rises) - 1, 0) / error, _NORMAL_DF)
    reach = t_quantile(_DOUBT, _NORMAL_DF) * error / (2.0 * len(slopes))
    shares = (0.5, max(0.5 - reach, 0.0), min(0.5 + reach, 1.0))
    change, low, high = (_as_change(series.values, percentile(slopes, share) * span) for share in shares)
    return Creep(change, low, high, span, min(p, 1.0))


def _blocks(days: Sequence[float], values: Sequence[float], of: int) -> list[tuple[float, float]]:
    """The medians of days and values over blocks of equal size, about _BLOCKS of them in `of` values."""
    count = max(1, min(len(values), round(len(values) * _BLOCKS / of)))
    edges = [place * len(values) // count for place in range(count + 1)]
    return [(median(days[a:b]), median(values[a:b])) for a, b in pairwise(edges)]


def _slopes(blocks: Sequence[tuple[float, float]]) -> list[float]:
    return [
        (later[1] - sooner[1]) / (later[0] - sooner[0])
        for place, sooner in enumerate(blocks)
        for later in blocks[place + 1 :]
        if later[0] > sooner[0]
    ]


def _kendall_variance(values: Sequence[float]) -> float:
    """The variance of Kendall's S of these values were there no trend."""
    count = len(values)
    inflated = noises.inflation(noises.dependence(values, noises.spread(values)))
    return count * (count - 1) * (2 * count + 5) / 18.0 * inflated


def _as_change(values: Sequence[float], moved: float) -> float:
    """What a move of the scaled values is relative to their level."""
    if all(value > 0 for value in values):
        return math.expm1(min(moved, 700.0))
    return relative(abs(median(values)), abs(median(values)) + moved)
