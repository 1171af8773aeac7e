"""What a change loosens of what it is judged by: budgets, tolerances, baselines, and how much is measured at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from perfgate import baselines as accepted
from perfgate.errors import PerfgateError
from perfgate.judge.rules import PLACES, TOGETHER, specificity
from perfgate.judge.strictness import LEVELS, is_looser
from perfgate.model import Baseline, Better, Metric, Unit
from perfgate.plan import Limit, Multiple, Plan, Rule, Scenario, Selector, Tolerance
from perfgate.revision import last_author
from perfgate.units import show

_AMOUNTS: Mapping[str, Unit] = {
    "users": Unit.COUNT,
    "rate": Unit.PER_SECOND,
    "round": Unit.SECONDS,
    "rounds": Unit.COUNT,
    "max_rounds": Unit.COUNT,
    "counting": Unit.COUNT,
}
"""What a scenario measures less with when it is less."""


def of_rules(before: Plan, commit: str, plan: Plan) -> tuple[str, ...]:
    """What `plan` allows that `before`, the plan of base, does not, in sentences for the reader.

    `commit` is the base's.
    """
    told = list(_rules(before, plan))
    who = f" (by {name})" if told and (name := last_author(plan.root, commit, plan.file.name)) else ""
    return tuple(f"{sentence}{who}" for sentence in told)


def of_load(before: Plan, plan: Plan) -> tuple[str, ...]:
    """What `plan`, all that the change's file asks for, measures less of than `before`, or measures otherwise."""
    return (*_scenarios(before, plan), *_artifacts(before, plan), *_options(before, plan))


def of_baselines(before: Plan, plan: Plan) -> tuple[str, ...]:
    """Which of base's baselines the change replaces or removes, and where its own takes the place of base itself.

    One that cannot be read held nothing.
    """
    now = accepted.load_all(plan.root / accepted.FOLDER)
    return tuple(_replaced(_references(before), now, {"", *before.scenarios}))


def _references(plan: Plan) -> Mapping[str, Baseline]:
    try:
        return accepted.load_all(plan.root / accepted.FOLDER)
    except PerfgateError:
        return {}


def key(rule: Rule) -> tuple[type, Selector]:
    """What makes two rules of two files the same one, with other limits."""
    return type(rule), rule.selector


def _rules(before: Plan, now: Plan) -> Iterator[str]:
    # of two that are the same the later one holds, as the file's own limit of errors does after the usual one
    past, present = ({key(rule): rule for rule in plan.rules} for plan in (before, now))
    for same, rule in past.items():
        if same in present:
            yield from _moved(rule, present[same], before.metrics)
        else:
            yield f"{_name(rule)}: {_all(rule, _nature(rule.selector, before.metrics)[0])} → no rule"
    for same, rule in present.items():
        if same not in past and (general := _set_aside(rule, past.values())):
            yield from _moved(general, rule, before.metrics)


def _moved(rule: Rule, later: Rule, metrics: Mapping[str, Metric]) -> Iterator[str]:
    unit, better = _nature(rule.selector, metrics)
    if isinstance(rule, Limit) and isinstance(later, Limit):
        yield from _limits(rule, later, unit, better)
    elif isinstance(rule, Tolerance) and isinstance(later, Tolerance):
        yield from _tolerances(rule, later, unit)


def _set_aside(rule: Rule, past: Iterable[Rule]) -> Rule | None:
    """The rule of base that one which is added wins over, by being more specific, where both are about the same."""
    weight = specificity(rule.selector)
    beaten = [
        one
        for one in past
        if type(one) is type(rule) and specificity(one.selector) <= weight and _meet(one.selector, rule.selector)
    ]
    return max(beaten, key=lambda one: specificity(one.selector), default=None)


def _meet(one: Selector, other: Selector) -> bool:
    """Whether both can be about the same sample, as far as two globs show it. A single statement has its own rules."""
    if bool(one.statement) != bool(other.statement) or not _overlap(one.metric, other.metric):
        return False
    ends = {one.endpoint, other.endpoint}
    if TOGETHER in ends and ends - {TOGETHER, ""}:
        return False
    return all(_overlap(getattr(one, place), getattr(other, place)) for place in PLACES)


def _overlap(one: str, other: str) -> bool:
    return not one or not other or fnmatchcase(one, other) or fnmatchcase(other, one)


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
            yield f"{_name(now)}: {level} {_shown(was, unit)} → {_shown(then, unit)}"


def _tolerances(before: Tolerance, now: Tolerance, unit: Unit) -> Iterator[str]:
    for level in LEVELS:
        was, then = getattr(before, level), getattr(now, level)
        if is_looser(was, then, Better.LOWER):
            yield f"{_name(now)}: {level} {_shown(was, Unit.RATIO)} → {_shown(then, Unit.RATIO)}"
    if now.floor > before.floor:
        yield f"{_name(now)}: floor {show(before.floor, unit)} → {show(now.floor, unit)}"


def _shown(value: float | Multiple | None, unit: Unit) -> str:
    if value is None:
        return "none"
    return value.text(unit) if isinstance(value, Multiple) else show(value, unit)


def _scenarios(before: Plan, now: Plan) -> Iterator[str]:
    for name, was in before.scenarios.items():
        then = now.scenarios.get(name)
        if then is None:
            yield f"scenario {name}: not measured any more"
        else:
            yield from _amounts(name, was, then)


def _amounts(name: str, was: Scenario, then: Scenario) -> Iterator[str]:
    for field, unit in _AMOUNTS.items():
        old, new = getattr(was, field), getattr(then, field)
        if is_looser(old, new, Better.HIGHER):
            yield f"scenario {name}: {field} {_shown(old, unit)} → {_shown(new, unit)}"


def _artifacts(before: Plan, now: Plan) -> Iterator[str]:
    for name, was in before.artifacts.items():
        then = now.artifacts.get(name, ())
        if then != was:
            yield f"artifact {name}: {', '.join(was)} → {', '.join(then) or 'not measured any more'}"


def _options(before: Plan, now: Plan) -> Iterator[str]:
    """How long there is for rounds, and what collectors are told, of which nobody knows what is less."""
    if now.time < before.time:
        yield f"time: {show(before.time, Unit.SECONDS)} → {show(now.time, Unit.SECONDS)}"
    for name in sorted(before.collectors.keys() | now.collectors.keys()):
        was, then = before.collectors.get(name, {}), now.collectors.get(name, {})
        for option in sorted(was.keys() | then.keys()):
            old, new = (told.get(option, "its default") for told in (was, then))
            if old != new:
                yield f"collector {name}: {option} {old} → {new}"


def _replaced(before: Mapping[str, Baseline], now: Mapping[str, Baseline], measured: set[str]) -> Iterator[str]:
    for scenario in sorted({*before, *(now.keys() & measured)}):
        of, was, then = f"baseline of {scenario or 'the project'}", before.get(scenario), now.get(scenario)
        if then is None:
            yield f"{of}: removed"
        elif was is None:
            yield f"{of}: added by {then.by}: {then.reason}"
        elif then != was:
            yield f"{of}: replaced by {then.by}: {then.reason}"
