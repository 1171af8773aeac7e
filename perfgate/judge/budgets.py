"""Absolute budgets: is the value under its ceiling, or over its floor, and is that certain?"""

from __future__ import annotations

from dataclasses import replace

from perfgate.judge.evidence import CHANCE_OF_FALSE_PASS, Answer, Case, nothing_measured
from perfgate.model import Better, Status
from perfgate.plan import Limit
from perfgate.stats import Bounds, mean_bounds
from perfgate.units import beside, show

ROUNDS_TO_BE_SURE = 3


def crossed(value: float, limit: float | None, better: Better) -> bool:
    """Whether a limit was crossed; it may be touched. A floor is crossed from above, a ceiling from below."""
    if limit is None:
        return False
    return value < limit if better is Better.HIGHER else value > limit


def judge_limit(case: Case, rule: Limit) -> Answer:
    """One sample against its budget.

    An exact value fails when it crosses the line. A sampled one fails when even the near end of its interval crosses
    it, passes when the far end does not, and is unsure in between; its centre alone decides about warnings.
    """
    values = case.sample.present
    if not values:
        return nothing_measured(case)
    if case.exact:
        return _exact(case, rule, max(values, key=lambda value: _badness(case, value)))
    if len(values) < ROUNDS_TO_BE_SURE:
        return _too_few(case, rule)
    return _sampled(case, rule, _bounds(case))


def _badness(case: Case, value: float) -> float:
    return -value if case.metric.better is Better.HIGHER else value


def _bounds(case: Case) -> Bounds:
    """The interval, with the error that would wrongly fail the sample on its good side."""
    values = case.sample.present
    if case.metric.better is Better.LOWER:
        return mean_bounds(values, case.alpha, CHANCE_OF_FALSE_PASS)
    return mean_bounds(values, CHANCE_OF_FALSE_PASS, case.alpha)


def _exact(case: Case, rule: Limit, value: float) -> Answer:
    for status, limit in ((Status.FAIL, rule.fail), (Status.WARN, rule.warn)):
        if limit is not None and crossed(value, limit, case.metric.better):
            return Answer(status, _words(case, value, limit), value, limit)
    return _passed(case, rule, value)


def _sampled(case: Case, rule: Limit, bounds: Bounds) -> Answer:
    better = case.metric.better
    near, far = (bounds.high, bounds.low) if better is Better.HIGHER else (bounds.low, bounds.high)
    interval = (bounds.low, bounds.high)
    if rule.fail is not None and crossed(near, rule.fail, better):
        least = show(near, case.metric.unit)
        words = f"{_words(case, bounds.centre, rule.fail)}; even the near end of the noise, {least}, is"
        return Answer(Status.FAIL, words, bounds.centre, rule.fail, interval=interval)
    if rule.fail is not None and crossed(far, rule.fail, better):
        words = f"the noise of these rounds reaches from {_range(case, bounds)}, across {_limit(case, rule.fail)}"
        return Answer(Status.UNSURE, words, bounds.centre, rule.fail, interval=interval)
    if rule.warn is not None and crossed(bounds.centre, rule.warn, better):
        return Answer(Status.WARN, _words(case, bounds.centre, rule.warn), bounds.centre, rule.warn, interval=interval)
    return replace(_passed(case, rule, bounds.centre), interval=interval)


def _too_few(case: Case, rule: Limit) -> Answer:
    values = case.sample.present
    limit = rule.fail if rule.fail is not None else rule.warn
    words = f"only {len(values)} of the {ROUNDS_TO_BE_SURE} values that a decision takes"
    best = min(values, key=lambda value: _badness(case, value))
    if rule.fail is not None and crossed(best, rule.fail, case.metric.better):
        return Answer(
            Status.FAIL, f"{_words(case, best, rule.fail)}, and it is the best of {len(values)}", best, rule.fail
        )
    return Answer(Status.UNSURE, f"{words}: {case.sample.note}" if case.sample.note else words, values[0], limit)


def _passed(case: Case, rule: Limit, value: float) -> Answer:
    limit = rule.fail if rule.fail is not None else rule.warn
    assert limit is not None
    return Answer(Status.PASS, _words(case, value, limit), value, limit)


def _limit(case: Case, limit: float) -> str:
    kind = "floor" if case.metric.better is Better.HIGHER else "limit"
    return f"the {kind} of {show(limit, case.metric.unit)}"


def _words(case: Case, value: float, limit: float) -> str:
    side = "is at" if value == limit else "is over" if value > limit else "is under"
    return f"{beside(value, limit, case.metric.unit)} {side} {_limit(case, limit)}"


def _range(case: Case, bounds: Bounds) -> str:
    return f"{show(bounds.low, case.metric.unit)} to {show(bounds.high, case.metric.unit)}"
