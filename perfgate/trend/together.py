"""Metrics that move together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from operator import mul

from perfgate.model import Key
from perfgate.stats import mean, t_tail
from perfgate.trend.changepoints import ChangePoint
from perfgate.trend.series import Point, Series

STRONG = 0.5
"""The least correlation, either way, that is worth a word."""
_ALPHA = 0.01
"""The chance of one wrong pair among all that are looked at."""
_FEWEST = 12
_OVERLAP = 1.5
"""Differences of neighbours depend on each other (-1/2 at lag 1), which widens their correlation's chance by this."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two metrics that rise and fall together (`correlation` > 0) or against each other, over `runs` common runs.

    `p` is corrected for the number of pairs looked at. `shared` are the commits with which both levels shifted.
    """

    one: Key
    other: Key
    correlation: float
    p: float
    runs: int
    shared: tuple[str, ...] = ()


def together(all_series: Sequence[Series], changes: Mapping[Key, Sequence[ChangePoint]]) -> tuple[Pair, ...]:
    """The pairs of metrics that move together, strongest first.

    Spearman's correlation of the differences from one common run to the next: trends and lasting levels, which make
    anything look related to anything, drop out, and no single run decides. Corrected for the number of pairs (Holm,
    1979). Shifts that the two have in common are told with a pair, but make none: every release shifts many metrics.
    """
    ranked = {series.key: _Movements(series) for series in all_series}
    found: list[tuple[float, float, _Movements, _Movements, int]] = []
    for one, other in combinations(ranked.values(), 2):
        correlation, runs = _correlation(one, other)
        if runs >= _FEWEST:
            found.append((_chance(correlation, runs), correlation, one, other, runs))
    pairs, previous = [], 0.0
    for place, (p, correlation, one, other, runs) in enumerate(sorted(found, key=lambda item: item[0])):
        previous = max(previous, min(p * (len(found) - place), 1.0))
        if previous < _ALPHA and abs(correlation) >= STRONG:
            shared = _shared(one.series, other.series, changes)
            pairs.append(Pair(one.series.key, other.series.key, correlation, previous, runs, shared))
    return tuple(sorted(pairs, key=lambda pair: -abs(pair.correlation)))


class _Movements:
    """The differences of a series, as ranks, ready to be compared with those of many others."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.runs = [_run(point) for point in series.points]
        self.place = {run: place for place, run in enumerate(self.runs)}
        self.ranks = _unit(_ranks(_differences(series.values)))


def _run(point: Point) -> tuple[int, float, str]:
    return (point.run, 0.0, "") if point.run else (0, point.when, point.commit)


def _correlation(one: _Movements, other: _Movements) -> tuple[float, int]:
    if one.runs == other.runs:
        return _dot(one.ranks, other.ranks), len(one.ranks)
    common = [run for run in one.runs if run in other.place]
    sides = ([side.series.values[side.place[run]] for run in common] for side in (one, other))
    first, second = (_unit(_ranks(_differences(side))) for side in sides)
    return _dot(first, second), len(first)


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(mul, one, other))


def _differences(values: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(values)]


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[begin]]:
            for place in order[begin:end]:
                ranks[place] = (begin + end + 1) / 2.0
            begin = end
    return ranks


def _unit(ranks: Sequence[float]) -> list[float]:
    """The ranks as a vector of mean zero and length one, so that a product is a correlation; all zero if all equal."""
    middle = mean(ranks) if ranks else 0.0
    length = math.sqrt(sum((rank - middle) ** 2 for rank in ranks))
    return [(rank - middle) / length if length else 0.0 for rank in ranks]


def _chance(correlation: float, runs: int) -> float:
    df = runs / _OVERLAP - 2.0
    rest = 1.0 - correlation * correlation
    return 2.0 * t_tail(abs(correlation) * math.sqrt(df / rest), df) if rest > 1e-12 else 0.0


def _shared(one: Series, other: Series, changes: Mapping[Key, Sequence[ChangePoint]]) -> tuple[str, ...]:
    """The commits of the level shifts of `one` that fall into the commit range of one of `other`."""
    spans = [_span(other, change) for change in changes.get(other.key, ())]
    return tuple(
        one.points[change.index].commit
        for change in changes.get(one.key, ())
        if any(low < _span(one, change)[1] and _span(one, change)[0] < high for low, high in spans)
    )


def _span(series: Series, change: ChangePoint) -> tuple[float, float]:
    return series.points[change.first - 1].when, series.points[change.last].when
