"""What made rounds differ that is not the code: the company they had, and the speed of the machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from perfgate.model import Round, Run, Sample, Side
from perfgate.stats import mean, variance

BYTES = "response.bytes"

LARGEST_SHIFT = 2.0
"""Standard errors by which a condition may differ between the sides on average, and still be chance."""

LARGEST_GROWTH = 0.03
"""By which part answers may have grown or shrunk, and still take the generator the same effort."""


class Conditions(NamedTuple):
    """How head's round of a pair differed from base's.

    `company` is how many cores more other processes took. `effort` is the logarithm of the ratio of the CPU time that
    the load generator took for a request: it does the same work for both sides, so it tells how fast the machine was,
    whatever slowed it (clock, caches, other machines on the same host). `answers` is the logarithm of the ratio of
    their sizes, of which effort depends. `start` numbers the fresh start of both sides that the pair belongs to.
    """

    company: float = 0.0
    effort: float = 0.0
    answers: float = 0.0
    start: int | None = None


def of_pairs(run: Run, scenario: str) -> list[Conditions]:
    """The conditions of each pair of rounds that counts, in order."""
    kept = [f for f in run.rounds if f.scenario == scenario and f.valid and not f.disturbed]
    head, base = ({f.index: f for f in kept if f.side is side} for side in (Side.HEAD, Side.BASE))
    both = sorted(head.keys() & base.keys())
    answers = _growths(run.samples, scenario)
    return [
        Conditions(
            company=head[index].others - base[index].others,
            effort=_ratio(_effort(head[index]), _effort(base[index])),
            answers=answers[place] if place < len(answers) else 0.0,
            start=head[index].start or None,
        )
        for place, index in enumerate(both)
    ]


def usable(name: str, conditions: Sequence[Conditions]) -> bool:
    """Whether a condition may be taken out of the evidence of these pairs: not where the change may be its cause.

    Chance makes it lie around zero. A change that makes the generator's work dearer, or other processes busier, moves
    it to one side, and what it costs would be taken for the machine's doing.
    """
    if not _is_chance([getattr(pair, name) for pair in conditions]):
        return False
    answers = [pair.answers for pair in conditions]
    return name != "effort" or abs(mean(answers)) <= LARGEST_GROWTH or _is_chance(answers)


def _effort(facts: Round) -> float:
    """CPU seconds of the generator for a request."""
    return facts.generator_cpu * facts.seconds / facts.requests if facts.requests else 0.0


def _ratio(head: float, base: float) -> float:
    return math.log(head / base) if head > 0 and base > 0 else 0.0


def _is_chance(differences: Sequence[float]) -> bool:
    """Whether the differences lie around zero."""
    error = math.sqrt(variance(differences) / len(differences))
    return abs(mean(differences)) <= LARGEST_SHIFT * error


def _growths(samples: Sequence[Sample], scenario: str) -> list[float]:
    """By how much head's answers were larger than base's in each pair, as logarithms of ratios."""
    sizes = {
        sample.side: sample.values
        for sample in samples
        if sample.metric == BYTES and sample.scope.scenario == scenario and not sample.scope.details()
    }
    pairs = zip(sizes.get(Side.HEAD, ()), sizes.get(Side.BASE, ()), strict=False)
    return [_ratio(head or 0.0, base or 0.0) for head, base in pairs]
