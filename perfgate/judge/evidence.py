"""What the deciding functions are given, and how their answers become findings."""

from __future__ import annotations

from dataclasses import dataclass

from perfgate.model import Finding, Level, Metric, Noise, Sample, Status
from perfgate.plan import Limit, Tolerance

CHANCE_OF_FALSE_RED = 0.01
"""Of failing unchanged code, over all metrics of a run together."""

CHANCE_OF_FALSE_PASS = 0.05
"""Of calling a value under its line when it lies on it; one sample at a time."""

_LEVELS = {
    **dict.fromkeys((Status.FAIL, Status.MISSING, Status.INVALID), Level.FAIL),
    **dict.fromkeys((Status.WARN, Status.UNSURE, Status.NEW), Level.WARN),
    **dict.fromkeys((Status.PASS, Status.IMPROVED), Level.INFO),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One sample before its judge: what was measured, what the metric is, and how sure a red must be.

    `alpha` is the share of the run's chance of a false red that this decision may use.
    """

    sample: Sample
    metric: Metric
    alpha: float

    @property
    def exact(self) -> bool:
        return self.sample.noise is Noise.EXACT


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge says of a case; see `Finding` for the fields."""

    status: Status
    because: str
    observed: float | None = None
    reference: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    needed: int = 0
    confirming: bool = False
    against: str = ""
    adjusted: bool = False


def finding(case: Case, rule: Limit | Tolerance, answer: Answer) -> Finding:
    """The answer with the sample's and the rule's names on it."""
    return Finding(
        metric=case.metric.name,
        scope=case.sample.scope,
        unit=case.metric.unit,
        status=answer.status,
        level=level(answer.status),
        because=answer.because,
        kind="limit" if isinstance(rule, Limit) else "tolerance",
        rule=rule.where,
        observed=answer.observed,
        reference=answer.reference,
        change=answer.change,
        interval=answer.interval,
        rounds=len(case.sample.present),
        needed=answer.needed,
        confirming=answer.confirming,
        against=answer.against if answer.reference is not None else "",
        adjusted=answer.adjusted,
    )


def level(status: Status) -> Level:
    """How much a status weighs."""
    return _LEVELS[status]


def nothing_measured(case: Case) -> Answer:
    """A sample without a single value: a rule asked for it, and it could not be had."""
    return Answer(Status.MISSING, case.sample.note or "no round gave a value")
