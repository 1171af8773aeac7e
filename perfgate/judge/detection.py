"""What a decision on pairs can detect: from the noise of unchanged pairs to changes that would be red, and tolerances.

The decision is `judge.pairs`: an alarm at one of its looks, and fresh pairs that confirm it. Each of the two stages is
given the same chance of missing, so that both together miss with `CHANCE_OF_MISSING`; a stage sees a change when the
change is as large as its bound and its own luck together (as in the power of a t-test: Lachin, Controlled Clinical
Trials 2, 1981). Of several looks the best one counts alone, so the truth is a little better than what is said here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perfgate.judge.evidence import CHANCE_OF_FALSE_PASS
from perfgate.judge.pairs import CHANCE_OF_CONFIRMING, CHANCE_OF_MISSING, CONFIRM_FIRST, Schedule
from perfgate.judge.stretch import ADJUST_FROM, TRIM, TRIM_FROM, Pair, Stretch
from perfgate.model import Better
from perfgate.stats import estimate, mean, spending, t_quantile, variance

TOLERANCES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
"""What is proposed: round numbers, so that nobody takes them for more exact than they are."""

PLANTED = 2
"""Times the tolerance: the change that has to be caught."""

_MISSING_A_STAGE = 1.0 - math.sqrt(1.0 - CHANCE_OF_MISSING)


@dataclass(frozen=True, slots=True)
class Spread:
    """The standard deviation of one piece of evidence, a process start's mean ln(head / base).

    In small samples; once what differed beside the code is taken out, which takes `slopes` degrees of freedom; and once
    outliers are trimmed too.
    """

    plain: float
    adjusted: float
    trimmed: float
    slopes: int = 0

    def error(self, pieces: int) -> tuple[float, int]:
        """The standard error of the mean of so many pieces, and its degrees of freedom."""
        if pieces < ADJUST_FROM:
            return self.plain / math.sqrt(pieces), pieces - 1
        if pieces < TRIM_FROM:
            return self.adjusted / math.sqrt(pieces), pieces - 1 - self.slopes
        return self.trimmed / math.sqrt(pieces), pieces - 1 - self.slopes - 2 * int(TRIM * pieces)


def spread_of(pairs: Sequence[Pair], better: Better) -> Spread:
    """What at least two pieces of evidence tell of their noise; all values have to be positive."""
    stretch = Stretch(pairs, better, 0.0)
    plain, worse, lost = math.sqrt(variance(_by_start(pairs))), stretch.worse, len(stretch.slopes)
    if len(worse) < ADJUST_FROM:
        return Spread(plain, plain, plain)
    widening = math.sqrt((len(worse) - 1) / (len(worse) - 1 - lost))
    trimmed = estimate(worse, TRIM).error * math.sqrt(len(worse))
    return Spread(plain, math.sqrt(variance(worse)) * widening, trimmed * widening, lost)


def _by_start(pairs: Sequence[Pair]) -> list[float]:
    """Each process start's mean ln(head / base), as it was measured."""
    found: dict[int, list[float]] = {}
    for pair in pairs:
        found.setdefault(pair.start, []).append(math.log(pair.head / pair.base))
    return [mean(own) for own in found.values()]


def least_pairs(schedule: Schedule) -> int:
    """The pairs before the first decision."""
    return max(schedule.first, 2 * schedule.together)


def visible(spread: Spread, pairs: int, schedule: Schedule, alpha: float, overtime: int = 0) -> float | None:
    """The smallest move of ln(value) that so many pairs turn red with a chance of 1 - `CHANCE_OF_MISSING`.

    `alpha` is the decision's share of the chance of an alarm; a confirmation may take `overtime` pairs more. Infinite
    where no move would be seen; None where so few pairs hold no look at an alarm and one at its confirmation.
    """
    first = max(CONFIRM_FIRST, 2 * schedule.together)
    fresh = spending(first, max(schedule.last, first), CHANCE_OF_CONFIRMING)
    found = [
        max(_seen(spread, n // schedule.together, share), _seen(spread, m // schedule.together, share_of_fresh))
        for n, share in spending(least_pairs(schedule), max(schedule.last, least_pairs(schedule)), alpha)
        for m, share_of_fresh in fresh
        if n <= pairs and n + m <= pairs + overtime
    ]
    return min(found, default=None)


def _seen(spread: Spread, pieces: int, share: float) -> float:
    """The move that one look sees: its bound and its luck."""
    error, df = spread.error(pieces)
    if error == 0.0:
        # values that only tie are decided by the sign test
        return 0.0 if 0.5**pieces <= share else math.inf
    return (t_quantile(share, df) + t_quantile(_MISSING_A_STAGE, df)) * error


def passing(spread: Spread, pairs: int, together: int) -> float:
    """The smallest tolerance, as a move of ln(value), that unchanged code passes with a chance of four in five."""
    error, df = spread.error(pairs // together)
    return (t_quantile(CHANCE_OF_FALSE_PASS, df) + t_quantile(CHANCE_OF_MISSING, df)) * error


def move(change: float, better: Better) -> float:
    """The move of ln(value) for the worse that a relative change (0.1 is 10 % worse) makes; infinite for all of it."""
    if better is Better.LOWER:
        return math.log1p(change)
    return -math.log1p(-change) if change < 1.0 else math.inf


def change(moved: float, better: Better) -> float:
    """How much worse a move of ln(value) makes it, relative."""
    if better is Better.LOWER:
        return math.expm1(min(moved, 700.0))
    return -math.expm1(-moved)


def tolerances(
    spread: Spread, better: Better, pairs: int, schedule: Schedule, alpha: float, floor: float = 0.0
) -> list[float]:
    """The round tolerances, smallest first, that unchanged code passes and that twice of is caught.

    In so many pairs, beyond which a run only goes on to confirm an alarm. `floor` is the rule's, relative to the value:
    what lies under it is allowed in any case.
    """
    seen = visible(spread, pairs, schedule, alpha, overtime=schedule.last)
    if seen is None:
        return []
    needed = passing(spread, max(min(pairs, schedule.last), least_pairs(schedule)), schedule.together)
    return [
        tolerance
        for tolerance in TOLERANCES
        if tolerance >= floor
        and move(tolerance, better) >= needed
        and seen <= move(PLANTED * tolerance, better) < math.inf
    ]
