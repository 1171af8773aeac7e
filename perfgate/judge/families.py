"""Decisions that rest on the same requests, and so share one part of the chance of a false alarm.

The response times of one endpoint (median, percentiles, mean) are taken from the same requests: what is true of one is
nearly true of the others, and equal parts for each (Bonferroni) would be paid for several times. They are one family.
Families have equal parts. Within a family of k decisions, the level is Hochberg's (Biometrika 75, 1988): where i of
them alarm at alpha / (k - i + 1), for the largest such i, those alarm. Any of them alarms falsely with a chance of
alpha at most where their statistics depend on each other positively (Simes' inequality: Sarkar, Ann. Statist. 26,
1998), as quantiles of one sample do. Rates of requests and of errors need not (errors are answered quickly), so each
is a family of its own, and so is everything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from perfgate.model import Metric, Sample, Scope, Unit

RESPONSE = "response."


def are_related(metric: Metric) -> bool:
    """Whether the metric belongs to the family of its scope."""
    return metric.name.startswith(RESPONSE) and metric.unit is Unit.SECONDS


class Families:
    """The samples of a run that are decided on, each with its relatives: those of its metric's kind in its scope."""

    def __init__(self, decided: Iterable[tuple[Sample, Metric]]) -> None:
        self._members: dict[tuple[Scope, str], list[Sample]] = {}
        for sample, metric in decided:
            self._members.setdefault(_family(sample, metric), []).append(sample)
        self._counts = Counter(scope.scenario for scope, _ in self._members)

    def of(self, scenario: str) -> int:
        """How many families share the scenario's part."""
        return self._counts[scenario]

    def relatives(self, sample: Sample, metric: Metric) -> list[Sample]:
        """The other members of the sample's family."""
        return [member for member in self._members.get(_family(sample, metric), ()) if member.key != sample.key]


def _family(sample: Sample, metric: Metric) -> tuple[Scope, str]:
    return sample.scope, RESPONSE if are_related(metric) else metric.name


def stepped_up(alpha: float, alarms: Sequence[Callable[[float], bool]]) -> float:
    """The level at which the members of a family alarm that has a chance of `alpha`.

    Each of `alarms` says whether its member alarms at a level; whoever does at one does at any greater one.
    """
    members = len(alarms)
    for least in range(members, 1, -1):
        level = alpha / (members - least + 1)
        if sum(alarming(level) for alarming in alarms) >= least:
            return level
    return alpha / members


def alarmed(alpha: float, alarms: Sequence[Callable[[float], bool]]) -> set[int]:
    """The places of the members that alarm, where the family has a chance of `alpha` of a false alarm."""
    if not any(alarming(alpha) for alarming in alarms):
        return set()
    level = stepped_up(alpha, alarms)
    return {place for place, alarming in enumerate(alarms) if alarming(level)}
