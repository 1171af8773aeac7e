"""The rules on the bench: perfgate's own, and what other tools do, all given the same pairs of rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from perfgate.judge.conditions import Conditions
from perfgate.judge.evidence import CHANCE_OF_FALSE_RED, Case
from perfgate.judge.pairs import CHANCE_OF_ALARM, Relative, Schedule, judge_pairs
from perfgate.judge.stretch import TRIM, TRIM_FROM
from perfgate.model import Better, Metric, Noise, Sample, Scope, Side, Status, Unit
from perfgate.plan import Selector, Tolerance

Array = NDArray[np.float64]
Values = tuple[tuple[float, ...], tuple[float, ...]]
"""Head's and base's, round by round."""

SCHEDULE = Schedule(6, 20)
TOLERANCE = 0.03
METRICS = 30
ROUNDS = 10
"""What the other rules take a side."""

METRIC = Metric("response.p50", Unit.SECONDS, Better.LOWER, Noise.SAMPLED, "median")
RULE = Tolerance(Selector("response.p50"), None, TOLERANCE, 0.0, "budgets.yaml:1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job ended for one metric, after how many pairs."""

    status: Status
    pairs: int


def ours(
    head: Array, base: Array, company: Array | None = None, *, most: int = 2 * SCHEDULE.last, together: int = 1
) -> Outcome:
    """perfgate's decision on logarithms of values, more pairs taken for as long as it asks for them."""
    heads, bases = (tuple(np.exp(side).tolist()) for side in (head, base))
    beside = () if company is None else tuple(Conditions(company=cores) for cores in company.tolist())
    taken = SCHEDULE.first
    while True:
        status, needed = judge(heads[:taken], bases[:taken], together, conditions=beside[:taken])
        if needed <= taken or taken >= most:
            return Outcome(status, taken)
        taken += 1


def judge(
    head: tuple[float, ...],
    base: tuple[float, ...],
    together: int = 1,
    metrics: int = METRICS,
    conditions: tuple[Conditions, ...] = (),
    relatives: Sequence[Values] = (),
) -> tuple[Status, int]:
    """The shipped decision, one of `metrics`: its status, and how many pairs it asks for.

    `relatives` are both sides of the other metrics of its family; all families are of one size.
    """
    case = Case(_sample(head), METRIC, CHANCE_OF_ALARM * (1 + len(relatives)) / metrics)
    schedule = replace(SCHEDULE, together=together)
    family = [Relative(METRIC, _sample(h), _sample(b, Side.BASE), RULE) for h, b in relatives]
    answer = judge_pairs(case, RULE, _sample(base, Side.BASE), schedule, conditions, family)
    return answer.status, answer.needed


def _sample(values: tuple[float, ...], side: Side = Side.HEAD) -> Sample:
    return Sample(METRIC.name, Scope("browse"), values, side)


def single_shot(head: Array, base: Array) -> NDArray[np.bool_]:
    """Red when head's mean is more than 5 % over base's. Logarithms of shape (jobs, pairs) in, like all of these."""
    return np.asarray(np.exp(head).mean(axis=1) > 1.05 * np.exp(base).mean(axis=1))


def twice_the_last(head: Array, base: Array) -> NDArray[np.bool_]:
    """github-action-benchmark's default: red over 200 % of the last entry."""
    return np.asarray(np.exp(head).mean(axis=1) > 2.0 * np.exp(base).mean(axis=1))


def mann_whitney(head: Array, base: Array) -> NDArray[np.bool_]:
    """benchstat: two-sided U test at 0.05, and head is the slower."""
    found = scipy.stats.mannwhitneyu(head, base, axis=1, method="asymptotic")
    return np.asarray((found.pvalue < 0.05) & (np.median(head, axis=1) > np.median(base, axis=1)))


def boundary(head: Array, base: Array) -> NDArray[np.bool_]:
    """Bencher: one value of head over the one-sided t boundary 0.98 of base's values."""
    history = np.exp(base)
    limit = history.mean(axis=1) + scipy.stats.t.ppf(0.98, base.shape[1] - 1) * history.std(axis=1, ddof=1)
    return np.asarray(np.exp(head[:, 0]) > limit)


OTHERS: dict[str, Callable[[Array, Array], NDArray[np.bool_]]] = {
    "mean over +5 %": single_shot,
    "last entry x 200 %": twice_the_last,
    "Mann-Whitney U 0.05": mann_whitney,
    "t boundary 0.98": boundary,
}


def fixed_plan(head: Array, base: Array) -> NDArray[np.bool_]:
    """The same conditions once, after all pairs, at the whole chance of a false red."""
    worse, pairs = head - base, head.shape[1]
    cut = int(TRIM * pairs + 1e-9) if pairs >= TRIM_FROM else 0
    ordered = np.sort(worse, axis=1)
    kept = ordered[:, cut : pairs - cut]
    centre, h = kept.mean(axis=1), kept.shape[1]
    winsorised = np.clip(ordered, kept[:, :1], kept[:, -1:])
    error = winsorised.std(axis=1, ddof=1) * math.sqrt((pairs - 1) / (h * (h - 1)))
    low = centre - scipy.stats.t.isf(CHANCE_OF_FALSE_RED / METRICS, h - 1) * error
    return np.asarray((low > 0) & (centre > math.log1p(TOLERANCE)))


def fixed_pairs(head: Array, base: Array, power: float) -> int | None:
    """The least pairs with which the fixed plan reaches `power` on these jobs; None beyond what there are."""
    plans = range(4, head.shape[1] + 1)
    return next((n for n in plans if fixed_plan(head[:, :n], base[:, :n]).mean() >= power), None)
