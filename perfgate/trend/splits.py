"""Splitting a stretch of values in two: how well two levels describe it, at any place in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from perfgate.stats import t_tail

_FLOOR = 0.3
"""No stretch is taken to be calmer than this share of the whole series' noise: a few values can agree by chance."""
_SURE = 4.5
"""Half the likelihood ratio (natural logarithm) that a place may fall short of the best one and still be possible."""


@dataclass(frozen=True, slots=True)
class Test:
    """Two levels instead of one: Student's t, its two-sided `p`, and the likelihood gained (for comparing, never 0)."""

    index: int
    p: float
    gain: float


class Splits:
    """Values of known `noise` (standard deviation), `inflation` of which tell as much as one uncorrelated value."""

    def __init__(self, values: Sequence[float], noise: float, inflation: float) -> None:
        self._sums = [0.0, *accumulate(values)]
        self._squares = [0.0, *accumulate(value * value for value in values)]
        self._weighted = [0.0, *accumulate(place * value for place, value in enumerate(values))]
        self._least = (_FLOOR * noise) ** 2
        self._inflation = inflation

    def _between(self, begin: int, index: int, end: int) -> float:
        """The sum of squares that two levels explain and one does not."""
        left, right = index - begin, end - index
        low = self._sums[index] - self._sums[begin]
        high = self._sums[end] - self._sums[index]
        difference = high / right - low / left
        return difference * difference * left * right / (left + right)

    def _total(self, begin: int, end: int) -> float:
        total = self._sums[end] - self._sums[begin]
        return max(self._squares[end] - self._squares[begin] - total * total / (end - begin), 0.0)

    def test(self, begin: int, index: int, end: int) -> Test:
        """Whether the values of [begin, index) and of [index, end) have different levels."""
        return self._tested(index, end - begin, self._between(begin, index, end), self._total(begin, end))

    def apart(self, begin: int, index: int, back: int, end: int) -> Test:
        """Whether the values of [index, back) have a level of their own among those of [begin, end)."""
        inside, count = back - index, end - begin
        off = self._sums[back] - self._sums[index] - (self._sums[end] - self._sums[begin]) * inside / count
        between = off * off * count / (inside * (count - inside))
        return self._tested(index, count, between, self._total(begin, end))

    def _tested(self, index: int, count: int, between: float, total: float) -> Test:
        within = max(total - between, self._least * (count - 2), 1e-12 * total)
        if between <= 0.0 or within <= 0.0:
            return Test(index, 1.0, 0.0)
        df = max(count / self._inflation - 2.0, 1.0)
        t = math.sqrt(between * (count - 2) / within / self._inflation)
        return Test(index, min(2.0 * t_tail(t, df), 1.0), 0.5 * df * math.log1p(t * t / df))

    def best(self, begin: int, end: int, least: int) -> Test | None:
        """The place that splits [begin, end) best, with at least `least` values on either side."""
        sums, count = self._sums, end - begin
        first, share, top, place = sums[begin], (sums[end] - sums[begin]) / count, -1.0, -1
        for index in range(begin + least, end - least + 1):
            left = index - begin
            off = sums[index] - first - share * left
            between = off * off / (left * (count - left))
            if between > top:
                top, place = between, index
        return self._tested(place, count, top * count, self._total(begin, end)) if place >= 0 else None

    def slopes(self, begin: int, index: int, end: int) -> bool:
        """Whether one straight line describes [begin, end) better than two levels that meet at `index`."""
        count = end - begin
        middle = begin + (count - 1) / 2.0
        run = self._sums[end] - self._sums[begin]
        along = self._weighted[end] - self._weighted[begin] - middle * run
        line = along * along * 12.0 / (count * (count * count - 1.0))
        return line > self._between(begin, index, end)

    def surely(self, begin: int, index: int, end: int) -> tuple[int, int]:
        """The first and the last place in [begin, end) where the level may have changed, if it changed once."""
        total, count = self._total(begin, end), end - begin
        within = max(total - self._between(begin, index, end), self._least * (count - 2), 1e-12 * total)
        room = math.expm1(2.0 * _SURE * self._inflation / count) * within + within

        def possible(place: int) -> bool:
            return total - self._between(begin, place, end) <= room

        places = [place for place in range(begin + 1, end) if possible(place)]
        return min(places, default=index), max(places, default=index)
