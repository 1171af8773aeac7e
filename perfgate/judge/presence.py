"""What should be there and is not: a gap is a finding, never a pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from perfgate.judge.evidence import level
from perfgate.judge.rules import PLACES, TOGETHER, RuleBook
from perfgate.model import Baseline, Finding, Key, Metric, Noise, Run, Sample, Scope, Side, Status, Unit
from perfgate.plan import TESTS, Limit, Rule, Tolerance

MOST_PLACES = 8
"""How many places are named to somebody whose rule is about none of them."""


def unmeasured_rules(book: RuleBook, run: Run, baselines: Mapping[str, Baseline]) -> Iterator[Finding]:
    """A rule that was about nothing at all, in each scenario where it should have been about something.

    A rule of base binds what there is: a change may take an endpoint away, with the rules that were about it.
    """
    keys = [sample.key for sample in run.samples]
    metrics = {metric.name: metric for metric in run.metrics}
    for rule in (rule for rule in book.rules if rule.side is Side.HEAD):
        for scenario in _expected_in(rule, run, keys, baselines, book):
            if not book.covers(rule, (key for key in keys if scenario in ("", key.scope.scenario))):
                yield _missing_rule(rule, scenario, metrics, _measured(rule, keys))


def _expected_in(rule: Rule, run: Run, keys: list[Key], baselines: Mapping[str, Baseline], book: RuleBook) -> list[str]:
    """The scenarios in which the rule must be about something; "" stands for anywhere in the run."""
    selector = rule.selector
    if selector.scenario:
        there = [name for name in run.loads if fnmatchcase(name, selector.scenario)]
        excused = any(fnmatchcase(name, selector.scenario) for name in _left_out(run))
        return there if there or excused else [selector.scenario]
    if any(getattr(selector, place) not in ("", TOGETHER) for place in PLACES):
        return [] if _belongs_elsewhere(rule, run, baselines, book) else [""]
    found = {key.scope.scenario for key in keys if fnmatchcase(key.metric, selector.metric)} - {""}
    if not found:
        return [""]
    # what tests add is no load: a metric of theirs is expected there alone, any other wherever there is load
    return [TESTS] if found == {TESTS} else [name for name in run.loads if name != TESTS]


def _belongs_elsewhere(rule: Rule, run: Run, baselines: Mapping[str, Baseline], book: RuleBook) -> bool:
    """Whether the rule is about a scenario that this run left out on request, as its baseline shows."""
    left_out = (baselines[name] for name in _left_out(run) if name in baselines)
    return any(book.covers(rule, (sample.key for sample in baseline.samples)) for baseline in left_out)


def _left_out(run: Run) -> set[str]:
    """The scenarios that may be absent: left out by name, and what tests add where none were run."""
    return {*run.left_out, TESTS} - run.loads.keys()


def _measured(rule: Rule, keys: list[Key]) -> str:
    """The places where the rule's metric was measured, as far as they fit into a sentence."""
    places = sorted({key.scope.details() for key in keys if fnmatchcase(key.metric, rule.selector.metric)} - {""})
    named = ", ".join(places[:MOST_PLACES]) + (" and others" if len(places) > MOST_PLACES else "")
    return f"; measured were {named}" if named else ""


def _missing_rule(rule: Rule, scenario: str, metrics: Mapping[str, Metric], measured: str) -> Finding:
    selector = rule.selector
    named = replace(selector, endpoint="") if selector.endpoint == TOGETHER else selector
    scope = Scope(**{place: getattr(named, place) for place in PLACES})
    known = metrics.get(selector.metric)
    return Finding(
        metric=selector.metric,
        scope=Scope(**{**{p: getattr(scope, p) for p in PLACES}, "scenario": scenario or scope.scenario}),
        unit=known.unit if known else Unit.COUNT,
        status=Status.MISSING,
        level=level(Status.MISSING),
        because=f"nothing was measured that this rule is about: renamed, removed or switched off?{measured}",
        kind="limit" if isinstance(rule, Limit) else "tolerance",
        rule=rule.where,
    )


