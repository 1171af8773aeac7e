"""What a scenario gave so far, on each side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from perfgate.measure import assembly
from perfgate.measure.collector import Reading
from perfgate.measure.stand import Stand
from perfgate.model import Flaw, Metric, Repeatability, Round, Sample, Side
from perfgate.stats import variance

Readings = tuple[Reading, ...]


def _for_each_side() -> dict[Side, list[Readings]]:
    return {side: [] for side in Side}


@dataclass
class Measured:
    """Samples can be asked for at any time, so that a decision can end the rounds.

    `rounds` of both sides are pairs: those with one index were taken right after each other.
    """

    scenario: str
    stands: dict[Side, Stand]
    passes: dict[Side, list[Readings]] = field(default_factory=_for_each_side)
    rounds: dict[Side, list[Readings]] = field(default_factory=_for_each_side)
    facts: list[Round] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    statements: dict[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """How many rounds each side has."""
        return len(self.rounds[Side.HEAD])

    @property
    def spoilt(self) -> bool:
        """Whether something happened to head that no further round heals, and that leaves nothing worth measuring."""
        return any(flaw.round is None and not flaw.metrics and flaw.side is Side.HEAD for flaw in self.flaws)

    def add_pair(self, readings: Mapping[Side, Readings]) -> None:
        """A valid round of each side."""
        for side, own in readings.items():
            self.rounds[side].append(own)

    def lose_base(self) -> None:
        """Go on with head alone: what base gave is no whole, and is not compared with."""
        self.stands.pop(Side.BASE, None)
        self.passes[Side.BASE].clear()
        self.rounds[Side.BASE].clear()

    def samples(self) -> list[Sample]:
        """All samples so far."""
        return [
            sample
            for side in Side
            for sample in (
                *assembly.counted_samples(self.scenario, side, self.passes[side]),
                *assembly.round_samples(self.scenario, side, self.rounds[side]),
            )
        ]

    def metrics(self) -> dict[str, Metric]:
        """The definitions of all metrics read so far."""
        stretches = (own for taken in (self.passes, self.rounds) for side in Side for own in taken[side])
        return assembly.metrics_of(reading for own in stretches for reading in own)

    def repeatability(self) -> Iterator[Repeatability]:
        """The noise of each metric over the whole scenario, from rounds of base that follow each other."""
        ratios: dict[str, list[float]] = {}
        base = self.rounds[Side.BASE]
        for first, second in zip(base[::2], base[1::2], strict=False):
            before = {reading.metric.name: reading.value for reading in first if not reading.scope.details()}
            for reading in second:
                was = before.get(reading.metric.name)
                if not reading.scope.details() and reading.value and was and min(reading.value, was) > 0:
                    ratios.setdefault(reading.metric.name, []).append(math.log(reading.value / was))
        for metric, own in sorted(ratios.items()):
            if len(own) >= 2:
                yield Repeatability(self.scenario, metric, round(math.sqrt(variance(own)), 5), len(own))
