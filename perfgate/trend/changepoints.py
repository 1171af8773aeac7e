"""Where the level of a series changed for good, and since which value.

Sampled series: candidates are the best splits of many overlapping stretches of the series (seeded binary segmentation:
Kovacs, Buehlmann, Li, Munk, Biometrika 110, 2023), so that a short-lived level is found as well as a slight one. They
are thinned hierarchically as in E-divisive with a t-test (Matteson and James 2014; Fleming et al., Hunter, ICPE 2023):
the least certain is dropped until each that is left stands against both its neighbours. Unlike there, spikes are drawn
in first, values that depend on each other count for fewer, a slope is no step, and a few values count as a new level
only if the old one hardly ever gave such values. No chance is involved: equal values give equal answers.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from perfgate.trend import noise as noises
from perfgate.trend.splits import Splits

LASTING = 3
"""As many values make a level; fewer are spikes."""
CERTAIN = 1e-4
"""The p value below which a change point is reported; it holds for one split, and the series has many."""
PROMISING = 3e-3
"""The p value below which the best split of a stretch is a candidate."""
BY_CHANCE = 1.5e-4
"""How likely the old level may be to give the values of the new one."""
PASSING = 0.02
"""A level that was left again for the one before it needs this part of both chances: odd stretches pass, too."""
LONGEST = 512
"""The longest stretch that is searched; twice as many values as shifts worth knowing need."""
REACH = 150
"""Values on either side of a change point that are looked at."""
LEVEL = 30
"""Values on either side that tell the level there."""
FLAPPING = 0.2
"""An exact series in which a larger share of the values differs from the one before is not exact at all."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The level changed with value `index`, or in one case of ten or so with another one of `first` to `last`.

    `before` and `after` are medians in the series' own unit, `magnitude` the relative change (0.1 is +10 %, infinite
    from a level of zero), `p` the chance that a level which did not change looks like that at one given place.
    """

    index: int
    first: int
    last: int
    before: float
    after: float
    magnitude: float
    p: float

    @property
    def rising(self) -> bool:
        return self.after > self.before


def change_points(values: Sequence[float], *, exact: bool = False, least: float = 0.01) -> tuple[ChangePoint, ...]:
    """The level shifts of at least `least` (relative), in order.

    In an `exact` series every step that the next value does not undo is one, the last value's included; one whose
    values differ all the time is taken as sampled. All values must be finite.
    """
    if exact and _flaps(values) <= FLAPPING:
        return _steps(values)
    if len(values) < 2 * LASTING:
        return ()
    return _Search(values, least).found()


def _flaps(values: Sequence[float]) -> float:
    pairs = list(pairwise(values))
    return sum(a != b for a, b in pairs) / len(pairs) if len(pairs) >= 10 else 0.0


def _steps(values: Sequence[float]) -> tuple[ChangePoint, ...]:
    """Every value that differs from the level before it, and that the next one does not take back."""
    found: list[ChangePoint] = []
    level = values[0] if values else 0.0
    for index, value in enumerate(values):
        undone = index + 1 < len(values) and values[index + 1] == level
        if value != level and not undone:
            found.append(ChangePoint(index, index, index, level, value, relative(level, value), 0.0))
            level = value
    return tuple(found)


def relative(before: float, after: float) -> float:
    """The change from `before` to `after` as a share of `before`; infinite from zero."""
    if before == after:
        return 0.0
    return (after - before) / abs(before) if before else math.copysign(math.inf, after)


class _Search:
    """One sampled series while its change points are being found."""

    def __init__(self, values: Sequence[float], least: float) -> None:
        self.values, self.least = values, least
        self.raw = noises.scaled(values)
        self.noise = noises.spread(self.raw)
        self.inner = noises.despiked(self.raw, self.noise)
        self.inflation = noises.inflation(noises.dependence(self.inner, self.noise))
        self.splits = Splits(self.inner, self.noise, self.inflation)

    def found(self) -> tuple[ChangePoint, ...]:
        kept = self._thinned(self._candidates())
        moved = self._thinned(self._without_passing(self._thinned(self._moved(kept))))
        edges = [0, *moved, len(self.values)]
        triples = zip(edges, edges[1:], edges[2:], strict=False)
        return tuple(self._told(begin, index, end) for begin, index, end in triples)

    def _candidates(self) -> list[int]:
        """The best split of each stretch where it is at all likely, no two closer than a level is long."""
        promising: list[tuple[float, int]] = []
        for begin, end in stretches(len(self.values)):
            test = self.splits.best(begin, end, LASTING)
            if test and test.p < PROMISING:
                promising.append((test.gain, test.index))
        chosen: list[int] = []
        taken: set[int] = set()
        for _, index in sorted(promising, reverse=True):
            if index not in taken:
                chosen.append(index)
                taken.update(range(index - LASTING + 1, index + LASTING))
        return sorted(chosen)

    def _thinned(self, candidates: Sequence[int]) -> list[int]:
        """The candidates less the least certain one, again and again, until all that are left are certain."""
        kept = list(candidates)
        doubts = {index: self._doubt(*_around(kept, place, len(self.values))) for place, index in enumerate(kept)}
        while kept:
            weakest = max(kept, key=lambda index: (doubts[index], index))
            if doubts[weakest][0] == 0:
                break
            place = kept.index(weakest)
            del kept[place]
            for neighbour in range(max(0, place - 1), min(place + 1, len(kept))):
                doubts[kept[neighbour]] = self._doubt(*_around(kept, neighbour, len(self.values)))
        return kept

    def _doubt(self, begin: int, index: int, end: int) -> tuple[int, float]:
        """How doubtful a change point is between its neighbours: 0 first if it stands, and what to compare by."""
        begin, end = max(begin, index - REACH), min(end, index + REACH)
        if index - begin < LASTING or end - index < LASTING:
            return 2, 0.0
        test = self.splits.test(begin, index, end)
        stands = (
            test.p < CERTAIN
            and not self.splits.slopes(begin, index, end)
            and self._by_chance(self.raw[begin:index], self.raw[index:end]) < BY_CHANCE
            and self._large(begin, index, end)
        )
        return int(not stands), -test.gain

    def _without_passing(self, kept: Sequence[int]) -> list[int]:
        """The change points less those of levels that were left again for the one before, and might be mere noise."""
        left, place = list(kept), 0
        while place + 1 < len(left):
            outer = left[place - 1] if place else 0, left[place + 2] if place + 2 < len(left) else len(self.values)
            if self._passes(outer[0], left[place], left[place + 1], outer[1]):
                del left[place : place + 2]
                place = max(place - 1, 0)
            else:
                place += 1
        return left

    def _passes(self, begin: int, index: int, back: int, end: int) -> bool:
        begin, end = max(begin, index - REACH), min(end, back + REACH)
        sides = self.raw[begin:index], self.raw[index:back], self.raw[back:end]
        before, between, after = (median(side) for side in sides)
        if abs(after - before) > 0.5 * min(abs(between - before), abs(between - after)):
            return False
        p = self.splits.apart(begin, index, back, end).p
        return p > CERTAIN * PASSING or self._by_chance([*sides[0], *sides[2]], sides[1]) > BY_CHANCE * PASSING

    def _by_chance(self, old: Sequence[float], new: Sequence[float]) -> float:
        """How likely the longer side would give values as far out as the shorter side's, for as long as that."""
        if len(new) > len(old):
            old, new = new, old
        sign = 1.0 if median(new) > median(old) else -1.0
        usual, odd = sorted(sign * value for value in old), sorted(sign * value for value in new)
        places = {0, len(odd) // 4, len(odd) // 2}
        return min(self._exceeded(usual, odd, place) for place in places)

    def _exceeded(self, usual: Sequence[float], odd: Sequence[float], place: int) -> float:
        """Chernoff's bound on the chance that as many values exceed the odd value at `place` as do of the odd ones."""
        share = 1.0 - bisect_left(odd, odd[place]) / len(odd)
        chance = (len(usual) - bisect_left(usual, odd[place]) + 1) / (len(usual) + 1)
        if chance >= share:
            return 1.0
        rest = (1.0 - share) * math.log((1.0 - share) / (1.0 - chance)) if share < 1.0 else 0.0
        return math.exp(-len(odd) / self.inflation * (share * math.log(share / chance) + rest))

    def _levels(self, begin: int, index: int, end: int) -> tuple[float, float]:
        before, after = self.values[max(begin, index - LEVEL) : index], self.values[index : min(end, index + LEVEL)]
        return median(before), median(after)

    def _large(self, begin: int, index: int, end: int) -> bool:
        return abs(relative(*self._levels(begin, index, end))) >= self.least

    def _moved(self, kept: Sequence[int]) -> list[int]:
        """Each change point where it fits best between its neighbours."""
        moved = []
        for place in range(len(kept)):
            begin, index, end = _around(kept, place, len(self.values))
            best = self.splits.best(max(begin, index - REACH), min(end, index + REACH), LASTING)
            moved.append(best.index if best else index)
        return sorted(set(moved))

    def _told(self, begin: int, index: int, end: int) -> ChangePoint:
        test = self.splits.test(max(begin, index - REACH), index, min(end, index + REACH))
        first, last = self.splits.surely(max(begin, index - REACH), index, min(end, index + REACH))
        before, after = self._levels(begin, index, end)
        return ChangePoint(index, first, last, before, after, relative(before, after), test.p)


def _around(kept: Sequence[int], place: int, count: int) -> tuple[int, int, int]:
    begin = kept[place - 1] if place else 0
    return begin, kept[place], kept[place + 1] if place + 1 < len(kept) else count


def stretches(count: int) -> list[tuple[int, int]]:
    """Overlapping stretches of all lengths from two levels to LONGEST, and those that end where the series does."""
    found: list[tuple[int, int]] = []
    length = 2.0 * LASTING
    while length < math.sqrt(2.0) * min(count, LONGEST):
        size = min(int(length), count)
        starts = math.ceil(2 * (count - size) / size) + 1
        found += [
            (start, start + size)
            for start in sorted({round(k * (count - size) / max(starts - 1, 1)) for k in range(starts)})
        ]
        length *= math.sqrt(2.0)
    return found
