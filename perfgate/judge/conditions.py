"""What made rounds differ that is not the code: the company they had, and the speed of the machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from perfgate.model import Round, Run, Sample, Side
from perfgate.stats import mean, variance

BYTES = "response.bytes"

LARGEST_SHIFT = 3.0
"""Standard errors by which a condition may differ between the sides on average, and still be chance."""

LARGEST_GROWTH = 0.03
"""By which part answers may have grown or shrunk, and still take the generator the same effort."""


class Conditions(NamedTuple):
    """How head's round of a pair differed from base's.

    `company` is how many cores more other processes took. `effort` is the logarithm of the ratio of the CPU time that
    the load generator took for a request: it does the same work for both sides, so it tells how fast the machine was,
    whatever slowed it (clock, caches, other machines on the same host).
    """

    company: float = 0.0
    effort: float = 0.0


def of_pairs(run: Run, scenario: str) -> list[Conditions]:
    """The conditions of each pair of rounds that counts, in order."""
    kept = [f for f in run.rounds if f.scenario == scenario and f.valid and not f.disturbed]
    head, base = ({f.index: f for f in kept if f.side is side} for side in (Side.HEAD, Side.BASE))
    both = sorted(head.keys() & base.keys())
    efforts = [_effort(head[index]) and _effort(base[index]) for index in both]
    usable = all(efforts) and not _answers_changed(run.samples, scenario)
    found = [
        Conditions(
            head[index].others - base[index].others,
            math.log(_effort(head[index]) / _effort(base[index])) if usable else 0.0,
        )
        for index in both
    ]
    return found if _is_chance([pair.effort for pair in found]) else [Conditions(pair.company) for pair in found]


def _effort(facts: Round) -> float:
    """CPU seconds of the generator for a request."""
    return facts.generator_cpu * facts.seconds / facts.requests if facts.requests else 0.0


def _is_chance(differences: Sequence[float]) -> bool:
    """Whether the differences lie around zero, as they do unless the change itself makes the generator's work."""
    if len(differences) < 2:
        return True
    error = math.sqrt(variance(differences) / len(differences))
    return abs(mean(differences)) <= LARGEST_SHIFT * error


def _answers_changed(samples: Sequence[Sample], scenario: str) -> bool:
    """Whether head's answers are of another size than base's, so that reading them takes another effort."""
    sizes = {
        sample.side: sample.values
        for sample in samples
        if sample.metric == BYTES and sample.scope.scenario == scenario and not sample.scope.details()
    }
    pairs = zip(sizes.get(Side.HEAD, ()), sizes.get(Side.BASE, ()), strict=False)
    grown = [math.log(head / base) for head, base in pairs if head and base and min(head, base) > 0]
    return abs(mean(grown)) > LARGEST_GROWTH and not _is_chance(grown) if grown else False
