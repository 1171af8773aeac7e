"""What a change loosens of what it is judged by: budgets and tolerances against those of its base, and baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from perfgate import baselines as accepted
from perfgate import settings
from perfgate.errors import PerfgateError
from perfgate.judge.rules import PLACES
from perfgate.model import Baseline, Better, Metric, Unit
from perfgate.plan import Limit, Multiple, Plan, Rule, Selector, Tolerance
from perfgate.revision import last_author
from perfgate.settings import Known
from perfgate.units import show

LEVELS = ("warn", "fail")


def since(root: Path, commit: str, plan: Plan, known: Known) -> tuple[str, ...]:
    """What `plan` and its baselines allow that those of the base at `root` do not, in sentences for the reader.

    `commit` is the base's. A file of the base that cannot be read loosens nothing: it judged nothing.
    """
    try:
        before = settings.load(root / plan.file.name, known, plan.profile)
        references = accepted.load_all(root / accepted.FOLDER)
    except PerfgateError:
        return ()
    rules = list(_rules(before, plan))
    who = f" (by {name})" if rules and (name := last_author(plan.root, commit, plan.file.name)) else ""
    return (*(f"{rule}{who}" for rule in rules), *_replaced(references, accepted.load_all(plan.root / accepted.FOLDER)))


def _rules(before: Plan, now: Plan) -> Iterator[str]:
    present = {_key(rule): rule for rule in now.rules}
    for rule in before.rules:
        later = present.get(_key(rule))
        unit, better = _nature(rule.selector, before.metrics)
        if later is None:
            yield f"{_name(rule)}: {_all(rule, unit)} → no rule"
        elif isinstance(rule, Limit) and isinstance(later, Limit):
            yield from _limits(rule, later, unit, better)
        elif isinstance(rule, Tolerance) and isinstance(later, Tolerance):
            yield from _tolerances(rule, later, unit)


def _key(rule: Rule) -> tuple[type, Selector]:
    return type(rule), rule.selector


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
        if _is_looser(was, then, better):
            yield f"{_name(before)}: {level} {_shown(was, unit)} → {_shown(then, unit)}"


def _tolerances(before: Tolerance, now: Tolerance, unit: Unit) -> Iterator[str]:
    for level in LEVELS:
        was, then = getattr(before, level), getattr(now, level)
        if _is_looser(was, then, Better.LOWER):
            yield f"{_name(before)}: {level} {_shown(was, Unit.RATIO)} → {_shown(then, Unit.RATIO)}"
    if now.floor > before.floor:
        yield f"{_name(before)}: floor {show(before.floor, unit)} → {show(now.floor, unit)}"


def _is_looser(was: float | Multiple | None, now: float | Multiple | None, better: Better) -> bool:
    """Whether a limit that was there went, or moved the wrong way; a multiple is looser whenever it may be."""
    if was is None or was == now:
        return False
    if isinstance(was, Multiple) and isinstance(now, Multiple):
        return not _is_within(now, was) if better is Better.LOWER else True
    if now is None or isinstance(was, Multiple) or isinstance(now, Multiple):
        return True
    return now > was if better is Better.LOWER else now < was


def _is_within(now: Multiple, was: Multiple) -> bool:
    """Whether a ceiling that is a multiple is never above another."""
    least = (now.at_least or 0.0) <= (was.at_least or 0.0)
    most = was.at_most is None or (now.at_most is not None and now.at_most <= was.at_most)
    return now.factor <= was.factor and least and most


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
