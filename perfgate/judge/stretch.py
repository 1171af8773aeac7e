"""Consecutive pairs of rounds as evidence: how much worse head is than base in them, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from perfgate.judge.conditions import Conditions, usable
from perfgate.judge.evidence import CHANCE_OF_FALSE_PASS
from perfgate.model import Better
from perfgate.stats import Estimate, adjusted, estimate, mean, sign_tail, slopes, variance, without
from perfgate.units import percent

TRIM, TRIM_FROM = 0.2, 15
"""Share trimmed at either end, and the pairs from which on: below, plain t has more power with normal noise."""

ADJUST_FROM = 6
"""Pairs for the first condition that is taken out of the evidence; a second one takes two more."""

ADJUST_OVER = {"effort": 0.02, "company": 0.1}
"""How much a condition has to spread over the pairs: a part of the generator's effort, and cores."""

_SLACK = 1e-9
"""A change of exactly the tolerance is allowed, whatever binary fractions make of it."""

_LARGEST_LOG = 709.0


class Pair(NamedTuple):
    """Head's value and base's; `start` numbers the process starts that pairs have in common.

    `conditions` are how the two rounds differed that is not the code.
    """

    start: int
    head: float
    base: float
    conditions: Conditions = Conditions()


@dataclass(frozen=True)
class Stretch:
    """At least two consecutive pairs as evidence, and what it says; x is one of `worse`, or a mean of them.

    `known` are slopes, by the names of conditions, that other pairs have told.
    """

    pairs: Sequence[Pair]
    better: Better
    floor: float
    known: Mapping[str, float] | None = None

    @cached_property
    def ratios(self) -> bool:
        """Whether the pairs have ratios; else their differences are judged."""
        return all(pair.head > 0 and pair.base > 0 for pair in self.pairs)

    @cached_property
    def worse(self) -> list[float]:
        """One number a process start: the logarithm of the ratio, or the difference in units of `scale`."""
        if not self.ratios:
            return self.differences
        return without(self._ratios, [self._condition(name) for name in self.slopes], list(self.slopes.values()))

    @cached_property
    def _ratios(self) -> list[float]:
        return self._by_start([self._sign * (math.log(pair.head) - math.log(pair.base)) for pair in self.pairs])

    def _condition(self, name: str) -> list[float]:
        return self._by_start([getattr(pair.conditions, name) for pair in self.pairs])

    @cached_property
    def slopes(self) -> Mapping[str, float]:
        """How much worse each condition makes a round, by name.

        None where it cannot be told, or hardly differed, or may be the change's own doing. Which ones are looked at is
        seen from the conditions alone, so chance gains nothing by it.
        """
        if not self.ratios:
            return {}
        conditions = [pair.conditions for pair in self.pairs]
        chance = [name for name in ADJUST_OVER if usable(name, conditions)]
        if self.known is not None:
            return {name: slope for name, slope in self.known.items() if name in chance}
        told = [name for name in chance if math.sqrt(variance(self._condition(name))) > ADJUST_OVER[name]]
        told = told[: max(0, (len(self._ratios) - ADJUST_FROM) // 2 + 1)]
        try:
            return dict(zip(told, slopes(self._ratios, [self._condition(name) for name in told]), strict=True))
        except ZeroDivisionError:
            return {}

    def _by_start(self, values: list[float]) -> list[float]:
        grouped: dict[int, list[float]] = {}
        for pair, value in zip(self.pairs, values, strict=True):
            grouped.setdefault(pair.start, []).append(value)
        return [mean(group) for group in grouped.values()]

    @property
    def differences(self) -> list[float]:
        return self._by_start([self._sign * (p.head / self.scale - p.base / self.scale) for p in self.pairs])

    @property
    def _sign(self) -> float:
        return -1.0 if self.better is Better.HIGHER else 1.0

    @cached_property
    def scale(self) -> float:
        return max(max(abs(pair.head), abs(pair.base)) for pair in self.pairs) or 1.0

    @cached_property
    def estimate(self) -> Estimate:
        found = estimate(self.worse, self._trim)
        if self.known is not None or not self.slopes:
            return found
        return adjusted(found, self.worse, [self._condition(name) for name in self.slopes])

    @cached_property
    def raw(self) -> Estimate:
        """What the pairs say before anything is taken out of them."""
        return estimate(self._ratios, self._trim)

    @property
    def _trim(self) -> float:
        return TRIM if self.ratios and len(self.worse) >= TRIM_FROM else 0.0

    @cached_property
    def base(self) -> float:
        """What base typically gives: the mean of its values, or of their logarithms, trimmed like the evidence."""
        if self.ratios:
            return _exp(estimate(self._by_start([math.log(pair.base) for pair in self.pairs]), self._trim).centre)
        return mean([pair.base / self.scale for pair in self.pairs]) * self.scale

    def line(self, allowed: float) -> float:
        """The x beyond which a change is too much: over the tolerance and over the floor."""
        if not self.ratios:
            return max(allowed * abs(self.base), self.floor) / self.scale
        share = max(allowed, self.floor / self.base)
        if self.better is Better.LOWER:
            return math.log1p(share)
        return -math.log1p(-share) if share < 1.0 else math.inf

    def beyond(self, allowed: float) -> bool:
        """Whether the centre lies over the line."""
        return self.estimate.centre > self.line(allowed) * (1 + _SLACK) + 1e-15

    def within(self, allowed: float) -> bool:
        """Whether the change surely lies under the line."""
        if not self._agrees(allowed, over=False):
            return False
        if self.estimate.high(CHANCE_OF_FALSE_PASS) <= self.line(allowed) * (1 + _SLACK):
            return True
        if not self.floor or not self.ratios:
            return False
        return estimate(self.differences).high(CHANCE_OF_FALSE_PASS) <= self.floor / self.scale

    def alarming(self, allowed: float, alpha: float) -> bool:
        """Whether head is surely worse, and by more than is allowed."""
        agrees = self._agrees(allowed, over=True)
        return agrees and self.beyond(allowed) and _above_zero(self.worse, self.estimate, alpha)

    def _agrees(self, allowed: float, *, over: bool) -> bool:
        """Whether the evidence as it was taken lies on the same side of the line.

        Taking conditions out of it may make a verdict sure, but not turn it round.
        """
        return not self.slopes or (self.raw.centre > self.line(allowed)) == over

    def improved(self, alpha: float) -> bool:
        """Whether head is surely better than base, and by more than the floor."""
        mirrored = replace(self.estimate, centre=-self.estimate.centre)
        moved = abs(self.head - self.base) > self.floor
        return moved and _above_zero([-x for x in self.worse], mirrored, alpha)

    @property
    def head(self) -> float:
        """What head typically gives, as far from `base` as the evidence says."""
        if self.ratios:
            return _exp(math.log(self.base) + self._sign * self.estimate.centre)
        return (self.base / self.scale + self._sign * self.estimate.centre) * self.scale

    def change(self, x: float) -> float | None:
        """An x as a relative change of the metric's value, None where base is 0."""
        if self.ratios:
            return _exp(self._sign * x) - 1.0
        return self._sign * x / abs(self.base / self.scale) if self.base else None

    def interval(self) -> tuple[float, float] | None:
        """The relative change's 95 % interval."""
        low, high = self.change(self.estimate.low(0.025)), self.change(self.estimate.high(0.025))
        return None if low is None or high is None else (min(low, high), max(low, high))


def _exp(value: float) -> float:
    return math.exp(min(value, _LARGEST_LOG))


def _above_zero(worse: Sequence[float], found: Estimate, alpha: float) -> bool:
    if found.low(alpha) <= 0:
        return False
    if 2 * len({round(x, 12) for x in worse}) > len(worse):
        return True
    untied = [x for x in worse if abs(x) > 1e-12]
    return sign_tail(sum(x > 0 for x in untied), len(untied)) <= alpha


def spread(stretch: Stretch) -> float:
    """The standard deviation of a pair that the estimate's error implies."""
    return stretch.estimate.error * math.sqrt(len(stretch.pairs))


def moved_by(stretch: Stretch) -> str:
    """The relative change that the stretch shows, in words."""
    change = stretch.change(stretch.estimate.centre)
    return percent(math.inf if change is None else change)
