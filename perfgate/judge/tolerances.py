"""Tolerances: did the value move further from its reference than was agreed, and is that certain?"""

from __future__ import annotations

import math

from perfgate.judge.evidence import CHANCE_OF_FALSE_PASS, Answer, Case, nothing_measured
from perfgate.judge.references import Reference as Reference
from perfgate.model import Better, Noise, Run, Sample, Status
from perfgate.plan import Tolerance
from perfgate.stats import Bounds, mean, ratio_bounds
from perfgate.units import beside, percent, show

ROUNDS_TO_COMPARE = 3

_SLACK = 1e-9
"""A change of exactly the tolerance is allowed, whatever binary fractions make of it."""


def judge_tolerance(case: Case, rule: Tolerance, reference: Reference | None, run: Run) -> Answer:
    """One sample against its reference.

    An exact metric is compared value by value. A sampled one fails when the whole interval of its change lies beyond
    the tolerance and it moved more than the floor, passes when the whole interval lies within, and is unsure between.
    """
    if not case.sample.present:
        return nothing_measured(case)
    if reference is None:
        return Answer(Status.NEW, "not in the baseline yet; `perfgate accept` puts it there", case.sample.present[0])
    if not reference.sample.present:
        return Answer(Status.NEW, f"{reference} has no value for it; `perfgate accept` puts one there")
    stranger = reference.why_not_comparable(case.metric, run)
    if stranger:
        return Answer(Status.UNSURE, stranger, mean(case.sample.present), mean(reference.sample.present))
    if case.metric.noise is Noise.SAMPLED:
        return _sampled(case, rule, reference)
    if case.exact and reference.sample.noise is Noise.EXACT:
        return _exact(case, rule, reference)
    return _coarse(case, rule, reference)


def _worsening(case: Case, change: float) -> float:
    """The change with worse as positive, whichever way is better."""
    return -change if case.metric.better is Better.HIGHER else change


def _relative(value: float, reference: float) -> float:
    if value == reference:
        return 0.0
    return (value - reference) / abs(reference) if reference else math.copysign(math.inf, value - reference)


def _exact(case: Case, rule: Tolerance, reference: Reference) -> Answer:
    value, before = case.sample.present[0], reference.sample.present[0]
    change = _relative(value, before)
    worse = _worsening(case, change)
    beyond_floor = abs(value - before) > rule.floor
    shown = change if math.isfinite(change) else None
    for status, allowed in ((Status.FAIL, rule.fail), (Status.WARN, rule.warn)):
        if allowed is not None and worse > allowed + _SLACK and beyond_floor:
            words = f"{_was(case, value, before)} in {reference}: {percent(change)}, allowed {_allowed(allowed)}"
            return Answer(status, words, value, before, shown)
    if worse < 0:
        return Answer(Status.IMPROVED, f"{_was(case, value, before)} in {reference}", value, before, shown)
    words = (
        f"unchanged against {reference}"
        if value == before
        else f"{_was(case, value, before)} in {reference}: within tolerance"
    )
    return Answer(Status.PASS, words, value, before, shown)


def _sampled(case: Case, rule: Tolerance, reference: Reference) -> Answer:
    values, before = case.sample.present, reference.sample.present
    if min(len(values), len(before)) < ROUNDS_TO_COMPARE:
        return _coarse(case, rule, reference)
    if min(*values, *before) <= 0:
        return _with_zeros(case, rule, reference)
    higher_better = case.metric.better is Better.HIGHER
    alpha, beta = (CHANCE_OF_FALSE_PASS, case.alpha) if higher_better else (case.alpha, CHANCE_OF_FALSE_PASS)
    bounds = ratio_bounds(values, before, case.metric.drift, alpha, beta)
    return _from_bounds(case, rule, reference, bounds)


