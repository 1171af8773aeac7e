"""What a metric means, which rules are about it, and what the last run said."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from perfgate import runner
from perfgate.errors import BadRequest, suggestion
from perfgate.model import Metric, Noise
from perfgate.plan import Limit, Multiple, Plan, Rule
from perfgate.result import Result
from perfgate.units import EXAMPLES, percent, show

_JUDGED = {
    Noise.EXACT: "exact: counted, repeats to the digit; one value settles it, and a stored baseline binds it",
    Noise.SAMPLED: "sampled: has noise; decided over several rounds, and red only when noise cannot explain it",
}


def explain(pattern: str, plan: Plan | None, result: Result | None) -> Iterator[str]:
    """Lines about every metric that the glob matches. Raises BadRequest when there is none."""
    metrics = plan.metrics if plan else runner.known().metrics
    found = [metrics[name] for name in sorted(metrics) if fnmatchcase(name, pattern)]
    if not found:
        raise BadRequest(f"no metric is called {pattern!r}", hint=suggestion(pattern, metrics))
    for metric in found:
        yield from _about(metric)
        for rule in plan.rules if plan else ():
            if fnmatchcase(metric.name, rule.selector.metric):
                yield f"  {_place(rule)}: {_rule(rule, metric)}"
        if result and result.verdict:
            for finding in result.verdict.findings:
                if finding.metric == metric.name:
                    yield f"  {finding.status:8} {finding.scope}: {finding.because}"


def _about(metric: Metric) -> Iterator[str]:
    yield f"{metric.name}: {metric.meaning}"
    yield f"  written like {EXAMPLES[metric.unit]!r}; {metric.better} is better; {_JUDGED[metric.noise]}"
    yield f"  a stored baseline of it holds on: {metric.comparable}"


def _place(rule: Rule) -> str:
    """Where the rule stands; one that stands in no file says how to change it."""
    return "default, until a budget is added for it" if rule.where == "default" else rule.where


def _rule(rule: Rule, metric: Metric) -> str:
    levels = [(name, value) for name in ("warn", "fail") if (value := getattr(rule, name)) is not None]
    if isinstance(rule, Limit):
        return ", ".join(f"{name} {_level(value, metric)}" for name, value in levels)
    moved = ", ".join(f"{name} {percent(value)}" for name, value in levels)
    return f"regression {moved}" + (f", floor {show(rule.floor, metric.unit)}" if rule.floor else "")


def _level(value: float | Multiple, metric: Metric) -> str:
    return value.text(metric.unit) if isinstance(value, Multiple) else show(value, metric.unit)
