"""Budgets: is the value under its ceiling, or over its floor, and is that certain?

A limit is written out, or is a multiple of what the metric was in base or in the baseline. The multiple is taken of
their typical value, as if it were known exactly: it is for margins that are wider than their noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from perfgate.judge.evidence import CHANCE_OF_FALSE_PASS, Answer, Case, nothing_measured
from perfgate.judge.references import Reference
from perfgate.model import Better, Run, Status, Unit
from perfgate.plan import Limit, Multiple
from perfgate.stats import Bounds, mean, mean_bounds, t_quantile
from perfgate.units import beside, show

ROUNDS_TO_BE_SURE = 3
NOT_ACCEPTED = "not in the baseline yet; `perfgate accept` puts it there"


@dataclass(frozen=True, slots=True)
class Line:
    """Where a limit lies, in the metric's unit; `why` says what it was made from, "" where it is written out.

    `drifts` says that it is a multiple, and so as uncertain as what it multiplies; `warns`, that it fails nothing.
    """

    value: float
    why: str = ""
    drifts: bool = False
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """A limit with its multiples worked out. `open` says that one of them was not, for want of a reference."""

    warn: Line | None
    fail: Line | None
    open: bool = False

    @property
    def last(self) -> Line | None:
        """The line that decides: the one that fails, or else the one that warns."""
        return self.fail if self.fail is not None else self.warn


def resolved(rule: Limit, reference: Reference | None, unit: Unit) -> Lines:
    """Where the lines of a limit lie. Without a usable reference, a multiple is its `at least`, if it has one."""
    typical = _typical(reference) if reference is not None and reference.sample.present else None
    source = f"{show(typical, unit)} in {reference}" if typical is not None else ""
    warn, fail = (_line(level, typical, source, unit) for level in (rule.warn, rule.fail))
    is_open = (warn is None) != (rule.warn is None) or (fail is None) != (rule.fail is None)
    return Lines(replace(warn, warns=True) if warn is not None else None, fail, is_open)


def _line(level: float | Multiple | None, typical: float | None, source: str, unit: Unit) -> Line | None:
    if not isinstance(level, Multiple):
        return None if level is None else Line(level)
    if typical is None:
        return None if level.at_least is None else Line(level.at_least, "as long as there is no baseline to multiply")
    product = level.factor * typical
    why = f"{level.factor:g} x {source}"
    if level.at_least is not None and product < level.at_least:
        return Line(level.at_least, f"at least, as {why} is {show(product, unit)}")
    if level.at_most is not None and product > level.at_most:
        return Line(level.at_most, f"at most, as {why} is {show(product, unit)}")
    return Line(product, why, drifts=True)


def _typical(reference: Reference) -> float:
    """The centre that a sample of the same values would be judged by; one value has no other."""
    values = reference.sample.present
    return mean_bounds(values, CHANCE_OF_FALSE_PASS, CHANCE_OF_FALSE_PASS).centre if len(values) > 1 else mean(values)


def crossed(value: float, limit: float | None, better: Better) -> bool:
    """Whether a limit was crossed; it may be touched. A floor is crossed from above, a ceiling from below."""
    if limit is None:
        return False
    return value < limit if better is Better.HIGHER else value > limit


def judge_limit(case: Case, rule: Limit, reference: Reference | None = None, run: Run | None = None) -> Answer:
    """One sample against its budget; multiples are taken of `reference`, where that is comparable with `run`.

    An exact value fails when it crosses the line. A sampled one fails when even the near end of its interval crosses
    it, passes when the far end does not, and is unsure in between; its centre alone decides about warnings. Where a
    multiple has no reference and no `at least`, what nothing else finds wrong is NEW, and no pass.
    """
    values = case.sample.present
    if not values:
        return nothing_measured(case)
    stranger = reference.why_not_comparable(case.metric, run) if reference is not None and run is not None else ""
    lines = resolved(rule, None if stranger else reference, case.metric.unit)
    undecided = Answer(Status.UNSURE if stranger else Status.NEW, stranger or NOT_ACCEPTED, _observed(case))
    if lines.last is None:
        return undecided
    answer = _judged(case, lines)
    if lines.open and answer.status is Status.PASS:
        return undecided
    return _in_doubt(case, lines, answer, reference) if answer.status is Status.FAIL else answer


def _in_doubt(case: Case, lines: Lines, answer: Answer, reference: Reference | None) -> Answer:
    """A multiple of times that were stored is red only beyond what two runs of unchanged code differ by."""
    assert lines.fail is not None
    drift = case.metric.drift if lines.fail.drifts and reference is not None and not reference.is_base else 0.0
    if not drift or not answer.interval:
        return answer
    near = answer.interval[1] if case.metric.better is Better.HIGHER else answer.interval[0]
    room = math.exp(math.sqrt(2.0) * drift * t_quantile(case.alpha, 1e6))
    sure = lines.fail.value / room if case.metric.better is Better.HIGHER else lines.fail.value * room
    if crossed(near, sure, case.metric.better):
        return answer
    words = (
        f"{_words(case, answer.observed or near, lines.fail)}; against stored times only {show(sure, case.metric.unit)}"
    )
    return replace(answer, status=Status.UNSURE, because=f"{words} would be sure, or `--base`")


def _observed(case: Case) -> float:
    return _worst(case) if case.exact else mean(case.sample.present)


def _judged(case: Case, lines: Lines) -> Answer:
    if case.exact:
        return _exact(case, lines, _worst(case))
    if len(case.sample.present) < ROUNDS_TO_BE_SURE:
        return _too_few(case, lines)
    return _sampled(case, lines, _bounds(case))


def _worst(case: Case) -> float:
    return max(case.sample.present, key=lambda value: _badness(case, value))


def _badness(case: Case, value: float) -> float:
    return -value if case.metric.better is Better.HIGHER else value


def _bounds(case: Case) -> Bounds:
    """The interval, with the error that would wrongly fail the sample on its good side."""
    values = case.sample.present
    if case.metric.better is Better.LOWER:
        return mean_bounds(values, case.alpha, CHANCE_OF_FALSE_PASS)
    return mean_bounds(values, CHANCE_OF_FALSE_PASS, case.alpha)


def _exact(case: Case, lines: Lines, value: float) -> Answer:
    for status, line in ((Status.FAIL, lines.fail), (Status.WARN, lines.warn)):
        if line is not None and crossed(value, line.value, case.metric.better):
            return Answer(status, _words(case, value, line), value, line.value)
    return _passed(case, lines, value)


def _sampled(case: Case, lines: Lines, bounds: Bounds) -> Answer:
    better, fail, warn = case.metric.better, lines.fail, lines.warn
    near, far = (bounds.high, bounds.low) if better is Better.HIGHER else (bounds.low, bounds.high)
    interval = (bounds.low, bounds.high)
    if fail is not None and crossed(near, fail.value, better):
        least = show(near, case.metric.unit)
        words = f"{_words(case, bounds.centre, fail)}; even the near end of the noise, {least}, is"
        return Answer(Status.FAIL, words, bounds.centre, fail.value, interval=interval)
    if fail is not None and crossed(far, fail.value, better):
        words = f"the noise of these rounds reaches from {_range(case, bounds)}, across {_limit(case, fail)}"
        return Answer(Status.UNSURE, words, bounds.centre, fail.value, interval=interval)
    if warn is not None and crossed(bounds.centre, warn.value, better):
        return Answer(Status.WARN, _words(case, bounds.centre, warn), bounds.centre, warn.value, interval=interval)
    return replace(_passed(case, lines, bounds.centre), interval=interval)


def _too_few(case: Case, lines: Lines) -> Answer:
    values, line = case.sample.present, lines.last
    assert line is not None
    words = f"only {len(values)} of the {ROUNDS_TO_BE_SURE} values that a decision takes"
    best = min(values, key=lambda value: _badness(case, value))
    if lines.fail is not None and crossed(best, lines.fail.value, case.metric.better):
        told = f"{_words(case, best, lines.fail)}, and it is the best of {len(values)}"
        return Answer(Status.FAIL, told, best, lines.fail.value)
    return Answer(Status.UNSURE, f"{words}: {case.sample.note}" if case.sample.note else words, values[0], line.value)


def _passed(case: Case, lines: Lines, value: float) -> Answer:
    assert lines.last is not None
    return Answer(Status.PASS, _words(case, value, lines.last), value, lines.last.value)


def _limit(case: Case, line: Line) -> str:
    kind = "floor" if case.metric.better is Better.HIGHER else "limit"
    kind = f"warn {kind}" if line.warns else kind
    return f"the {kind} of {show(line.value, case.metric.unit)}" + (f" ({line.why})" if line.why else "")


def _words(case: Case, value: float, line: Line) -> str:
    side = "is at" if value == line.value else "is over" if value > line.value else "is under"
    return f"{beside(value, line.value, case.metric.unit)} {side} {_limit(case, line)}"


def _range(case: Case, bounds: Bounds) -> str:
    return f"{show(bounds.low, case.metric.unit)} to {show(bounds.high, case.metric.unit)}"