def _from_bounds(case: Case, rule: Tolerance, reference: Reference, bounds: Bounds) -> Answer:
    low, high = sorted((_worsening(case, bounds.low), _worsening(case, bounds.high)))
    centre = _worsening(case, bounds.centre)
    value, before = _typical(case.sample), _typical(reference.sample)
    moved = abs(value - before) > rule.floor
    facts = (value, before, bounds.centre, (bounds.low, bounds.high))
    was = f"{_was(case, value, before)} in {reference}: {percent(bounds.centre)}"
    allowed = rule.fail if rule.fail is not None else rule.warn
    assert allowed is not None
    if rule.fail is not None and low > rule.fail and moved:
        return Answer(Status.FAIL, f"{was}, at least {percent(low)}, allowed {_allowed(rule.fail)}", *facts)
    if high < 0:
        return Answer(Status.IMPROVED, was, *facts)
    if rule.fail is not None and high > rule.fail and high * before > rule.floor:
        return Answer(
            Status.UNSURE,
            f"{was}; the noise reaches up to {percent(high)}: with `--base` far smaller changes can be told",
            *facts,
        )
    if rule.warn is not None and centre > rule.warn and moved:
        return Answer(Status.WARN, f"{was}, allowed {_allowed(rule.warn)}", *facts)
    return Answer(Status.PASS, f"{was}: within {_allowed(allowed)}", *facts)


def _typical(sample: Sample) -> float:
    values = sample.present
    if min(values) > 0:
        return math.exp(mean([math.log(value) for value in values]))
    return mean(values)


def _coarse(case: Case, rule: Tolerance, reference: Reference) -> Answer:
    """Too few values for statistics (a count that proved not to be exact): sure only beyond twice its own spread."""
    values, before = case.sample.present, reference.sample.present
    spread = 2 * (max(values) - min(values) + max(before) - min(before))
    value, was = mean(values), mean(before)
    change, nearest = _relative(value, was), max(abs(value - was) - spread, 0.0)
    certain = _worsening(case, math.copysign(_relative(abs(was) + nearest, abs(was)), change))
    shown = change if math.isfinite(change) else None
    words = f"{_was(case, value, was)} in {reference}"
    if rule.fail is not None and certain > rule.fail and nearest > rule.floor:
        return Answer(Status.FAIL, f"{words}, more than its spread explains", value, was, shown)
    if rule.fail is not None and _worsening(case, change) > rule.fail and abs(value - was) > rule.floor:
        return Answer(Status.UNSURE, f"{words}; {case.sample.note or 'too few rounds to tell'}", value, was, shown)
    if rule.warn is not None and certain > rule.warn and nearest > rule.floor:
        return Answer(Status.WARN, words, value, was, shown)
    return Answer(Status.PASS, f"{words}: within its spread", value, was, shown)


def _with_zeros(case: Case, rule: Tolerance, reference: Reference) -> Answer:
    """Values around zero have no ratio: every round has to lie beyond every round of the reference.

    That is red only when chance alone does so less often than `alpha` (the rank test's 1 in n + m over n), and when the
    gap is wider than either side's spread, since the drift between two runs shows in no round.
    """
    values, before = case.sample.present, reference.sample.present
    value, was = mean(values), mean(before)
    sign = -1.0 if case.metric.better is Better.HIGHER else 1.0
    gap = min(sign * v for v in values) - max(sign * v for v in before)
    words = f"{_was(case, value, was)} in {reference}"
    relative = _worsening(case, _relative(value, was))
    shown = _relative(value, was) if was else None
    spread = max(max(values) - min(values), max(before) - min(before))
    chance = 1 / math.comb(len(values) + len(before), len(values))
    sure = gap > 2 * spread and chance <= case.alpha
    if sure and gap > rule.floor and rule.fail is not None and relative > rule.fail:
        return Answer(Status.FAIL, f"{words}; every round lies beyond every round of it", value, was, shown)
    if gap > 0 and rule.warn is not None and relative > rule.warn and gap > rule.floor:
        return Answer(Status.WARN, words, value, was, shown)
    if rule.fail is not None and relative > rule.fail and abs(value - was) > rule.floor:
        return Answer(Status.UNSURE, f"{words}; the rounds overlap", value, was, shown)
    return Answer(Status.PASS, f"{words}: within tolerance", value, was, shown)


def _was(case: Case, value: float, before: float) -> str:
    return f"{beside(value, before, case.metric.unit)}, was {show(before, case.metric.unit)}"


def _allowed(tolerance: float) -> str:
    return percent(tolerance) if tolerance else "none"
