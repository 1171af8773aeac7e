"""What a change loosens of what it is judged by: budgets and tolerances against those of its base, and baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from perfgate import baselines as accepted
from perfgate.errors import PerfgateError
from perfgate.judge.rules import PLACES
from perfgate.judge.strictness import LEVELS, is_looser
from perfgate.model import Baseline, Better, Metric, Unit
from perfgate.plan import Limit, Multiple, Plan, Rule, Selector, Tolerance
from perfgate.revision import last_author
from perfgate.units import show


def of_rules(before: Plan, commit: str, plan: Plan) -> tuple[str, ...]:
    """What `plan` allows that `before`, the plan of base, does not, in sentences for the reader.

    `commit` is the base's.
    """
    told = list(_rules(before, plan))
    who = f" (by {name})" if told and (name := last_author(plan.root, commit, plan.file.name)) else ""
    return tuple(f"{sentence}{who}" for sentence in told)


def of_baselines(before: Plan, plan: Plan) -> tuple[str, ...]:
    """Which of base's baselines the change replaces or removes. One that cannot be read held nothing."""
    return tuple(_replaced(_references(before), accepted.load_all(plan.root / accepted.FOLDER)))


def _references(plan: Plan) -> Mapping[str, Baseline]:
    try:
        return accepted.load_all(plan.root / accepted.FOLDER)
    except PerfgateError:
        return {}


def key(rule: Rule) -> tuple[type, Selector]:
    """What makes two rules of two files the same one, with other limits."""
    return type(rule), rule.selector


def _rules(before: Plan, now: Plan) -> Iterator[str]:
    present = {key(rule): rule for rule in now.rules}
    for rule in before.rules:
        later = present.get(key(rule))
        unit, better = _nature(rule.selector, before.metrics)
        if later is None:
            yield f"{_name(rule)}: {_all(rule, unit)} → no rule"
        elif isinstance(rule, Limit) and isinstance(later, Limit):
            yield from _limits(rule, later, unit, better)
        elif isinstance(rule, Tolerance) and isinstance(later, Tolerance):
            yield from _tolerances(rule, later, unit)


def _nature(selector: Selector, metrics: Mapping[str, Metric]) -> tuple[Unit, Better]:
    """Unit and direction of what the selector is about: all metrics that it names have one unit."""
    found = next((metric for name, metric in metrics.items() if fnmatchcase(name, selector.metric)), None)
    return (found.unit, found.better) if found else (Unit.COUNT, Better.LOWER)


def _name(rule: Rule) -> str:
    """`response.p95[browse · GET /products] regression`."""
    places = " · ".join(text for place in PLACES if (text := getattr(rule.selector, place)))
    named = f"{rule.selector.metric}[{places}]" if places else rule.selector.metric
    return named if isinstance(rule, Limit) else f"{named} regression"


def _all(rule: Rule, unit: Unit) -> str:
    """All levels of a rule."""
    told = Unit.RATIO if isinstance(rule, Tolerance) else unit
    levels = ((level, getattr(rule, level)) for level in LEVELS)
    return ", ".join(f"{level} {_shown(value, told)}" for level, value in levels if value is not None)


def _limits(before: Limit, now: Limit, unit: Unit, better: Better) -> Iterator[str]:
    for level in LEVELS:
        was, then = getattr(before, level), getattr(now, level)
        if is_looser(was, then, better):
            yield f"{_name(before)}: {level} {_shown(was, unit)} → {_shown(then, unit)}"


def _tolerances(before: Tolerance, now: Tolerance, unit: Unit) -> Iterator[str]:
    for level in LEVELS:
        was, then = getattr(before, level), getattr(now, level)
        if is_looser(was, then, Better.LOWER):
            yield f"{_name(before)}: {level} {_shown(was, Unit.RATIO)} → {_shown(then, Unit.RATIO)}"
    if now.floor > before.floor:
        yield f"{_name(before)}: floor {show(before.floor, unit)} → {show(now.floor, unit)}"


def _shown(value: float | Multiple | None, unit: Unit) -> str:
    if value is None:
        return "none"
    return value.text(unit) if isinstance(value, Multiple) else show(value, unit)


def _replaced(before: Mapping[str, Baseline], now: Mapping[str, Baseline]) -> Iterator[str]:
    for scenario, was in sorted(before.items()):
        of = f"baseline of {scenario or 'the project'}"
        then = now.get(scenario)
        if then is None:
            yield f"{of}: removed"
        elif (then.accepted, then.samples) != (was.accepted, was.samples):
            yield f"{of}: replaced by {then.by}: {then.reason}"