def absent_baselines(
    rules: Iterable[Rule], book: RuleBook, run: Run, baselines: Mapping[str, Baseline]
) -> Iterator[Finding]:
    """A scenario with tolerances to hold and no baseline to hold them against."""
    held = [rule for rule in rules if isinstance(rule, Tolerance)]
    keys = [sample.key for sample in run.samples]
    for scenario in sorted({key.scope.scenario for key in keys}):
        if scenario in baselines:
            continue
        own = [key for key in keys if key.scope.scenario == scenario]
        rule = next((rule for rule in held if book.covers(rule, own)), None)
        if rule is None:
            continue
        named = f"scenario {scenario}" if scenario else "the project's own samples"
        yield Finding(
            metric=rule.selector.metric,
            scope=Scope(scenario=scenario),
            unit=Unit.COUNT,
            status=Status.MISSING,
            level=level(Status.MISSING),
            because=f'no baseline for {named}; type `perfgate accept --reason "first baseline"`',
            kind="baseline",
            rule=rule.where,
        )


def _absent_scenarios(run: Run, expected: Collection[str]) -> Iterator[Finding]:
    """The scenarios that are planned or have a baseline, and are neither in the run nor left out of it by name."""
    for scenario in sorted(set(expected) - {""} - run.loads.keys() - _left_out(run)):
        yield Finding(
            metric="measurement",
            scope=Scope(scenario=scenario),
            unit=Unit.COUNT,
            status=Status.MISSING,
            level=level(Status.MISSING),
            because="the result says nothing of this scenario, not even that it was left out; measure again",
            kind="presence",
        )


def absences(run: Run, baselines: Mapping[str, Baseline], planned: Collection[str] = ()) -> Iterator[Finding]:
    """What is planned or in the baselines, and not in this run. `planned` are the names of scenarios.

    Statements and tables may go: that is a change of the code, not a gap.
    """
    yield from _absent_scenarios(run, {*planned, *baselines})
    here = {sample.key for sample in run.samples}
    for scenario, baseline in sorted(baselines.items()):
        if scenario and scenario not in run.loads:
            continue
        units = {metric.name: metric.unit for metric in baseline.metrics}
        for sample in baseline.samples:
            passing = sample.scope.statement or sample.scope.table
            if sample.key not in here and not passing and sample.present:
                absent = _absent(sample.key, units.get(sample.metric, Unit.COUNT), baseline)
                yield _too_rare(absent) if _counted_only(sample, run) else absent


def _counted_only(sample: Sample, run: Run) -> bool:
    """Whether the endpoint of a sampled metric was asked for in the counting passes, and by chance in no round."""
    family = f"{sample.metric.partition('.')[0]}."
    there = [s for s in run.samples if s.scope.scenario == sample.scope.scenario]
    own = {s.metric.startswith(family) for s in there if s.scope.endpoint == sample.scope.endpoint}
    measured = any(s.metric.startswith(family) for s in there)
    return bool(sample.scope.endpoint) and sample.noise is Noise.SAMPLED and own == {False} and measured


def _too_rare(absent: Finding) -> Finding:
    words = "no timed round asked for it, only the counting passes: make `round:` longer or its task likelier"
    return replace(absent, status=Status.UNSURE, level=level(Status.UNSURE), because=words)


def _absent(key: Key, unit: Unit, baseline: Baseline) -> Finding:
    return Finding(
        metric=key.metric,
        scope=key.scope,
        unit=unit,
        status=Status.MISSING,
        level=level(Status.MISSING),
        because=f"in the baseline of {baseline.commit[:8] or 'unknown'} but not in this run; "
        "renamed, removed or switched off? `perfgate accept` takes it out",
        kind="presence",
    )
